"""What `--send` takes: one address for every way to another program."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from runtime.live.datagrams import DatagramSender, json_datagram, osc_bundles
from runtime.live.mqtt import MqttSender
from runtime.live.rerun_view import RerunSender
from runtime.live.ros2 import Ros2Sender
from runtime.live.sender import AbstractSender, LiveOutput
from runtime.live.websocket import WebSocketSender
from sa3dhp_edge.atomic import refuse_existing
from sa3dhp_edge.errors import ConfigError, MissingPackage
from sa3dhp_edge.extras import findable, need
from sa3dhp_edge.logs import without_passwords

KNOWN = (
    "ws://[HOST]:PORT, udp://HOST:PORT, osc://HOST:PORT, mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC, ros2://[NODE], "
    "rerun:spawn, rerun:FILE.rrd, rerun+http://HOST:PORT/proxy"
)
_MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}
_NODE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def open_live(addresses: Sequence[str], header: dict[str, Any], overwrite: bool = False) -> list[LiveOutput]:
    """Outputs that send to each address.

    Args:
        addresses: as `KNOWN` says.
        header: first record of the recording; senders that greet a client begin with it.
        overwrite: replace a file that exists.

    Raises:
        ConfigError: an address that nobody knows, or that comes twice.
        MissingPackage: what it needs is not installed.
        OutputError: a port that is taken, a file that exists.
    """
    if len(set(addresses)) < len(addresses):
        raise ConfigError("an address to send to is named twice", "name each one once")
    return [LiveOutput(sender) for sender in [sender_for(address, header, overwrite) for address in addresses]]


def sender_for(address: str, header: dict[str, Any], overwrite: bool = False) -> AbstractSender:
    """The way to one address; errors as `open_live`."""
    scheme, _, rest = address.partition(":")
    if scheme == "ws":
        return _websocket(address, header)
    if scheme in ("udp", "osc"):
        return _datagrams(scheme, address)
    if scheme in _MQTT_PORTS:
        return _mqtt(scheme, address, header)
    if scheme == "ros2":
        return _ros2(address)
    if scheme == "rerun" or address.startswith("rerun+http"):
        return _rerun(address, rest, overwrite)
    raise ConfigError(f"{without_passwords(address)} is no address to send to", f"one of: {KNOWN}")


def _websocket(address: str, header: dict[str, Any]) -> WebSocketSender:
    need("send", "a WebSocket server")
    url = urlsplit(address)
    host, port = url.hostname or "127.0.0.1", _port(address)
    return WebSocketSender(host, port, header, tuple(parse_qs(url.query).get("origin", ())))


def _datagrams(scheme: str, address: str) -> DatagramSender:
    if scheme == "osc":
        need("send", "OSC")
    host = urlsplit(address).hostname
    if host is None:
        raise ConfigError(f"{address} names no host", f"{scheme}://127.0.0.1:9000")
    return DatagramSender(address, host, _port(address), json_datagram if scheme == "udp" else osc_bundles)


def _mqtt(scheme: str, address: str, header: dict[str, Any]) -> MqttSender:
    need("send", "MQTT")
    url, name = urlsplit(address), without_passwords(address)
    topic = unquote(url.path).strip("/")
    if url.hostname is None or not topic or "#" in address or "+" in topic:
        raise ConfigError(f"{name} names no host and topic", "mqtt://127.0.0.1/hall/poses")
    port = _port(address, _MQTT_PORTS[scheme])
    user, password = (None if part is None else unquote(part) for part in (url.username, url.password))
    return MqttSender(name, url.hostname, port, topic, header, user, password, tls=scheme == "mqtts")


def _ros2(address: str) -> Ros2Sender:
    node = address.removeprefix("ros2:").strip("/") or "sa3dhp_edge"
    if not _NODE.fullmatch(node):
        raise ConfigError(f"{address} is no name of a node", "letters, digits and _, as in ros2://poses")
    for module in ("rclpy", "visualization_msgs", "std_msgs"):
        if not findable(module):
            raise MissingPackage(
                f"{address} needs ROS 2's Python package {module}, which is not here",
                "source /opt/ros/DISTRIBUTION/setup.bash, and an environment made with --system-site-packages",
            )
    return Ros2Sender(node)


def _rerun(address: str, rest: str, overwrite: bool) -> RerunSender:
    need("view", "Rerun")
    if address.startswith("rerun+http"):
        return RerunSender(address, address)
    if rest == "spawn":
        return RerunSender(address, "spawn")
    path = Path(rest)
    if path.suffix != ".rrd":
        raise ConfigError(
            f"{address} is no place for Rerun", "rerun:spawn, rerun:FILE.rrd, rerun+http://HOST:PORT/proxy"
        )
    if not overwrite:
        refuse_existing(path, "name another path, or replace it with --overwrite")
    return RerunSender(address, path)


def _port(address: str, usual: int | None = None) -> int:
    try:
        port = urlsplit(address).port or usual
    except ValueError:
        port = None
    if port is None:
        raise ConfigError(f"{without_passwords(address)} names no port", "as in ws://127.0.0.1:8765")
    return port
