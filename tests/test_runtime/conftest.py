"""A model whose answers are known: it reads the centre, size and amount of brightness; and videos of a bright blob."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from runtime.sources import AbstractSource
from sa3dhp_edge.contract import FILE, Confidence, ModelContract, Tensor, file_sha256
from sa3dhp_edge.records import Frame
from sa3dhp_edge.skeleton import JOINTS, pose_from_directions

CROP_PX = 64
SIZE_WH = (320, 240)


def standing_mm() -> np.ndarray:
    """(17, 3) a person who stands, facing the camera, arms a little out."""
    directions = np.zeros((16, 3), np.float32)
    for i, joint in enumerate(JOINTS[1:]):
        side, _, part = joint.partition("_")
        sign = {"right": -1.0, "left": 1.0}.get(side, 0.0)
        directions[i] = {
            "shoulder": (sign, 0, 0), "hip": (sign, 0, 0), "elbow": (0.4 * sign, 0.9165151, 0),
            "wrist": (0.4 * sign, 0.9165151, 0), "knee": (0, 1, 0), "ankle": (0, 1, 0), "foot": (0, 0.6, -0.8),
        }.get(part, (0, -1, 0))  # fmt: skip
    return pose_from_directions(directions)


def _g() -> onnx.ModelProto:
    pose = standing_mm()
    low, high = pose[:, 1].min() / 1000, pose[:, 1].max() / 1000
    us = ((np.arange(CROP_PX) + 0.5) / CROP_PX * 2 - 1).astype(np.float32)
    v, u = np.meshgrid(us, us, indexing="ij")
    constants = {
        "u": u[None, None], "v": v[None, None], "dark": np.float32(0.6), "tiny": np.float32(1e-4),
        "height_per_std": np.float32(12**0.5 / (high - low)), "middle": np.float32((low + high) / 2),
        "xy": pose[None, :, :2] / np.float32(1000), "pose": pose[None],
        "first": pose.ravel()[None, :32] / np.float32(1000),
        "zero": np.float32(0), "one": np.float32(1), "per_mass": np.float32(40 / CROP_PX**2),
        "ones": np.ones((1, 17), np.float32),
        "columns": np.array([1]), "flat": np.array([-1, 1, 1]), "row": np.array([-1, 1]), "axes": np.array([1, 2, 3]),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Sub", ["image", "dark"], ["over"]),
        node("Relu", ["over"], ["bright"]),
        node("ReduceSum", ["bright", "axes"], ["mass"], keepdims=1),
        node("Add", ["mass", "tiny"], ["weight"]),
    ]
    for axis in "uv":
        nodes += [
            node("Mul", ["bright", axis], [f"m{axis}"]),
            node("ReduceSum", [f"m{axis}", "axes"], [f"s{axis}"], keepdims=1),
            node("Div", [f"s{axis}", "weight"], [f"c{axis}"]),
            node("Reshape", [f"c{axis}", "row"], [f"t{axis}"]),
        ]
    nodes += [
        node("Sub", ["v", "cv"], ["dv"]),
        node("Mul", ["dv", "dv"], ["dv2"]),
        node("Mul", ["dv2", "bright"], ["mdv2"]),
        node("ReduceSum", ["mdv2", "axes"], ["sdv2"], keepdims=1),
        node("Div", ["sdv2", "weight"], ["variance"]),
        node("Sqrt", ["variance"], ["std"]),
        node("Mul", ["std", "height_per_std"], ["scale4"]),
        node("Reshape", ["scale4", "row"], ["scale"]),
        node("Mul", ["scale", "middle"], ["off"]),
        node("Sub", ["tv", "off"], ["ty"]),
        node("Concat", ["scale", "tu", "ty"], ["camera"], axis=1),
        node("Concat", ["tu", "ty"], ["shift2"], axis=1),
        node("Unsqueeze", ["shift2", "columns"], ["shift"]),
        node("Reshape", ["scale", "flat"], ["scale3"]),
        node("Mul", ["xy", "scale3"], ["grown"]),
        node("Add", ["grown", "shift"], ["joints_uv"]),
        node("Mul", ["scale3", "zero"], ["zero3"]),
        node("Add", ["pose", "zero3"], ["pose_mm"]),
        node("Mul", ["scale", "zero"], ["zero2"]),
        node("Add", ["first", "zero2"], ["z"]),
        node("Mul", ["mass", "per_mass"], ["share"]),
        node("Clip", ["share", "zero", "one"], ["share1"]),
        node("Reshape", ["share1", "row"], ["share2"]),
        node("Mul", ["share2", "ones"], ["joint_score"]),
    ]
    shapes = {"z": (32,), "pose_mm": (17, 3), "camera": (3,), "joints_uv": (17, 2), "joint_score": (17,)}
    return _model(nodes, {"image": (3, CROP_PX, CROP_PX)}, shapes, constants)


def _e_p() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Reshape", ["pose_mm", "flat"], ["row"]),
        helper.make_node("Slice", ["row", "from", "to", "axis"], ["cut"]),
        helper.make_node("Mul", ["cut", "metre"], ["z"]),
    ]
    constants = {
        "flat": np.array([-1, 51]), "from": np.array([0]), "to": np.array([32]), "axis": np.array([1]),
        "metre": np.float32(0.001),
    }  # fmt: skip
    return _model(nodes, {"pose_mm": (17, 3)}, {"z": (32,)}, constants)


def _e_m() -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMean", ["z_window"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Concat", ["mean"] * 4, ["v"], axis=1),
    ]
    return _model(nodes, {"z_window": (30, 32)}, {"v": (128,)}, {})


def _model(nodes: list, inputs: dict, outputs: dict, constants: dict) -> onnx.ModelProto:
    def infos(shapes: dict) -> list:
        return [helper.make_tensor_value_info(k, TensorProto.FLOAT, ["batch", *s]) for k, s in shapes.items()]

    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "fake", infos(inputs), infos(outputs), initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_fake_model(folder: Path) -> Path:
    """A model folder that passes every check."""
    (folder / "frozen").mkdir(parents=True)
    for name, proto in {"g.onnx": _g(), "e_m.onnx": _e_m(), "frozen/e_p.onnx": _e_p()}.items():
        (folder / name).write_bytes(proto.SerializeToString())
    contract = ModelContract(
        name="fake",
        preset="test",
        crop_px=CROP_PX,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        inputs=(Tensor("image", ("batch", 3, CROP_PX, CROP_PX)),),
        outputs=(
            Tensor("z", ("batch", 32)),
            Tensor("pose_mm", ("batch", 17, 3)),
            Tensor("camera", ("batch", 3)),
            Tensor("joints_uv", ("batch", 17, 2)),
            Tensor("joint_score", ("batch", 17)),
        ),
        window_frames=30,
        window_fps=30.0,
        relations=(),
        confidence=Confidence(cycle=0.1, joint_score=1.0),
        files={n: file_sha256(folder / n) for n in ("g.onnx", "e_m.onnx", "frozen/e_p.onnx")},
        versions={},
        created="2026-01-01",
    )
    (folder / FILE).write_text(contract.to_json())
    return folder


def blob_frame(
    centre_px: tuple[float, float] | None, height_px: float = 120, size_wh: tuple[int, int] = SIZE_WH
) -> np.ndarray:
    """A dark frame, with a bright upright bar for a person."""
    w, h = size_wh
    image = np.full((h, w, 3), 40, np.uint8)
    if centre_px is not None:
        cx, cy = centre_px
        corner = (round(cx - height_px / 8), round(cy - height_px / 2))
        cv2.rectangle(image, corner, (round(cx + height_px / 8), round(cy + height_px / 2)), (250, 250, 250), -1)
    return image


def write_video(path: Path, frames: list[np.ndarray], fps: float = 30.0) -> Path:
    h, w = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (w, h))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def walk_centre(i: int) -> tuple[float, float]:
    """Where the bar of the walking video is in frame i."""
    return 110.0 + 1.5 * i, 120.0


class ListSource(AbstractSource):
    """Frames from memory."""

    def __init__(self, images: list[np.ndarray], fps: float = 30.0) -> None:
        self.name, self.fps, self.size_wh = "list", fps, (images[0].shape[1], images[0].shape[0])
        self._images = images
        self.closed = False

    def frames(self, stop: Event) -> Iterator[Frame]:
        for i, image in enumerate(self._images):
            if stop.is_set():
                return
            yield Frame(image, i, i / self.fps)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="session")
def fake_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fake_model(tmp_path_factory.mktemp("models") / "fake")


@pytest.fixture(scope="session")
def walk_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames, 30 fps: a bar that walks to the right."""
    return write_video(tmp_path_factory.mktemp("video") / "walk.mp4", [blob_frame(walk_centre(i)) for i in range(60)])


@pytest.fixture
def video_of(tmp_path: Path) -> Callable[..., Path]:
    def make(centres: list[tuple[float, float] | None], fps: float = 30.0, name: str = "made.mp4") -> Path:
        return write_video(tmp_path / name, [blob_frame(c) for c in centres], fps)

    return make


@pytest.fixture(scope="session")
def frame_at() -> Callable[..., np.ndarray]:
    return blob_frame


@pytest.fixture(scope="session")
def list_source() -> type[ListSource]:
    return ListSource


@pytest.fixture(scope="session")
def make_model() -> Callable[[Path], Path]:
    return write_fake_model


@pytest.fixture(scope="session")
def make_video() -> Callable[..., Path]:
    return write_video


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], object]], None]:
    """Waits, in bounded time, for something to become true."""

    def wait(what: Callable[[], object]) -> None:
        end = time.monotonic() + 30.0
        while not what():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.01)

    return wait
