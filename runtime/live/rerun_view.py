"""Poses to Rerun: a viewer that is started, one that runs already, or a file for later."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

from runtime.live.sender import AbstractSender, Moment
from sa3dhp_edge.skeleton import JOINTS, PARENTS

_COLOURS = ((40, 150, 255), (255, 140, 30), (60, 200, 90), (200, 90, 230), (240, 210, 60), (240, 80, 100))
_JOINT_MM, _BONE_MM = 22.0, 12.0


@final
class RerunSender(AbstractSender):
    """For each person TRACK `world/TRACK/bones` and `/joints` (3D, mm, camera axes) and `picture/TRACK/bones` (2D, px).

    Beside them plots of latency and confidence; timelines are `time` and `frame`.

    Args:
        name: what the user called it.
        to: "spawn" starts the viewer, "http…" connects to one, a path becomes an .rrd file.
    """

    def __init__(self, name: str, to: str | Path) -> None:
        self.name, self._to = name, to
        self._stream: Any = None
        self._shown: set[int] = set()

    def open(self) -> None:
        import rerun as rr

        self._stream = rr.RecordingStream("sa3dhp-edge")
        if isinstance(self._to, Path):
            self._to.parent.mkdir(parents=True, exist_ok=True)
            self._stream.save(self._to)
        elif self._to == "spawn":
            self._stream.spawn()
        else:
            self._stream.connect_grpc(self._to)
        self._stream.log("world", rr.ViewCoordinates.RDF, static=True)
        self._shown = set()

    def send(self, moment: Moment) -> None:
        import rerun as rr

        stream = self._stream
        stream.set_time("time", duration=moment.frame.time_s)
        stream.set_time("frame", sequence=moment.frame.index)
        stream.log("plots/latency_ms", rr.Scalars(moment.latency_ms))
        here = {pose.track for pose in moment.poses}
        for gone in self._shown - here:
            for path in (f"world/{gone}", f"picture/{gone}"):
                stream.log(path, rr.Clear(recursive=True))
        self._shown = here
        for pose in moment.poses:
            colour = _COLOURS[pose.track % len(_COLOURS)]
            mm = pose.joints_mm if pose.root_mm is None else pose.joints_mm + pose.root_mm
            world, flat = f"world/{pose.track}", f"picture/{pose.track}"
            stream.log(f"{world}/bones", rr.LineStrips3D(_bones(mm), colors=colour, radii=_BONE_MM))
            joints = rr.Points3D(mm, colors=colour, radii=_JOINT_MM, labels=JOINTS, show_labels=False)
            stream.log(f"{world}/joints", joints)
            stream.log(f"{flat}/bones", rr.LineStrips2D(_bones(pose.joints_px), colors=colour))
            stream.log(f"plots/confidence/{pose.track}", rr.Scalars(pose.confidence))

    def close(self) -> None:
        if self._stream is not None:
            self._stream.flush(timeout_sec=1.0)
            self._stream.disconnect()
            self._stream = None


def _bones(joints: Any) -> list[Any]:
    """The two ends of each bone."""
    return [joints[[parent, joint]] for joint, parent in enumerate(PARENTS) if parent >= 0]
