"""The file that tells `run` how tall the person is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from runtime.subject import Subject
from sa3dhp_edge.atomic import refuse_existing, write_json


def save_subject(path: Path, subject: Subject, overwrite: bool = False) -> None:
    """Write subject.json.

    Raises:
        OutputError: the file exists or cannot be written.
    """
    if not overwrite:
        refuse_existing(path, "name another path, or replace it with --overwrite")
    write_json(path, asdict(subject))
