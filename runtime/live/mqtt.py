"""Poses to an MQTT broker."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, final

from runtime.live.sender import AbstractSender, Moment
from runtime.outputs.jsonl import as_text
from sa3dhp_edge.errors import OutputError

_MOST = 30
"""Messages that the broker has not taken yet; more are not given to it."""
_ANSWER_S = 5.0
"""So long the broker may take to answer."""


@final
class MqttSender(AbstractSender):
    """TOPIC/poses, one JSON object a frame; TOPIC/header and TOPIC/status (online, offline) are retained.

    While there is no broker nothing is kept for it.

    Args:
        name: the address without the password.
        host, port: of the broker.
        topic: what all topics begin with.
        header: the recording's first record.
        user, password: None for a broker that asks for neither.
        tls: encrypted, the broker's certificate checked.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        topic: str,
        header: dict[str, Any],
        user: str | None = None,
        password: str | None = None,
        tls: bool = False,
    ) -> None:
        self.name, self._host, self._port, self._topic, self._header = name, host, port, topic, header
        self._user, self._password, self._tls = user, password, tls
        self._client: Any = None
        self._answered, self._refused = threading.Event(), ""
        self._unread: deque[Any] = deque()

    def open(self) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self._client = client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.connect_timeout = _ANSWER_S
        client.will_set(f"{self._topic}/status", "offline", retain=True)
        client.on_connect = self._on_connect
        if self._user is not None:
            client.username_pw_set(self._user, self._password)
        if self._tls:
            client.tls_set()
        self._answered.clear()
        self._unread.clear()
        client.connect(self._host, self._port, keepalive=20)
        client.loop_start()
        if not self._answered.wait(_ANSWER_S) or self._refused:
            self.close()
            raise OutputError(self._refused or "the broker does not answer")
        client.publish(f"{self._topic}/header", as_text(self._header), retain=True)
        client.publish(f"{self._topic}/status", "online", retain=True)

    def send(self, moment: Moment) -> None:
        if self._client is None or not self._client.is_connected():
            raise OutputError("the broker is gone")
        while self._unread and self._unread[0].is_published():
            self._unread.popleft()
        if len(self._unread) >= _MOST:
            raise OutputError("the broker takes nothing")
        self._unread.append(self._client.publish(f"{self._topic}/poses", as_text(moment.whole())))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if client.is_connected():
            client.publish(f"{self._topic}/status", "offline", retain=True)
        client.disconnect()
        client.loop_stop()

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._refused = f"the broker refuses: {reason}" if reason.is_failure else ""
        self._answered.set()
