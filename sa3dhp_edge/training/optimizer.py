"""What moves G on the labelled source: AdamW, or Muon for the convolutions and AdamW for the rest.

Muon steps along the nearest orthogonal matrix to a weight's momentum (K. Jordan et al., 2024), here at the size AdamW's
steps have, so that one learning rate serves both. Differs: the paper uses Adam.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sa3dhp_edge.config import SourceConfig
from sa3dhp_edge.errors import ConfigError

ADAMW_DECAY = 1e-4
MUON_DECAY = 0.05


def source_optimizers(g: nn.Module, cfg: SourceConfig) -> dict[str, torch.optim.Optimizer]:
    """By name, over all parameters of a network that lies where it is to be trained.

    Raises:
        ConfigError: this version of torch has no Muon.
    """
    if cfg.optimizer == "adamw":
        return {"own": torch.optim.AdamW(g.parameters(), cfg.lr, weight_decay=ADAMW_DECAY)}
    if not hasattr(torch.optim, "Muon"):
        raise ConfigError(
            f"torch {torch.__version__} has no optimizer Muon", "choose the other: --set source.optimizer=adamw"
        )
    convolutions = [p for p in g.parameters() if p.ndim == 4 and p.shape[1] > 3]
    chosen = {id(p) for p in convolutions}
    others = [p for p in g.parameters() if id(p) not in chosen]
    return {
        "own": torch.optim.AdamW(others, cfg.lr, weight_decay=ADAMW_DECAY),
        "muon": _convolution_muon(convolutions, cfg.lr),
    }


def _convolution_muon(weights: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    """torch's Muon, which takes matrices alone, on convolution weights (out, in, k, k)."""

    class ConvolutionMuon(torch.optim.Muon):
        def __init__(self, weights: list[nn.Parameter]) -> None:
            self._weights = weights
            self._matrices = [nn.Parameter(_rows(w.detach(), w)) for w in weights]
            super().__init__(self._matrices, lr, weight_decay=MUON_DECAY, adjust_lr_fn="match_rms_adamw")

        def zero_grad(self, set_to_none: bool = True) -> None:
            for weight in self._weights:
                weight.grad = None

        def step(self, closure: object = None) -> None:  # type: ignore[override]
            for weight, matrix in zip(self._weights, self._matrices, strict=True):
                matrix.grad = None if weight.grad is None else _rows(weight.grad, weight)
            super().step()

    return ConvolutionMuon(list(weights))


def _rows(values: Tensor, weight: Tensor) -> Tensor:
    """(out, in, k, k) as (out, in k k), in the order in which the weight lies in memory: of itself it is a view."""
    if weight.is_contiguous():
        return values.flatten(1)
    return values.permute(0, 2, 3, 1).flatten(1)
