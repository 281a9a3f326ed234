import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from runtime.backends.onnx_runtime import OnnxBackend
from runtime.model import Model
from runtime.yolox import YoloxDetector
from sa3dhp_edge.contract import Tensor, file_sha256
from sa3dhp_edge.errors import ContractMismatch, ModelError, ShapeError
from sa3dhp_edge.records import Frame


def test_a_model_estimates_and_a_batch_equals_singles(fake_model):
    model = Model.load(fake_model)
    pictures = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    whole = model.estimate(pictures)
    assert whole.z.shape == (5, 32)
    assert whole.pose_mm.shape == (5, 17, 3)
    assert whole.camera.shape == (5, 3)
    assert whole.joints_uv.shape == (5, 17, 2)
    assert whole.joint_score is not None
    assert whole.joint_score.shape == (5, 17)
    assert np.allclose(whole.cycle, 0, atol=1e-5)
    for i in range(5):
        assert np.allclose(model.estimate(pictures[i : i + 1]).joints_uv[0], whole.joints_uv[i], atol=1e-5)
    assert model.motion_latent(np.zeros((2, 30, 32), np.float32)).shape == (2, 128)
    model.close()


def test_pictures_of_another_size_or_type_are_refused(fake_model):
    model = Model.load(fake_model)
    for bad in (np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 64, 64, 3), np.float32)):
        with pytest.raises(ShapeError, match="64, 64, 3"):
            model.estimate(bad)


def test_a_changed_file_and_a_missing_folder_are_model_errors(make_model, tmp_path):
    folder = make_model(tmp_path / "m")
    (folder / "e_m.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match="damaged or was exchanged"):
        Model.load(folder)
    with pytest.raises(ModelError, match="is not there"):
        Model.load(tmp_path / "none")


def test_a_network_that_breaks_its_contract_is_refused(make_model, tmp_path):
    folder = make_model(tmp_path / "m")
    contract = json.loads((folder / "contract.json").read_text())
    contract["outputs"][1]["shape"] = ["batch", 16, 3]
    (folder / "contract.json").write_text(json.dumps(contract))
    with pytest.raises(ContractMismatch, match="pose_mm"):
        Model.load(folder)
    del contract["outputs"][1]
    (folder / "contract.json").write_text(json.dumps(contract))
    with pytest.raises(ContractMismatch, match="no output pose_mm"):
        Model.load(folder)


def test_a_file_that_is_no_network_is_a_model_error(make_model, tmp_path):
    folder = make_model(tmp_path / "m")
    (folder / "g.onnx").write_bytes(b"no network")
    contract = json.loads((folder / "contract.json").read_text())
    contract["files"]["g.onnx"] = file_sha256(folder / "g.onnx")
    (folder / "contract.json").write_text(json.dumps(contract))
    with pytest.raises(ModelError, match="cannot be loaded"):
        Model.load(folder)


def test_the_engine_names_the_input_it_misses(fake_model):
    backend = OnnxBackend(fake_model / "frozen" / "e_p.onnx")
    assert backend.inputs == (Tensor("pose_mm", ("batch", 17, 3)),)
    backend.warm_up()
    with pytest.raises(ContractMismatch, match="pose_mm"):
        backend.infer({"pose": np.zeros((1, 17, 3), np.float32)})
    with pytest.raises(ContractMismatch, match="pose_mm"):
        backend.infer({"pose_mm": np.zeros((1, 16, 3), np.float32)})


def yolox_file(path, rows: np.ndarray, size: int = 64):
    """A network that ignores its picture and says `rows`."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["rows", "nothing"], ["output"]),
    ]
    constants = [
        onnx.numpy_helper.from_array(np.float32(0), "zero"),
        onnx.numpy_helper.from_array(rows[None].astype(np.float32), "rows"),
    ]
    graph = helper.make_graph(
        nodes,
        "yolox",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, *rows.shape])],
        constants,
    )
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
    )
    return path


def test_a_detectors_grid_is_decoded_and_double_boxes_go(tmp_path):
    rows = np.zeros((64 + 16 + 4, 7))
    cell = 64 + 5  # stride 16, column 1, row 1
    rows[cell] = [0.5, 0.5, np.log(1.0), np.log(2.0), 0.9, 0.9, 0.1]  # centre (24, 24), 16 x 32
    rows[cell + 1] = [-0.4, 0.5, np.log(1.0), np.log(2.0), 0.8, 0.9, 0.1]  # the same person
    rows[0] = [0, 0, 0, 0, 0.9, 0.0, 1.0]  # another class
    finder = YoloxDetector(yolox_file(tmp_path / "y.onnx", rows))
    (candidate,) = finder.candidates(Frame(np.zeros((128, 96, 3), np.uint8), 0, 0.0))
    x0, y0, x1, y1 = candidate.box
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((48, 48))
    assert x1 - x0 == pytest.approx(64 * 0.92 * 1.25)
    assert candidate.score == pytest.approx(0.81, abs=1e-3)
    assert finder.confirms(Frame(np.zeros((128, 96, 3), np.uint8), 0, 0.0), (20, 20, 76, 76))


def test_another_network_is_no_detector(tmp_path, fake_model):
    with pytest.raises(ModelError, match="raw outputs"):
        YoloxDetector(yolox_file(tmp_path / "y.onnx", np.zeros((10, 7))))
    with pytest.raises(ModelError, match="YOLOX"):
        YoloxDetector(fake_model / "frozen" / "e_p.onnx")
