"""What the network says of a crop, as a pose in the camera's frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runtime.lens import Lens
from runtime.model import ModelOutput
from sa3dhp_edge.contract import Confidence
from sa3dhp_edge.crop import CropCamera
from sa3dhp_edge.records import Box, Pose
from sa3dhp_edge.skeleton import TEMPLATE_HEIGHT_MM


def decode(
    output: ModelOutput,
    row: int,
    crop: CropCamera,
    box: Box,
    lens: Lens,
    reference: Confidence,
    height_mm: float = TEMPLATE_HEIGHT_MM,
) -> Pose:
    """One row of a model's output as a `Pose` of track 0.

    Args:
        output: of N crops.
        row: which of them.
        crop: the camera that this crop was cut by, in the undistorted frame.
        box: the box in the frame that the crop belongs to.
        lens: the frame's lens; without a calibration (`assumed`) no place in the room is given.
        reference: what the model's confidence is measured against.
        height_mm: the person's height; pose and place scale with it.
    """
    ratio = height_mm / TEMPLATE_HEIGHT_MM
    known = not lens.intrinsics.assumed
    cues = output.cues[row : row + 1]
    expected, aligned = (
        None if m is None else ratio * float(m.expected_mm(cues)[0]) for m in (reference.mpjpe, reference.pa_mpjpe)
    )
    return Pose(
        joints_mm=np.asarray(crop.pose_to_camera(output.pose_mm[row]) * ratio, np.float32),
        root_mm=np.asarray(crop.root_mm(output.camera[row], ratio), np.float32) if known else None,
        joints_px=np.asarray(lens.points_to_frame(crop.uv_to_px(output.joints_uv[row])), np.float32),
        box_xyxy_px=box,
        confidence=confidence(output, row, reference),
        track=0,
        z=output.z[row],
        expected_error_mm=expected,
        expected_pa_error_mm=aligned,
        joint_confidence=joint_confidence(output, row, reference),
    )


def joint_confidence(output: ModelOutput, row: int, reference: Confidence) -> NDArray[np.float32] | None:
    """(17,) of a row's joints, see `ErrorModel.joint_confidence`; None where the model does not know."""
    cues, apart_mm = output.cues[row : row + 1], output.apart_mm[row : row + 1]
    found = None if reference.mpjpe is None else reference.mpjpe.joint_confidence(cues, apart_mm)
    return None if found is None else found[0].astype(np.float32)


def confidence(output: ModelOutput, row: int, reference: Confidence) -> float:
    """0 (not to be used) to 1 (as on the source domain), by the expected error; see `ErrorModel.confidence`.

    A model that does not know its expected error gives clip(score / s, 0, 1) * exp(-max(0, cycle / c - 1)): `score` is
    the mean over (17,) joint scores (left out where the network gives none), `cycle` is mean |z - E_p(D_p(z))|; s and c
    are the medians of the two on held-out source frames. Not finite counts as 0.
    """
    if reference.mpjpe is not None:
        return float(reference.mpjpe.confidence(output.cues[row : row + 1])[0])
    beyond = np.maximum(0.0, float(output.cycle[row]) / max(reference.cycle, 1e-9) - 1.0)  # keeps NaN, unlike `max`
    value = float(np.exp(-beyond))
    if output.joint_score is not None and reference.joint_score is not None:
        score = float(output.joint_score[row].mean())
        value *= float(np.clip(score / max(reference.joint_score, 1e-9), 0.0, 1.0))
    return value if np.isfinite(value) else 0.0
