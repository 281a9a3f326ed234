import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from runtime.config import RuntimeConfig, TrackerConfig
from runtime.estimator import Estimator
from runtime.finder import FixedBox
from runtime.follow_one import FollowOne
from runtime.loop import run
from runtime.model import Model
from runtime.outputs import AbstractOutput, read_poses
from runtime.service import iterate_poses, run_stream
from sa3dhp_edge.errors import CameraLost, ConfigError, InputError, NobodyFound, OutputError
from sa3dhp_edge.geometry import Intrinsics


def bar_px(i: int) -> tuple[float, float]:
    return 110.0 + 1.5 * i, 120.0


def test_a_video_becomes_poses_where_the_person_is(fake_model, walk_video, tmp_path):
    out, overlay = tmp_path / "p.jsonl", tmp_path / "o.mp4"
    report = run_stream(RuntimeConfig(model=fake_model, video=walk_video, out=out, overlay=overlay))
    header, *records = read_poses(out)
    assert (report.frames, report.poses, report.tracks, report.stopped) == (60, 60, 1, False)
    assert header["fps"] == pytest.approx(30)
    assert [r["frame"] for r in records] == list(range(60))
    for i, record in enumerate(records):
        x = np.mean([u for u, _ in record["joints_px"]])
        assert x == pytest.approx(bar_px(i)[0], abs=2.5)
        assert record["root_mm"] is None
    assert report.latency_ms["total"]["p50"] > 0
    assert overlay.exists()


def test_with_a_calibration_the_place_scales_with_the_height(fake_model, walk_video, tmp_path):
    calibration = tmp_path / "c.json"
    calibration.write_text(json.dumps({"fx": 300, "fy": 300, "cx": 160, "cy": 120}))
    places = []
    for height_mm in (1700.0, 850.0):
        out = tmp_path / f"{height_mm}.jsonl"
        run_stream(
            RuntimeConfig(
                model=fake_model, video=walk_video, out=out, intrinsics=calibration, height_mm=height_mm, max_frames=3
            )
        )
        places.append(read_poses(out)[-1]["root_mm"])
    assert np.allclose(np.array(places[0]) / 2, places[1], atol=0.02)
    depth_mm = 300 * 1710 / 120  # focal length times the figure's height over the bar's
    assert places[0][2] == pytest.approx(depth_mm, rel=0.06)


def test_people_who_come_and_go_have_their_own_tracks(fake_model, video_of, tmp_path):
    centres = [*[(100.0, 120.0)] * 20, *[None] * 30, *[(200.0, 120.0)] * 20]
    out = tmp_path / "p.jsonl"
    report = run_stream(RuntimeConfig(model=fake_model, video=video_of(centres), out=out))
    records = read_poses(out)[1:]
    assert len(records) == 70
    assert {r["track"] for r in records if r["record"] == "pose"} == {1, 2}
    assert all(r["record"] == "empty" for r in records[20:50])
    assert report.tracks == 2
    assert sum(r["record"] == "pose" for r in records[50:]) >= 10


def test_nobody_in_a_video_is_said_after_the_empty_records_are_written(fake_model, video_of, tmp_path):
    out = tmp_path / "p.jsonl"
    with pytest.raises(NobodyFound, match="nobody was found"):
        run_stream(RuntimeConfig(model=fake_model, video=video_of([None] * 10), out=out))
    assert [r["record"] for r in read_poses(out)] == ["header", *["empty"] * 10]


def test_existing_outputs_are_refused_before_anything_is_loaded(tmp_path, walk_video):
    out = tmp_path / "o.mp4"
    out.write_text("precious")
    cfg = RuntimeConfig(model="no model", video=walk_video, out=tmp_path / "p.jsonl", overlay=out)
    with pytest.raises(OutputError, match="exists already"):
        run_stream(cfg)
    assert not (tmp_path / "p.jsonl").exists()


def test_max_frames_ends_the_run(fake_model, walk_video, tmp_path):
    report = run_stream(RuntimeConfig(model=fake_model, source=str(walk_video), max_frames=7))
    assert report.frames == 7


def test_a_calibration_of_another_resolution_is_refused(fake_model, walk_video, tmp_path):
    calibration = tmp_path / "c.json"
    calibration.write_text(json.dumps({"fx": 900, "fy": 900, "cx": 960, "cy": 540}))
    with pytest.raises(InputError, match="calibrate at the resolution"):
        run_stream(RuntimeConfig(model=fake_model, video=walk_video, intrinsics=calibration))


@pytest.mark.parametrize(
    "wrong",
    [{}, {"camera": 0, "source": "1"}, {"camera": 0, "height_mm": 1.7}, {"camera": 0, "max_frames": 0}],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError):
        RuntimeConfig(model="m", **wrong)


class Recording(AbstractOutput):
    def __init__(self, stop: threading.Event | None = None, at: int = -1) -> None:
        self.poses, self.closed, self._stop, self._at = [], False, stop, at

    def write(self, frame, poses, latency_ms):
        self.poses.append(poses)
        if frame.index == self._at:
            assert self._stop is not None
            self._stop.set()

    def close(self):
        self.closed = True


def estimator_for(model: Path) -> Estimator:
    return Estimator(Model.load(model), Intrinsics.guess((320, 240)))


def tracker() -> FollowOne:
    return FollowOne(FixedBox((50, 60, 170, 180)), TrackerConfig())


def test_a_stop_ends_the_run_with_everything_closed(fake_model, frame_at, list_source):
    stop = threading.Event()
    source, output = list_source([frame_at((110, 120))] * 100), Recording(stop, at=9)
    report = run(source, tracker(), estimator_for(fake_model), [output], stop)
    assert report.stopped
    assert len(output.poses) == 10
    assert source.closed
    assert output.closed


def test_a_lost_camera_ends_the_run_with_everything_closed(fake_model, frame_at, list_source):
    class Breaking(list_source):
        def frames(self, stop):
            yield from super().frames(stop)
            raise CameraLost("gone")

    source, output = Breaking([frame_at((110, 120))] * 5), Recording()
    with pytest.raises(CameraLost):
        run(source, tracker(), estimator_for(fake_model), [output], threading.Event())
    assert len(output.poses) == 5
    assert source.closed
    assert output.closed


def test_an_outage_reaches_who_asked_before_the_next_frame(fake_model, frame_at, list_source):
    class Faltering(list_source):
        def frames(self, stop):
            for frame in super().frames(stop):
                if frame.index == 3:
                    self.outages += 1
                    self.listener("reopening", "a read failed")
                    self.listener("live", "pictures again")
                yield frame

    output, told = Recording(), []
    report = run(
        Faltering([frame_at((110, 120))] * 5),
        tracker(),
        estimator_for(fake_model),
        [output],
        threading.Event(),
        on_state=lambda state, reason: told.append((len(output.poses), state, reason)),
    )
    assert told == [(3, "reopening", "a read failed"), (3, "live", "pictures again")]
    assert (report.frames, report.outages) == (5, 1)


def test_ctrl_c_leaves_whole_lines_and_a_good_exit(fake_model, tmp_path, frame_at, make_video):
    video = make_video(tmp_path / "long.mp4", [frame_at((110, 120))] * 100)
    out = tmp_path / "p.jsonl"
    code = f"""
from pathlib import Path
from runtime import service, sources
from runtime.config import RuntimeConfig
once = sources.VideoSource.frames
def for_ever(self, stop):
    yield from once(self, stop)
    while not stop.wait(0.01):
        pass
sources.VideoSource.frames = for_ever
cfg = RuntimeConfig(model={str(fake_model)!r}, source={str(video)!r}, out=Path({str(out)!r}))
report = service.run_stream(cfg)
assert report.stopped
"""
    child = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    for _ in range(200):
        if out.exists() and out.read_text().count("\n") > 50:
            break
        threading.Event().wait(0.05)
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(20) == 0
    assert out.read_bytes().endswith(b"\n")
    assert 50 < len(read_poses(out)) <= 101


def test_a_file_is_smoothed_unless_told_otherwise_and_what_the_network_said_is_kept(fake_model, walk_video, tmp_path):
    plain, smooth = tmp_path / "plain.jsonl", tmp_path / "smooth.jsonl"
    run_stream(RuntimeConfig(fake_model, video=walk_video, out=plain, smoothing="raw"))
    run_stream(RuntimeConfig(fake_model, video=walk_video, out=smooth))
    before, after = ([r for r in read_poses(path) if r["record"] == "pose"] for path in (plain, smooth))
    assert [r["frame"] for r in before] == [r["frame"] for r in after] == list(range(60))
    assert all("raw_joints_mm" not in r for r in before)
    assert [r["joints_mm"] for r in before] == [r["raw_joints_mm"] for r in after]
    assert all(r["raw_root_mm"] is None and r["root_mm"] is None for r in after)  # the camera is not known


def test_iterating_gives_every_frame_and_writes_nothing(fake_model, walk_video):
    model = Model.load(fake_model)
    seen = list(iterate_poses(model, walk_video))
    assert len(seen) == 60
    assert all(len(poses) == 1 for _, poses in seen)
    assert [frame.index for frame, _ in seen] == list(range(60))
    stop = threading.Event()
    raw = iterate_poses(model, walk_video, box=(50, 60, 170, 180), smoothing="raw", stop=stop)
    assert len([stop.set() for _ in raw]) == 1
    model.estimate(np.zeros((1, 64, 64, 3), np.uint8))  # the caller's model stays open
