"""Which address means what, and what a run does with them."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from runtime.config import RuntimeConfig
from runtime.live.addresses import open_live, sender_for
from runtime.live.datagrams import DatagramSender
from runtime.outputs import read_poses
from runtime.service import run_stream
from sa3dhp_edge.errors import ConfigError, MissingPackage, OutputError
from sa3dhp_edge.extras import EXTRAS, Extra


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("carrier-pigeon://loft", "is no address to send to"),
        ("hall.jsonl", "is no address to send to"),
        ("udp://:9000", "names no host"),
        ("udp://127.0.0.1", "names no port"),
        ("ws://127.0.0.1", "names no port"),
        ("ws://127.0.0.1:99999", "names no port"),
        ("mqtt://127.0.0.1", "names no host and topic"),
        ("mqtt://127.0.0.1/a/#", "names no host and topic"),
        ("ros2://a-b", "is no name of a node"),
        ("rerun:hall.mp4", "is no place for Rerun"),
    ],
)
def test_an_address_that_cannot_be_is_named(address: str, said: str, header) -> None:
    with pytest.raises(ConfigError, match=said):
        sender_for(address, header)


def test_a_password_is_in_no_name_and_no_message(header) -> None:
    sender = sender_for("mqtt://ann:s3cret@127.0.0.1:1884/hall", header)
    assert "s3cret" not in sender.name
    assert "127.0.0.1:1884" in sender.name
    with pytest.raises(ConfigError) as refused:
        sender_for("mqtt://ann:s3cret@127.0.0.1", header)
    assert "s3cret" not in str(refused.value)


def test_what_is_not_installed_is_named_with_its_command(header, monkeypatch) -> None:
    monkeypatch.setitem(EXTRAS, "send", Extra("send", ("no_such_package",), ""))
    for address in ("ws://:1", "osc://h:1", "mqtt://h/t"):
        with pytest.raises(MissingPackage, match="no_such_package"):
            sender_for(address, header)
    assert isinstance(sender_for("udp://127.0.0.1:9", header), DatagramSender)
    with pytest.raises(MissingPackage, match="needs ROS 2"):
        sender_for("ros2://poses", header)


def test_a_run_sends_what_it_records(fake_model: Path, walk_video: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(30)
        got: list[dict] = []

        def listen() -> None:
            while not got or got[-1]["frame"] < 59:
                got.append(json.loads(ear.recv(65_507)))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        address = f"udp://127.0.0.1:{ear.getsockname()[1]}"
        run_stream(RuntimeConfig(fake_model, video=walk_video, out=tmp_path / "w.jsonl", send=(address,)))
        thread.join(30)
    recorded = {record["frame"]: record for record in read_poses(tmp_path / "w.jsonl") if record["record"] == "pose"}
    assert len(got) > 3
    for told in got:
        for pose in told["poses"]:
            assert pose == recorded[told["frame"]]


def test_a_port_that_is_taken_ends_the_run_before_anything_is_recorded(fake_model, walk_video, tmp_path) -> None:
    pytest.importorskip("websockets")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OutputError, match="cannot listen"):
            run_stream(RuntimeConfig(fake_model, video=walk_video, out=tmp_path / "w.jsonl", send=(address,)))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_not_replaced_unless_asked(header, tmp_path) -> None:
    pytest.importorskip("rerun")
    file = tmp_path / "w.rrd"
    file.write_text("kept")
    with pytest.raises(OutputError, match="exists already"):
        open_live((f"rerun:{file}",), header)
    assert sender_for(f"rerun:{file}", header, overwrite=True)
    assert file.read_text() == "kept"


def test_an_address_twice_is_refused(header) -> None:
    with pytest.raises(ConfigError, match="twice"):
        open_live(("udp://127.0.0.1:9", "udp://127.0.0.1:9"), header)
