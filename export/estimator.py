"""The network the device runs: a crop in, latent, pose, camera and 2D joints out; the frozen decoder is inside."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from sa3dhp_edge.networks.image_to_latent import EdgeG, PaperG, Reading, project
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder
from sa3dhp_edge.networks.trainable import freeze


class Estimator(nn.Module):
    """G and D_p as one, on copies of their own: frozen, on the processor, float32 throughout."""

    def __init__(self, g: EdgeG | PaperG, d_p: PoseDecoder) -> None:
        super().__init__()
        self.g = copy.deepcopy(g).cpu()
        self.g.bf16 = False
        self.d_p = copy.deepcopy(d_p).cpu()
        freeze(self)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(b, 3, S, S) normalised -> z (b, 32), pose (b, 17, 3) mm, camera (b, 3), joints (b, 17, 2) uv, perhaps score.

        `output_names` names them. A G that sees no joints has its pose projected by its own camera.
        """
        reading: Reading = self.g(image)
        pose_mm = self.d_p(reading.z)
        uv = project(pose_mm, reading.camera) if reading.joints_uv is None else reading.joints_uv
        scores = () if reading.score is None else (reading.score,)
        return (reading.z, pose_mm, reading.camera, uv, *scores)


def output_names(g: EdgeG | PaperG) -> tuple[str, ...]:
    """What an `Estimator` with this G answers, in its order."""
    scores = ("joint_score",) if isinstance(g, EdgeG) else ()
    return ("z", "pose_mm", "camera", "joints_uv", *scores)
