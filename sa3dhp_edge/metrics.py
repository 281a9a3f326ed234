"""3D and 2D error in the field's terms; NumPy, millimetres.

`mpjpe` and `pa_mpjpe` are the standard ones: no scale is taken from the truth. The paper's authors rescale
a prediction to the truth's bone lengths before Procrustes; that variant has its own name here.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.skeleton import TEMPLATE_BONE_MM, bone_directions, bone_lengths_mm, pose_from_directions

Array = NDArray[np.floating]


def joint_errors(predicted_mm: Array, true_mm: Array) -> NDArray[np.float64]:
    """(..., J) mm between root-relative (..., J, 3) poses; joint 0 is the root of both."""
    _same_shape(predicted_mm, true_mm)
    difference = (predicted_mm - predicted_mm[..., :1, :]) - (true_mm - true_mm[..., :1, :])
    return np.asarray(np.linalg.norm(difference, axis=-1))


def mpjpe(predicted_mm: Array, true_mm: Array) -> NDArray[np.float64]:
    """Mean per-joint position error of each pose (...,) after the roots are laid together (Protocol 1)."""
    return np.asarray(joint_errors(predicted_mm, true_mm).mean(-1))


def procrustes(predicted_mm: Array, true_mm: Array, *, rescale: bool = True) -> NDArray[np.float64]:
    """Each predicted (..., J, 3) pose moved onto its truth by the best similarity, never a mirror.

    Without `rescale` it is moved by a rotation and a shift only.

    Source: Umeyama 1991, eq. 40-43.
    """
    _same_shape(predicted_mm, true_mm)
    p_mean, t_mean = predicted_mm.mean(-2, keepdims=True), true_mm.mean(-2, keepdims=True)
    p, t = (predicted_mm - p_mean).astype(np.float64), (true_mm - t_mean).astype(np.float64)
    covariance = np.swapaxes(p, -1, -2) @ t
    u, s, vt = np.linalg.svd(np.where(np.isfinite(covariance), covariance, 0))  # nan poses give nan, not an exception
    sign = np.ones_like(s)
    sign[..., -1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[..., None, :]) @ vt
    scale = (s * sign).sum(-1) / np.maximum((p * p).sum((-2, -1)), 1e-9) if rescale else np.ones(s.shape[:-1])
    return np.asarray(scale[..., None, None] * (p @ rotation) + t_mean)


def pa_mpjpe(predicted_mm: Array, true_mm: Array) -> NDArray[np.float64]:
    """MPJPE (...,) after `procrustes` of each pose (Protocol 2)."""
    return np.asarray(np.linalg.norm(procrustes(predicted_mm, true_mm) - true_mm, axis=-1).mean(-1))


def mpjpe_rigid(predicted_mm: Array, true_mm: Array) -> float:
    """MPJPE of a clip (T, J, 3) after one rotation for all of it: blind to a wrong direction of view, not to scale."""
    p, t = predicted_mm - predicted_mm[:, :1], true_mm - true_mm[:, :1]
    turned = procrustes(p.reshape(-1, 3), t.reshape(-1, 3), rescale=False).reshape(p.shape)
    return float(mpjpe(turned, t).mean())


def jitter(pose_mm: Array, good: NDArray[np.bool_]) -> float:
    """Mean second difference of root-relative poses (T, J, 3) over triples of `good` (T,) frames.

    In mm per frame squared; nan where there is no such triple.
    """
    p = pose_mm - pose_mm[:, :1]
    runs = good[:-2] & good[1:-1] & good[2:]
    bends = np.linalg.norm((p[:-2] - 2 * p[1:-1] + p[2:])[runs], axis=-1)
    return float(bends.mean()) if runs.any() else float("nan")


def pck_torso(predicted: Array, true: Array, torso: Array, share: float = 0.2) -> float:
    """Share of joints (N, J, 2) in a picture nearer to the truth than 0.2 of their torso (N,); unknown ones left out.

    Source: Sapp & Taskar 2013 (MODEC), sec. 6, there with one diagonal of the torso.
    """
    apart = np.linalg.norm(predicted - true, axis=-1)
    return float((apart < share * torso[:, None])[np.isfinite(apart)].mean())


def pa_mpjpe_true_bones(predicted_mm: Array, true_mm: Array) -> NDArray[np.float64]:
    """The paper's figure: predicted directions with the truth's bone lengths, then `pa_mpjpe`."""
    rescaled = pose_from_directions(
        bone_directions(np.asarray(predicted_mm, np.float32)), bone_lengths_mm(np.asarray(true_mm, np.float32))
    )
    return pa_mpjpe(rescaled, true_mm)


def at_subject_size(
    pose_mm: NDArray[np.float32], true_mm: NDArray[np.float32], clips: Iterable[NDArray[np.intp]]
) -> NDArray[np.float32]:
    """Template poses (N, 17, 3) brought to each subject's size: its clip's mean bone lengths, never the frame's own.

    Args:
        clips: indices of each clip's frames, one subject a clip.
    """
    sized = pose_mm.copy()
    size = bone_lengths_mm(true_mm).sum(-1) / float(TEMPLATE_BONE_MM.sum())
    for clip in clips:
        sized[clip] *= size[clip].mean()
    return sized


def pck(predicted_mm: Array, true_mm: Array, threshold_mm: float = 150.0) -> float:
    """Share of joints (root left out) nearer than the threshold."""
    return float((joint_errors(predicted_mm, true_mm)[..., 1:] < threshold_mm).mean())


def auc(predicted_mm: Array, true_mm: Array) -> float:
    """Mean PCK over the thresholds 0, 5 … 150 mm (Mehta et al. 2017, sec. 6)."""
    errors = joint_errors(predicted_mm, true_mm)[..., 1:]
    return float(np.mean([(errors < t).mean() for t in range(0, 151, 5)]))


def summary(predicted_mm: Array, true_mm: Array) -> dict[str, float]:
    """Every figure over (N, 17, 3) poses, in mm or as shares."""
    return {
        "mpjpe": float(mpjpe(predicted_mm, true_mm).mean()),
        "pa_mpjpe": float(pa_mpjpe(predicted_mm, true_mm).mean()),
        "pa_mpjpe_true_bones": float(pa_mpjpe_true_bones(predicted_mm, true_mm).mean()),
        "pck_150": pck(predicted_mm, true_mm),
        "auc": auc(predicted_mm, true_mm),
    }


def _same_shape(predicted_mm: Array, true_mm: Array) -> None:
    if predicted_mm.shape != true_mm.shape or predicted_mm.shape[-1] != 3:
        raise ShapeError(f"predicted {predicted_mm.shape} and true {true_mm.shape} poses must be the same (..., J, 3)")
