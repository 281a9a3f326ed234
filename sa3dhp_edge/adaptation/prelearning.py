"""Stages 1 to 3, on unpaired 3D motion alone: pose auto-encoder, motion auto-encoder, relation transformers.

Each is one function with one visible loop, its randomness drawn from (seed, stage, step) so that a resumed run is
the run that was never interrupted. Networks are trained where the sampler's poses lie, and come back on the CPU.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from sa3dhp_edge.adaptation.losses import pose_l1
from sa3dhp_edge.adaptation.poses import PoseSampler, generator
from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.config import MotionAutoencoderConfig, PoseAutoencoderConfig, RelationsConfig
from sa3dhp_edge.networks.motion_autoencoder import MOTION_LATENT, WINDOW, motion_autoencoder
from sa3dhp_edge.networks.pose_autoencoder import LATENT, PoseCritic, PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.relation_transformer import RelationTransformer
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.training.device import on_device
from sa3dhp_edge.training.log import Log
from sa3dhp_edge.training.resume import Keeper
from sa3dhp_edge.training.schedule import cosine_lr

LOG_EVERY = 50
DECODED = WINDOW // 3
"""Frames of a motion window that a training step decodes to poses."""
HELD_OUT = 2**31
"""Stands for the step where held-out samples are drawn: no training step reaches it."""


def fit_pose_autoencoder(
    sampler: PoseSampler, held_out: PoseSampler, cfg: PoseAutoencoderConfig, seed: int, log: Log, keep: Path
) -> tuple[PoseEncoder, PoseDecoder, PoseCritic, dict[str, float]]:
    """Stage 1: E_p, D_p and the critic; reconstruction first, then in turns with the critic (section 5.1)."""
    torch.manual_seed(seed)
    e_p, d_p, critic = PoseEncoder(), PoseDecoder(), PoseCritic()
    own = torch.optim.Adam([*e_p.parameters(), *d_p.parameters()], cfg.lr)
    judge = torch.optim.Adam(critic.parameters(), cfg.lr_critic, betas=(0.5, 0.9))
    with on_device(sampler.device, e_p, d_p, critic):
        keeper = Keeper(keep, {"e_p": e_p, "d_p": d_p, "critic": critic}, {"own": own, "judge": judge})
        for step in log.steps("pose auto-encoder", keeper.start(), cfg.steps):
            rng = generator(seed, 1, step)
            cosine_lr(own, cfg.lr, step, cfg.steps)
            pose = sampler.poses(rng, cfg.batch, cfg.tilt_deg)
            z_prior = _prior(rng, cfg.batch).to(pose.device, non_blocking=True)
            made = d_p(z_prior)
            terms = {
                "reconstruction": cfg.weight_reconstruction * pose_l1(d_p(e_p(pose)), pose) / 10,
                "cycle": cfg.weight_cycle * (z_prior - e_p(made)).abs().mean() / 10,
            }
            if step >= cfg.reconstruction_only * cfg.steps:
                judge.zero_grad()
                _judged(critic, pose, made.detach()).backward()
                judge.step()
                fooled = critic(made)
                terms["adversarial"] = cfg.weight_adversarial * bce(fooled, torch.ones_like(fooled)) / 10
            own.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            own.step()
            if step % LOG_EVERY == 0:
                log.scalars("pose_autoencoder", step, {k: float(v.detach()) for k, v in terms.items()})
            keeper.step(step)
        freeze(e_p, d_p)
        report = _measure_poses(e_p, d_p, held_out, cfg.tilt_deg, seed)
    return e_p, d_p, critic, report


def _judged(critic: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """The critic's own loss on real and on decoded poses."""
    real_logit, made_logit = critic(real), critic(made)
    return bce(real_logit, torch.ones_like(real_logit)) + bce(made_logit, torch.zeros_like(made_logit))


def _prior(rng: np.random.Generator, count: int) -> Tensor:
    """(count, 32) latents of the prior, uniform on -1..1."""
    return torch.from_numpy(rng.uniform(-1, 1, (count, LATENT)).astype("float32"))


@torch.no_grad()
def _measure_poses(
    e_p: nn.Module, d_p: nn.Module, held_out: PoseSampler, tilt_deg: float, seed: int
) -> dict[str, float]:
    pose = held_out.poses(generator(seed, 1, HELD_OUT), 4000, tilt_deg)
    z, z_prior = e_p(pose), _prior(generator(seed, 2, 0), 4000).to(pose.device)
    return {
        "held_out_mpjpe_mm": _mpjpe(d_p(z), pose),
        "cycle_mean_abs": float((z_prior - e_p(d_p(z_prior))).abs().mean()),
        "z_mean_abs": float(z.abs().mean()),
    }


def fit_motion_autoencoder(
    sampler: PoseSampler, held_out: PoseSampler, e_p: nn.Module, d_p: nn.Module,
    cfg: MotionAutoencoderConfig, tilt_deg: float, seed: int, log: Log, keep: Path,
) -> tuple[nn.Module, nn.Module, dict[str, float]]:  # fmt: skip
    """Stage 2: E_m, D_m; squared error of the decoded poses through frozen D_p (section 5.2).

    Each step decodes a third of the window's frames, drawn anew: the same loss on average at a fraction of its cost.
    """
    torch.manual_seed(seed)
    e_m, d_m = motion_autoencoder(cfg.arch)
    own = torch.optim.Adam([*e_m.parameters(), *d_m.parameters()], cfg.lr)
    with on_device(sampler.device, e_m, d_m, e_p, d_p):
        keeper = Keeper(keep, {"e_m": e_m, "d_m": d_m}, {"own": own})
        for step in log.steps("motion auto-encoder", keeper.start(), cfg.steps):
            rng = generator(seed, 3, step)
            cosine_lr(own, cfg.lr, step, cfg.steps)
            ticks = _tempo(int(rng.integers(0, 3)), backward=bool(rng.random() < 0.5))
            window = sampler.stretches(rng, cfg.batch, tilt_deg, ticks)
            with torch.no_grad():
                z = e_p(window.flatten(0, 1)).unflatten(0, window.shape[:2])
            z_again, some = d_m(e_m(z)), rng.permutation(WINDOW)[:DECODED]
            loss = ((d_p(z_again[:, some]) - window[:, some]) / 100).square().mean() + 0.1 * (z_again - z).abs().mean()
            own.zero_grad()
            loss.backward()
            own.step()
            if step % LOG_EVERY == 0:
                log.scalars("motion_autoencoder", step, {"loss": float(loss.detach())})
            keeper.step(step)
        freeze(e_m, d_m)
        with torch.no_grad():
            window = held_out.stretches(generator(seed, 3, HELD_OUT), 500, tilt_deg, _tempo(1, backward=False))
            z = e_p(window.flatten(0, 1)).unflatten(0, window.shape[:2])
            report = {"held_out_mpjpe_mm": _mpjpe(d_p(d_m(e_m(z))), window), "of_which_pose_mm": _mpjpe(d_p(z), window)}
    return e_m, d_m, report


def fit_relation(
    rule: Rule, latent: str, sampler: PoseSampler, held_out: PoseSampler, nets: dict[str, nn.Module],
    cfg: RelationsConfig, seed: int, log: Log, keep: Path,
) -> tuple[RelationTransformer, dict[str, float]]:  # fmt: skip
    """Stage 3, one rule: T carries E(y) to E(rule(y)), and its decoding to rule(y) (section 5.3).

    Of a motion each step decodes a third of the frames, drawn anew.

    Args:
        latent: "z" for poses or "v" for motions.
        nets: frozen e_p, d_p, e_m, d_m.
    """
    torch.manual_seed(seed)
    t = RelationTransformer(LATENT if latent == "z" else MOTION_LATENT)
    own = torch.optim.Adam(t.parameters(), cfg.lr)
    batch = cfg.batch if latent == "z" else max(cfg.batch // 4, 8)
    name, some = f"T {latent} {rule.name}", None
    with on_device(sampler.device, t, *nets.values()):
        keeper = Keeper(keep, {"t": t}, {"own": own})
        for step in log.steps(name[:22], keeper.start(), cfg.steps):
            cosine_lr(own, cfg.lr, step, cfg.steps)
            with torch.no_grad():
                start, goal, goal_pose = relation_pairs(rule, latent, sampler, nets, batch, seed, step)
            if latent == "v":
                some = generator(seed, 8, step).permutation(WINDOW)[:DECODED]
                goal_pose = goal_pose[:, some]
            moved = t(start)
            loss = (moved - goal).abs().mean() + 0.5 * pose_l1(_decode(moved, latent, nets, some), goal_pose)
            own.zero_grad()
            loss.backward()
            own.step()
            if step % LOG_EVERY == 0:
                log.scalars(f"relation_{latent}_{rule.name}", step, {"loss": float(loss.detach())})
            keeper.step(step)
        freeze(t)
        with torch.no_grad():
            start, goal, goal_pose = relation_pairs(rule, latent, held_out, nets, 1000, seed, HELD_OUT)
            report = {
                "held_out_latent": float((t(start) - goal).abs().mean()),
                "held_out_mpjpe_mm": _mpjpe(_decode(t(start), latent, nets), goal_pose),
            }
    return t, report


def relation_pairs(
    rule: Rule, latent: str, sampler: PoseSampler, nets: dict[str, nn.Module], count: int, seed: int, step: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Latents before and after a rule, and the poses after it: (b, d), (b, d), (b, [30,] 17, 3) mm."""
    rng = generator(seed, 4, step)
    if latent == "z":
        pose = sampler.poses(rng, count, 15.0)
        after = rule.apply(pose)
        return nets["e_p"](pose), nets["e_p"](after), after
    stretch = sampler.stretches(rng, count, 15.0, np.concatenate(rule.ticks()))
    after = rule.apply(stretch[:, WINDOW:])
    return encode_windows(stretch[:, :WINDOW], nets), encode_windows(after, nets), after


def encode_windows(windows: Tensor, nets: dict[str, nn.Module]) -> Tensor:
    """E_m over E_p: (b, 30, 17, 3) mm to (b, 128)."""
    z = nets["e_p"](windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
    return nets["e_m"](z)  # type: ignore[no-any-return]


def non_localness(
    rule: Rule, latent: str, sampler: PoseSampler, nets: dict[str, nn.Module], count: int, seed: int
) -> dict[str, float]:
    """d_r = mean ||E(y) - E(rule(y))||, raw and over the mean distance of random pairs (section 6)."""
    with on_device(sampler.device, *nets.values()), torch.no_grad():
        start, goal, _ = relation_pairs(rule, latent, sampler, nets, count, seed, HELD_OUT + 1)
        distance = float((start - goal).norm(dim=-1).mean())
        random = float((start - start.roll(1, 0)).norm(dim=-1).mean())
    return {"distance": distance, "over_random": distance / max(random, 1e-9)}


def relation_errors(
    t: nn.Module, rule: Rule, latent: str, sampler: PoseSampler, nets: dict[str, nn.Module], count: int, seed: int
) -> dict[str, dict[str, float]]:
    """How near T comes to E(rule(y)) beside answers that need no learning, on the samples of `non_localness`.

    Returns:
        "t", "identity" (E(y) as it is; its distance is d_r), "mean" (of these goals: the best constant) and
        "exact" (the goal itself: what the auto-encoders alone cost) -> "distance" (mean norm of the difference),
        "latent" (its mean absolute value) and "mm" (MPJPE of the decoded poses).
    """
    with on_device(sampler.device, t, *nets.values()), torch.no_grad():
        start, goal, goal_pose = relation_pairs(rule, latent, sampler, nets, count, seed, HELD_OUT + 1)
        answers = {"t": t(start), "identity": start, "mean": goal.mean(0, keepdim=True), "exact": goal}
        return {
            name: {
                "distance": float((answer - goal).norm(dim=-1).mean()),
                "latent": float((answer - goal).abs().mean()),
                "mm": _mpjpe(_decode(answer, latent, nets), goal_pose),
            }
            for name, answer in answers.items()
        }


def _decode(
    latents: Tensor, latent: str, nets: dict[str, nn.Module], frames: NDArray[np.int64] | None = None
) -> Tensor:
    """Poses of latents; of motion latents at the named frames, or at all 30."""
    if latent == "v":
        latents = nets["d_m"](latents)
        latents = latents if frames is None else latents[:, frames]
    return nets["d_p"](latents)  # type: ignore[no-any-return]


def _tempo(speed: int, backward: bool) -> NDArray[np.int64]:
    """(30,) ticks of a window at half, nominal or double speed, perhaps reversed."""
    ticks = np.arange(WINDOW) * (1, 2, 4)[speed]
    return ticks[::-1].copy() if backward else ticks


def _mpjpe(predicted_mm: Tensor, true_mm: Tensor) -> float:
    return float((predicted_mm - true_mm).norm(dim=-1).mean())
