"""The model that comes with the program: whole, small, described, and taken wherever none is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from runtime import inputs
from runtime.cameras import CameraSource
from sa3dhp_edge.api import load_model
from sa3dhp_edge.contract import FILE, read_contract
from sa3dhp_edge.jobs.model_card import model_card
from sa3dhp_edge.jobs.ship import CARD, FIGURES
from sa3dhp_edge.shipped import FOLDER, SHIPPED, model_folder

ROOM_MB = 32
"""What a model may take of the repository."""


class StillCamera:
    """A camera that shows an empty room, as OpenCV would."""

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def grab(self) -> bool:
        return True

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((120, 160, 3), 90, np.uint8)

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_FPS: 30.0}.get(what, 0.0)

    def release(self) -> None:
        """Nothing is open."""


def test_a_camera_runs_without_a_model_named(
    shell: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(inputs, "CameraSource", lambda address, wait_s, *_, **__: CameraSource(address, wait_s, _still))
    outcome = shell("run", "--camera", "0", "--max-frames", "3", "--threads", "1", "--out", "p.jsonl")
    assert outcome.code == 0, outcome.err
    header, *frames = (json.loads(line) for line in Path("p.jsonl").read_text().splitlines())
    contract = read_contract(FOLDER)
    assert header["model"] == {"name": contract.name, "sha256": contract.sha256()}
    assert [frame["record"] for frame in frames] == ["empty"] * 3


def _still(_: object) -> Any:
    return StillCamera()


def test_python_takes_it_too() -> None:
    model = load_model(threads=1)
    pose = model.estimate(np.full((200, 200, 3), 90, np.uint8), (0.0, 0.0, 200.0, 200.0))
    model.close()
    assert np.isfinite(pose.joints_mm).all()


def test_a_folder_of_the_same_name_is_not_it() -> None:
    assert model_folder(SHIPPED) == FOLDER
    assert model_folder("./shipped") == model_folder(Path("shipped")) == Path("shipped")


def test_it_is_whole_and_small() -> None:
    contract = read_contract(FOLDER)
    files = {p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*") if p.is_file()}
    assert files == {*contract.files, FILE, CARD, FIGURES}
    assert all(relation.file in files for relation in contract.relations)
    assert sum((FOLDER / file).stat().st_size for file in files) < ROOM_MB * 1e6
    report = json.loads((FOLDER / "parity.json").read_text())
    assert report["passed"]


def test_every_graph_is_valid_with_its_weights_in_place() -> None:
    for path in sorted(FOLDER.rglob("*.onnx")):
        onnx.checker.check_model(str(path), full_check=True)


def test_its_card_says_what_was_measured_and_whom_to_thank() -> None:
    figures = json.loads((FOLDER / FIGURES).read_text())
    card = (FOLDER / CARD).read_text()
    assert card == model_card(figures), "the card's words changed: write model_card(figures) into it again"
    assert figures["model"]["sha256"] == read_contract(FOLDER).sha256()
    words = " ".join(card.split())
    assert (
        "The data used in this project was obtained from mocap.cs.cmu.edu. "
        "The database was created with funding from NSF EIA-0196217."
    ) in words
    for clip in figures["clips"]:
        assert f"| {clip} |" in card
    for word in ("CC0", "Apache 2.0", "generated ones alone", *figures["recipe"]):
        assert word in words
