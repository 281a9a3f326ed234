import numpy as np
import pytest

from runtime.bench.timing import bench
from runtime.clip_cutter import cut_clips, smooth_boxes
from runtime.clip_plan import plan_stretches
from runtime.config import ClipConfig
from runtime.finder import AbstractFinder, Candidate
from runtime.model import Model
from sa3dhp_edge.errors import ConfigError, InputError, NobodyFound
from sa3dhp_edge.frameset import picture_px

CROP_PX = 64


@pytest.fixture(scope="module")
def model(fake_model):
    return Model.load(fake_model)


def swing(i: int) -> tuple[float, float]:
    return 160 + 60 * np.sin(i / 20), 120.0


@pytest.mark.parametrize(("fps", "kept_fps"), [(25.0, 25.0), (60.0, 60.0), (120.0, 60.0)])
def test_clips_keep_true_times_and_thin_only_fast_video(video_of, model, fps, kept_fps):
    frames = cut_clips(video_of([swing(i) for i in range(100)], fps), model, CROP_PX, max_frames=1000)
    assert frames.images.shape[1:] == (picture_px(CROP_PX), picture_px(CROP_PX), 3)
    assert len(frames) == pytest.approx(100 * kept_fps / fps, abs=2)
    for clip in frames.clips():
        assert np.allclose(np.diff(frames.time_s[clip]), 1 / kept_fps, atol=1e-3)
    assert not frames.labelled
    assert all(f"{fps:g} fps" in line for line in frames.origin)
    assert len(frames.origin) == len(frames.clips())


def test_the_person_is_in_the_middle_of_every_picture(video_of, model):
    frames = cut_clips(video_of([swing(i) for i in range(60)]), model, CROP_PX, max_frames=1000)
    middle = (picture_px(CROP_PX) - 1) / 2
    for picture in frames.images:
        ys, xs = np.nonzero(picture[..., 0] > 150)
        assert abs(xs.mean() - middle) < 4
        assert abs(ys.mean() - middle) < 4
        assert 0.6 < np.ptp(ys) / CROP_PX < 0.95


def test_a_clip_ends_with_the_person_and_after_its_longest_length(video_of, model):
    centres = [*map(swing, range(150)), *[None] * 40, *map(swing, range(50))]
    frames = cut_clips(video_of(centres), model, CROP_PX, max_frames=1000)
    lengths = [len(c) for c in frames.clips()]
    assert max(lengths) <= ClipConfig().clip_frames
    assert len(lengths) == 3
    for clip in frames.clips():
        assert not ((frames.time_s[clip] > 150 / 30) & (frames.time_s[clip] < 190 / 30)).any()


def test_the_bound_holds_and_the_frames_are_spread_over_the_length(video_of, model):
    path = video_of([swing(i) for i in range(600)])
    cfg = ClipConfig(stretch_s=1.0)
    frames = cut_clips(path, model, CROP_PX, max_frames=240, cfg=cfg, seed=3)
    assert 200 <= len(frames) <= 240
    starts = [frames.time_s[c[0]] for c in frames.clips()]
    assert min(starts) < 5
    assert max(starts) > 14
    assert starts == sorted(starts)
    again = cut_clips(path, model, CROP_PX, max_frames=240, cfg=cfg, seed=3)
    assert np.array_equal(again.images, frames.images)


def test_a_folder_is_cut_too_and_progress_is_told(video_of, tmp_path, model):
    for name in ("a.mp4", "b.mp4"):
        video_of([swing(i) for i in range(40)], name=name)
    told = []
    frames = cut_clips(tmp_path, model, CROP_PX, max_frames=1000, progress=lambda *x: told.append(x))
    assert [line.split(":")[0].rsplit("/", 1)[-1] for line in frames.origin] == ["a.mp4", "b.mp4"]
    assert told[-1] == (1.0, len(frames))
    assert all(0 < share <= 1 for share, _ in told)


def test_an_empty_video_an_empty_folder_and_a_bad_bound_are_refused(video_of, tmp_path, model):
    path = video_of([None] * 90)
    with pytest.raises(NobodyFound, match="nobody"):
        cut_clips(path, model, CROP_PX, max_frames=100)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no video"):
        cut_clips(tmp_path / "none", model, CROP_PX, max_frames=100)
    with pytest.raises(ConfigError):
        cut_clips(path, model, CROP_PX, max_frames=0)


def test_an_unchanged_empty_place_is_searched_once(video_of, model):
    class Counting(AbstractFinder):
        searches = 0

        def candidates(self, frame):
            self.searches += 1
            return [Candidate((100.0, 60.0, 220.0, 180.0), "guessed")]

        def confirms(self, frame, box):
            return True

    finder = Counting()
    centres = [*[None] * 150, *map(swing, range(30))]
    frames = cut_clips(video_of(centres), model, CROP_PX, max_frames=1000, finder=finder)
    assert len(frames) > 10
    assert finder.searches <= 4


def test_stretches_are_spread_evenly_however_many_are_looked_at(video_of):
    path = video_of([(100, 100)] * 300)
    plan = plan_stretches([path], 100, ClipConfig(stretch_s=0.5), seed=1)
    assert len({s.start_s for s in plan}) == len(plan) == 20
    for count in (4, 7, 20):
        starts = np.sort([s.start_s for s in plan[:count]])
        around = np.append(starts, starts[0] + 10)
        assert np.diff(around).max() <= 2 * 10 / count + 0.5
    assert plan_stretches([path], 300, ClipConfig(), 0)[0].end_s == np.inf


def test_smoothing_takes_jitter_out_and_leaves_a_steady_walk():
    time_s = np.arange(60) / 30
    centre = np.stack([100 + 60 * time_s, np.full(60, 120.0)], 1)
    jitter = np.random.default_rng(0).normal(0, 3, (60, 1))
    noisy = np.concatenate([centre - 50 - jitter, centre + 50 + jitter], 1)
    smooth = smooth_boxes(noisy, time_s, 0.25)
    side = smooth[:, 2] - smooth[:, 0]
    assert side[10:-10].std() < 0.4 * (2 * jitter[10:-10]).std()
    middle = (smooth[:, :2] + smooth[:, 2:])[10:-10] / 2
    assert np.abs(middle - centre[10:-10]).max() < 1


def test_the_bench_times_every_stage(fake_model, walk_video):
    report = bench(fake_model, walk_video, frames=10, threads=(1,)).to_dict()
    assert report["frames"] == {"1": 10}
    assert {"decode", "crop", "inference", "post", "total"} <= set(report["latency_ms"]["1"])
    assert report["latency_ms"]["1"]["total"]["p95"] >= report["latency_ms"]["1"]["total"]["p50"] > 0
    assert bench(fake_model, None, frames=3, threads=(1, 2)).frames == {"1": 3, "2": 3}
