"""What systemd is told: datagrams to the socket it names (its protocol is sd_notify(3))."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import final

log = logging.getLogger(__name__)


@final
class Notifier:
    """Sends words to whoever supervises this process; never waits, and never stops the run.

    Args:
        address: path of a datagram socket, or @name of an abstract one.
        watchdog_s: a supervisor that hears nothing for so long ends the process; None where none watches.
    """

    def __init__(self, address: str, watchdog_s: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = watchdog_s
        self._failed = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def say(self, *lines: str) -> None:
        """One datagram of NAME=value lines; one that cannot be sent is lost, and said once."""
        try:
            self._socket.sendto("\n".join(lines).encode(errors="replace"), self._address)
        except OSError as e:
            if not self._failed:
                log.warning("the supervisor cannot be told %s: %s", lines[0], e.strerror)
            self._failed = True

    def close(self) -> None:
        self._socket.close()


def supervisor(environment: Mapping[str, str] | None = None) -> Notifier | None:
    """Whoever supervises this process, by its environment; None where nobody does."""
    environment = os.environ if environment is None else environment
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    watches = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    period_us = environment.get("WATCHDOG_USEC", "") if watches else ""
    return Notifier(address, int(period_us) / 1e6 if period_us.isdecimal() and int(period_us) else None)
