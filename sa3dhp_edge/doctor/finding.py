"""What a look at one thing comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing looked at: "ok", a "note" that may be meant so, or a "problem" that stops the program."""

    name: str
    status: Literal["ok", "note", "problem"]
    detail: str
    fix: str = ""
