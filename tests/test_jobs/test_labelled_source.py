"""A labelled source of every kind: what G learns from, what is held out, and what is refused before training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sa3dhp_edge.adaptation import source as source_stage
from sa3dhp_edge.adaptation.labelled import LabelledFrames, labelled
from sa3dhp_edge.adaptation.source import fit_image_to_latent
from sa3dhp_edge.config import Settings, override, preset
from sa3dhp_edge.datasets.shards import Shards
from sa3dhp_edge.errors import ConfigError, DataError, InputError
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.data_synth import synth
from sa3dhp_edge.jobs.labelled_source import SYNTH, check_source, held_out_pictures, replay_settings, training_pictures
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.motion.procedural import procedural_motion
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.networks.trainable import freeze
from sa3dhp_edge.pool import Pool
from sa3dhp_edge.training.distributed import Team
from sa3dhp_edge.training.log import Quiet
from sa3dhp_edge.training.resume import Keeper

SMALL = (
    "image.width=8", "image.crop_px=32", "source.frames_per_clip=2", "source.held_out_clips=2", "source.steps=5",
    "source.batch=8", "source.pool_clips=8", "source.reuse=2", "source.workers=1", "source.clips=4",
)  # fmt: skip


@pytest.fixture(scope="module")
def motion() -> MotionSet:
    return procedural_motion(20, 3)


@pytest.fixture
def settings() -> Settings:
    return override(preset("demo"), (*SMALL, "source.streaming=true"))


def generate(out: Path, **options: Any) -> Shards:
    chosen: dict[str, Any] = {
        "clips": 10, "seconds": 1.0, "preset": "demo", "domain": None, "px": 32, "fps": 2.0, "seed": 4, "poses": None,
        "backgrounds": None,
        "workers": 1, "lossless": False, "resume": False,
    }  # fmt: skip
    report = synth(out=out, **(chosen | options))
    assert (report.clips, report.frames) == (10, 20)
    return Shards.open(out)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "sa3dhp_edge.config.PRESETS", {"demo": override(preset("demo"), ("motion.procedural_seconds=20",))}
        )
        return generate(tmp_path_factory.mktemp("shards") / "s")


class Breaking(Quiet):
    """Ends training before a step, as Ctrl-C does."""

    def __init__(self, at: int = -1) -> None:
        super().__init__()
        self.at = at

    def steps(self, title: str, start: int, stop: int) -> Any:
        for step in range(start, stop):
            if step == self.at:
                raise KeyboardInterrupt
            yield step


@pytest.fixture
def fit(
    settings: Settings, motion: MotionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Stage 4 on a source: weights and report."""
    monkeypatch.setattr(Keeper.__init__, "__defaults__", (-1.0,))
    monkeypatch.setattr(source_stage, "quick_bf16", lambda _: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    torch.set_num_threads(1)
    torch.manual_seed(2)
    e_p, d_p = PoseEncoder(), PoseDecoder()
    freeze(e_p, d_p)

    def run(source: str, keep: str, break_at: int = -1, *more: str) -> dict[str, Any]:
        mine = override(settings, more)
        probe = held_out_pictures(tmp_path, mine, source, motion, Quiet())
        with training_pictures(tmp_path, mine, source, motion, Quiet()) as pictures:
            g, report = fit_image_to_latent(
                labelled(pictures, 32, e_p), LabelledFrames(probe, 32, e_p), e_p, d_p, mine.image, mine.source, 1,
                Breaking(break_at), tmp_path / keep,
            )  # fmt: skip
        return {"weights": {k: v.numpy().copy() for k, v in g.state_dict().items()}, "report": report}

    return run


@pytest.mark.parametrize("kind", ["stream", "shards"])
def test_a_source_in_memory_resumes_to_the_same_weights(
    kind: str, fit: Callable[..., dict[str, Any]], shards: Shards, tmp_path: Path
) -> None:
    source = SYNTH if kind == "stream" else str(shards.folder)
    whole = fit(source, "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(source, "broken", 3)
    resumed = fit(source, "broken", -1, "source.workers=2")
    assert all(np.array_equal(v, resumed["weights"][k]) for k, v in whole["weights"].items())
    assert 0 <= whole["report"]["waiting_share"] <= 1
    assert whole["report"]["first_fill_s"] > 0
    assert not (tmp_path / "source").exists()


def test_without_streaming_a_set_is_rendered_once_into_the_run(
    settings: Settings, motion: MotionSet, tmp_path: Path
) -> None:
    kept = override(settings, ("source.streaming=false",))
    for _ in range(2):
        with training_pictures(tmp_path, kept, SYNTH, motion, Quiet()) as pictures:
            assert isinstance(pictures, FrameSet)
            assert len(pictures.clips()) == 4
    assert {p.name for p in tmp_path.iterdir()} == {"source"}


def test_shards_divide_into_what_is_learned_and_what_is_measured(
    settings: Settings, motion: MotionSet, shards: Shards, tmp_path: Path
) -> None:
    probe = held_out_pictures(tmp_path, settings, str(shards.folder), motion, Quiet())
    assert set(probe.clip.tolist()) == {8, 9}
    with training_pictures(tmp_path, settings, str(shards.folder), motion, Quiet()) as pictures:
        assert isinstance(pictures, Pool)
        for step in range(5):
            pictures.at(step)
            drawn = pictures.draw(np.random.default_rng(step), 20)
            assert not {m.tobytes() for m in drawn.joints_mm} & {m.tobytes() for m in probe.joints_mm}  # type: ignore[union-attr]


def test_what_cannot_be_a_source_is_refused_before_training(
    settings: Settings, shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_source(settings, SYNTH)
    check_source(settings, str(shards.folder))
    with pytest.raises(InputError, match=r"has crops of 32 px, the network takes 64 px\n.*--px 64.*image\.crop_px=32"):
        check_source(override(settings, ("image.crop_px=64",)), str(shards.folder))
    with pytest.raises(ConfigError, match=r"pool of 90000000 clips takes .* GiB"):
        check_source(override(settings, ("source.pool_clips=90000000",)), SYNTH)
    check_source(override(settings, ("source.pool_clips=90000000", "source.streaming=false")), SYNTH)
    with pytest.raises(ConfigError, match=r"source\.reuse is 0"):
        check_source(override(settings, ("source.reuse=0",)), SYNTH)
    index = (shards.folder / "index.json").read_text().replace('"unknown": []', '"unknown": ["head_top"]')
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", lambda _: index)
        with pytest.raises(DataError, match="lacks joints: head_top"):
            check_source(settings, str(shards.folder))


def test_adaptation_replays_from_a_pool_of_its_own(settings: Settings) -> None:
    small = replay_settings(override(settings, ("adapt.replay_batch=16", "adapt.losses=l1z,l2v")), 3).source
    assert (small.pool_clips, small.clips, small.batch, small.steps, small.parts) == (
        3,
        3,
        32,
        settings.adapt.cycles,
        1,
    )
    assert replay_settings(override(settings, ("adapt.replay=0",)), 3).source.batch == 0


def test_each_process_of_a_team_holds_its_parts(settings: Settings, motion: MotionSet, tmp_path: Path) -> None:
    divided = override(settings, ("source.parts=2",))
    with training_pictures(tmp_path, divided, SYNTH, motion, Quiet(), Team(1, 2, 2)) as pictures:
        assert isinstance(pictures, Pool)
        assert (pictures.plan.own, pictures.plan.clips) == ((1,), 4)
