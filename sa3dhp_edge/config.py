"""All training settings as frozen records: three presets, overrides by `key=value`, unknown keys refused."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.settings import nearest, record_of


@dataclass(frozen=True)
class MotionConfig:
    """Unpaired 3D motion."""

    procedural_seconds: float = 2400.0
    """Seconds of generated motion; all there is without `--poses`, an addition with it."""
    held_out_share: float = 0.1
    """Share of the sequences kept for held-out errors."""


@dataclass(frozen=True)
class PoseAutoencoderConfig:
    """Stage 1: E_p, D_p and the pose critic (method, section 5.1)."""

    steps: int = 8000
    reconstruction_only: float = 0.4
    """Share of the steps before the critic joins."""
    batch: int = 256
    lr: float = 1e-3
    lr_critic: float = 2e-4
    weight_reconstruction: float = 100.0
    weight_cycle: float = 100.0
    weight_adversarial: float = 5.0
    tilt_deg: float = 70.0
    """In-plane augmentation, plus and minus: the 50-degree rule needs tilted poses in the manifold."""


@dataclass(frozen=True)
class MotionAutoencoderConfig:
    """Stage 2: E_m, D_m over windows of 30 pose latents (method, section 5.2)."""

    arch: Literal["conv", "lstm"] = "conv"
    steps: int = 4000
    batch: int = 64
    lr: float = 1e-3


@dataclass(frozen=True)
class RelationsConfig:
    """Stage 3: relation transformers (method, sections 5.3 and 6)."""

    rules_z: tuple[str, ...] = ("flip_tilt50", "flip", "tilt30", "tilt-30")
    """First the paper's T1^z; plain flip and other angles remove its 25-degree fixed point (9.1)."""
    rules_v: tuple[str, ...] = (
        "flip_backward_tilt50", "slow_backward", "slow_backward@60", "flip_backward", "backward_tilt-30",
    )  # fmt: skip
    """First the paper's T1^v, then its T2^v at both rates."""
    steps: int = 3000
    batch: int = 256
    lr: float = 5e-4
    study_samples: int = 4000
    """Held-out samples over which non-localness is averaged."""


@dataclass(frozen=True)
class ImageConfig:
    """G: the image-to-latent network."""

    backbone: Literal["edge", "resnet50"] = "edge"
    width: int = 32
    """Channels of the edge backbone's first stage."""
    crop_px: int = 128
    imagenet_weights: str = ""
    """A torchvision-style ResNet-50 state dict (.safetensors or .pth) for the `paper` preset."""


@dataclass(frozen=True)
class SourceConfig:
    """Stage 4: supervised training of G on the labelled source (method, section 5.4)."""

    domain: str = "wide"
    """Generated source domain, when no folder is given."""
    clips: int = 5000
    frames_per_clip: int = 8
    fps: float = 2.0
    """Rate within a generated source clip: low, so that frames differ."""
    held_out_clips: int = 64
    streaming: bool = True
    """Generate pictures while the network learns, without the disk; else `clips` clips once, kept with the run."""
    pool_clips: int = 1500
    """Clips that are held in memory while streaming; pictures are drawn from these."""
    reuse: float = 4.0
    """How often a streamed picture is used on average before another takes its place."""
    backgrounds: str = ""
    """Folder of photos to put behind some of the generated people; best without people in them."""
    workers: int = 0
    """Processes that make or read pictures beside training; 0 takes all cores but one."""
    parts: int = 1
    """Sub-batches of a batch, each with its own pictures; a multiple of the processes that train."""
    steps: int = 12000
    half_size: float = 0.4
    """Share of the steps, the first ones, with pictures of half the crop's size: the coarse is learned several times
    faster there. The edge network only."""
    three_quarter_size: float = 0.3
    """Share of the steps, the next ones, at three quarters of the crop's size."""
    given_share: float = 0.3
    """Where a given model learns on, the share of its weights that stays in the result, which is the mean of both."""
    milestones: int = 0
    """So many states of G, evenly spread over its training, are kept, to see what more pictures bring; the last is G
    before its mean with a given model."""
    batch: int = 64
    optimizer: Literal["muon", "adamw"] = "muon"
    lr: float = 2e-3
    weight_uv: float = 1.0
    weight_depth: float = 1.0
    weight_camera: float = 0.2
    weight_latent: float = 0.1
    weight_presence: float = 0.3
    weight_place: float = 0.2
    """Weight of the place maps' cross-entropy beside the error of their mean."""


PAPER_LOSSES = ("lcr", "hcr", "l1z", "l1v", "l2v")
"""The paper's, in the order of its ablation (method, section 7)."""


@dataclass(frozen=True)
class AdaptConfig:
    """Stage 5: adaptation of G on unlabelled clips (method, section 7)."""

    losses: tuple[str, ...] = ("consensus",)
    """Any of consensus, lcr, hcr, l1z, l1v, l2v, exact, denoised, replay: one cycle takes one step of each."""
    cycles: int = 160
    clips_per_step: int = 4
    frames_per_clip: int = 30
    lr_contrast: float = 3e-4
    lr_relation: float = 3e-4
    lr_consensus: float = 5e-4
    temperature: float = 0.07
    consensus_batch: int = 48
    consensus_tilt_deg: float = 15.0
    """The views that a consensus is made of: mirrored or not, tilted by this to either side or not, ..."""
    consensus_size: float = 0.08
    """... and smaller and larger by this share."""
    consensus_sureness: float = 16.0
    """How much more a surer view counts: its votes are its score over the best one's, to this power; 0 counts heads."""
    consensus_reach_mm: float = 60.0
    """Views farther than this from where most stand hardly count; 0 takes the mean of all."""
    smooth_s: float = 0.06
    """Standard deviation in time by which a consensus is smoothed; 0 takes every frame for itself."""
    refresh_every: int = 40
    """Cycles between two consensuses."""
    keep_share: float = 1.0
    """Share of the target's frames that are learned from, those whose views agree best."""
    teacher: float = 0.0
    """Weight of the past in a mean of G's weights over the cycles, which is then asked for the consensus; 0 asks G."""
    anchor: float = 0.0
    """Weight of the squared distance from the weights G began with."""
    trainable: tuple[str, ...] = ("backbone.layer2.*",)
    """Patterns of the parameter names that move; the paper moves Res-3 = torchvision's layer2.

    Gains and biases of a named layer's normalisation move with it; its running statistics never do.
    """
    rank: int = 0
    """Rank of the change of a moving matrix or filter bank; 0 lets all of it move."""
    target_statistics: bool = False
    """Take batch-normalisation statistics from the target before the first step; frozen from then on.

    The replayed source is read through its own meanwhile, labelled frames beside it too. The guard and the verdict read
    all with the target's, as the model will be used. Worth much from a source of plain pictures, and a risk from one
    that has seen much (docs/results).
    """
    replay: float = 1.0
    """Weight of the supervised source loss that goes with every step; 0 switches it off."""
    replay_batch: int = 32
    dress: float = 0.0
    """Share of the replayed people that stand in front of the target, in its colours; not beside its statistics."""
    chunk: int = 0
    """Pictures of a window or a contrast whose activations are held at a time, at the price of reading twice; 0 holds
    all."""
    weight_uv: float = 0.5
    """Weight of 2D and camera equivariance beside each spatial rule."""
    max_target_frames: int = 6000
    held_out_share: float = 0.15
    """Share of the target clips that only the guard looks at; at least one where there are two or more."""
    check_every: int = 20
    collapse_floor: float = 0.6
    """Restore when the target's pose spread falls below this share of what it was."""
    forgetting_ceiling: float = 1.2
    """Restore when the held-out source error rises above this multiple of what it was."""


def _numbers(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float):
            yield prefix + key, value


@dataclass(frozen=True)
class Settings:
    """A whole run."""

    preset: str = "edge"
    seed: int = 0
    threads: int = 0
    """CPU threads for training; 0 takes all."""
    motion: MotionConfig = field(default_factory=MotionConfig)
    pose_autoencoder: PoseAutoencoderConfig = field(default_factory=PoseAutoencoderConfig)
    motion_autoencoder: MotionAutoencoderConfig = field(default_factory=MotionAutoencoderConfig)
    relations: RelationsConfig = field(default_factory=RelationsConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    source: SourceConfig = field(default_factory=SourceConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)

    def __post_init__(self) -> None:
        known = {"consensus", "lcr", "hcr", "l1z", "l1v", "l2v", "exact", "denoised", "replay"}
        if wrong := sorted(set(self.adapt.losses) - known):
            raise ConfigError(f"adapt.losses has {', '.join(wrong)}; known are {', '.join(sorted(known))}")
        if negative := sorted(k for k, v in _numbers(dataclasses.asdict(self)) if v < 0):
            raise ConfigError(f"{negative[0]} is negative", "counts, rates, weights and angles are 0 or more")
        if self.image.crop_px % 32:
            raise ConfigError(f"image.crop_px is {self.image.crop_px}; it must be a multiple of 32")
        if not self.source.parts or self.source.batch % self.source.parts:
            raise ConfigError(
                f"source.batch={self.source.batch} cannot be divided into source.parts={self.source.parts}",
                "make the batch a multiple of the parts",
            )
        if not 0 < self.adapt.keep_share <= 1 or self.adapt.teacher >= 1 or self.adapt.consensus_size >= 1:
            raise ConfigError("adapt.keep_share lies above 0 and up to 1; adapt.teacher and consensus_size below 1")
        for name, share in (("adapt.dress", self.adapt.dress), ("source.given_share", self.source.given_share)):
            if share > 1:
                raise ConfigError(f"{name} is {share:g}", "it is a share: 0 to 1")
        for kept, other in (("dress", "target_statistics"), ("rank", "anchor"), ("rank", "teacher")):
            if getattr(self.adapt, kept) and getattr(self.adapt, other):
                raise ConfigError(f"adapt.{kept} and adapt.{other} do not go together", f"set adapt.{kept}=0")
        if not self.adapt.refresh_every:
            raise ConfigError("adapt.refresh_every is 0", "a consensus is asked for every so many cycles: 1 or more")
        if not 0 <= self.adapt.held_out_share < 1 or not 0 < self.motion.held_out_share < 1:
            raise ConfigError("held_out_share must lie between 0 and 1")


PRESETS: dict[str, Settings] = {
    "edge": Settings(),
    "paper": Settings(
        preset="paper",
        pose_autoencoder=PoseAutoencoderConfig(steps=40000),
        motion_autoencoder=MotionAutoencoderConfig(arch="lstm", steps=20000),
        relations=RelationsConfig(steps=20000),
        image=ImageConfig(backbone="resnet50", crop_px=224),
        source=SourceConfig(clips=40000, steps=100000, optimizer="adamw", lr=1e-4),
        adapt=AdaptConfig(
            losses=PAPER_LOSSES,
            cycles=2000,
            clips_per_step=8,
            lr_contrast=2e-5,
            lr_relation=1e-5,
        ),
    ),
    "demo": Settings(
        preset="demo",
        motion=MotionConfig(procedural_seconds=900),
        pose_autoencoder=PoseAutoencoderConfig(steps=1200),
        motion_autoencoder=MotionAutoencoderConfig(steps=400),
        relations=RelationsConfig(
            steps=300,
            rules_z=("flip_tilt50", "flip", "tilt-30"),
            study_samples=400,
            rules_v=("flip_backward_tilt50", "slow_backward"),
        ),
        image=ImageConfig(width=24, crop_px=64),
        source=SourceConfig(
            domain="studio",
            streaming=False,
            clips=1200,
            held_out_clips=24,
            steps=1100,
            half_size=0,
            three_quarter_size=0,
        ),
        adapt=AdaptConfig(cycles=40, refresh_every=20, lr_contrast=5e-4, lr_relation=5e-4, target_statistics=True),
    ),
}


def preset(name: str) -> Settings:
    """A preset's settings by name."""
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}", f"presets: {', '.join(PRESETS)}")
    return PRESETS[name]


def override(settings: Settings, assignments: Iterable[str]) -> Settings:
    """Settings with `section.key=value` texts applied, each checked by name and type.

    Tuples take commas: `adapt.losses=l1z,l1v`.
    """
    for text in assignments:
        key, eq, value = text.partition("=")
        if not eq:
            raise ConfigError(f"--set {text!r} has no value", "write --set section.key=value")
        settings = _assign(settings, key.strip().split("."), value.strip(), key.strip())
    return settings


def to_dict(settings: Settings) -> dict[str, Any]:
    """Plain nested dictionaries, for JSON."""
    return dataclasses.asdict(settings)


def from_dict(values: dict[str, Any]) -> Settings:
    """The inverse of `to_dict`; unknown keys are refused."""
    return record_of(Settings, values)


def _assign(record: Any, keys: list[str], value: str, whole: str) -> Any:
    hints = typing.get_type_hints(type(record))
    if keys[0] not in hints:
        raise ConfigError(f"unknown setting {whole!r}", nearest(keys[0], hints))
    old = getattr(record, keys[0])
    if dataclasses.is_dataclass(old):
        if len(keys) == 1:
            names = ", ".join(f"{whole}.{f.name}" for f in dataclasses.fields(old))
            raise ConfigError(f"{whole!r} is a section, not a setting", f"its settings: {names}")
        return dataclasses.replace(record, **{keys[0]: _assign(old, keys[1:], value, whole)})
    if len(keys) > 1:
        raise ConfigError(f"unknown setting {whole!r}: {keys[0]} has no parts")
    return dataclasses.replace(record, **{keys[0]: _parse(hints[keys[0]], value, whole)})


def _parse(kind: Any, text: str, whole: str) -> Any:
    if typing.get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if typing.get_origin(kind) is Literal:
        if text not in typing.get_args(kind):
            raise ConfigError(f"{whole}={text!r} is not known", f"choose from {', '.join(typing.get_args(kind))}")
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ConfigError(f"{whole}={text!r} is not known", "choose from true, false")
        return text.lower() == "true"
    try:
        return kind(text)
    except ValueError as e:
        wanted = {int: "a whole number", float: "a number"}.get(kind, kind.__name__)
        raise ConfigError(f"{whole}={text!r} is not {wanted}", f"write --set {whole}=VALUE") from e
