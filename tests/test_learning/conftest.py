"""Small motions, stick figures and networks, and a log that says nothing: enough to run every stage in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from sa3dhp_edge.adaptation.poses import PoseSampler
from sa3dhp_edge.adaptation.source import LabelledFrames
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.terms import Networks
from sa3dhp_edge.config import AdaptConfig, ImageConfig
from sa3dhp_edge.crop import FIELD
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.geometry import rotation_about_x, rotation_about_y
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.motion.procedural import procedural_motion
from sa3dhp_edge.networks.image_to_latent import image_network
from sa3dhp_edge.networks.motion_autoencoder import MOTION_LATENT, motion_autoencoder
from sa3dhp_edge.networks.pose_autoencoder import LATENT, PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.relation_transformer import RelationTransformer
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.skeleton import JOINTS, PARENTS
from sa3dhp_edge.training.log import Log

CROP = 32
UV_PER_METRE = 0.9
Z_RULES = ("flip_tilt50", "flip")
V_RULES = ("flip_backward_tilt50", "slow_backward")


class SilentLog(Log):
    """Keeps figures in memory; may break off before a step, as Ctrl-C does."""

    def __init__(self, break_at: int | None = None) -> None:
        self.break_at = break_at
        self.seen: list[int] = []
        self.figures: list[tuple[str, int, dict[str, float]]] = []
        self.said: list[str] = []

    def scalars(self, stage: str, step: int, values: dict[str, float]) -> None:
        self.figures.append((stage, step, values))

    def say(self, text: str) -> None:
        self.said.append(text)

    def steps(self, title: str, start: int, stop: int) -> Iterator[int]:
        for step in range(start, stop):
            if step == self.break_at:
                raise KeyboardInterrupt
            self.seen.append(step)
            yield step


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _on_the_cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact comparisons hold on the CPU; tests that want the GPU are marked."""
    if not request.node.get_closest_marker("gpu"):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture(scope="session")
def silent_log() -> type[SilentLog]:
    return SilentLog


@pytest.fixture(scope="session")
def motion() -> MotionSet:
    return procedural_motion(60, 3)


@pytest.fixture(scope="session")
def sampler(motion: MotionSet) -> PoseSampler:
    return PoseSampler(motion)


def _draw(uv: np.ndarray, background: np.ndarray) -> np.ndarray:
    side = picture_px(CROP)
    picture = np.full((side, side, 3), background, np.uint8)
    px = np.round(((uv / FIELD + 1) * side / 2 - 0.5) * 16).astype(int)
    for joint in range(1, len(JOINTS)):
        colour = (250, 60, 60) if JOINTS[joint].startswith("right") else (60, 60, 250)
        cv2.line(picture, px[PARENTS[joint]].tolist(), px[joint].tolist(), colour, 2, cv2.LINE_AA, shift=4)
    return picture


@pytest.fixture(scope="session")
def stick_figures(motion: MotionSet) -> Callable[..., FrameSet]:
    """Labelled clips of drawn figures under weak perspective."""

    def make(clips: int, frames: int, fps: float, seed: int) -> FrameSet:
        rng = np.random.default_rng(seed)
        poses = motion.poses_mm()
        stride = 60 / fps
        starts = rng.choice(motion.windows(int(frames * stride) + 1), clips)
        images, joints_mm = [], []
        for start in starts:
            turn = rotation_about_x(8) @ rotation_about_y(rng.uniform(0, 360))
            clip = poses[start + (np.arange(frames) * stride).astype(int)] @ turn.T
            background = rng.integers(60, 160, 3)
            images += [_draw(UV_PER_METRE * pose[:, :2] / 1000, background) for pose in clip]
            joints_mm.append(clip)
        mm = np.concatenate(joints_mm).astype(np.float32)
        return FrameSet(
            images=np.stack(images),
            crop_px=CROP,
            clip=np.repeat(np.arange(clips, dtype=np.int32), frames),
            time_s=np.tile(np.arange(frames) / fps, clips),
            joints_mm=mm,
            joints_uv=UV_PER_METRE * mm[..., :2] / 1000,
            visible=np.ones(mm.shape[:2], bool),
        )

    return make


@pytest.fixture(scope="session")
def target(stick_figures: Callable[..., FrameSet]) -> TargetClips:
    """Eight clips of two seconds at 30 FPS."""
    return TargetClips(stick_figures(clips=8, frames=62, fps=30, seed=5))


@pytest.fixture(scope="session")
def frozen() -> dict[str, nn.Module]:
    """e_p, d_p, e_m, d_m with random weights, frozen."""
    torch.manual_seed(11)
    e_m, d_m = motion_autoencoder("conv")
    nets: dict[str, nn.Module] = {"e_p": PoseEncoder(), "d_p": PoseDecoder(), "e_m": e_m, "d_m": d_m}
    freeze(*nets.values())
    return nets


@pytest.fixture(scope="session")
def source(stick_figures: Callable[..., FrameSet], frozen: dict[str, nn.Module]) -> LabelledFrames:
    return LabelledFrames(stick_figures(clips=12, frames=4, fps=2, seed=6), CROP, frozen["e_p"])


@pytest.fixture(scope="session")
def image_config() -> ImageConfig:
    return ImageConfig(width=8, crop_px=CROP)


@pytest.fixture(scope="session")
def fresh_networks(frozen: dict[str, nn.Module], image_config: ImageConfig) -> Callable[..., Networks]:
    """Networks with the same random weights at every call; G is new each time."""

    def make(rules_z: tuple[str, ...] = Z_RULES, rules_v: tuple[str, ...] = V_RULES) -> Networks:
        torch.manual_seed(12)
        g = image_network(image_config)
        g.eval()
        relations: dict[tuple[str, str], nn.Module] = {("z", r): RelationTransformer(LATENT) for r in rules_z}
        relations |= {("v", r): RelationTransformer(MOTION_LATENT) for r in rules_v}
        freeze(*relations.values())
        return Networks(g, frozen["e_p"], frozen["d_p"], frozen["e_m"], frozen["d_m"], relations)

    return make


@pytest.fixture(scope="session")
def tiny() -> AdaptConfig:
    """Every loss, as few pictures as they allow, and a guard that never objects."""
    return AdaptConfig(
        losses=("lcr", "hcr", "l1z", "l1v", "l2v", "exact"), cycles=4, clips_per_step=2, frames_per_clip=4,
        lr_contrast=1e-3, lr_relation=1e-3, lr_consensus=1e-3, consensus_batch=4, refresh_every=2, replay_batch=4,
        trainable=("backbone.layer2.*",), check_every=2, collapse_floor=0.0, forgetting_ceiling=1e9,
    )  # fmt: skip


@pytest.fixture(scope="session")
def same_weights() -> Callable[[nn.Module, nn.Module], bool]:
    """Whether two networks hold the same numbers, bit for bit."""

    def same(a: nn.Module, b: nn.Module) -> bool:
        ours, theirs = a.state_dict(), b.state_dict()
        return ours.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in ours.items())

    return same
