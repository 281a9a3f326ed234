"""Poses to ROS 2, where rclpy is: markers for RViz, and the records as text."""

from __future__ import annotations

from typing import Any, final

from runtime.live.sender import AbstractSender, Moment
from runtime.outputs.jsonl import as_text
from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.skeleton import PARENTS

FRAME_ID = "camera_optical_frame"
"""x right, y down, z forward, as ROS has it for cameras (REP 103); metres."""
_QUEUE = 5
_LIFETIME_NS = 500_000_000
"""A marker that is not renewed for so long goes."""
_COLOURS = ((0.1, 0.6, 1.0), (1.0, 0.5, 0.1), (0.2, 0.8, 0.3), (0.8, 0.3, 0.9))


@final
class Ros2Sender(AbstractSender):
    """A node that publishes `~/skeletons` (visualization_msgs/MarkerArray) and `~/poses` (std_msgs/String).

    A skeleton is a LINE_LIST of bones, namespace "bones", and a SPHERE_LIST of joints, namespace "joints"; the id is
    the track. It stands in metres before the camera where its place is known, else around the origin. A
    text is the JSON of a frame, as UDP has it, in millimetres.

    Args:
        node: its name.
    """

    def __init__(self, node: str) -> None:
        self.name, self._called = f"ros2://{node}", node
        self._context: Any = None
        self._node: Any = None

    def open(self) -> None:
        import rclpy
        from std_msgs.msg import String
        from visualization_msgs.msg import MarkerArray

        self._context = rclpy.Context()
        rclpy.init(context=self._context)  # of our own: another node of this process keeps its
        self._node = rclpy.create_node(self._called, context=self._context)
        self._markers = self._node.create_publisher(MarkerArray, "~/skeletons", _QUEUE)
        self._texts = self._node.create_publisher(String, "~/poses", _QUEUE)

    def send(self, moment: Moment) -> None:
        from std_msgs.msg import String
        from visualization_msgs.msg import MarkerArray

        if self._node is None:
            raise OutputError("the node has ended")
        stamp = self._node.get_clock().now().to_msg()
        made = [marker for pose in moment.poses for marker in _markers(pose, stamp)]
        self._markers.publish(MarkerArray(markers=made))
        self._texts.publish(String(data=as_text(moment.whole())))

    def close(self) -> None:
        if self._node is not None:
            self._node.destroy_node()
            self._context.shutdown()
            self._node = None


def _markers(pose: Any, stamp: Any) -> list[Any]:
    from geometry_msgs.msg import Point
    from visualization_msgs.msg import Marker

    metres = pose.joints_mm / 1000 + (0 if pose.root_mm is None else pose.root_mm / 1000)
    points = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in metres]
    bones = [points[end] for joint, parent in enumerate(PARENTS) if parent >= 0 for end in (parent, joint)]
    made = []
    for space, kind, places, size in (
        ("bones", Marker.LINE_LIST, bones, 0.02),
        ("joints", Marker.SPHERE_LIST, points, 0.05),
    ):
        marker = Marker()
        marker.header.frame_id, marker.header.stamp = FRAME_ID, stamp
        marker.ns, marker.id, marker.type, marker.action = space, int(pose.track), kind, Marker.ADD
        marker.points = places
        marker.pose.orientation.w = 1.0
        marker.scale.x = marker.scale.y = marker.scale.z = size
        marker.color.r, marker.color.g, marker.color.b = _COLOURS[pose.track % len(_COLOURS)]
        marker.color.a = max(float(pose.confidence), 0.2)
        marker.lifetime.nanosec = _LIFETIME_NS
        made.append(marker)
    return made
