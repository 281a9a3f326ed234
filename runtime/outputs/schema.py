"""The published JSON Schema of a recording's lines."""

from __future__ import annotations

from pathlib import Path

SCHEMA_FILE = Path(__file__).with_name("poses-1.schema.json")
"""JSON Schema, draft 2020-12, of each line of schema sa3dhp-edge/poses/1."""


def schema_text() -> str:
    """The JSON Schema as it lies in the package."""
    return SCHEMA_FILE.read_text(encoding="utf-8")
