"""What an ablation tries: variants of adaptation, in the groups of two tables.

`paper`: the paper's losses one after the other, and each left out, beside free baselines and other forms of the rules.
`beyond`: what the paper does not have, around a consensus, with what each costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sa3dhp_edge.config import PAPER_LOSSES, AdaptConfig

ORDER = PAPER_LOSSES
"""The paper's losses in its order."""
PAPER_SOURCE_MM, PAPER_MM = 209.6, (193.4, 172.1, 139.7, 91.8, 86.2)
"""Its ablation without adaptation, and after each loss of the order is added."""
BASELINE = "source"


@dataclass(frozen=True)
class Variant:
    """A row of the table.

    Attributes:
        key: its name for files and `--variants`.
        losses: under which G moves; empty takes no step, None does nothing at all.
        changed: other settings of adaptation, by their names in `AdaptConfig`.
        paper_mm: what the paper has for it.
    """

    key: str
    title: str
    losses: tuple[str, ...] | None
    changed: Mapping[str, Any] = field(default_factory=dict)
    paper_mm: float | None = None

    def config(self, cfg: AdaptConfig) -> AdaptConfig | None:
        """The configuration, over the settings of a run."""
        plain = replace(cfg, target_statistics=False)
        return None if self.losses is None else replace(plain, losses=self.losses, **self.changed)

    @property
    def paper_percent(self) -> float | None:
        """The paper's change against its source model."""
        return None if self.paper_mm is None else 100 * (self.paper_mm / PAPER_SOURCE_MM - 1)


_STATISTICS = {"target_statistics": True}
_LOUD = dict(zip(ORDER, ("LCR", "HCR", "L1z", "L1v", "L2v"), strict=True))
_PAPER: tuple[tuple[Variant, ...], ...] = (
    (
        Variant(BASELINE, "source only", None, paper_mm=PAPER_SOURCE_MM),
        Variant("statistics", "target statistics", (), _STATISTICS),
        Variant("continued", "source continued", ("replay",) * len(ORDER)),
    ),
    tuple(Variant(name, f"+ {_LOUD[name]}", ORDER[: i + 1], paper_mm=PAPER_MM[i]) for i, name in enumerate(ORDER)),
    tuple(
        Variant(f"without-{name}", f"all without {_LOUD[name]}", tuple(n for n in ORDER if n != name)) for name in ORDER
    ),
    (
        Variant("exact", "exact alone", ("exact",) * len(ORDER)),
        Variant("consensus", "consensus alone", ("consensus",) * len(ORDER)),
        Variant("consensus-all", "all and consensus", (*ORDER, "consensus")),
    ),
    (
        *(
            Variant(f"statistics-{name}", f"target statistics, then {_LOUD.get(name, name)}", (name,) * len(ORDER),
                    _STATISTICS)
            for name in ("replay", *ORDER, "exact", "consensus")
        ),
        Variant("statistics-relations", "target statistics, then L1z, L1v, L2v", ORDER[2:], _STATISTICS),
        Variant("statistics-all", "target statistics, then all", ORDER, _STATISTICS),
    ),
)  # fmt: skip
_ALONE = ("consensus",)
_NO_PLANE = {"weight_uv": 0.0}
_FEWER_CYCLES = {"cycles": 20, "refresh_every": 5, "check_every": 5}
_HEAD = ("joints.*", "correction.*", "encoder.*", "camera.*")
_BEYOND: tuple[tuple[Variant, ...], ...] = (
    (
        Variant(BASELINE, "source only", None),
        Variant("replayed", "replay alone", ("replay",)),
    ),
    (
        Variant("l1z-alone", "L1z", ("l1z",)),
        Variant("l1z-pose", "L1z without 2D and camera", ("l1z",), _NO_PLANE),
        Variant("exact-alone", "exact", ("exact",)),
        Variant("exact-pose", "exact without 2D and camera", ("exact",), _NO_PLANE),
        Variant("denoised", "D_m(E_m) as target", ("denoised",)),
    ),
    (
        Variant("votes", "consensus, the recipe", _ALONE),
        Variant("heads", "a mean of all views", _ALONE, {"consensus_sureness": 0.0, "consensus_reach_mm": 0.0}),
        Variant("mirror", "of the mirror alone", _ALONE, {"consensus_tilt_deg": 0.0, "consensus_size": 0.0}),
        Variant("unsmoothed", "not smoothed in time", _ALONE, {"smooth_s": 0.0}),
        Variant("teacher", "asked of a mean over time", _ALONE, {"teacher": 0.95}),
        Variant("gated", "of the best 70 % of frames", _ALONE, {"keep_share": 0.7}),
        Variant("anchored", "anchored to the source", _ALONE, {"anchor": 0.1}),
        Variant("contrasted", "beside LCR", ("consensus", "lcr")),
        Variant("mixed", "four steps to one each of LCR, HCR, L1z", ("consensus",) * 4 + ORDER[:3], _FEWER_CYCLES),
        Variant("own-statistics", "with the target's statistics", _ALONE, _STATISTICS),
    ),
    (
        Variant("no-replay", "without replay", _ALONE, {"replay": 0.0}),
        Variant("dressed", "half of the replay dressed", _ALONE, {"dress": 0.5}),
    ),
    (
        Variant("norm", "gains and biases move", _ALONE, {"trainable": ("backbone.*.bn?.*",)}),
        Variant("rank", "rank 4 of the backbone moves", _ALONE, {"trainable": ("backbone.layer*",), "rank": 4}),
        Variant("late", "layer4 moves", _ALONE, {"trainable": ("backbone.layer4.*",)}),
        Variant("head", "the head moves", _ALONE, {"trainable": _HEAD}),
        Variant("whole", "everything moves", _ALONE, {"trainable": ("*",)}),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Variants that are shown together.

    Attributes:
        file: name of what is written of it.
        groups: of the plot and the table; a new variant is one more line.
        costs: seconds and memory are columns; else the figures of the paper.
    """

    file: str
    groups: tuple[tuple[Variant, ...], ...]
    costs: bool

    @property
    def variants(self) -> tuple[Variant, ...]:
        return tuple(variant for group in self.groups for variant in group)

    def trial(self, variant: Variant) -> str:
        """The name a variant's trial is kept under: that of the first with the same configuration."""
        return next(v.key for v in self.variants if (v.losses, v.changed) == (variant.losses, variant.changed))


TABLES = {"paper": Table("ablation", _PAPER, costs=False), "beyond": Table("beyond", _BEYOND, costs=True)}
