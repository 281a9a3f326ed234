"""A WebSocket server: every client gets the records of a recording, as they are made."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import threading
from collections import deque
from typing import Any, final

from runtime.live.sender import AbstractSender, Moment
from runtime.outputs.jsonl import as_text
from sa3dhp_edge.errors import OutputError

log = logging.getLogger(__name__)

_MOST = 30
"""Records that wait for a client; the oldest makes room."""
_END_S = 1.0
_HERE = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
"""Pages that a browser may have loaded to connect: those of this machine. Programs name no page."""


@final
class WebSocketSender(AbstractSender):
    """Listens from the start on; clients come and go.

    Args:
        host, port: where it listens; port 0 takes a free one, see `port`.
        header: the first record that each client gets.
        origins: further pages that may connect, `http://dash.local`.

    Raises:
        OutputError: the port is taken, or may not be used.
    """

    def __init__(self, host: str, port: int, header: dict[str, Any], origins: tuple[str, ...] = ()) -> None:
        self.name, self._host, self.port = f"ws://{host}:{port}", host, port
        self._hello, self._origins = as_text(header), origins
        self._socket: socket.socket | None = self._listen()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clients: set[_Client] = set()
        self._ready, self._error = threading.Event(), ""

    def open(self) -> None:
        self._socket = self._socket or self._listen()
        self._error = ""
        self._ready.clear()
        self._thread = threading.Thread(target=self._serve, args=(self._socket,), name=self.name, daemon=True)
        self._thread.start()
        if not self._ready.wait(10.0) or self._error:
            raise OutputError(f"the server ended: {self._error or 'it does not answer'}")

    def send(self, moment: Moment) -> None:
        loop = self._loop
        if loop is None or not self._thread.is_alive():
            raise OutputError(f"the server ended: {self._error}")
        loop.call_soon_threadsafe(self._hand_out, [as_text(record) for record in moment.records()])

    def close(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(self._end.set)
            self._thread.join(3 * _END_S)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _listen(self) -> socket.socket:
        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            made = socket.create_server((self._host, self.port), family=family)
        except OSError as e:
            raise OutputError(f"{self.name} cannot listen: {e.strerror}", "name another port") from e
        self.port = int(made.getsockname()[1])
        return made

    def _hand_out(self, lines: list[str]) -> None:
        for client in self._clients:
            client.waiting.extend(lines)
            client.news.set()

    def _serve(self, listening: socket.socket) -> None:
        try:
            asyncio.run(self._run(listening))
        except Exception as e:  # noqa: BLE001  who sends hears it
            self._error = str(e)
        finally:
            self._ready.set()

    async def _run(self, listening: socket.socket) -> None:
        from websockets.asyncio.server import serve

        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        origins: Any = [None, re.compile(_HERE), *self._origins]
        quiet = logging.getLogger(f"{__name__}.websockets")
        quiet.setLevel(logging.ERROR)
        async with serve(
            self._attend, sock=listening, origins=origins, compression=None, close_timeout=_END_S, max_size=2**16,
            logger=quiet,
        ):  # fmt: skip
            self._ready.set()
            await self._end.wait()
            await asyncio.sleep(0.05)  # what was handed out last is on its way

    async def _attend(self, connection: Any) -> None:
        client = _Client()
        self._clients.add(client)
        log.info("%s: a client came, %d now", self.name, len(self._clients))
        sending = asyncio.create_task(self._feed(connection, client))
        try:
            async for _ in connection:  # what it says is not asked for; the end of it is that it left
                pass
        finally:
            sending.cancel()
            self._clients.discard(client)
            log.info("%s: a client left, %d now", self.name, len(self._clients))

    async def _feed(self, connection: Any, client: _Client) -> None:
        with contextlib.suppress(Exception):  # gone, in whatever way: who reads notices
            await connection.send(self._hello)
            while True:
                await client.news.wait()
                client.news.clear()
                while client.waiting:
                    await connection.send(client.waiting.popleft())


class _Client:
    """What waits for one client."""

    def __init__(self) -> None:
        self.waiting: deque[str] = deque(maxlen=_MOST)
        self.news = asyncio.Event()
