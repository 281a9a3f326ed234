"""The settings of a run, from a TOML file and from what was said beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.config import RuntimeConfig
from runtime.inputs import names_file
from sa3dhp_edge.settings import WrongSetting, beside, built, checked, merged
from sa3dhp_edge.settings_file import read_settings, refused

INSTEAD = (("camera", "video", "source"), ("box", "detector"), ("height_mm", "subject"))
"""Settings that take each other's place: one that was said leaves out what the file has of the others."""


def run_config(
    said: Mapping[str, Any] | None = None, file: Path | None = None, base: Path | None = None
) -> RuntimeConfig:
    """One run's settings.

    Args:
        said: plain values by name, tables within as mappings; they win over the file's.
        file: TOML; relative paths in it are relative to its folder.
        base: folder that relative paths in `said` are relative to; None leaves them as they are.

    Raises:
        SettingsFileError: the file cannot be used, or the record refuses what the two make together.
        ConfigError: without a file, what was said cannot be.
    """
    above = _beside(checked(RuntimeConfig, said or {}, base), base)
    if file is None:
        return built(RuntimeConfig, above)
    below = _beside(read_settings(file, RuntimeConfig), file.resolve().parent)
    replaced = {name for group in INSTEAD if not above.keys().isdisjoint(group) for name in group}
    kept = {name: value for name, value in below.items() if name not in replaced}
    try:
        return built(RuntimeConfig, merged(kept, above))
    except WrongSetting as e:
        raise refused(file, e) from e


def _beside(values: dict[str, Any], base: Path | None) -> dict[str, Any]:
    """An address that is a path is relative to the same folder as the paths."""
    source = values.get("source")
    if base is None or source is None or not names_file(source):
        return values
    return values | {"source": str(beside(source, base))}
