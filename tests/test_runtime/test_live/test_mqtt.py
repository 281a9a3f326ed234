"""MQTT through a real broker, which is killed and started again."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from runtime.live.mqtt import MqttSender
from runtime.live.sender import LiveOutput

mqtt = pytest.importorskip("paho.mqtt.client")
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="no MQTT broker: Debian's package mosquitto is not installed")


class Broker:
    """mosquitto on a port of loopback."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._conf = folder / "mosquitto.conf"
        self._conf.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen([str(MOSQUITTO), "-c", str(self._conf)], **quiet)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def broker(tmp_path, until):
    made = Broker(tmp_path)
    made.start()
    until(made.answers)
    yield made
    made.kill()


class Listener:
    """Another program at the broker."""

    def __init__(self, port: int) -> None:
        self.got: dict[str, list[bytes]] = {}
        self.there = False
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _c, _u, m: self.got.setdefault(m.topic, []).append(m.payload)
        self._client.on_subscribe = lambda *_: setattr(self, "there", True)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("hall/#")
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_poses_come_through_a_broker_and_who_comes_late_knows_what_they_are(broker, header, moment, until) -> None:
    sent = moment(3, 1, 2)
    with LiveOutput(MqttSender("m", "127.0.0.1", broker.port, "hall", header)) as output:
        listener = Listener(broker.port)
        until(lambda: listener.there and listener.got.get("hall/status") == [b"online"])
        assert json.loads(listener.got["hall/header"][0]) == header
        output.write(*sent)
        until(lambda: "hall/poses" in listener.got)
    told = json.loads(listener.got["hall/poses"][0])
    assert [p["track"] for p in told["poses"]] == [1, 2]
    assert np.abs(np.array(told["poses"][1]["joints_mm"]) - sent.poses[1].joints_mm).max() < 0.1
    until(lambda: listener.got["hall/status"][-1] == b"offline")
    listener.close()


def test_a_broker_that_is_killed_and_started_again_gets_poses_again(broker, header, moment, until) -> None:
    now = [0.0]
    with LiveOutput(MqttSender("m", "127.0.0.1", broker.port, "hall", header), clock=lambda: now[0]) as output:
        output.write(*moment(0, 1))
        until(lambda: output.sent == 1)
        broker.kill()

        def fails(count: int = 0) -> bool:
            output.write(*moment(1, 1))
            return output.unsent > 3

        until(fails)
        broker.start()
        until(broker.answers)
        listener = Listener(broker.port)
        until(lambda: listener.there)
        before = output.sent

        def comes() -> bool:
            now[0] += 100
            output.write(*moment(2, 1))
            return bool(listener.got.get("hall/poses"))

        until(comes)
        assert output.sent > before
    assert json.loads(listener.got["hall/poses"][-1])["frame"] == 2
    listener.close()
