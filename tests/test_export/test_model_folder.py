"""What an exported model folder holds, and that a failing export leaves nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import export.model_folder as model_folder
from export.model_folder import read_weights, write_model
from runtime.model import Model
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.errors import ModelError, OutputError, ParityError, ShapeError
from sa3dhp_edge.networks.image_to_latent import MEAN, STD
from sa3dhp_edge.networks.model_set import ModelSet


@pytest.fixture
def ready_graphs(model: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, onnx.ModelProto]:
    """Lets `write_model` take these graphs instead of making them, which is what takes the time."""
    files = sorted(p.relative_to(model).as_posix() for p in model.rglob("*.onnx"))
    graphs = {file: onnx.load(str(model / file)) for file in files}
    monkeypatch.setattr(model_folder, "_graphs", lambda _: iter(graphs.items()))
    return graphs


def test_the_runtime_loads_an_exported_model(model: Path, pictures: np.ndarray) -> None:
    loaded = Model.load(model)
    answer = loaded.estimate(pictures)
    v = loaded.motion_latent(np.zeros((2, 30, 32), np.float32))
    loaded.close()
    assert answer.pose_mm.shape == (len(pictures), 17, 3)
    assert answer.joint_score is not None
    assert v.shape == (2, 128)


def test_the_contract_describes_the_model(model: Path, model_set: ModelSet) -> None:
    contract = read_contract(model)
    assert (contract.name, contract.preset, contract.crop_px) == ("small", "edge", 64)
    assert (contract.mean, contract.std) == (MEAN, STD)
    assert (contract.window_frames, contract.window_fps) == (30, 30.0)
    assert {(r.latent, r.rule): r.held_out_error for r in contract.relations} == model_set.relation_errors
    assert all((model / r.file).is_file() for r in contract.relations)
    assert contract.confidence == model_set.confidence
    assert contract.lineage == ("made for tests",)
    assert contract.created.endswith("+00:00")
    assert set(contract.versions) == {"sa3dhp_edge", "torch", "onnx", "onnxruntime", "python"}
    on_disk = {p.relative_to(model).as_posix() for p in model.rglob("*") if p.is_file()}
    assert set(contract.files) == on_disk - {"contract.json"}
    assert "parity.json" in contract.files


def test_a_changed_file_is_found_by_its_hash(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "copy")
    with (tmp_path / "copy" / "frozen" / "d_m.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match=r"d_m\.onnx is damaged or was exchanged"):
        read_contract(tmp_path / "copy")


def test_parity_is_written_beside_the_model(model: Path) -> None:
    written = json.loads((model / "parity.json").read_text())
    assert written["passed"]
    assert written["failures"] == []
    assert [p["batch"] for p in written["poses"]] == [1, 6]
    assert all(p["max_mm"] < written["budget"]["pose_mm"] for p in written["poses"])


def test_a_model_that_fails_never_appears(
    model_set: ModelSet, pictures: np.ndarray, ready_graphs: dict[str, onnx.ModelProto], tmp_path: Path
) -> None:
    ready_graphs["frozen/d_m.onnx"] = _halved(ready_graphs["frozen/d_m.onnx"])
    with pytest.raises(ParityError, match="d_m is"):
        write_model(model_set, tmp_path / "out" / "m", name="m", pictures=pictures)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "error"),
    [(np.zeros((0, 64, 64, 3), np.uint8), ParityError), (np.zeros((2, 32, 32, 3), np.uint8), ShapeError)],
)
def test_no_pictures_or_wrong_ones_publish_nothing(
    wrong: np.ndarray,
    error: type[Exception],
    model_set: ModelSet,
    ready_graphs: dict[str, onnx.ModelProto],
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match="pictures"):
        write_model(model_set, tmp_path / "m", name="m", pictures=wrong)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_model_is_refused_or_replaced(
    model_set: ModelSet, pictures: np.ndarray, ready_graphs: dict[str, onnx.ModelProto], tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "old").touch()
    with pytest.raises(OutputError, match="exists already"):
        write_model(model_set, tmp_path / "m", name="m", pictures=pictures)
    write_model(model_set, tmp_path / "m", name="m", pictures=pictures, refuse=False)
    assert read_contract(tmp_path / "m").name == "m"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    assert not (tmp_path / "m" / "old").exists()


def test_weights_come_back_from_a_model_a_run_and_a_folder(model: Path, model_set: ModelSet, tmp_path: Path) -> None:
    shutil.copytree(model / "weights", tmp_path / "run" / "weights")
    for place in (model, tmp_path / "run", model / "weights"):
        found = read_weights(place)
        assert found.settings == model_set.settings
        assert found.relation_errors == model_set.relation_errors
        wanted = model_set.g.state_dict()
        assert all(torch.equal(value, wanted[name]) for name, value in found.g.state_dict().items())


def test_weights_of_nothing_are_an_error_that_says_so(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not there"):
        read_weights(tmp_path / "none")
    with pytest.raises(ModelError, match="holds no weights"):
        read_weights(tmp_path)
    shutil.copytree(model, tmp_path / "copy")
    (tmp_path / "copy" / "weights" / "d_m.safetensors").unlink()
    with pytest.raises(ModelError, match=r"d_m\.safetensors is missing"):
        read_weights(tmp_path / "copy")


@pytest.mark.slow
def test_the_paper_preset_exports(make_set: Callable[..., ModelSet], pictures: np.ndarray, tmp_path: Path) -> None:
    report = write_model(make_set("resnet50", "lstm"), tmp_path / "m", name="paper", pictures=pictures)
    assert "joint_score" not in report.tensors
    model = Model.load(tmp_path / "m")
    assert model.estimate(pictures[:1]).joint_score is None
    model.close()


def _halved(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The first weight of a network at half its size."""
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    tensor = made.graph.initializer[0]
    values = onnx.numpy_helper.to_array(tensor) / 2
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return made
