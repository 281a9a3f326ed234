"""Datagrams, read by a socket and by another OSC implementation's parser."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest

from runtime.live.datagrams import MOST_BYTES, DatagramSender, json_datagram, osc_bundles
from runtime.live.sender import LiveOutput
from sa3dhp_edge.errors import OutputError
from sa3dhp_edge.skeleton import JOINTS


@pytest.fixture
def ear():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(30)
        yield made


def test_a_frame_is_one_object(ear, moment) -> None:
    sent = moment(3, 1, 2)
    with LiveOutput(DatagramSender("udp", "127.0.0.1", ear.getsockname()[1], json_datagram)) as output:
        output.write(*sent)
        told = json.loads(ear.recv(MOST_BYTES))
        output.write(*moment(4))
        assert json.loads(ear.recv(MOST_BYTES)) == {"record": "frame", "frame": 4, "time_s": 0.1333, "poses": []}
    assert (told["record"], told["frame"], len(told["poses"])) == ("frame", 3, 2)
    for record, pose in zip(told["poses"], sent.poses, strict=True):
        assert np.abs(np.array(record["joints_mm"]) - pose.joints_mm).max() < 0.1


def test_of_a_crowd_only_the_millimetres_remain_and_more_than_fits_is_an_error(moment) -> None:
    (few,) = json_datagram(moment(0, *range(8)))
    assert "joints_px" in json.loads(few)["poses"][0]
    (many,) = json_datagram(moment(0, *range(85)))
    assert len(many) <= MOST_BYTES
    assert "joints_px" not in json.loads(many)["poses"][0]
    assert len(json.loads(many)["poses"]) == 85
    with pytest.raises(OutputError, match="200 people do not fit"):
        json_datagram(moment(0, *range(200)))


def test_osc_comes_back_within_a_tenth_of_a_millimetre(ear, moment) -> None:
    packet = pytest.importorskip("pythonosc.osc_packet")
    sent = moment(7, 1, 5)
    with LiveOutput(DatagramSender("osc", "127.0.0.1", ear.getsockname()[1], osc_bundles)) as output:
        output.write(*sent)
        told = [
            (m.message.address, m.message.params)
            for _ in range(3)
            for m in packet.OscPacket(ear.recv(MOST_BYTES)).messages
        ]
    assert told[0] == ("/sa3dhp/frame", [7, pytest.approx(7 / 30), 2])
    values = dict(told[1:])
    assert len(values) == 2 * (1 + 1 + 17)
    for pose in sent.poses:
        assert values[f"/sa3dhp/{pose.track}"] == [0.5]
        assert values[f"/sa3dhp/{pose.track}/root"] == pytest.approx(pose.root_mm.tolist(), abs=0.1)
        for joint, xyz in zip(JOINTS, pose.joints_mm.tolist(), strict=True):
            assert values[f"/sa3dhp/{pose.track}/{joint}"] == pytest.approx(xyz, abs=0.1)


def test_nobody_there_is_no_error(moment) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with LiveOutput(DatagramSender("udp", "127.0.0.1", port, json_datagram), most=100) as output:
        for i in range(20):
            output.write(*moment(i, 1))
    assert (output.sent, output.unsent) == (20, 0)
