"""What is written in each format is what was recorded: axes, units, gaps, several people, uneven times."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import resource
from pathlib import Path

import c3d
import numpy as np
import pytest

from runtime.outputs.clip import Clip
from runtime.outputs.formats import MADE, convert
from runtime.outputs.tables import load_tables
from sa3dhp_edge.datasets.trc import read_trc
from sa3dhp_edge.errors import ConfigError, DataError, OutputError
from sa3dhp_edge.skeleton import JOINTS, PARENTS

Y_UP = (1, -1, -1)


def read_c3d(path: Path) -> tuple[np.ndarray, list[str], float]:
    """(T, 17, 3) mm, NaN where a point is missing; labels; rate: by another implementation."""
    with path.open("rb") as file:
        with pytest.warns(UserWarning, match="No analog data"):
            reader = c3d.Reader(file)
        points = np.stack([p for _, p, _ in reader.read_frames()])
        labels = [label.strip() for label in reader.point_labels]
        rate = reader.point_rate
    assert reader.get("POINT:UNITS").string_value.strip() == "mm"
    return np.where(points[..., 3:4] < 0, np.nan, points[..., :3]), labels, rate


def test_trc_holds_the_positions_and_reads_as_opensims(record, walk_people, walk, tmp_path):
    convert(record(walk_people), [tmp_path / "a.trc"])
    markers = read_trc(tmp_path / "a.trc")
    assert (markers.names, markers.fps, len(markers.xyz_mm)) == (JOINTS, 30.0, 40)
    assert np.abs(markers.xyz_mm - walk[0] * Y_UP).max() < 0.1
    assert np.allclose(markers.time_s, np.arange(40) / 30, atol=1e-4)
    lines = (tmp_path / "a.trc").read_text().split("\n")
    assert lines[0] == "PathFileType\t4\t(X/Y/Z)\ta.trc"
    assert lines[1].split("\t") == [
        *("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame"),
        "OrigNumFrames",
    ]
    assert lines[2] == "30.000000\t30.000000\t40\t17\tmm\t30.000000\t1\t40"
    assert lines[3].startswith("Frame#\tTime\tpelvis\t\t\tneck\t\t\t")
    assert lines[4].startswith("\t\tX1\tY1\tZ1\tX2")
    assert lines[5] == ""
    assert all(line.count("\t") == 2 + 3 * 17 - 1 for line in lines[6:-1])


def test_c3d_holds_the_positions_read_by_another_implementation(record, walk_people, walk, tmp_path):
    convert(record(walk_people), [tmp_path / "a.c3d"])
    xyz, labels, rate = read_c3d(tmp_path / "a.c3d")
    assert (labels, rate) == (list(JOINTS), 30.0)
    assert np.abs(xyz - walk[0] * Y_UP).max() < 0.1


def test_csv_has_a_row_per_frame_and_person_with_units_in_its_names(record, walk_people, walk, tmp_path):
    walk_people[3] = {}
    walk_people[5][2] = (walk_people[0][1][0], None)
    convert(record(walk_people), [tmp_path / "a.csv"])
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(r["frame"]), int(r["track"])) for r in rows] == [
        *((i, 1) for i in (0, 1, 2, 4, 5)), (5, 2), *((i, 1) for i in range(6, 40))
    ]  # fmt: skip
    assert rows[5]["root_x_mm"] == ""
    for row in (rows[0], rows[20]):
        found = [[float(row[f"{j}_{a}_mm"]) + float(row[f"root_{a}_mm"]) for a in "xyz"] for j in JOINTS]
        assert np.abs(np.array(found) - walk[0][int(row["frame"])]).max() < 0.1
    assert 40 <= float(rows[0]["left_foot_x_px"]) <= 200


def test_npz_holds_all_people_with_a_mask(record, walk_people, walk, tmp_path):
    for i in range(10, 15):
        walk_people[i] = {}
    for i in range(20, 30):
        walk_people[i][7] = (walk_people[i][1][0] + 50, None)
    convert(record(walk_people), [tmp_path / "a.npz"])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        found = dict(file)
    assert found["joints_mm"].shape == (40, 2, 17, 3)
    assert found["joints_px"].shape == (40, 2, 17, 2)
    assert (found["joints"].tolist(), found["parents"].tolist()) == (list(JOINTS), list(PARENTS))
    assert np.array_equal(found["frame"], np.arange(40))
    assert np.allclose(found["time_s"], np.arange(40) / 30, atol=1e-4)
    there = np.zeros((40, 2), bool)
    there[:, 0], there[20:30, 1], there[10:15, 0] = True, True, False
    assert np.array_equal(found["present"], there)
    for name in ("joints_mm", "joints_px", "confidence"):
        assert np.array_equal(np.isfinite(found[name]).reshape(40, 2, -1).all(-1), there), name
    assert np.array_equal(found["track"], np.where(there, [1, 7], -1))
    assert np.isnan(found["root_mm"][:, 1]).all()
    place = (found["joints_mm"] + found["root_mm"][:, :, None])[:, 0]
    assert np.abs(place - walk[0])[there[:, 0]].max() < 0.1


def test_confidence_of_joints_is_kept_where_it_is_known(record, walk_people, tmp_path):
    recording = record(walk_people)
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    sure = [round(0.05 * j, 2) for j in range(17)]
    lines[1]["joint_confidence"] = sure
    recording.write_text("".join(json.dumps(line) + "\n" for line in lines))
    convert(recording, [tmp_path / "a.csv", tmp_path / "a.npz"])
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(rows[0][f"{joint}_confidence"]) for joint in JOINTS] == sure
    assert {rows[1][f"{joint}_confidence"] for joint in JOINTS} == {""}
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert file["joint_confidence"][0, 0] == pytest.approx(sure)
        assert np.isnan(file["joint_confidence"][1:]).all()
    lines[1]["joint_confidence"] = sure[:16]
    recording.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match="line 2: no record of this schema"):
        convert(recording, [tmp_path / "b.npz"])


def test_people_after_each_other_share_a_column_and_keep_their_numbers(record, walk_people, tmp_path):
    people = [{1 + i // 10: one[1]} for i, one in enumerate(walk_people)]
    convert(record(people), [tmp_path / "a.npz"])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert file["track"].shape == (40, 1)
        assert file["track"][:, 0].tolist() == [1 + i // 10 for i in range(40)]


def test_frames_without_the_person_are_missing_and_not_invented(record, walk_people, walk, tmp_path):
    gap = [10, 11, 25]  # short ones too: the person was looked for and not found
    for i in gap:
        walk_people[i] = {}
    convert(record(walk_people), [tmp_path / "a.trc", tmp_path / "a.c3d"])
    markers, (points, _, _) = read_trc(tmp_path / "a.trc"), read_c3d(tmp_path / "a.c3d")
    rows = (tmp_path / "a.trc").read_text().split("\n")[6:-1]
    for xyz in (markers.xyz_mm, points):
        missing = np.isnan(xyz).all((1, 2))
        assert np.flatnonzero(missing).tolist() == gap
        assert np.abs(xyz - walk[0] * Y_UP)[~missing].max() < 0.1
    assert set(rows[10].split("\t")[2:]) == {""}


def test_people_have_a_file_each(record, walk_people, walk, tmp_path):
    people = [one if i < 15 else {4: one[1]} if i > 30 else {**one, 4: one[1]} for i, one in enumerate(walk_people)]
    made = convert(record(people), [tmp_path / f"a{suffix}" for suffix in (".trc", ".c3d", ".bvh")])
    assert made.tracks == 2
    assert [p.name for p in made.files] == ["a.trc", "a.track4.trc", "a.c3d", "a.track4.c3d", "a.bvh", "a.track4.bvh"]
    first, second = read_trc(tmp_path / "a.trc"), read_trc(tmp_path / "a.track4.trc")
    assert (len(first.xyz_mm), len(second.xyz_mm)) == (31, 25)
    assert second.time_s[0] == pytest.approx(0.5, abs=1e-4)
    assert np.abs(second.xyz_mm - walk[0][15:] * Y_UP).max() < 0.1
    assert len(read_c3d(tmp_path / "a.track4.c3d")[0]) == 25


def test_where_the_place_is_unknown_joints_are_relative_to_the_pelvis(record, walk_people, walk, tmp_path):
    convert(record([{1: (one[1][0], None)} for one in walk_people]), [tmp_path / "a.trc"])
    xyz = read_trc(tmp_path / "a.trc").xyz_mm
    assert np.abs(xyz - (walk[0] - walk[0][:, :1]) * Y_UP).max() < 0.1
    assert not xyz[:, 0].any()


def clip_of(path: Path, folder: Path) -> tuple[Clip, np.ndarray]:
    folder.mkdir()
    (track, rows), *_ = load_tables(path, folder).tracks.items()
    clip = Clip.of(track, rows, 30.0)
    return clip, np.concatenate(list(clip.pieces()))


def straight(times_s: list[float]) -> list[dict[int, tuple[np.ndarray, np.ndarray]]]:
    """A person at (1000 t, 0, 3000) mm."""
    return [{1: (np.zeros((17, 3), np.float32), np.array([1000 * t, 0, 3000], np.float32))} for t in times_s]


def test_uneven_times_are_brought_to_the_rate_by_time(record, tmp_path):
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.02, 0.12, 60)).round(4).tolist()
    clip, xyz = clip_of(record(straight(times), times), tmp_path / "t")
    assert not clip.even
    at = clip.start_s + np.arange(clip.frames) / 30
    assert np.isfinite(xyz).all()
    assert np.abs(xyz[1:-1, 0, 0] - 1000 * at[1:-1]).max() < 0.1
    assert abs(at[0] - times[0]) <= 1 / 60 + 1e-6
    assert abs(at[-1] - times[-1]) <= 1 / 60 + 1e-6


@pytest.mark.parametrize(("hole_s", "missing"), [(0.24, 0), (0.35, 10)])
def test_a_hole_in_a_live_recording_is_bridged_up_to_a_quarter_second(record, tmp_path, hole_s, missing):
    times = [*(i / 30 + 0.004 * (i % 2) for i in range(20)), *(19 / 30 + hole_s + i / 30 for i in range(20))]
    _, xyz = clip_of(record(straight(times), times), tmp_path / "t")
    assert abs(int(np.isnan(xyz[:, 0, 0]).sum()) - missing) <= 1


def test_frames_a_live_source_dropped_are_interpolated_and_frames_with_nobody_are_not(record, tmp_path):
    frames = [0, 1, 2, 5, 6, 7, 8, 9]  # 3 and 4 were dropped
    times = [i / 30 for i in frames]
    people = straight(times)
    people[5] = {}  # frame 7 was looked at, and nobody was there
    clip, xyz = clip_of(record(people, times, frames), tmp_path / "t")
    assert clip.even
    assert np.flatnonzero(np.isnan(xyz[:, 0, 0])).tolist() == [7]
    assert np.allclose(xyz[[3, 4], 0, 0], [100, 4000 / 30], atol=0.1)


@pytest.mark.parametrize("stamp", [0.0005, 0.00005])
def test_a_video_of_constant_rate_is_not_changed_by_rounded_time_stamps(record, walk_people, walk, tmp_path, stamp):
    times = [round(i / 30 / stamp) * stamp for i in range(40)]
    clip, xyz = clip_of(record(walk_people, times), tmp_path / "t")
    assert (clip.even, clip.fps, clip.frames) == (True, 30.0, 40)
    assert np.abs(xyz - walk[0]).max() < 0.02  # what rounding leaves


def test_a_long_clip_comes_in_pieces_that_join(record, tmp_path):
    frames = 9000
    times = [i / 30 + 0.008 * (i % 3 == 0) for i in range(frames)]
    clip, xyz = clip_of(record(straight(times), times), tmp_path / "t")
    assert len(xyz) == clip.frames == frames
    assert np.abs(np.diff(xyz[1:-1, 0, 0]) - 1000 / 30).max() < 0.2


def test_a_place_that_is_unknown_for_a_while_is_missing(record, walk_people, tmp_path):
    for i in (0, 1, 20, 39):
        walk_people[i] = {1: (walk_people[i][1][0], None)}
    clip, xyz = clip_of(record(walk_people), tmp_path / "t")
    assert (clip.in_camera_space, clip.frames) == (True, 37)
    assert np.flatnonzero(np.isnan(xyz).any((1, 2))).tolist() == [18]
    convert(tmp_path / "walk.jsonl", [tmp_path / "a.bvh"])


def test_unknown_suffixes_existing_files_and_damage_are_refused(record, walk_people, tmp_path):
    path = record(walk_people)
    with pytest.raises(ConfigError, match=r"a\.fbx: no format is called \.fbx") as refused:
        convert(path, [tmp_path / "a.fbx"])
    assert all(suffix in refused.value.hint for suffix in MADE)
    with pytest.raises(ConfigError, match="twice"):
        convert(path, [tmp_path / "a.trc", tmp_path / "a.trc"])
    (tmp_path / "a.track9.trc").write_text("precious")
    with pytest.raises(OutputError, match=r"track9\.trc exists already"):
        convert(path, [tmp_path / "a.trc"])
    with pytest.raises(DataError, match="not there"):
        convert(tmp_path / "none.jsonl", [tmp_path / "b.trc"])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], re.sub(r'"joints_px":\[\[.*?\]', '"joints_px":[[1]', lines[1])]) + "\n")
    with pytest.raises(DataError, match="line 2: no record"):
        convert(path, [tmp_path / "b.trc", tmp_path / "b.csv"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.track9.trc", "walk.jsonl"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("record", "person"), ("frame", 1.5), ("frame", 10**30), ("time_s", float("nan")), ("time_s", "0"),
        ("track", True), ("track", 10**30), ("confidence", None), ("confidence", "high"), ("joints_mm", [[0, 0, 0]]),
        ("root_mm", [0, 0, None]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_a_record_that_is_not_of_the_schema_is_named(record, walk_people, tmp_path, key, value, suffix):
    path = record(walk_people)
    lines = path.read_text().splitlines()
    good = json.loads(lines[5])
    for broken in (good | {key: value}, {k: v for k, v in good.items() if k != key}):
        path.write_text("\n".join([*lines[:5], json.dumps(broken), *lines[6:]]) + "\n")
        with pytest.raises(DataError, match="line 6"):
            convert(path, [tmp_path / f"a{suffix}"])
        assert [p.name for p in tmp_path.iterdir()] == ["walk.jsonl"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no list of open files")
def test_more_people_than_files_may_be_open(record, walk_people, tmp_path):
    path = record([{i: walk_people[i % 40][1]} for i in range(200)])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (sum(1 for _ in Path("/proc/self/fd").iterdir()) + 50, hard))
    try:
        made = convert(path, [tmp_path / "a.npz", tmp_path / "a.c3d"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (made.tracks, len(made.files)) == (200, 201)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert file["track"][:, 0].tolist() == list(range(200))


def test_a_line_that_a_power_cut_left_in_two_is_left_out_and_said(record, walk_people, tmp_path, caplog):
    path = record(walk_people)
    path.write_bytes(path.read_bytes()[:-40])
    assert convert(path, [tmp_path / "a.trc"]).frames == 39
    assert "line 41, the last, is cut off" in caplog.text


@pytest.mark.parametrize("suffix", MADE)
def test_a_disk_that_fills_up_leaves_no_file(record, walk_people, tmp_path, monkeypatch, suffix):
    path = record(walk_people)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        convert(path, [tmp_path / f"a{suffix}"])
    assert [p.name for p in tmp_path.iterdir()] == ["walk.jsonl"]


def test_a_recording_with_nobody_has_tables_and_no_clips(record, tmp_path, caplog):
    made = convert(record([{}] * 5), [tmp_path / "a.csv", tmp_path / "a.npz", tmp_path / "a.trc"])
    assert dataclasses.astuple(made)[:2] == (5, 0)
    assert [p.name for p in made.files] == ["a.csv", "a.npz"]
    assert "nobody in it" in caplog.text
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert file["joints_mm"].shape == (5, 0, 17, 3)
