"""Who may ask: everybody of this machine on loopback, else whoever has the token; and no page from elsewhere.

Two ways in that a browser opens are closed: a name that was made to point at this machine (DNS rebinding), by the names
that loopback answers to, and requests that another page makes (cross-site), by their origin.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, final
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

COOKIE = "sa3dhp_token"
_FOR_MACHINES = ("/healthz", "/metrics")
"""Programs of this machine need no token for these."""
_SAFE = b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
HEADERS = [
    (b"content-security-policy", _SAFE + b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


@final
class Guard:
    """Stands before an ASGI application.

    Args:
        app: what it guards.
        token: None where the server listens on loopback without one.
    """

    def __init__(self, app: App, token: str | None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        refused = self._refusal(scope, headers)
        if refused:
            await _refuse(scope, send, receive, *refused)
            return
        given = self._given_by_query(scope)

        async def told(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = list(HEADERS)
                if given:
                    more.append((b"set-cookie", f"{COOKIE}={given}; HttpOnly; SameSite=Strict; Path=/".encode()))
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        await self._app(scope, receive, told if scope["type"] == "http" else send)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and reason, where somebody may not."""
        host = headers.get("host", "")
        origin = headers.get("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if changes and origin is not None and urlsplit(origin).netloc != host:
            return 403, "this page may not ask"
        if self._token is None:
            return None if _names_loopback(host) else (403, "ask by localhost or 127.0.0.1")
        if scope["path"] in _FOR_MACHINES and is_loopback((scope.get("client") or ("",))[0]):
            return None
        if any(_same(given, self._token) for given in _tokens(scope, headers)):
            return None
        return 401, "the address of the page has a token; it was printed at the start of the run"

    def _given_by_query(self, scope: Scope) -> str:
        """The token where it stands in the address: the browser keeps it in a cookie from then on."""
        if self._token is None:
            return ""
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        return self._token if _same(given, self._token) else ""


def _tokens(scope: Scope, headers: dict[str, str]) -> list[str]:
    found = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [])
    if headers.get("authorization", "").lower().startswith("bearer "):
        found = [*found, headers["authorization"][7:].strip()]
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        cookie = None
    return found if cookie is None else [*found, cookie.value]


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _names_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    return name == "localhost" or is_loopback(name)


def is_loopback(name: str) -> bool:
    """Whether a name is an address of this machine alone."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _refuse(scope: Scope, send: Any, receive: Any, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    body = reason.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
