"""Where methods are tried: a small source model, labelled source to replay, and targets whose truth is known.

FOLDER/seedN/              a training run of the source model
FOLDER/seedN/targets/DOMAIN/{target,test}/   frame sets
FOLDER/seedN/trials/DOMAIN-NAME.json         what a finished trial measured, or in another folder
"""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sa3dhp_edge.adaptation.labelled import Pictures
from sa3dhp_edge.adaptation.source import measure
from sa3dhp_edge.adaptation.statistics import reestimate_statistics
from sa3dhp_edge.adaptation.target import TargetClips
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import AdaptConfig, Settings
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.adapt import adapt_model
from sa3dhp_edge.jobs.embedded import Target, embedded_target
from sa3dhp_edge.jobs.pretrain import train_source_model
from sa3dhp_edge.jobs.run_folder import Report, RunFolder, begun_settings
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.networks.trainable import snapshot
from sa3dhp_edge.training.device import use_threads
from sa3dhp_edge.training.log import Log

TARGET_CLIPS, TEST_CLIPS = 48, 48
DOMAINS_TRIED = ("site", "park")


@dataclass(frozen=True)
class ProvingGround:
    """One seed's source model and targets.

    Attributes:
        labelled: source frames to replay, and other labelled sets beside them.
        probe: labelled source frames held out.
        targets: by domain.
        kept: where finished trials lie; None for `folder/trials`.
    """

    folder: Path
    settings: Settings
    labelled: Pictures
    probe: FrameSet
    targets: dict[str, Target]
    log: Log
    kept: Path | None = None

    def model(self) -> ModelSet:
        """The source model, read anew: a trial spends its G."""
        return replace(ModelSet.load(self.folder / "weights"), settings=self.settings)

    def errors(self, model: ModelSet, domain: str) -> dict[str, float]:
        """A model's figures on a target's labelled test.

        Figures on the held-out source follow under `source_...`, those on another target `d` under `on_d_...`.
        """
        px = self.settings.image.crop_px
        tests = {"": self.targets[domain].test, "source_": self.probe}
        tests |= {f"on_{name}_": target.test for name, target in self.targets.items() if name != domain}
        return {p + k: v for p, test in tests.items() for k, v in measure(model.g, model.d_p, test, px).items()}

    def trial(self, name: str, domain: str, cfg: AdaptConfig | None, model: ModelSet | None = None) -> Report:
        """Adapt the source model to a target's unlabelled clips and measure it; kept, so that it is done once.

        Args:
            name: of the variant; equal names are taken for equal models and labelled frames.
            cfg: None leaves the source model as it is; without losses no gradient step is taken.
            model: a variant of `model()` to adapt in its place, with other relations; its G is spent.

        Returns:
            `errors` and what `tried` says.

        Raises:
            ConfigError: the trial was done with another `cfg`.
        """
        target, px = self.targets[domain], self.settings.image.crop_px
        path = trial_path(self.kept or self.folder / "trials", domain, name)

        def do(keep: Path) -> Report:
            used = model or self.model()

            def watch(g: nn.Module) -> float:
                return measure(g, used.d_p, target.test, px)["pa_mpjpe"]

            report = tried(used, target.clips, cfg, self.labelled, self.probe, self.log, keep, watch)
            return self.errors(used, domain) | report

        return once(path, {"name": name, "target": domain, "seed": self.settings.seed}, cfg, do, self.log)


def trial_path(folder: Path, target: str, name: str) -> Path:
    """Where a trial is kept."""
    return folder / f"{target}-{name}.json".replace(" ", "_").replace("/", "_")


def tried(
    model: ModelSet, clips: FrameSet, cfg: AdaptConfig | None, labelled: Pictures, probe: FrameSet, log: Log,
    keep: Path, watch: Callable[[nn.Module], float],
) -> Report:  # fmt: skip
    """Adapt a model's own G as a configuration says.

    Args:
        cfg: None does nothing; without losses batch-normalisation statistics are all that may change.
        keep: the state of an interrupted trial.
        watch: the target's PA-MPJPE.

    Returns:
        "weight_change", "path" (what `watch` gave at each check), and after gradient steps "stopped_by_guard",
        "cycles" and the adaptation's "report".
    """
    before = snapshot(model.g)
    path: list[float] = []

    def followed(g: nn.Module) -> dict[str, float]:
        path.append(watch(g))
        return {"target_pa_mpjpe": path[-1]}

    extra: Report = {"path": path}
    settings = model.settings
    if cfg is not None and cfg.losses:
        own = replace(model, settings=replace(settings, adapt=cfg))
        _, report = adapt_model(own, clips, labelled, probe, log, keep, watch=followed)
        extra |= {"stopped_by_guard": report["fault"] is not None, "cycles": report["cycles"], "report": report}
    elif cfg is not None and cfg.target_statistics:
        reestimate_statistics(model.g, TargetClips(clips), settings.image.crop_px, settings.seed)
    moved = [(model.g.state_dict()[k].float() - v.float()).square().sum() for k, v in before.items()]
    return {"weight_change": float(torch.stack(moved).sum().sqrt())} | extra


def once(path: Path, about: Report, cfg: AdaptConfig | None, do: Callable[[Path], Report], log: Log) -> Report:
    """What a trial measured: read where it is done, else done and kept with its name, configuration and time.

    Args:
        about: "target", "name", "seed".
        do: given where an interrupted trial keeps its state.

    Raises:
        ConfigError: it was done with another configuration.
    """
    asked = None if cfg is None else json.loads(json.dumps(asdict(cfg)))
    if not path.exists():
        began, cpu_began = time.monotonic(), time.process_time()
        state = path.with_suffix(".safetensors")
        report = about | do(state) | {"adapt": asked, "commit": commit(), "seconds": time.monotonic() - began}
        write_json(path, report | {"cpu_seconds": time.process_time() - cpu_began})
        state.unlink(missing_ok=True)
        log.say(f"{about['target']}, {about['name']}, seed {about['seed']}: {report['pa_mpjpe']:.1f} mm")
    found: Report = json.loads(path.read_text())
    begun = found["adapt"]
    if (begun is None) != (asked is None) or any(begun[k] != v for k, v in (asked or {}).items() if k in begun):
        changed = [k for k, v in (asked or {}).items() if k in (begun or {}) and begun[k] != v]
        raise ConfigError(
            f"{path} was measured with another adapt.{', adapt.'.join(changed) or 'losses'}",
            "ask for the same settings again, or name another folder",
        )
    return found


@contextmanager
def proving_ground(
    folder: Path, settings: Settings, domains: tuple[str, ...] = DOMAINS_TRIED, kept: Path | None = None
) -> Iterator[ProvingGround]:
    """Train a seed's source model and render its targets, or find them done; an interrupted one goes on.

    Args:
        folder: `FOLDER/seedN`.
        settings: with the seed; the source is generated once, so that all trials replay the same. A ground that is
            there can be used with other settings of adaptation than it was begun with.
        kept: where finished trials and their log lie; None keeps them with the ground.
    """
    settings = replace(settings, source=replace(settings.source, streaming=False))
    begun = begun_settings(folder)
    trained = settings if begun is None else replace(settings, adapt=begun.adapt, threads=begun.threads)
    run = RunFolder.start(folder, trained, resume=folder.exists())
    with Log(folder) as log:
        train_source_model(run, "synth", None, log)
        targets = {d: embedded_target(folder / "targets", settings, TARGET_CLIPS, TEST_CLIPS, log, d) for d in domains}
    use_threads(settings.threads)
    source, held_out = (FrameSet.load(folder / name) for name in ("source", "source_held_out"))
    with Log(kept or folder) as log:
        yield ProvingGround(folder, settings, source, held_out, targets, log, kept)


def spread(values: list[float]) -> dict[str, object]:
    """Mean, standard deviation (n - 1 in the denominator; None of one value) and each of a figure over the seeds."""
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": std, "each": values}


def machine() -> dict[str, str]:
    """What a figure was measured on."""
    return {"system": platform.platform(), "torch": torch.__version__, "threads": str(torch.get_num_threads())}


def commit() -> str:
    """The repository's commit, where there is one."""
    here = Path(__file__).parent
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
