"""Stages 1 to 3, on unpaired 3D motion alone: pose auto-encoder, motion auto-encoder, relation transformers.

Each is one function with one visible loop, its randomness drawn from (seed, stage, step) so that a resumed run is
the run that was never interrupted.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from sa3dhp_edge.adaptation.log import Log
from sa3dhp_edge.adaptation.losses import pose_l1
from sa3dhp_edge.adaptation.motion_autoencoder import motion_autoencoder
from sa3dhp_edge.adaptation.pose_autoencoder import LATENT, PoseCritic, PoseDecoder, PoseEncoder
from sa3dhp_edge.adaptation.poses import PoseSampler, generator
from sa3dhp_edge.adaptation.relation_transformer import RelationTransformer
from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.adaptation.resume import Keeper
from sa3dhp_edge.adaptation.schedule import cosine_lr
from sa3dhp_edge.adaptation.trainable import freeze
from sa3dhp_edge.config import MotionAutoencoderConfig, PoseAutoencoderConfig, RelationsConfig

LOG_EVERY = 50
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
    keeper = Keeper(keep, {"e_p": e_p, "d_p": d_p, "critic": critic}, {"own": own, "judge": judge})
    for step in log.steps("pose auto-encoder", keeper.start(), cfg.steps):
        rng = generator(seed, 1, step)
        cosine_lr(own, cfg.lr, step, cfg.steps)
        pose = sampler.poses(rng, cfg.batch, cfg.tilt_deg)
        z_prior = torch.from_numpy(rng.uniform(-1, 1, (cfg.batch, LATENT)).astype("float32"))
        made = d_p(z_prior)
        terms = {
            "reconstruction": cfg.weight_reconstruction * pose_l1(d_p(e_p(pose)), pose) / 10,
            "cycle": cfg.weight_cycle * (z_prior - e_p(made)).abs().mean() / 10,
        }
        if step >= cfg.reconstruction_only * cfg.steps:
            real, fake = critic(pose), critic(made.detach())
            judged = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
            judge.zero_grad()
            judged.backward()
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
    with torch.no_grad():
        pose = held_out.poses(generator(seed, 1, HELD_OUT), 4000, cfg.tilt_deg)
        z = e_p(pose)
        z_prior = torch.from_numpy(generator(seed, 2, 0).uniform(-1, 1, (4000, LATENT)).astype("float32"))
        report = {
            "held_out_mpjpe_mm": _mpjpe(d_p(z), pose),
            "cycle_mean_abs": float((z_prior - e_p(d_p(z_prior))).abs().mean()),
            "z_mean_abs": float(z.abs().mean()),
        }
    return e_p, d_p, critic, report


def fit_motion_autoencoder(
    sampler: PoseSampler, held_out: PoseSampler, e_p: nn.Module, d_p: nn.Module,
    cfg: MotionAutoencoderConfig, tilt_deg: float, seed: int, log: Log, keep: Path,
) -> tuple[nn.Module, nn.Module, dict[str, float]]:  # fmt: skip
    """Stage 2: E_m, D_m; squared error of the decoded poses through frozen D_p (section 5.2)."""
    torch.manual_seed(seed)
    e_m, d_m = motion_autoencoder(cfg.arch)
    own = torch.optim.Adam([*e_m.parameters(), *d_m.parameters()], cfg.lr)
    keeper = Keeper(keep, {"e_m": e_m, "d_m": d_m}, {"own": own})
    for step in log.steps("motion auto-encoder", keeper.start(), cfg.steps):
        rng = generator(seed, 3, step)
        cosine_lr(own, cfg.lr, step, cfg.steps)
        window = _tempo(sampler.stretches(rng, cfg.batch, tilt_deg), int(rng.integers(0, 3)), bool(rng.random() < 0.5))
        with torch.no_grad():
            z = e_p(window.flatten(0, 1)).unflatten(0, window.shape[:2])
        z_again = d_m(e_m(z))
        loss = ((d_p(z_again) - window) / 100).square().mean() + 0.1 * (z_again - z).abs().mean()
        own.zero_grad()
        loss.backward()
        own.step()
        if step % LOG_EVERY == 0:
            log.scalars("motion_autoencoder", step, {"loss": float(loss.detach())})
        keeper.step(step)
    freeze(e_m, d_m)
    with torch.no_grad():
        window = _tempo(held_out.stretches(generator(seed, 3, HELD_OUT), 500, tilt_deg), 1, backward=False)
        z = e_p(window.flatten(0, 1)).unflatten(0, window.shape[:2])
        report = {"held_out_mpjpe_mm": _mpjpe(d_p(d_m(e_m(z))), window), "of_which_pose_mm": _mpjpe(d_p(z), window)}
    return e_m, d_m, report


def fit_relation(
    rule: Rule, latent: str, sampler: PoseSampler, held_out: PoseSampler, nets: dict[str, nn.Module],
    cfg: RelationsConfig, seed: int, log: Log, keep: Path,
) -> tuple[RelationTransformer, dict[str, float]]:  # fmt: skip
    """Stage 3, one rule: T carries E(y) to E(rule(y)), and its decoding to rule(y) (section 5.3).

    Args:
        latent: "z" for poses or "v" for motions.
        nets: frozen e_p, d_p, e_m, d_m.
    """
    torch.manual_seed(seed)
    t = RelationTransformer(LATENT if latent == "z" else 128)
    own = torch.optim.Adam(t.parameters(), cfg.lr)
    keeper = Keeper(keep, {"t": t}, {"own": own})
    batch = cfg.batch if latent == "z" else max(cfg.batch // 4, 8)
    name = f"T {latent} {rule.name}"
    for step in log.steps(name[:22], keeper.start(), cfg.steps):
        cosine_lr(own, cfg.lr, step, cfg.steps)
        with torch.no_grad():
            start, goal, goal_pose = relation_pairs(rule, latent, sampler, nets, batch, seed, step)
        moved = t(start)
        loss = (moved - goal).abs().mean() + 0.5 * pose_l1(_decode(moved, latent, nets), goal_pose)
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
    stretch = sampler.stretches(rng, count, 15.0)
    anchor_ticks, positive_ticks = (torch.from_numpy(t) for t in rule.ticks())
    after = rule.apply(stretch[:, positive_ticks])
    return encode_windows(stretch[:, anchor_ticks], nets), encode_windows(after, nets), after


def encode_windows(windows: Tensor, nets: dict[str, nn.Module]) -> Tensor:
    """E_m over E_p: (b, 30, 17, 3) mm to (b, 128)."""
    z = nets["e_p"](windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
    return nets["e_m"](z)  # type: ignore[no-any-return]


def non_localness(
    rule: Rule, latent: str, sampler: PoseSampler, nets: dict[str, nn.Module], count: int, seed: int
) -> dict[str, float]:
    """d_r = mean ||E(y) - E(rule(y))||, raw and over the mean distance of random pairs (section 6)."""
    with torch.no_grad():
        start, goal, _ = relation_pairs(rule, latent, sampler, nets, count, seed, HELD_OUT + 1)
        distance = float((start - goal).norm(dim=-1).mean())
        random = float((start - start.roll(1, 0)).norm(dim=-1).mean())
    return {"distance": distance, "over_random": distance / max(random, 1e-9)}


def _decode(latents: Tensor, latent: str, nets: dict[str, nn.Module]) -> Tensor:
    return nets["d_p"](latents if latent == "z" else nets["d_m"](latents))  # type: ignore[no-any-return]


def _tempo(stretch: Tensor, speed: int, backward: bool) -> Tensor:
    """A 30-frame window of a 120-tick stretch at half, nominal or double speed, perhaps reversed."""
    window = stretch[:, : 30 * (1, 2, 4)[speed] : (1, 2, 4)[speed]]
    return window.flip(1) if backward else window


def _mpjpe(predicted_mm: Tensor, true_mm: Tensor) -> float:
    return float((predicted_mm - true_mm).norm(dim=-1).mean())
