"""Rules: what a mirror, a tilt, a reversal or another tempo does to a pose, a motion and a picture.

A rule has a name made of its parts, in any order: `flip`, `tilt50` (degrees, clockwise as seen),
`backward` or `forward`, `slow` or `fast`, and `@60` for the same tempo rule on 60 Hz footage. A spatial rule
rotates first and flips second, everywhere (method, section 6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.geometry import rotation_about_z
from sa3dhp_edge.networks.motion_autoencoder import WINDOW
from sa3dhp_edge.skeleton import MIRROR

TICK_HZ = 60
"""Times of a rule are counted in ticks of the unpaired motion's rate."""

_TILT = re.compile(r"tilt-?\d+(?:\.\d+)?")
_KINDS = {"flip": "flip", "slow": "tempo", "fast": "tempo", "backward": "direction", "forward": "direction"}


@dataclass(frozen=True)
class Rule:
    """One relation. `tempo` is the positive's tempo as seen from the anchor."""

    flip: bool = False
    tilt_deg: float = 0.0
    backward: bool = False
    tempo: str = "same"
    fine: bool = False

    @property
    def name(self) -> str:
        """The canonical name, also the network's file name."""
        parts = [self.tempo] * (self.tempo != "same") + ["flip"] * self.flip
        if self.backward or not (self.flip or self.tilt_deg):
            parts.append("backward" if self.backward else "forward")
        parts += [f"tilt{self.tilt_deg:g}"] * bool(self.tilt_deg)
        return "_".join(parts) + "@60" * self.fine

    @property
    def temporal(self) -> bool:
        """Acts on time, so that it says nothing about a single pose."""
        return self.backward or self.tempo != "same"

    def linear(self) -> NDArray[np.float32]:
        """(3, 3): what the rule does to a point about the root, or to a picture about its centre."""
        sign = -1.0 if self.flip else 1.0
        return (np.diag([sign, 1.0, 1.0]) @ rotation_about_z(self.tilt_deg)).astype(np.float32)

    def apply(self, pose: Tensor) -> Tensor:
        """The spatial part on (..., 17, 3) poses of any unit."""
        turned = pose @ torch.from_numpy(self.linear()).to(pose).T
        return turned[..., list(MIRROR), :] if self.flip else turned

    def ticks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Times of the anchor's and of the positive's 30 frames, in ticks from the window's start."""
        k = np.arange(WINDOW)
        unit = 1 if self.fine else 2
        quick, calm = 2 * unit * k, unit * (k + WINDOW // 2)  # frames 0, 2 .. 58 and 15 .. 44
        anchor, positive = {
            "same": (2 * k, 2 * k),
            "slow": (quick, calm),
            "fast": (calm, quick),
        }[self.tempo]
        return anchor, positive[::-1].copy() if self.backward else positive

    def span_ticks(self) -> int:
        """Ticks from the first to the last frame the rule looks at."""
        anchor, positive = self.ticks()
        return int(max(anchor.max(), positive.max()))

    def span_s(self) -> float:
        """Seconds of video the rule needs."""
        return self.span_ticks() / TICK_HZ

    def least_fps(self) -> float:
        """Slowest footage the rule makes sense on: half the densest rate it reads."""
        return 30.0 if self.fine else 15.0

    @staticmethod
    def parse(name: str) -> Rule:
        """A rule from its name, whatever the order of its parts.

        Raises:
            ConfigError: a part that is not known, two parts of one kind, or a tempo without its window.
        """
        body, _, rate = name.partition("@")
        said: dict[str, str] = {}
        for part in body.split("_"):
            kind = "tilt" if _TILT.fullmatch(part) else _KINDS.get(part)
            if kind is None:
                raise ConfigError(
                    f"rule {name!r} has an unknown part {part!r}", "parts: flip, tiltN, backward, slow, fast"
                )
            if kind in said:
                raise ConfigError(f"rule {name!r} says both {said[kind]!r} and {part!r}", "name one of the two")
            said[kind] = part
        tempo = said.get("tempo", "same")
        if rate not in ("", "60") or (rate and tempo == "same"):
            raise ConfigError(f"rule {name!r}: @60 belongs to the slow and fast rules only")
        tilt = float(said.get("tilt", "tilt0").removeprefix("tilt"))
        return Rule("flip" in said, tilt, said.get("direction") == "backward", tempo, rate == "60")


CANDIDATES_Z: tuple[str, ...] = (
    "tilt5", "tilt15", "tilt30", "tilt50", "tilt90", "flip", "flip_tilt30", "flip_tilt50", "flip_tilt90",
)  # fmt: skip
CANDIDATES_V: tuple[str, ...] = tuple(
    base + tilt
    for tilt in ("", "_tilt50")
    for base in (
        "forward", "backward", "flip_forward", "flip_backward",
        "slow_forward", "slow_backward", "fast_forward", "fast_backward",
    )
    if base + tilt != "forward"
)  # fmt: skip
"""Every rule whose non-localness is studied (method, section 6)."""
