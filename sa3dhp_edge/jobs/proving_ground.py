"""Where methods are tried: a small source model, labelled source to replay, and targets whose truth is known.

FOLDER/seedN/              a training run of the source model
FOLDER/seedN/targets/DOMAIN/{target,test}/   frame sets
FOLDER/seedN/trials/NAME.json                what a finished trial measured
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sa3dhp_edge.adaptation.adapt import reestimate_statistics
from sa3dhp_edge.adaptation.log import Log
from sa3dhp_edge.adaptation.model_set import ModelSet
from sa3dhp_edge.adaptation.source import measure
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.adaptation.trainable import snapshot
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import AdaptConfig, Settings
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.adapt import adapt_model
from sa3dhp_edge.jobs.embedded import Target, embedded_target
from sa3dhp_edge.jobs.pretrain import train_source_model
from sa3dhp_edge.jobs.run_folder import Report, RunFolder

TARGET_CLIPS, TEST_CLIPS = 48, 48
DOMAINS_TRIED = ("site", "park")


@dataclass(frozen=True)
class ProvingGround:
    """One seed's source model and targets.

    Attributes:
        labelled: source frames to replay.
        probe: labelled source frames held out.
        targets: by domain.
    """

    folder: Path
    settings: Settings
    labelled: FrameSet
    probe: FrameSet
    targets: dict[str, Target]
    log: Log

    def model(self) -> ModelSet:
        """The source model, read anew: a trial spends its G."""
        return replace(ModelSet.load(self.folder / "weights"), settings=self.settings)

    def errors(self, model: ModelSet, domain: str) -> dict[str, float]:
        """A model's figures on a target's labelled test, and on the held-out source under `source_...`."""
        px = self.settings.image.crop_px
        figures = measure(model.g, model.d_p, self.targets[domain].test, px)
        return figures | {f"source_{k}": v for k, v in measure(model.g, model.d_p, self.probe, px).items()}

    def trial(self, name: str, domain: str, cfg: AdaptConfig | None) -> Report:
        """Adapt the source model to a target's unlabelled clips and measure it; kept, so that it is done once.

        Args:
            name: of the variant; equal names are taken for equal configurations.
            cfg: None takes no gradient step: the source model, or with "statistics" in the name its
                batch-normalisation statistics from the target.

        Returns:
            `errors`, "weight_change", "path" (target PA-MPJPE at each check), "stopped_by_guard" and "cycles".
        """
        path = self.folder / "trials" / f"{domain}-{name.replace(' ', '_').replace('/', '_')}.json"
        if not path.exists():
            write_json(path, self._tried(name, domain, cfg))
            self.log.say(f"{self.folder.name} {domain} {name}: {json.loads(path.read_text())['pa_mpjpe']:.1f} mm")
        found: Report = json.loads(path.read_text())
        return found

    def _tried(self, name: str, domain: str, cfg: AdaptConfig | None) -> Report:
        model, target, px = self.model(), self.targets[domain], self.settings.image.crop_px
        before = snapshot(model.g)
        path: list[float] = []
        extra: Report = {"path": path}
        if cfg is not None:
            model, report = adapt_model(
                replace(model, settings=replace(self.settings, adapt=cfg)), target.clips, self.labelled, self.probe,
                self.log, self.folder / "training" / f"{domain}-{name.replace(' ', '_')}.safetensors",
                watch=lambda g: _followed(path, measure(g, model.d_p, target.test, px)["pa_mpjpe"]),
            )  # fmt: skip
            extra |= {"stopped_by_guard": report["fault"] is not None, "cycles": report["cycles"], "report": report}
        elif "statistics" in name:
            reestimate_statistics(model.g, TargetClips(target.clips), px, self.settings.seed)
        moved = [(model.g.state_dict()[k].float() - v.float()).square().sum() for k, v in before.items()]
        return self.errors(model, domain) | {"weight_change": float(torch.stack(moved).sum().sqrt())} | extra


def _followed(path: list[float], pa_mpjpe: float) -> dict[str, float]:
    path.append(pa_mpjpe)
    return {"target_pa_mpjpe": pa_mpjpe}


@contextmanager
def proving_ground(
    folder: Path, settings: Settings, domains: tuple[str, ...] = DOMAINS_TRIED
) -> Iterator[ProvingGround]:
    """Train a seed's source model and render its targets, or find them done; an interrupted one goes on.

    Args:
        folder: `FOLDER/seedN`.
        settings: with the seed; the source is generated once, so that all trials replay the same.
    """
    settings = replace(settings, source=replace(settings.source, streaming=False))
    run = RunFolder.start(folder, settings, resume=folder.exists())
    with Log(folder) as log:
        train_source_model(run, "synth", None, log)
        targets = {d: embedded_target(folder / "targets", settings, TARGET_CLIPS, TEST_CLIPS, log, d) for d in domains}
        yield ProvingGround(
            folder, settings, FrameSet.load(folder / "source"), FrameSet.load(folder / "source_held_out"), targets, log
        )


def spread(values: list[float]) -> dict[str, object]:
    """Mean, standard deviation and each of a figure over the seeds."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values)), "each": values}


def machine() -> dict[str, str]:
    """What a figure was measured on."""
    return {"system": platform.platform(), "torch": torch.__version__, "threads": str(torch.get_num_threads())}


def commit() -> str:
    """The repository's commit, where there is one."""
    here = Path(__file__).parent
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
