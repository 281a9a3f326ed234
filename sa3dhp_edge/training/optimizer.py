"""What moves G on the labelled source: AdamW, or Muon for the convolutions and AdamW for the rest. The paper uses Adam.

torch has a Muon of its own, for matrices alone and in bfloat16, which takes ten times as long as the rest of a step on
a processor that has no such numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from sa3dhp_edge.config import SourceConfig

ADAMW_DECAY = 1e-4
MUON_DECAY = 0.05
MUON_MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.775, 2.0315)
"""Coefficients a, b, c of a round, those of the source: steepest at 0, so that few rounds do."""
ROUNDS = 5
ADAMW_RMS = 0.2
"""Root mean square of a step of AdamW at learning rate 1; Muon's steps are made as large, so one rate serves both."""


def source_optimizers(g: nn.Module, cfg: SourceConfig) -> dict[str, torch.optim.Optimizer]:
    """By name, over all parameters of a network that lies where it is to be trained."""
    if cfg.optimizer == "adamw":
        return {"own": torch.optim.AdamW(g.parameters(), cfg.lr, weight_decay=ADAMW_DECAY)}
    convolutions = [p for p in g.parameters() if p.ndim == 4 and p.shape[1] > 3]
    chosen = {id(p) for p in convolutions}
    others = [p for p in g.parameters() if id(p) not in chosen]
    return {
        "own": torch.optim.AdamW(others, cfg.lr, weight_decay=ADAMW_DECAY),
        "muon": ConvolutionMuon(convolutions, cfg.lr),
    }


class ConvolutionMuon(torch.optim.Optimizer):
    """Steps along the nearest orthogonal matrix to a filter bank's momentum, each bank (out, in, k, k) as out rows.

    Source: K. Jordan et al. 2024, Muon, with the size of steps of Liu et al. 2025, Muon is Scalable for LLM Training.
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(weights, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"]
                momentum.lerp_(weight.grad, 1 - MUON_MOMENTUM)
                rows = weight.grad.lerp(momentum, MUON_MOMENTUM).flatten(1)
                size = ADAMW_RMS * max(rows.shape) ** 0.5
                weight.mul_(1 - group["lr"] * MUON_DECAY)
                weight.add_(nearly_orthogonal(rows).view(weight.shape), alpha=-group["lr"] * size)


def nearly_orthogonal(matrix: Tensor) -> Tensor:
    """A matrix (m, n) with its singular values all near 1, by Newton-Schulz rounds.

    A round X -> (a + b X X' + c (X X')^2) X is a polynomial of X X' alone, so the rounds are worked out on that square
    matrix, of the shorter side, and X is multiplied once: less than half the work.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return nearly_orthogonal(matrix.T).T
    a, b, c = NEWTON_SCHULZ
    matrix = matrix / matrix.norm().clamp(min=1e-7)
    gram = matrix @ matrix.T
    product = eye = torch.eye(len(gram), device=gram.device, dtype=gram.dtype)
    for _ in range(ROUNDS):
        factor = torch.addmm(a * eye + b * gram, gram, gram, alpha=c)
        product = factor @ product
        gram = factor @ gram @ factor
    return product @ matrix
