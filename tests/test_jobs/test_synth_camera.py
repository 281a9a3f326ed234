"""Generated people as a camera."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from runtime.inputs import open_source
from sa3dhp_edge.errors import MissingPackage
from sa3dhp_edge.extras import EXTRAS, Extra
from sa3dhp_edge.jobs.synth_camera import SIZE_WH, jpegs, synth_camera


def test_equal_seeds_show_the_same_and_the_picture_moves() -> None:
    first, again, other = (list(islice(jpegs(seed), 2)) for seed in (1, 1, 2))
    assert first == again != other
    pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int) for data in first]
    assert pictures[0].shape[1::-1] == SIZE_WH
    assert np.abs(pictures[0] - pictures[1]).max() > 20


@pytest.mark.slow
def test_it_is_read_like_a_camera_and_its_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with synth_camera() as address:
        with open_source(uri=address) as source:
            frames = list(islice(source, 3))
        assert source.size_wh == SIZE_WH
        assert [frame.index for frame in frames] == [0, 1, 2]
        fd = int(address.removeprefix("fd:"))
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_what_draws_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "export", Extra("export", ("no_such_package",), ""))
    with pytest.raises(MissingPackage, match="synth:// needs no_such_package") as e, synth_camera():
        pass
    assert "pip install" in e.value.hint


@pytest.mark.slow
def test_run_takes_it(shell: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    out = tmp_path / "p.jsonl"
    outcome = shell("run", "--input", "synth://", "--max-frames", "20", "--threads", "1", "--out", out)
    assert outcome.code == 0, outcome.err
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(records) == 21
    assert any(record["record"] == "pose" for record in records)
