"""Prepared clips: one video and its 3D joints in the camera's frame, the folders that `eval` measures on.

    video.mp4
    gt_joints.npz    joints (J,) names; xyz_cam_mm (T, J, 3) mm in the camera frame; uv_px (T, J, 2) with the lens's
                     distortion; in_mocap_range (T,) bool, the frames that have truth; fps
    camera.json      K (3, 3); dist (k1, k2, p1, p2, k3); image_size (w, h); optional

Row i is frame i of what decodes. A clip without camera.json has the pinhole camera that its own points imply. A folder
of such clips, two levels deep, is read as well.

Compared with this project's own `eval` (jobs/evaluate.py) and the files of Seeeeeyo/opencap-visualizer and
davidpagnon/Pose2Sim_Blender that such clips were made of.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets import npz
from sa3dhp_edge.datasets.pictures import VideoPictures
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.record import Inventory, Take
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.datasets.video_folder import fps_of
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import Intrinsics

Array = NDArray[np.float64]

SKELETONS_HERE = ("prepared18", "prepared13")
_TRUTH, _VIDEO = "gt_joints.npz", "video.mp4"
_AGAIN = "prepare the clip again"
_WORST_PX = 1.0
"""A pinhole camera that leaves more than this between joints and pixels is not the clip's camera."""


class PreparedReader:
    """`video.mp4` with `gt_joints.npz`; see the module."""

    name = "prepared"
    title = "prepared clips"
    layout = f"{_VIDEO}, {_TRUTH} and, where the camera is known, camera.json; or a folder of such folders"

    def recognises(self, folder: Path) -> bool:
        return bool(_clips(folder))

    def inventory(self, folder: Path) -> Inventory:
        clips = _clips(folder)
        if not clips:
            raise DataError(f"{folder} has no clip", f"expected {self.layout}")
        without = [name for name, clip in clips.items() if not (clip / _VIDEO).is_file()]
        missing = tuple(f"{name}/{_VIDEO}" for name in without)
        return Inventory(self.name, folder, tuple(name for name in clips if name not in without), missing)

    def read(self, folder: Path, take: str) -> Take:
        clips = _clips(folder)
        if take not in clips:
            raise DataError(f"{folder} has no clip {take}", "`inventory` lists them")
        return _read(clips[take], take)


READER = PreparedReader()


def _clips(folder: Path) -> dict[str, Path]:
    """Take name -> clip folder, in order."""
    if (folder / _TRUTH).is_file():
        return {folder.name: folder}
    found = [path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{_TRUTH}")]
    return {str(path.relative_to(folder)): path for path in sorted(found)}


def _read(clip: Path, name: str) -> Take:
    truth = clip / _TRUTH
    data = npz.arrays(truth, ("joints", "xyz_cam_mm", "in_mocap_range"), _AGAIN, ("uv_px", "fps"))
    skeleton, order = _skeleton(truth, data["joints"])
    xyz, scored, uv = data["xyz_cam_mm"], data["in_mocap_range"], data.get("uv_px")
    t, j = len(scored) if scored.ndim else 0, len(data["joints"])
    shapes = {"xyz_cam_mm": (xyz, (t, j, 3)), "in_mocap_range": (scored, (t,)), "uv_px": (uv, (t, j, 2))}
    for key, (array, shape) in shapes.items():
        if array is not None and (array.shape != shape or array.dtype.kind not in "bf" or not t):
            raise DataError(f"{truth}: {key} is {array.shape} of {array.dtype}, expected {shape}", _AGAIN)
    pictures = VideoPictures(clip / _VIDEO)
    count = min(t, len(pictures))
    notes = [] if count == t else [f"{_VIDEO} has {len(pictures)} frames, the truth {t} rows: the rest is left out"]
    unscored = ~scored[:count].astype(bool)
    joints_mm = xyz[:count, order].astype(np.float32)
    joints_px = None if uv is None else uv[:count, order].astype(np.float32)
    joints_mm[unscored] = np.nan
    if joints_px is not None:
        joints_px[unscored] = np.nan
    camera, how = camera_of(clip, joints_mm, joints_px)
    fps = float(data["fps"]) if "fps" in data and data["fps"].size == 1 else fps_of(clip / _VIDEO)
    return Take(
        dataset=READER.name, name=name, subject=clip.parent.name if "/" in name else clip.name, action=clip.name,
        split="test", fps=fps, skeleton=skeleton, joints_mm=joints_mm, joints_px=joints_px, camera=camera,
        size_wh=pictures.size_wh, pictures=pictures, frames=np.arange(count), notes=(how, *notes),
    )  # fmt: skip


def _skeleton(truth: Path, joints: NDArray[np.str_]) -> tuple[str, list[int]]:
    """The first skeleton whose joints are all there, and their places in the file."""
    names = [str(name) for name in np.atleast_1d(joints)]
    for name in SKELETONS_HERE:
        if set(SKELETONS[name].joints) <= set(names):
            return name, [names.index(joint) for joint in SKELETONS[name].joints]
    lacking = [joint for joint in SKELETONS[SKELETONS_HERE[-1]].joints if joint not in names]
    raise DataError(f"{truth} has the joints {', '.join(names)}: no {', '.join(lacking)}", _AGAIN)


def camera_of(
    clip: Path, joints_mm: NDArray[np.float32], joints_px: NDArray[np.float32] | None
) -> tuple[Intrinsics, str]:
    """A clip's camera, from camera.json or from joints (T, J, 3) mm and where they are seen (T, J, 2), and how.

    Raises:
        DataError: neither tells of the camera.
    """
    path = clip / "camera.json"
    if path.is_file():
        return _camera_file(path), f"camera from {path.name}"
    if joints_px is None:
        raise DataError(f"{clip} has neither camera.json nor uv_px in {_TRUTH}: its camera is unknown", _AGAIN)
    there = np.isfinite(joints_mm).all(-1) & np.isfinite(joints_px).all(-1)
    if there.sum() < 10:
        raise DataError(f"{clip / _TRUTH} has {int(there.sum())} joints in the picture: too few for a camera", _AGAIN)
    xyz, uv = joints_mm[there].astype(np.float64), joints_px[there].astype(np.float64)
    lines = [np.polyfit(xyz[:, i] / xyz[:, 2], uv[:, i], 1) for i in range(2)]
    (fx, cx), (fy, cy) = ((float(a), float(b)) for a, b in lines)
    camera = Intrinsics((fx, fy), (cx, cy))
    off = float(np.median(np.linalg.norm(project_px(xyz, camera) - uv, axis=-1)))
    if not off <= _WORST_PX or min(fx, fy) <= 0:
        raise DataError(
            f"{clip / _TRUTH}: no camera takes xyz_cam_mm to uv_px, the best is {off:.1f} px off",
            "add camera.json with K and dist",
        )
    return camera, f"no camera.json: the camera that takes the joints to their pixels best, {off:.2f} px off"


def _camera_file(path: Path) -> Intrinsics:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        k, bent = np.asarray(facts["K"], np.float64), np.asarray(facts.get("dist", []), np.float64).reshape(-1)
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise DataError(f"{path} is no camera: expected K (3 x 3) and dist (up to 5 numbers): {e}", _AGAIN) from e
    if k.shape != (3, 3) or len(bent) > 5 or not (np.isfinite(k).all() and np.isfinite(bent).all()) or k[0, 0] <= 0:
        raise DataError(f"{path}: K is {k.shape} with {len(bent)} distortions, expected 3 x 3 and up to 5", _AGAIN)
    fx, fy, cx, cy = (float(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
    return Intrinsics((fx, fy), (cx, cy), tuple(float(v) for v in bent))
