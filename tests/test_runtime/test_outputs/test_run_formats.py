"""`run --out` in several formats: what is asked for is there, and what cannot be made is still recorded."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from runtime import service
from runtime.config import RuntimeConfig
from runtime.outputs import read_poses
from runtime.outputs.apart import Apart
from runtime.outputs.formats import PER_PERSON, plan_outputs
from runtime.service import run_stream
from sa3dhp_edge.datasets.trc import read_trc
from sa3dhp_edge.errors import CameraLost, ConfigError, OutputError


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_a_run_writes_what_is_asked_for_and_leaves_nothing_else(fake_model, walk_video, out):
    outs = tuple(out / f"w{suffix}" for suffix in (".jsonl", ".csv", ".npz", ".bvh", ".trc", ".c3d"))
    run_stream(RuntimeConfig(fake_model, video=walk_video, out=outs))
    assert names(out) == sorted(p.name for p in outs)
    records = read_poses(out / "w.jsonl")[1:]
    truth = np.array([r["joints_mm"] for r in records])
    assert np.abs(read_trc(out / "w.trc").xyz_mm - truth * (1, -1, -1)).max() < 0.1
    with np.load(out / "w.npz", allow_pickle=False) as file:
        assert np.abs(file["joints_mm"][:, 0] - truth).max() < 0.1


def test_without_a_recording_asked_for_none_remains(fake_model, walk_video, out):
    run_stream(RuntimeConfig(fake_model, video=walk_video, out=(out / "w.trc",), max_frames=9))
    assert names(out) == ["w.trc"]
    assert len(read_trc(out / "w.trc").xyz_mm) == 9


def test_what_cannot_be_made_is_still_recorded(fake_model, walk_video, out, monkeypatch):
    def refuse(*_: object) -> None:
        raise OutputError("w.trc cannot be written: the disk is full")

    monkeypatch.setitem(PER_PERSON, ".trc", refuse)
    with pytest.raises(OutputError, match=r"whole in .*w\.unfinished\.jsonl") as refused:
        run_stream(RuntimeConfig(fake_model, video=walk_video, out=(out / "w.trc",), max_frames=9))
    assert refused.value.hint == f"then `sa3dhp-edge convert {out}/w.unfinished.jsonl --out {out}/w.trc`"
    assert len(read_poses(out / "w.unfinished.jsonl")) == 10
    with pytest.raises(OutputError, match=r"unfinished\.jsonl exists already") as refused:
        run_stream(RuntimeConfig("no model", video=walk_video, out=(out / "w.trc",)))
    assert "sa3dhp-edge convert" in refused.value.hint


def test_an_output_that_cannot_be_opened_leaves_no_recording_behind(fake_model, walk_video, out):
    with pytest.raises(OutputError, match=r"\.mp4"):
        run_stream(RuntimeConfig(fake_model, video=walk_video, out=(out / "w.trc",), overlay=out / "o.gif"))
    assert names(out) == []


def test_suffixes_decide_before_anything_is_loaded(walk_video, out):
    with pytest.raises(ConfigError, match=r"no format is called \.fbx") as refused:
        run_stream(RuntimeConfig("no model", video=walk_video, out=(out / "w.fbx",)))
    assert refused.value.hint == "known are .jsonl, .csv, .npz, .bvh, .trc, .c3d"
    plan = plan_outputs([Path("a.json"), Path("b"), Path("/dev/null"), Path("c.BVH")], overwrite=True)
    assert (plan.lines, plan.made) == ((Path("a.json"), Path("b"), Path("/dev/null")), (Path("c.BVH"),))
    assert (plan.source, plan.temporary) == (Path("a.json"), False)
    assert plan_outputs([Path("/dev/null"), Path("c.bvh")], overwrite=True).temporary


def live(list_source, pictures):
    class Live(list_source):
        live = True

        def frames(self, stop):
            yield from super().frames(stop)
            raise CameraLost("gone")

    return Live(pictures)


def test_a_camera_that_is_lost_leaves_every_format(fake_model, frame_at, list_source, out, monkeypatch):
    source = live(list_source, [frame_at((110, 120))] * 12)
    monkeypatch.setattr(service, "_open", lambda cfg: source)
    box = (50.0, 60.0, 170.0, 180.0)
    with pytest.raises(CameraLost):
        run_stream(RuntimeConfig(fake_model, camera=0, box=box, out=(out / "w.trc",), overlay=out / "o.mp4"))
    assert names(out) == ["o.mp4", "w.trc"]
    assert len(read_trc(out / "w.trc").xyz_mm) == 12


def test_outputs_of_live_sources_are_apart_and_those_of_files_are_not(
    fake_model, walk_video, frame_at, list_source, out, monkeypatch
):
    kinds = []
    whole = service.run

    def run(source, tracker, estimator, outputs, *rest):
        kinds.append([isinstance(output, Apart) for output in outputs])
        return whole(source, tracker, estimator, outputs, *rest)

    monkeypatch.setattr(service, "run", run)
    run_stream(RuntimeConfig(fake_model, video=walk_video, out=out / "a.jsonl", overlay=out / "a.mp4", max_frames=3))
    monkeypatch.setattr(service, "_open", lambda cfg: live(list_source, [frame_at((110, 120))] * 3))
    with pytest.raises(CameraLost):
        run_stream(RuntimeConfig(fake_model, camera=0, out=out / "b.jsonl", overlay=out / "b.mp4"), threading.Event())
    assert kinds == [[False, False], [True, True]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_under_a_live_source_is_an_error(fake_model, frame_at, list_source, monkeypatch):
    monkeypatch.setattr(service, "_open", lambda cfg: live(list_source, [frame_at((110, 120))] * 3))
    with pytest.raises(OutputError, match="/dev/full cannot be written: No space left on device"):
        run_stream(RuntimeConfig(fake_model, camera=0, out=Path("/dev/full"), overwrite=True))
