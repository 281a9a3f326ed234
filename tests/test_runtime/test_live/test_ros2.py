"""ROS 2 on stand-ins for its modules, which have the names and fields of the real ones and refuse others.

Names are those of rclpy (Humble to Jazzy) and of the messages of std_msgs, geometry_msgs and visualization_msgs. No
real ROS 2 has run this.
"""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from runtime.live.ros2 import FRAME_ID, Ros2Sender


def message(name: str, **fields):
    """A class as ROS makes them: keyword arguments, known fields only."""

    def init(self, **given):
        for key, make in fields.items():
            object.__setattr__(self, key, make() if callable(make) else make)
        for key, value in given.items():
            setattr(self, key, value)

    def put(self, key, value):
        assert key in fields, f"{name} has no field {key}"
        object.__setattr__(self, key, value)

    return type(name, (), {"__init__": init, "__setattr__": put})


Point = message("Point", x=0.0, y=0.0, z=0.0)
String = message("String", data="")
Header = message("Header", frame_id="", stamp=None)
Vector3 = message("Vector3", x=0.0, y=0.0, z=0.0)
Quaternion = message("Quaternion", x=0.0, y=0.0, z=0.0, w=0.0)
ColorRGBA = message("ColorRGBA", r=0.0, g=0.0, b=0.0, a=0.0)
Duration = message("Duration", sec=0, nanosec=0)
RosPose = message("Pose", position=Point, orientation=Quaternion)
Marker = message(
    "Marker", header=Header, ns="", id=0, type=0, action=0, pose=RosPose, scale=Vector3, color=ColorRGBA,
    lifetime=Duration, frame_locked=False, points=list, colors=list, text="",
)  # fmt: skip
Marker.LINE_LIST, Marker.SPHERE_LIST, Marker.ADD = 5, 7, 0
MarkerArray = message("MarkerArray", markers=list)


@pytest.fixture
def published(monkeypatch) -> dict[str, list]:
    got: dict[str, list] = {"events": []}

    class Node:
        def create_publisher(self, kind, topic, depth):
            assert isinstance(depth, int)
            got[topic] = []
            return SimpleNamespace(
                publish=lambda m: got[topic].append(m) if isinstance(m, kind) else pytest.fail(topic)
            )

        def get_clock(self):
            return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: "stamp"))

        def destroy_node(self):
            got["events"].append("destroyed")

    context = SimpleNamespace(shutdown=lambda: got["events"].append("shut down"))
    rclpy = SimpleNamespace(
        Context=lambda: context, init=lambda *, context: None, create_node=lambda name, *, context: Node()
    )
    for name, members in {
        "rclpy": vars(rclpy), "std_msgs": {}, "std_msgs.msg": {"String": String}, "geometry_msgs": {},
        "geometry_msgs.msg": {"Point": Point}, "visualization_msgs": {},
        "visualization_msgs.msg": {"Marker": Marker, "MarkerArray": MarkerArray},
    }.items():  # fmt: skip
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return got


def test_a_skeleton_is_bones_and_joints_in_metres_before_the_camera(published, moment) -> None:
    sender, sent = Ros2Sender("poses"), moment(3, 4)
    sender.open()
    sender.send(sent)
    sender.close()
    (array,) = published["~/skeletons"]
    bones, joints = array.markers
    assert (bones.ns, bones.id, bones.type, joints.type) == ("bones", 4, Marker.LINE_LIST, Marker.SPHERE_LIST)
    assert bones.header.frame_id == FRAME_ID
    assert len(bones.points) == 2 * 16
    pose = sent.poses[0]
    metres = np.array([[p.x, p.y, p.z] for p in joints.points])
    assert np.abs(metres * 1000 - (pose.joints_mm + pose.root_mm)).max() < 0.1
    (text,) = published["~/poses"]
    told = json.loads(text.data)
    assert told["frame"] == 3
    assert np.abs(np.array(told["poses"][0]["joints_mm"]) - pose.joints_mm).max() < 0.1
    assert published["events"] == ["destroyed", "shut down"]
