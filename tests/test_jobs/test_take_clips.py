"""A recording's crops show every joint where its label says, whatever the lens does; what cannot be cut is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sa3dhp_edge.crop import FIELD
from sa3dhp_edge.datasets import registry
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.record import Inventory, Take
from sa3dhp_edge.datasets.shards import Shards
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.frameset import picture_px
from sa3dhp_edge.geometry import Intrinsics, rotation_about_y
from sa3dhp_edge.jobs import take_clips
from sa3dhp_edge.jobs.data_pack import pack
from sa3dhp_edge.jobs.take_clips import labelled_clips, why_not
from sa3dhp_edge.motion.procedural import procedural_motion
from sa3dhp_edge.skeleton import JOINTS

CROP, SIZE_WH = 128, (900, 700)
CAMERA = Intrinsics((700.0, 690.0), (450.0, 340.0), (-0.25, 0.06, 0.002, -0.001, 0.0))


def shown(frame: int) -> int:
    """The joint that a frame's disc is at."""
    return frame % len(JOINTS)


@dataclass(frozen=True)
class Dots:
    """Pictures of a disc at one joint, another in each frame, as the lens sees it."""

    px: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.px)

    def read(self, frames: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        for frame in frames:
            picture = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
            x, y = (16 * self.px[frame, shown(frame)]).round().astype(int).tolist()
            cv2.circle(picture, (x, y), 16 * 4, (90, 200, 250), -1, cv2.LINE_AA, shift=4)
            yield picture


def recording(frames: int = 12, camera: Intrinsics = CAMERA, split: str = "train", name: str = "a") -> Take:
    """Somebody walks off the optical axis, three metres away."""
    poses = procedural_motion(30, 1).poses_mm()[:: 1200 // frames][:frames]
    joints = (poses @ rotation_about_y(170).T + np.array([500.0, 250, 3200])).astype(np.float32)
    return Take(
        dataset="made", name=name, subject="1", action="", split=split, fps=20.0, skeleton="sa3dhp17",  # type: ignore[arg-type]
        joints_mm=joints, camera=camera, size_wh=SIZE_WH, pictures=Dots(project_px(joints, camera)),
        frames=np.arange(frames),
    )  # fmt: skip


def joint_distance_px(clip_images: NDArray[np.uint8], uv: NDArray[np.float32]) -> float:
    """The largest distance of a disc's centre from where the label puts its joint, in stored pixels."""
    side, worst = picture_px(CROP), 0.0
    for frame, (image, labels) in enumerate(zip(clip_images, uv, strict=True)):
        light = image.astype(float).sum(2)
        ys, xs = np.mgrid[:side, :side]
        found = np.array([(xs * light).sum(), (ys * light).sum()]) / light.sum()
        wanted = (labels[shown(frame)] / FIELD + 1) * side / 2 - 0.5
        worst = max(worst, float(np.linalg.norm(found - wanted)))
    return worst


@pytest.mark.parametrize("camera", [CAMERA, replace(CAMERA, distortion=())])
def test_discs_lie_at_their_labels(camera: Intrinsics) -> None:
    (clip,) = labelled_clips(recording(camera=camera), CROP, allow_lossy=False, fps=None)
    assert clip.joints_uv is not None
    assert joint_distance_px(clip.images, clip.joints_uv) < 1.0
    colour = clip.images.reshape(-1, 3)[clip.images.reshape(-1, 3).sum(1).argmax()]
    assert colour.tolist() == [250, 200, 90]


def test_without_the_lens_the_discs_lie_elsewhere() -> None:
    """The twin that fails: the check sees a lens that is not taken into account."""
    take = recording()
    (clip,) = labelled_clips(replace(take, camera=replace(CAMERA, distortion=())), CROP, allow_lossy=False, fps=None)
    assert clip.joints_uv is not None
    assert joint_distance_px(clip.images, clip.joints_uv) > 1.5


def test_labels_are_those_of_a_virtual_camera_on_the_person() -> None:
    take = recording()
    (clip,) = labelled_clips(take, CROP, allow_lossy=False, fps=None)
    assert clip.joints_mm is not None
    assert take.joints_mm is not None
    assert np.abs(clip.joints_mm[:, 0]).max() == 0
    before = np.linalg.norm(take.joints_mm - take.joints_mm[:, :1], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(clip.joints_mm, axis=-1), before, rtol=1e-4, atol=0.1)
    assert np.abs(clip.joints_uv).max() < 1  # type: ignore[arg-type]
    np.testing.assert_allclose(clip.time_s, np.arange(12) / 20)


def test_long_takes_are_divided_and_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_clips, "CLIP_FRAMES", 5)
    found = list(labelled_clips(recording(), CROP, allow_lossy=False, fps=None))
    assert [len(c) for c in found] == [5, 5, 2]
    thin = list(labelled_clips(recording(), CROP, allow_lossy=False, fps=5))
    assert np.concatenate([c.time_s for c in thin]).tolist() == [0.0, 0.2, 0.4]


def test_frames_without_truth_or_without_the_person_are_left_out() -> None:
    take = recording()
    joints = take.joints_mm.copy()  # type: ignore[union-attr]
    joints[2, 7] = np.nan
    joints[5] += np.array([9000, 0, 0], np.float32)
    joints[6, :, 2] -= 9000
    (clip,) = labelled_clips(replace(take, joints_mm=joints), CROP, allow_lossy=False, fps=None)
    assert (clip.time_s * 20).round().astype(int).tolist() == [0, 1, 3, 4, 7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("lacks", "words"), [("joints_mm", "no 3D joints"), ("pictures", "no pictures"), ("camera", "no camera")]
)
def test_what_a_take_lacks_is_said(lacks: str, words: str) -> None:
    assert why_not(recording()) == ""
    assert why_not(replace(recording(), **{lacks: None})) == words


class Made:
    """A reader of recordings that are made up."""

    name, title, layout = "made", "Made up", "anything"

    def recognises(self, folder: Path) -> bool:
        return True

    def inventory(self, folder: Path) -> Inventory:
        return Inventory("made", folder, ("a", "b", "c", "d"))

    def read(self, folder: Path, take: str) -> Take:
        found = recording(frames=6, split="test" if take == "b" else "train", name=take)
        return replace(found, pictures=None) if take == "c" else found


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setitem(registry.READERS, "made", Made())
    return tmp_path


def packed(folder: Path, out: Path, **options: object) -> Shards:
    chosen: dict[str, object] = {
        "dataset": "made", "allow_lossy": False, "split": "train", "px": 64, "fps": None, "workers": 1,
        "lossless": False, "resume": False,
    }  # fmt: skip
    report = pack(folder=folder, out=out, **(chosen | options))  # type: ignore[arg-type]
    assert report.left_out == (
        {"of split test": 1, "no pictures": 1} if chosen | options == chosen else report.left_out
    )
    return Shards.open(out)


def test_a_data_set_is_packed(made: Path) -> None:
    shards = packed(made, made / "s")
    assert (shards.clips, len(shards), shards.crop_px, shards.unknown) == (2, 12, 64, ())
    assert packed(made, made / "t", split="test").clips == 1


def test_packing_goes_on_where_it_stopped(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_clips, "CLIP_FRAMES", 2)
    monkeypatch.setattr("sa3dhp_edge.datasets.shard_writer.SHARD_BYTES", 12_000)
    monkeypatch.setattr("sa3dhp_edge.datasets.shard_writer.ShardWriter.__init__.__kwdefaults__", {
        "lossless": False, "resume": False, "shard_bytes": 12_000,
    })  # fmt: skip
    whole = packed(made, made / "whole")
    assert len(whole.shards) > 2
    real = Made.read

    def fails(self: Made, folder: Path, take: str) -> Take:
        if take == "d":
            raise KeyboardInterrupt
        return real(self, folder, take)

    with monkeypatch.context() as patch:
        patch.setattr(Made, "read", fails)
        with pytest.raises(KeyboardInterrupt):
            packed(made, made / "broken")
    resumed = packed(made, made / "broken", resume=True)
    assert [s.sha256 for s in resumed.shards] == [s.sha256 for s in whole.shards]


def test_nothing_to_pack_leaves_nothing(made: Path) -> None:
    with pytest.raises(DataError, match=r"has no take to pack: 3 of split train, 1 of split test\n.*--split"):
        packed(made, made / "s", split="validation")
    assert not (made / "s").exists()
