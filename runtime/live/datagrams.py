"""Poses as datagrams: one JSON object a frame, or OSC bundles."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, final

from runtime.live.sender import AbstractSender, Moment
from runtime.outputs.jsonl import as_text
from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.skeleton import JOINTS

MOST_BYTES = 65_507
"""What a UDP datagram over IPv4 can hold."""
_SPARED = ("raw_joints_mm", "raw_root_mm", "joints_px")
"""Left out of a frame that would not fit otherwise, in this order."""

Encode = Callable[[Moment], list[bytes]]


@final
class DatagramSender(AbstractSender):
    """Sends to one address, whether anybody listens there or not.

    Args:
        name: what the user called it.
        host, port: where to; a name is looked up when it is opened.
        encode: a frame as datagrams.
    """

    def __init__(self, name: str, host: str, port: int, encode: Encode) -> None:
        self.name, self._host, self._port, self._encode = name, host, port, encode
        self._socket: socket.socket | None = None
        self._to: Any = None

    def open(self) -> None:
        family, _, _, _, self._to = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, socket.SOCK_DGRAM)  # not connected: a refusal is no error then
        self._socket.setblocking(False)

    def send(self, moment: Moment) -> None:
        if self._socket is None:
            raise OutputError(f"{self.name} is not open")
        for datagram in self._encode(moment):
            self._socket.sendto(datagram, self._to)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def json_datagram(moment: Moment) -> list[bytes]:
    """One object with all people of a frame: `{"record": "frame", "frame", "time_s", "poses": […]}`.

    Raises:
        OutputError: so many people that not even their joints in mm fit.
    """
    whole = moment.whole()
    poses = whole["poses"]
    for spared in range(len(_SPARED) + 1):
        for pose in poses:
            for key in _SPARED[:spared]:
                pose.pop(key, None)
        data = as_text(whole).encode()
        if len(data) <= MOST_BYTES:
            return [data]
    raise OutputError(f"{len(poses)} people do not fit into a datagram")


def osc_bundles(moment: Moment) -> list[bytes]:
    """A bundle for the frame, then one for each person; lengths are in mm, axes the camera's.

    /sa3dhp/frame          index, time in s, number of people
    /sa3dhp/TRACK          confidence
    /sa3dhp/TRACK/root     x, y, z of the pelvis before the camera, where it is known
    /sa3dhp/TRACK/JOINT    x, y, z relative to the pelvis, for each of the 17
    """
    frame = moment.frame
    made = [_bundle([("/sa3dhp/frame", (frame.index & 0x7FFFFFFF, float(frame.time_s), len(moment.poses)))])]
    for pose in moment.poses:
        here = f"/sa3dhp/{pose.track}"
        messages: list[tuple[str, tuple[float, ...]]] = [(here, (float(pose.confidence),))]
        if pose.root_mm is not None:
            messages.append((f"{here}/root", tuple(float(v) for v in pose.root_mm)))
        for joint, xyz in zip(JOINTS, pose.joints_mm, strict=True):
            messages.append((f"{here}/{joint}", tuple(float(v) for v in xyz)))
        made.append(_bundle(messages))
    return made


def _bundle(messages: list[tuple[str, tuple[float, ...]]]) -> bytes:
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    bundle = OscBundleBuilder(IMMEDIATELY)
    for address, values in messages:
        message = OscMessageBuilder(address)
        for value in values:
            message.add_arg(value, "i" if isinstance(value, int) else "f")
        bundle.add_content(message.build())
    return bytes(bundle.build().dgram)
