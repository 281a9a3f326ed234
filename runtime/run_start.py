"""What the settings of a run leave open until it begins: the subject's height, and the time in the names of files."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from runtime.config import RuntimeConfig
from runtime.subject import load_subject

_START = "{start}"


def as_of_now(cfg: RuntimeConfig, now: datetime | None = None) -> RuntimeConfig:
    """The settings without anything open; a service that starts again writes new files, and none is lost.

    `{start}` in the name of an output becomes the time in UTC: `poses-20261201T073000Z.jsonl`.

    Raises:
        InputError: the subject's file cannot be used.
    """
    start = (now or datetime.now(timezone.utc)).astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")

    def named(path: Path) -> Path:
        return path.with_name(path.name.replace(_START, start)) if _START in path.name else path

    return replace(
        cfg,
        out=tuple(named(path) for path in cfg.outs),
        send=tuple(address.replace(_START, start) for address in cfg.send),
        overlay=None if cfg.overlay is None else named(cfg.overlay),
        height_mm=cfg.height_mm if cfg.subject is None else load_subject(cfg.subject).height_mm,
        subject=None,
    )
