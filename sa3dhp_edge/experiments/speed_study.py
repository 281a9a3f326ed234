"""How fast does learning go on this machine, and what keeps it from going faster?

speed.md       tables
speed.json     the same in full, with machine and commit

The pictures are chance ones and, without a model, so are the weights: time depends on neither. Every loop that is timed
is the program's own, called as training and adaptation call it.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from sa3dhp_edge.adaptation import adapt as adapt_stage
from sa3dhp_edge.adaptation import labelled as labelled_batches
from sa3dhp_edge.adaptation import source as source_stage
from sa3dhp_edge.adaptation import terms as adapt_terms
from sa3dhp_edge.adaptation.consensus import Consensus
from sa3dhp_edge.adaptation.views import Views
from sa3dhp_edge.atomic import write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import PAPER_LOSSES, ImageConfig, Settings, override, preset
from sa3dhp_edge.contract import Confidence
from sa3dhp_edge.experiments.g_speed import (
    DTYPES,
    PAPER_PICTURES,
    PICTURES,
    compiled_g,
    dtype_name,
    g_alone,
    memory_cases,
    memory_of,
)
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.experiments.speed_report import speed_page
from sa3dhp_edge.experiments.stopwatch import (
    OPTIMIZER,
    Parts,
    StepLog,
    StepTime,
    Watched,
    counted,
    instead,
    matmul_gflops,
)
from sa3dhp_edge.frameset import FrameSet, picture_px
from sa3dhp_edge.jobs import adapt as adapt_job
from sa3dhp_edge.jobs.given_model import given_model, settings_over
from sa3dhp_edge.jobs.pretrain import relation_keys
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.networks.image_to_latent import EdgeG, PaperG, image_network
from sa3dhp_edge.networks.model_set import ModelSet, latent_size
from sa3dhp_edge.networks.motion_autoencoder import (
    WINDOW_FPS,
    ConvMotionEncoder,
    LstmMotionEncoder,
    motion_autoencoder,
)
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.relation_transformer import RelationTransformer
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.skeleton import J
from sa3dhp_edge.training.device import quick_bf16, training_device, use_threads

CLIP_S = 20.0
"""Length of the clip whose whole adaptation is timed."""
GUARD, REFRESH, LAST_LOOK = "guard", "consensus", "last look"
WATCHED: tuple[Watched, ...] = (
    (Views, "crops", "views"),
    (labelled_batches, "change_light", "light"), (labelled_batches, "cover", "light"),
    (adapt_terms, "change_light", "light"),
    (labelled_batches.LabelledSource, "batch", "other batch work"),
    (labelled_batches.LabelledSource, "nobody", "other batch work"),
    (EdgeG, "forward", "forward"), (PaperG, "forward", "forward"),
    *((net, "forward", "frozen networks")
      for net in (PoseDecoder, PoseEncoder, RelationTransformer, ConvMotionEncoder, LstmMotionEncoder)),
    (Tensor, "backward", "backward"),
    (nn.utils, "clip_grad_norm_", OPTIMIZER),
)  # fmt: skip
"""The parts of a step; all optimizers' steps belong to it as well."""
BESIDE: tuple[Watched, ...] = (
    (adapt_stage.Watch, "health", GUARD), (Consensus, "refresh", REFRESH), (adapt_job, "measure", LAST_LOOK),
)  # fmt: skip
"""What an adaptation does now and then."""


def speed(
    *, out: Path, start: str | None, preset_name: str | None, overrides: tuple[str, ...], threads: int, compiled: bool
) -> Report:
    """Time G, training and adaptation at a model's or a preset's settings; tables and a JSON file in `out`.

    Args:
        start: a model folder or a run; None takes fresh weights of the preset.
        threads: CPU threads, 0 for all.
        compiled: try torch.compile as well.
    """
    begun = time.monotonic()
    use_threads(threads)
    model = _fresh(override(preset(preset_name or "edge"), overrides)) if start is None else given_model(start)
    settings = model.settings if start is None else settings_over(model.settings, "adapt", preset_name, overrides)
    model = replace(model, settings=settings)
    rates = {name: matmul_gflops(dtype) for name, dtype in DTYPES.items()}
    result: Report = {
        "experiment": "speed", "machine": machine(), "device": training_device().type, "commit": commit(),
        "quick_bf16": quick_bf16(training_device()), "matmul_gflops": rates,
        "g": g_alone(settings.image, sizes_px(settings), PICTURES),
        "paper": g_alone(preset("paper").image, (preset("paper").image.crop_px,), PAPER_PICTURES),
        "compile": compiled_g(settings.image, torch.get_num_threads()) if compiled else "not asked for",
        "training": _training(model), "adaptation": _losses(model), "round": _round(model),
        "memory": [memory_of(case, torch.get_num_threads()) for case in memory_cases(settings)],
    }  # fmt: skip
    result["minutes"] = (time.monotonic() - begun) / 60
    write_json(out / "speed.json", result)
    write_text(out / "speed.md", speed_page(result))
    return {"out": str(out), "minutes": result["minutes"], "round_s": result["round"]["seconds"]}


def sizes_px(settings: Settings) -> tuple[int, ...]:
    """Sides of the pictures over a training, the largest first (see `picture_size_px`)."""
    cfg = replace(settings.source, steps=4, half_size=0.25, three_quarter_size=0.25)
    sizes = (source_stage.picture_size_px(settings.image, cfg, step) for step in range(cfg.steps))
    return tuple(sorted(set(sizes), reverse=True))


def _fresh(settings: Settings) -> ModelSet:
    """A model that has learned nothing."""
    torch.manual_seed(settings.seed)
    e_m, d_m = motion_autoencoder(settings.motion_autoencoder.arch)
    keys = [(latent, rule.name) for latent, rule in relation_keys(settings)]
    model = ModelSet(
        settings=settings, g=image_network(settings.image), e_p=PoseEncoder(), d_p=PoseDecoder(), e_m=e_m, d_m=d_m,
        relations={key: RelationTransformer(latent_size(key[0])) for key in keys},
        relation_errors=dict.fromkeys(keys, 0.0), confidence=Confidence(1.0, None), lineage=(),
    )  # fmt: skip
    freeze(model.g, model.e_p, model.d_p, model.e_m, model.d_m, *model.relations.values())
    return model


def chance_pictures(crop_px: int, clips: int, frames: int) -> FrameSet:
    """Labelled clips at 30 FPS of blurred noise: what real ones cost, and nothing to learn."""
    rng, side, n = np.random.default_rng(0), picture_px(crop_px), clips * frames
    few = rng.integers(0, 256, (min(n, 32), side, side, 3), np.uint8)
    for picture in few:
        cv2.GaussianBlur(picture, (0, 0), 3, dst=picture)
    return FrameSet(
        images=few[np.arange(n) % len(few)], crop_px=crop_px,
        clip=np.repeat(np.arange(clips, dtype=np.int32), frames), time_s=np.tile(np.arange(frames) / WINDOW_FPS, clips),
        joints_mm=rng.normal(0, 300, (n, J, 3)).astype(np.float32),
        joints_uv=rng.uniform(-0.8, 0.8, (n, J, 2)).astype(np.float32),
    )  # fmt: skip


@contextlib.contextmanager
def _format(bf16: bool) -> Iterator[None]:
    """Training and adaptation in bfloat16, or not, whatever is quick here."""
    with contextlib.ExitStack() as stack:
        for stage in (source_stage, adapt_stage):
            stack.enter_context(instead(stage, "quick_bf16", lambda _: bf16))
        yield


def _training(model: ModelSet) -> list[Report]:
    """Steps of stage 4 as the program takes them: each picture size, and the other optimizer and number format."""
    settings, quick = model.settings, quick_bf16(training_device())
    own = settings.source.optimizer
    other: Literal["muon", "adamw"] = "adamw" if own == "muon" else "muon"
    full, *smaller = sizes_px(settings)
    cases = [(full, own, quick), (full, other, quick), (full, own, not quick), *((px, own, quick) for px in smaller)]
    source = labelled_batches.labelled(
        chance_pictures(settings.image.crop_px, 16, 16), settings.image.crop_px, model.e_p
    )
    rows = []
    for px, optimizer, bf16 in cases:
        share = px / full
        cfg = replace(
            settings.source, steps=3, optimizer=optimizer, milestones=0,
            half_size=float(share == 0.5), three_quarter_size=float(0.5 < share < 1),
        )  # fmt: skip

        def take(log: StepLog, keep: Path, cfg: Any = cfg) -> None:
            source_stage.learn_images(source, model.e_p, model.d_p, settings.image, cfg, settings.seed, log, keep)

        with _format(bf16):
            step, _ = _timed(take)
        rows.append({"px": px, "optimizer": optimizer, "dtype": dtype_name(bf16)} | asdict(step))
    return rows


def _losses(model: ModelSet) -> list[Report]:
    """A step of each loss of adaptation, with its replay, in both number formats."""
    cfg, px = model.settings.adapt, model.settings.image.crop_px
    clips, labelled = chance_pictures(px, 6, 62), chance_pictures(px, 4, 16)
    names = dict.fromkeys((*cfg.losses, "consensus", *PAPER_LOSSES))
    rows = []
    for name in names:
        for bf16 in (False, True):
            few = replace(cfg, losses=(name,), cycles=2, consensus_tilt_deg=0.0, consensus_size=0.0)
            with _format(bf16):
                step, _ = _adapted(replace(model, settings=replace(model.settings, adapt=few)), clips, labelled)
            rows.append({"loss": name, "dtype": dtype_name(bf16)} | asdict(step))
    return rows


def _round(model: ModelSet) -> Report:
    """A whole adaptation to one clip: its parts measured once at full size, the repeated ones multiplied."""
    cfg, px = model.settings.adapt, model.settings.image.crop_px
    held_out = model.settings.source.held_out_clips * model.settings.source.frames_per_clip
    clips, labelled = chance_pictures(px, 1, round(CLIP_S * WINDOW_FPS)), chance_pictures(px, 1, held_out)
    few = replace(cfg, cycles=3, check_every=3, refresh_every=3)
    step, beside = _adapted(replace(model, settings=replace(model.settings, adapt=few)), clips, labelled)
    refreshes = -(-cfg.cycles // cfg.refresh_every) if "consensus" in cfg.losses else 0
    looks = 1 + -(-cfg.cycles // cfg.check_every)
    once = {"step": step.seconds, REFRESH: beside.get(REFRESH, 0.0), GUARD: beside[GUARD] / 2}
    times = {"step": cfg.cycles, REFRESH: refreshes, GUARD: looks}
    total = sum(once[k] * times[k] for k in once) + beside[LAST_LOOK]
    return {
        "clip_s": CLIP_S, "frames": len(clips), "losses": cfg.losses,
        "dtype": dtype_name(quick_bf16(training_device())),
        "once_s": once | {LAST_LOOK: beside[LAST_LOOK]}, "times": times | {LAST_LOOK: 1}, "seconds": total,
        "step": asdict(step),
    }  # fmt: skip


def _adapted(model: ModelSet, clips: FrameSet, labelled: FrameSet) -> tuple[StepTime, dict[str, float]]:
    settings = model.settings
    calm = replace(settings, adapt=replace(settings.adapt, collapse_floor=0.0, forgetting_ceiling=1e9))
    model = replace(model, g=_like(model.g, settings.image), settings=calm)

    def take(log: StepLog, keep: Path) -> None:
        adapt_job.adapt_model(model, clips.without_labels(), labelled, labelled, log, keep)

    return _timed(take)


def _like(g: EdgeG | PaperG, image: ImageConfig) -> EdgeG | PaperG:
    """A G of the same weights: adaptation moves the one it is given."""
    made = image_network(image)
    made.load_state_dict(g.state_dict())
    return made


def _timed(take: Callable[[StepLog, Path], None]) -> tuple[StepTime, dict[str, float]]:
    """A training loop's mean step, and the seconds of what it did beside its steps."""
    beside = tuple(name for *_, name in BESIDE)
    parts = Parts(beside)
    with (
        counted(parts.in_undivided) as work,
        parts.watching(*WATCHED, *BESIDE),
        tempfile.TemporaryDirectory() as folder,
    ):
        log = StepLog(parts, work, beside)
        take(log, Path(folder) / "state.safetensors")
    assert log.step is not None
    return log.step, {name: parts.seconds.get(name, 0.0) for name in beside}
