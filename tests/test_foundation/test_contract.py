"""A model folder is read only when it is whole, ours, and unchanged; each damage has its own words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sa3dhp_edge.contract import (
    FILE,
    Confidence,
    ErrorModel,
    ModelContract,
    RelationNet,
    Tensor,
    file_sha256,
    read_contract,
)
from sa3dhp_edge.errors import ContractMismatch, ModelError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder whose networks are just bytes."""
    folder = tmp_path / "model"
    (folder / "frozen").mkdir(parents=True)
    for name in ("g.onnx", "e_m.onnx", "frozen/d_p.onnx"):
        (folder / name).write_bytes(name.encode())
    (folder / FILE).write_text(_contract(folder).to_json())
    return folder


def _contract(folder: Path) -> ModelContract:
    return ModelContract(
        name="hall",
        preset="demo",
        crop_px=64,
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.2, 0.2),
        inputs=(Tensor("image", ("batch", 3, 64, 64)),),
        outputs=(Tensor("z", ("batch", 32)), Tensor("pose_mm", ("batch", 17, 3))),
        window_frames=30,
        window_fps=30.0,
        relations=(RelationNet("flip", "z", "frozen/t.onnx", 0.1),),
        confidence=Confidence(cycle=0.05, joint_score=None),
        files={n: file_sha256(folder / n) for n in ("g.onnx", "e_m.onnx", "frozen/d_p.onnx")},
        versions={"sa3dhp-edge": "0.1.0"},
        created="2026-01-01T00:00:00Z",
    )


def test_a_contract_comes_back_as_it_went(model: Path) -> None:
    assert read_contract(model) == _contract(model)


def test_a_calibration_comes_back_and_may_be_absent(model: Path) -> None:
    known = ErrorModel(3.0, (1.5, 0.25, 0.0), 70.0, 110.0, 260.0, 300.0)
    whole = replace(_contract(model), confidence=Confidence(0.05, 0.7, known, replace(known, offset=2.5)))
    (model / FILE).write_text(whole.to_json())
    assert read_contract(model) == whole
    _edit(model, lambda raw: [raw["confidence"].pop(name) for name in ("mpjpe", "pa_mpjpe")])
    assert read_contract(model).confidence == Confidence(0.05, 0.7), "as folders of earlier versions are"


@pytest.mark.parametrize("wrong", [{"weights": [1, -1, 0]}, {"useless_mm": 90.0}, {"offset": "much"}, {"weights": [1]}])
def test_a_calibration_that_cannot_be_is_refused(model: Path, wrong: dict[str, Any]) -> None:
    known = ErrorModel(3.0, (1.5, 0.25, 0.0), 70.0, 110.0, 260.0, 300.0)
    (model / FILE).write_text(replace(_contract(model), confidence=Confidence(0.05, 0.7, known)).to_json())
    _edit(model, lambda raw: raw["confidence"]["mpjpe"].update(wrong))
    with pytest.raises(ContractMismatch, match="is incomplete"):
        read_contract(model)


def test_the_hash_speaks_for_every_file(model: Path) -> None:
    contract = _contract(model)
    changed = replace(contract, files=contract.files | {"frozen/d_p.onnx": "0" * 64})
    assert contract.sha256() == replace(contract, name="other").sha256()
    assert contract.sha256() != changed.sha256()


def test_absent_and_foreign_folders(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere is not there[\s\S]*hint: make a model folder"):
        read_contract(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"is no model folder: it has no contract\.json"):
        read_contract(tmp_path)


def test_an_unreadable_contract(model: Path) -> None:
    for text in ("{", "[]", "{}", "null"):
        (model / FILE).write_text(text)
        with pytest.raises(ModelError, match="cannot be read as a contract"):
            read_contract(model)


@pytest.mark.parametrize(("version", "way"), [(2, "update sa3dhp-edge"), (0, "export the model again")])
def test_another_format_says_which_way_to_go(model: Path, version: int, way: str) -> None:
    _edit(model, lambda raw: raw.update(format=version))
    with pytest.raises(ModelError, match=rf"model format {version}, this version reads 1[\s\S]*{way}"):
        read_contract(model)


def test_a_missing_and_a_changed_file(model: Path) -> None:
    network = model / "frozen/d_p.onnx"
    network.write_bytes(b"other")
    with pytest.raises(ModelError, match=r"d_p.onnx is damaged or was exchanged"):
        read_contract(model)
    network.unlink()
    with pytest.raises(ModelError, match=r"is incomplete: frozen/d_p.onnx is missing"):
        read_contract(model)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname"])
def test_a_contract_cannot_name_files_outside(model: Path, name: str) -> None:
    (model.parent / "outside").write_text("")
    _edit(model, lambda raw: raw["files"].update({name: "0"}))
    with pytest.raises(ModelError, match="names a file outside the folder"):
        read_contract(model)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw.update(colour="BGR"), "unknown fields: colour"),
        (lambda raw: raw.pop("crop_px"), "is incomplete: .*crop_px"),
        (lambda raw: raw["inputs"][0].pop("dtype"), "is incomplete: 'dtype'"),
        (lambda raw: raw["confidence"].pop("cycle"), "is incomplete: .*cycle"),
        (lambda raw: raw["joints"].reverse(), "the model's skeleton is left_foot"),
        (lambda raw: raw.update(unit="m"), "the model speaks m in frame"),
        (lambda raw: raw["files"].pop("e_m.onnx"), "the contract names no e_m.onnx"),
    ],
)
def test_a_contract_that_is_not_ours(model: Path, change: Callable[[dict[str, Any]], object], words: str) -> None:
    _edit(model, change)
    with pytest.raises(ContractMismatch, match=words):
        read_contract(model)


def _edit(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    raw = json.loads((model / FILE).read_text())
    change(raw)
    (model / FILE).write_text(json.dumps(raw))
