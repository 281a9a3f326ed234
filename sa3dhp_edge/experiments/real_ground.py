"""Real clips with 3D truth as a ground to try adaptation on: a trained model, and what it makes of each clip.

What adaptation sees of a clip is cut by the runtime's own clip cutter: no truth, no camera, the whole video, and the
person whom the model follows, which may be somebody in the background. What is scored are crops around the true
joints, the same for every variant, so that a figure speaks of poses and not of who was found.

FOLDER/settings.json, inputs.json    the model's settings with those of adaptation; a ground that goes on has the same
FOLDER/source/, source_held_out/     generated pictures to replay and to watch, the latter where the run has none
FOLDER/model/                        the model as the runtime loads it, where only a run was given
FOLDER/clips/NAME/                   what was cut of a clip
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from export.model_folder import read_weights, write_model
from runtime.clip_cutter import cut_clips
from runtime.model import Model
from runtime.service import make_finder
from sa3dhp_edge.adaptation.source import measure, read_frames
from sa3dhp_edge.config import AdaptConfig, Settings
from sa3dhp_edge.contract import FILE
from sa3dhp_edge.errors import NobodyFound, TrainingError
from sa3dhp_edge.experiments.proving_ground import once, trial_path, tried
from sa3dhp_edge.experiments.scored_clips import ScoredClip, scored_clips
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.adapt import REPLAY_CLIPS
from sa3dhp_edge.jobs.crops import parity_pictures
from sa3dhp_edge.jobs.given_model import given_model, settings_over
from sa3dhp_edge.jobs.labelled_source import SYNTH, held_out_pictures, replay_settings, training_pictures
from sa3dhp_edge.jobs.pretrain import source_motion
from sa3dhp_edge.jobs.run_folder import Report, RunFolder
from sa3dhp_edge.networks.model_set import ModelSet
from sa3dhp_edge.shipped import model_folder
from sa3dhp_edge.training.device import use_threads
from sa3dhp_edge.training.log import Log

CLIP_FRAMES = 100
"""So many frames of each real clip are scored."""


@dataclass(frozen=True)
class RealGround:
    """A trained model and real clips; adaptation's chance is drawn anew for each seed.

    Attributes:
        folder: of the model.
        labelled: generated source frames to replay.
        probe: such as are held out.
        clips: what adaptation sees, by the clip's name, without labels.
        tests: what is scored, by the clip's name.
        left_out: clip -> why it cannot be adapted to.
        kept: where finished trials lie.
    """

    folder: Path
    settings: Settings
    labelled: FrameSet
    probe: FrameSet
    clips: dict[str, FrameSet]
    tests: dict[str, ScoredClip]
    left_out: dict[str, str]
    log: Log
    kept: Path

    def model(self, seed: int) -> ModelSet:
        """The trained model, read anew: a trial spends its G."""
        return replace(read_weights(self.folder), settings=replace(self.settings, seed=seed))

    def errors(self, model: ModelSet, clip: str) -> dict[str, float]:
        """Figures on a clip's 13 joints, and on the held-out source under `source_...`."""
        px, test = model.settings.image.crop_px, self.tests[clip]
        pose, _, _ = read_frames(model.g, model.d_p, test.images, px)
        own = measure(model.g, model.d_p, self.probe, px)
        return test.figures(pose) | {f"source_{k}": v for k, v in own.items()}

    def trial(self, name: str, clip: str, cfg: AdaptConfig | None, seed: int) -> Report:
        """Adapt the model to what was cut of a clip and measure it; kept, so that it is done once.

        A clip that can serve none of the losses leaves the model as it is; "impossible" says why.
        """
        path = trial_path(self.kept / f"seed{seed}", f"real/{clip}", name)

        def do(keep: Path) -> Report:
            model, test = self.model(seed), self.tests[clip]
            px = model.settings.image.crop_px

            def watch(g: nn.Module) -> float:
                return test.pa_mpjpe(read_frames(g, model.d_p, test.images, px)[0])

            try:
                report = tried(model, self.clips[clip], cfg, self.labelled, self.probe, self.log, keep, watch)
            except TrainingError as e:
                return self.errors(self.model(seed), clip) | {"impossible": e.message}
            return self.errors(model, clip) | report

        return once(path, {"name": name, "target": f"real/{clip}", "seed": seed}, cfg, do, self.log)


@contextmanager
def real_ground(
    folder: Path, clips: Path, start: str, poses: Path | None, preset: str | None, overrides: tuple[str, ...],
    kept: Path,
) -> Iterator[RealGround]:  # fmt: skip
    """Make ready what trials on real clips need, or find it done.

    Args:
        clips: prepared clips with 3D truth.
        start: a trained run or model.
        poses: motion for the generated pictures, beside the made-up one.
        preset, overrides: settings of adaptation over the model's own.

    Raises:
        ConfigError: settings or inputs that differ from those the ground was begun with.
        InputError, DataError, ModelError: a model or clips that cannot be read.
    """
    given = given_model(start)
    px = given.settings.image.crop_px
    own = settings_over(given.settings, "adapt", preset, overrides)
    settings = replace(own, source=replace(own.source, streaming=False))
    tests = {test.name: test for test in scored_clips(clips, px, CLIP_FRAMES)}
    with RunFolder.start(folder, settings, resume=folder.exists()) as run, Log(folder) as log:
        run.made_from({"--clips": clips, "--from": start, "--poses": poses})
        use_threads(settings.threads)
        training, held_out = source_motion(settings, poses)
        begun = model_folder(start)
        probed = begun if (begun / "source_held_out" / "set.json").exists() else folder
        probe = held_out_pictures(probed, settings, SYNTH, held_out, log)
        replay = replay_settings(settings, REPLAY_CLIPS)
        with training_pictures(folder, replay, SYNTH, training, log) as labelled:
            assert isinstance(labelled, FrameSet)
        model = replace(given, settings=settings)
        cut, left_out = _cut(folder, clips, tuple(tests), _loadable(begun, folder, model, probe), model, log)
        yield RealGround(begun, settings, labelled, probe, cut, tests, left_out, log, kept)


def _loadable(begun: Path, folder: Path, model: ModelSet, probe: FrameSet) -> Path:
    """The model in the form that the runtime loads."""
    if (begun / FILE).is_file():
        return begun
    made = folder / "model"
    if not (made / FILE).is_file():
        write_model(model, made, name="source", pictures=parity_pictures(probe, model.settings.seed))
    return made


def _cut(
    folder: Path, clips: Path, names: tuple[str, ...], runnable: Path, model: ModelSet, log: Log
) -> tuple[dict[str, FrameSet], dict[str, str]]:
    """What the runtime cuts of each clip, and why there is nothing of some."""
    settings = model.settings
    found, left_out = {}, {}
    for name in names:
        path = folder / "clips" / name
        if not (path / "set.json").exists():
            video = clips / name if (clips / name).is_dir() else clips
            loaded = Model.load(runnable)
            try:
                cut_clips(
                    video / "video.mp4", loaded, settings.image.crop_px, seed=settings.seed, finder=make_finder(),
                    max_frames=settings.adapt.max_target_frames,
                ).save(path)  # fmt: skip
            except NobodyFound as e:
                left_out[name] = e.message
                log.say(f"{name} is left out: {e.message}")
                continue
            finally:
                loaded.close()
        found[name] = FrameSet.load(path)
        log.say(f"{name}: {len(found[name])} frames in {len(found[name].clips())} clips of one person")
    return found, left_out
