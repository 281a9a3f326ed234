"""Real clients of the WebSocket server, good and bad ones."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest

from runtime.live.sender import LiveOutput
from runtime.live.websocket import _MOST, WebSocketSender
from sa3dhp_edge.errors import OutputError

client = pytest.importorskip("websockets.sync.client")


@pytest.fixture
def sender(header):
    made = WebSocketSender("127.0.0.1", 0, header)
    made.open()
    yield made
    made.close()


def connect(sender: WebSocketSender, **more):
    return client.connect(f"ws://127.0.0.1:{sender.port}", compression=None, **more)


def test_a_client_gets_the_header_and_then_the_records_of_a_recording(sender, header, moment, until) -> None:
    with connect(sender) as one:
        assert json.loads(one.recv(30)) == header
        until(lambda: len(sender._clients) == 1)
        sent = moment(3, 1, 2)
        sender.send(sent)
        sender.send(moment(4))
        records = [json.loads(one.recv(30)) for _ in range(3)]
    assert [(r["record"], r["frame"]) for r in records] == [("pose", 3), ("pose", 3), ("empty", 4)]
    for record, pose in zip(records, sent.poses, strict=False):
        assert record["track"] == pose.track
        assert np.abs(np.array(record["joints_mm"]) - pose.joints_mm).max() < 0.1
    until(lambda: not sender._clients)
    sender.send(moment(5, 1))  # nobody is there


def test_a_client_that_never_reads_holds_nobody_up_and_takes_no_memory(sender, moment, until) -> None:
    with connect(sender) as good, socket.create_connection(("127.0.0.1", sender.port)) as bad:
        bad.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bad.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        good.recv(30)
        until(lambda: len(sender._clients) == 2)
        for i in range(3000):
            sender.send(moment(i, 1))
            if i % 10 == 9:
                while json.loads(good.recv(30))["frame"] < i:
                    pass
        assert max(len(c.waiting) for c in sender._clients) <= _MOST
        last = moment(5000, 1)
        sender.send(last)
        assert json.loads(good.recv(30))["frame"] == 5000


def test_a_foreign_page_may_not_listen_in_and_one_that_is_allowed_may(header) -> None:
    exceptions = pytest.importorskip("websockets.exceptions")
    made = WebSocketSender("127.0.0.1", 0, header, ("http://dash.local",))
    made.open()
    with pytest.raises(exceptions.InvalidStatus):
        connect(made, origin="http://elsewhere.example")
    for origin in ("http://dash.local", "http://localhost:8000"):
        with connect(made, origin=origin) as one:
            assert json.loads(one.recv(30)) == header
    made.close()


def test_a_port_that_is_taken_is_said_at_the_start(sender, header) -> None:
    with pytest.raises(OutputError, match="cannot listen: Address already in use"):
        WebSocketSender("127.0.0.1", sender.port, header)


def test_it_ends_in_time_with_clients_connected(header, moment, until) -> None:
    made = WebSocketSender("127.0.0.1", 0, header)
    with LiveOutput(made) as output:
        until(lambda: made._loop is not None)
        with connect(made) as one:
            one.recv(30)
            output.write(*moment(1, 1))
            assert json.loads(one.recv(30))["frame"] == 1
            output.close()
            assert not output._thread.is_alive()
