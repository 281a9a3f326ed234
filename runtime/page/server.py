"""The server of the page: its files, its WebSocket, recording, health and figures."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import socket
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, final

import cv2
import numpy as np

from runtime.outputs.base import AbstractOutput
from runtime.page.access import Guard, is_loopback
from runtime.page.metrics import CONTENT_TYPE, metrics_text
from runtime.page.monitor import Monitor
from runtime.page.recorder import Recorder, RecordingNow
from sa3dhp_edge.errors import ConfigError, OutputError, Sa3dhpError
from sa3dhp_edge.records import Frame, Pose
from sa3dhp_edge.skeleton import JOINTS, PARENTS

log = logging.getLogger(__name__)

STATIC = Path(__file__).with_name("static")
_PICTURE_PX = 960
"""Longer side of the pictures that are sent, at most."""
_QUALITY = 80
_START_S, _END_S = 10.0, 2.0
_TICK_S, _STILL_S = 0.02, 0.5
"""Between two looks for a newer frame; and the longest time without an answer to the page."""
_PER_S = 15.0
"""Pictures a second for each page, at most."""


@final
class Page(AbstractOutput):
    """Serves what it is written in a thread of its own, from its making on. Whatever happens to it, the run goes on.

    Args:
        where: [HOST:]PORT; loopback unless a host is given. Port 0 takes a free one.
        token: what must be known to ask from elsewhere; None makes one up where the host is not loopback.
        monitor: what is shown.
        recorder: what is started and stopped; None where no folder is known.

    Attributes:
        monitor: as given.
        url: what to open.

    Raises:
        ConfigError: an address that cannot be.
        OutputError: the port is taken.
    """

    def __init__(self, where: str, token: str | None, monitor: Monitor, recorder: Recorder | None = None) -> None:
        host, port = parsed(where)
        self.monitor, self._recorder = monitor, recorder
        self._token = token or (None if is_loopback(host) else secrets.token_urlsafe(18))
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except OSError as e:
            raise OutputError(f"the page cannot be served on {where}: {e.strerror}", "--serve with another port") from e
        port = int(self._socket.getsockname()[1])
        shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
        shown = f"[{shown}]" if ":" in shown else shown
        self.url = f"http://{shown}:{port}/" + (f"?token={self._token}" if self._token is not None else "")
        self._jpeg: tuple[int, bytes] = (-1, b"")
        self._thread = threading.Thread(target=self._serve, name="page", daemon=True)
        self._server: Any = None
        self._ready = threading.Event()

        self._thread.start()
        self._ready.wait(_START_S)
        log.info("the page: %s", self.url if token is None else self.url.split("?")[0])  # a token of yours you know

    def write(self, frame: Frame, poses: Sequence[Pose], latency_ms: float) -> None:
        if self._recorder is not None:
            self._recorder.write(frame, poses, latency_ms)
        self.monitor.write(frame, poses, latency_ms)

    def close(self) -> None:
        if self._recorder is not None:
            self._recorder.close()
        if self._server is not None:
            self._server.should_exit = self._server.force_exit = True
        self._thread.join(_END_S)
        self._socket.close()

    def _serve(self) -> None:
        try:
            import uvicorn

            config = uvicorn.Config(
                self._app(), log_config=None, log_level="error", access_log=False, lifespan="off",
                timeout_graceful_shutdown=1, ws="websockets-sansio", ws_max_size=2**16, server_header=False,
            )  # fmt: skip
            self._server = uvicorn.Server(config)
            self._ready.set()
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except Exception as e:  # noqa: BLE001  a page is no reason to end a run
            log.warning("the page is no longer served: %s", e)
        finally:
            self._ready.set()

    def _app(self) -> Guard:
        from starlette.applications import Starlette
        from starlette.responses import FileResponse, JSONResponse, Response
        from starlette.routing import Route, WebSocketRoute

        async def file(request: Any) -> Response:
            name = request.path_params.get("name", "index.html")
            return FileResponse(STATIC / name) if name in _FILES else Response("no such page", 404)

        async def healthz(_: Any) -> Response:
            trouble = self.monitor.now().trouble
            return JSONResponse({"healthy": not trouble, "reason": trouble}, 503 if trouble else 200)

        async def metrics(_: Any) -> Response:
            return Response(metrics_text(self.monitor), headers={"content-type": CONTENT_TYPE})

        async def now(_: Any) -> Response:
            return JSONResponse(self._state())

        async def recording(request: Any) -> Response:
            return await asyncio.to_thread(self._record, request.path_params["what"])

        routes = [
            Route("/", file), Route("/healthz", healthz), Route("/metrics", metrics), Route("/api/now", now),
            Route("/api/recording/{what}", recording, methods=["POST"]), WebSocketRoute("/live", self._live),
            Route("/{name}", file),
        ]  # fmt: skip
        return Guard(Starlette(routes=routes), self._token)

    def _record(self, what: str) -> Any:
        from starlette.responses import JSONResponse

        if self._recorder is None:
            return JSONResponse({"error": "this run keeps no recordings; give --recordings FOLDER"}, 409)
        if what not in ("start", "stop"):
            return JSONResponse({"error": "start or stop"}, 404)
        try:
            return JSONResponse(_recording(self._recorder.start() if what == "start" else self._recorder.stop()))
        except Sa3dhpError as e:
            return JSONResponse({"error": e.message}, 507)

    async def _live(self, connection: Any) -> None:
        """The page asks and gets the state, and a newer picture where there is one: who does not ask costs nothing."""
        from starlette.websockets import WebSocketDisconnect

        await connection.accept()
        shown = -1
        try:
            while True:
                await connection.receive_text()
                seen = await self._newer_than(shown)
                if seen is None:
                    await connection.send_text(json.dumps(self._state(), allow_nan=False))
                    continue
                frame, poses, _ = seen
                shown = frame.index
                await connection.send_text(json.dumps(self._state(frame, poses), allow_nan=False))
                await connection.send_bytes(await asyncio.to_thread(self._picture, frame))
                await asyncio.sleep(1 / _PER_S)
        except WebSocketDisconnect:
            return

    async def _newer_than(self, index: int) -> tuple[Frame, tuple[Pose, ...], float] | None:
        for _ in range(int(_STILL_S / _TICK_S)):
            seen = self.monitor.seen()
            if seen is not None and seen[0].index != index:
                return seen
            await asyncio.sleep(_TICK_S)
        return None

    def _picture(self, frame: Frame) -> bytes:
        """The frame as a small JPEG; made once, however many look at it."""
        index, jpeg = self._jpeg
        if index != frame.index:
            image = frame.image_bgr
            scale = _PICTURE_PX / max(image.shape[:2])
            if scale < 1:
                image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
            made, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
            jpeg = bytes(data) if made else b""
            self._jpeg = (frame.index, jpeg)
        return jpeg

    def _state(self, frame: Frame | None = None, poses: tuple[Pose, ...] = ()) -> dict[str, Any]:
        now = self.monitor.now()
        told = asdict(now) | {"trouble": now.trouble, "joints": JOINTS, "parents": PARENTS}
        told["recording"] = None if self._recorder is None else _recording(self._recorder.now)
        told["picture"] = frame is not None
        if frame is not None:
            told |= {"frame": frame.index, "time_s": frame.time_s, "people": [_person(pose) for pose in poses]}
        return told


_FILES = ("index.html", "app.js", "style.css", "icon.svg")


def parsed(where: str) -> tuple[str, int]:
    """Host and port of [HOST:]PORT.

    Raises:
        ConfigError: it names no port.
    """
    host, _, port = where.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"{where} names no port to serve on", "--serve 8080, or --serve 0.0.0.0:8080")
    return host.strip("[]") or "127.0.0.1", int(port)


def _person(pose: Pose) -> dict[str, Any]:
    return {
        "track": pose.track, "confidence": round(pose.confidence, 3), "expected_error_mm": pose.expected_error_mm,
        "joints_px": np.round(pose.joints_px.astype(float), 1).tolist(),
        "joints_mm": np.round(pose.joints_mm.astype(float), 1).tolist(),
        "root_mm": None if pose.root_mm is None else np.round(pose.root_mm.astype(float), 1).tolist(),
    }  # fmt: skip


def _recording(now: RecordingNow) -> dict[str, Any]:
    return asdict(now) | {"path": None if now.path is None else str(now.path)}
