"""What engine is asked for, and what is the builder's process told?"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sa3dhp_edge.errors import ConfigError

PEOPLE = (1, 1, 4)
WORKSPACE_MB = 1024
LEVEL = 3
LOW_LEVEL = 1
"""What a build that ran out of memory is tried with once more: fewer ways are tried, so less is held at a time."""
LIMIT_S = 3600.0
LONGEST_S = 7 * 86400.0
"""A limit beyond it is a slip, and the alarm that ends a build does not take every number."""
LEVELS = (0, 5)


@dataclass(frozen=True)
class EngineRequest:
    """What a user wants of an engine.

    Attributes:
        people: smallest, usual and largest number of people, crops that are computed at once.
        workspace_mb: most scratch memory of one layer, MiB.
        level: TensorRT's builder optimisation level, 0 quick to 5 thorough.
        refit: whether new weights can be put into the engine later.
        dla: number of the deep learning accelerator to run on, layers that it cannot take on the GPU; None for GPU.
        target: "sm86" builds for another machine's GPU, with TensorRT-RTX; None builds for this machine's.
        limit_s: a build that takes longer is ended.
    """

    people: tuple[int, int, int] = PEOPLE
    workspace_mb: int = WORKSPACE_MB
    level: int = LEVEL
    refit: bool = False
    dla: int | None = None
    target: str | None = None
    limit_s: float = LIMIT_S

    def __post_init__(self) -> None:
        least, usual, most = self.people
        if not 1 <= least <= usual <= most:
            raise ConfigError(f"people {least},{usual},{most} do not ascend from 1", "such as --people 1,1,4")
        if self.workspace_mb < 1:
            raise ConfigError(f"a workspace of {self.workspace_mb} MiB is none", "such as --workspace-mb 1024")
        if not LEVELS[0] <= self.level <= LEVELS[1]:
            raise ConfigError(f"level {self.level} is none of {LEVELS[0]} to {LEVELS[1]}", f"such as --level {LEVEL}")
        if not 0 < self.limit_s <= LONGEST_S:
            raise ConfigError(f"a limit of {self.limit_s:g} s is not within 0 and a week", "such as --limit-s 3600")
        if self.dla is not None and not least == most:
            raise ConfigError(
                f"a DLA computes one number of people, not {least} to {most}", "such as --people 1 with --dla"
            )
        if self.target is not None:
            self._check_target(self.target)

    def _check_target(self, target: str) -> None:
        if not re.fullmatch(r"sm\d{2,3}", target):
            raise ConfigError(f"{target!r} is no compute capability", "such as --for sm86")
        for wanted, option in ((self.refit, "--refit"), (self.dla is not None, "--dla")):
            if wanted:
                raise ConfigError(
                    f"{option} is not possible in an engine for another machine: TensorRT asks this machine's GPU",
                    f"leave out {option}, or build on the machine that will run it, without --for",
                )


@dataclass(frozen=True)
class BuildOrder:
    """What the builder's process is told; crosses to it as JSON.

    Attributes:
        request: see above.
        flavour: which TensorRT builds.
        onnx: the network, absolute.
        crop_px: side of its pictures.
        outputs: names of what must come out.
        half, quantised: see `OnnxFacts`; versions before 10 must be told.
        engine: file to write.
        timing: file of what earlier builds measured, read if it is there and written again.
    """

    request: EngineRequest
    flavour: str
    onnx: Path
    crop_px: int
    outputs: tuple[str, ...]
    half: bool
    quantised: bool
    engine: Path
    timing: Path

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> BuildOrder:
        raw: dict[str, Any] = json.loads(text)
        asked = raw["request"]
        made: dict[str, Any] = {name: Path(raw[name]) for name in ("onnx", "engine", "timing")}
        made["request"] = EngineRequest(**(asked | {"people": tuple(asked["people"])}))
        made["outputs"] = tuple(raw["outputs"])
        return BuildOrder(**(raw | made))
