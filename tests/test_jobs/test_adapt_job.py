"""Adaptation of a finished model to a rendered video, end to end; broken off, resumed, and to slow footage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from export.model_folder import read_weights
from runtime import clip_cutter
from runtime.config import TrackerConfig
from sa3dhp_edge.adaptation.labelled import LabelledMix
from sa3dhp_edge.errors import ConfigError, DataError, NobodyFound
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs import adapt as job
from sa3dhp_edge.training.log import Log

BOX = (0.0, 0.0, 320.0, 240.0)
PAPER = ("adapt.losses=lcr,hcr,l1z,l1v,l2v",)


@pytest.fixture(scope="module")
def adapt(tiny_model: Path):
    """The job from the tiny model. It knows no people: where it cuts clips, it is sure of what the box shows."""

    def write(_: object, out: Path, **__: object) -> None:
        shutil.copytree(tiny_model, out)
        contract = json.loads((out / "contract.json").read_text())
        contract["confidence"] = {"cycle": 1e9, "joint_score": None}
        (out / "contract.json").write_text(json.dumps(contract))

    def run(target: Path, out: Path, resume: bool = False, **options: Any) -> dict[str, Any]:
        given = {"source": "synth", "poses": None, "start": str(tiny_model), "preset": None, "overrides": PAPER}
        return job.adapt(target=target, out=out, resume=resume, detector=None, **given | {"box": BOX} | options)

    steadfast = TrackerConfig(
        keep=0.0, min_side_px=1.0, max_side=1e6, min_inside=0.0, size_smoothing=1e-6, max_step=0.0
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "write_model", write)
        patch.setattr(clip_cutter, "TrackerConfig", lambda: steadfast)
        yield run


@pytest.fixture(scope="module")
def adapted(adapt: Callable[..., Any], person_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "adapted"
    adapt(person_video, out)
    return out


def _weights(run: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((run / "weights").glob("*.safetensors"))}


def test_only_the_image_network_has_moved(adapted: Path, tiny_run: Path) -> None:
    before, after = _weights(tiny_run), _weights(adapted)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == ["g.safetensors"]


def test_the_run_says_what_was_done(adapted: Path) -> None:
    report = json.loads((adapted / "stages" / "adapt.json").read_text())
    frames = FrameSet.load(adapted / "target")
    assert (report["frames"], report["clips"]) == (len(frames), len(frames.clips()))
    assert report["cycles"] == 2
    assert "l1z" in report["losses"]
    lineage = read_weights(adapted).lineage
    assert len(lineage) == 2
    assert lineage[1].startswith(f"adapted on {len(frames)} frames")


def test_a_finished_run_is_left_as_it_is(
    adapt: Callable[..., Any], adapted: Path, person_video: Path, noise_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "move_g", pytest.fail)
    assert adapt(person_video, adapted, resume=True)["cycles"] == 2
    with pytest.raises(ConfigError, match=r"--target was .*person.mp4', now .*noise.mp4'"):
        adapt(noise_video, adapted, resume=True)
    with pytest.raises(ConfigError, match="--box was"):
        adapt(person_video, adapted, resume=True, box=(0.0, 0.0, 9.0, 9.0))
    with pytest.raises(ConfigError, match=r"--from was .*, now None"):
        adapt(person_video, adapted, resume=True, start=None)


def test_broken_off_while_cutting_and_while_adapting(
    adapt: Callable[..., Any], adapted: Path, person_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "run"
    for resume, (owner, name) in enumerate(((job, "cut_clips"), (Log, "scalars"), (job.RunFolder, "finish"))):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012
            patch.setattr(owner, name, interrupt)
            adapt(person_video, out, resume=bool(resume))
        assert not (out / "stages" / "adapt.json").exists()
    adapt(person_video, out, resume=True)
    assert _weights(out) == _weights(adapted)


def test_a_target_without_a_person_can_be_exchanged(
    adapt: Callable[..., Any], person_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise NobodyFound("nobody was found in it")

    with monkeypatch.context() as patch:
        patch.setattr(job, "cut_clips", nobody)
        with pytest.raises(NobodyFound):
            adapt(person_video, tmp_path / "run")
    assert not (tmp_path / "run" / "target").exists()
    assert adapt(person_video, tmp_path / "run", resume=True, box=(0.0, 0.0, 300.0, 240.0))["clips"] > 0


def test_what_slow_footage_cannot_serve_is_said(
    adapt: Callable[..., Any], adapted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = FrameSet.load(adapted / "target")
    replace(quick, time_s=3 * quick.time_s).save(tmp_path / "slow")
    report = adapt(tmp_path / "slow", tmp_path / "run")
    assert report["losses"] == ["l1z"]  # one clip, at 10 FPS
    assert any("slow_backward" in line for line in report["left_out"])
    said = " ".join(capsys.readouterr().err.split())
    assert "the target cannot serve these losses: lcr, hcr, l1v, l2v" in said
    assert "left out: slow_backward" in said


def test_a_frame_set_is_a_target_too(adapt: Callable[..., Any], adapted: Path, tmp_path: Path) -> None:
    report = adapt(adapted / "target", tmp_path / "run", box=None)
    assert report["frames"] == len(FrameSet.load(adapted / "target"))
    assert not (tmp_path / "run" / "target").exists()


def test_a_labelled_folder_is_a_source_too(
    adapt: Callable[..., Any], adapted: Path, tiny_run: Path, tmp_path: Path
) -> None:
    adapt(adapted / "target", tmp_path / "run", source=str(tiny_run / "source"))
    assert not (tmp_path / "run" / "source").exists()
    labelled = FrameSet.load(tiny_run / "source")
    assert labelled.joints_mm is not None
    assert np.isfinite(labelled.joints_mm).all()


def test_labelled_folders_are_replayed_beside_the_source(
    adapt: Callable[..., Any], adapted: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    move = job.move_g

    def noted(nets: Any, clips: Any, source: object, *rest: Any) -> Any:
        given.append(source)
        return move(nets, clips, source, *rest)

    monkeypatch.setattr(job, "move_g", noted)
    beside = (str(tiny_run / "source_held_out"),)
    adapt(adapted / "target", tmp_path / "run", source=str(tiny_run / "source"), beside=beside)
    assert isinstance(given[0], LabelledMix)
    assert json.loads((tmp_path / "run" / "inputs.json").read_text())["--labelled"] == beside[0]
    with pytest.raises(ConfigError, match="--labelled was"):
        adapt(adapted / "target", tmp_path / "run", resume=True, source=str(tiny_run / "source"))
    with pytest.raises(DataError, match="has no labels"):
        adapt(adapted / "target", tmp_path / "other", beside=(str(adapted / "target"),))
    assert not (tmp_path / "other").exists()


def test_short_footage_is_judged_by_all_of_it(adapted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = read_weights(adapted)
    frames, probe = FrameSet.load(adapted / "target"), FrameSet.load(adapted / "source_held_out")
    halves = replace(frames, clip=(np.arange(len(frames)) >= len(frames) // 2).astype(np.int32))
    seen, said = {}, {}
    for least in (1, 10**6):
        monkeypatch.setattr("sa3dhp_edge.adaptation.target.LEAST_FRAMES", least)
        said[least] = []
        log = SimpleNamespace(say=said[least].append)
        seen[least] = len(job._evidence(halves, probe, model.settings, log).target)
    assert (len(said[1]), len(said[10**6])) == (0, 1)
    assert 0 < seen[1] < seen[10**6] <= len(frames)
