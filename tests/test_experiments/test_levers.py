"""The levers' experiment: its order, its arithmetic beside chance, and that nothing done is done again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sa3dhp_edge.checkpoint import save_weights
from sa3dhp_edge.errors import ConfigError, DataError, InputError
from sa3dhp_edge.experiments import levers as job
from sa3dhp_edge.experiments import levers_report
from sa3dhp_edge.experiments.levers_report import ALL, READINGS, REAL, lever_rows, publish
from sa3dhp_edge.experiments.scored_clips import SCORED, scored_clips, with_head
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder, PoseEncoder
from sa3dhp_edge.synth.levers import GROUPS, LEVERS

TINY = (
    "threads=1", "image.width=8", "source.clips=2", "source.frames_per_clip=2", "source.held_out_clips=1",
    "source.steps=2", "source.batch=4", "motion.procedural_seconds=30", "pose_autoencoder.steps=2",
    "pose_autoencoder.batch=8",
)  # fmt: skip
ABOUT = {"settings": {}, "machine": {}, "commit": "none"}


def result(variant: str, seed: int, real: float, render_ms: float = 5.0, tests: Sequence[str] = ("wide", REAL)) -> Any:
    """A run's figures: `real` for the last test, 100 for those before."""
    errors = {test: real if test == tests[-1] else 100.0 for test in tests}
    clips = {reading: {"walk": real} if REAL in tests else {} for reading in READINGS}
    return {
        "variant": variant, "seed": seed, "left_out": [], "pictures": 8, "render_ms": render_ms,
        "errors": dict.fromkeys(READINGS, errors), "clips": clips, "seconds": 1.0,
    }  # fmt: skip


RESULTS = [
    result(ALL, 0, 90.0, 6.0), result(ALL, 1, 100.0, 9.0), result(ALL, 2, 110.0, 9.0),
    result("facing", 0, 103.0, 5.5), result("clothes", 0, 120.0, 4.0), result("sensor", 0, 95.0, 6.0),
]  # fmt: skip


def test_groups_name_levers_that_there_are():
    named = [lever for levers in GROUPS.values() for lever in levers]
    assert set(named) <= set(LEVERS)
    assert len(named) == len(set(named))
    assert ALL not in GROUPS


def test_runs_begin_with_the_spread_and_go_through_all_groups_seed_by_seed():
    runs = job.planned((4, 2, 4, 7), 2)
    assert runs[:3] == [(ALL, 4), (ALL, 2), (ALL, 7)]
    assert [seed for _, seed in runs[3:]] == [4] * len(GROUPS) + [2] * len(GROUPS)
    assert [name for name, _ in runs[3:]] == 2 * list(GROUPS)


@pytest.mark.parametrize("variant_seeds", [0, 3])
def test_a_variant_needs_seeds_that_the_spread_has(variant_seeds):
    with pytest.raises(ConfigError, match="--variant-seeds is"):
        job.planned((1, 2), variant_seeds)


def test_rows_are_ordered_by_what_a_lever_is_worth_on_real_clips():
    rows = lever_rows(RESULTS)
    assert [row.name for row in rows] == [ALL, "clothes", "facing", "sensor"]
    assert [row.change[REAL] for row in rows] == pytest.approx([0, 20, 3, -5])
    assert rows[0].error == {"wide": 100.0, REAL: 100.0}


def test_chance_is_the_spread_of_a_difference_of_means():
    rows = lever_rows(RESULTS)
    assert rows[1].chance[REAL] == pytest.approx(10 * np.sqrt(1 + 1 / 3))
    assert rows[0].chance[REAL] == pytest.approx(10 * np.sqrt(2 / 3))
    assert rows[1].chance["wide"] == 0
    assert lever_rows([RESULTS[0], *RESULTS[3:]])[1].chance[REAL] is None


def test_chance_agrees_with_drawn_errors():
    rng = np.random.default_rng(0)
    errors = rng.normal(100, 4, (4000, 5))
    estimated = [
        lever_rows([*(result(ALL, seed, e) for seed, e in enumerate(row[:3])), result("facing", 0, row[3])])[-1]
        for row in errors[:300]
    ]
    of_change = (errors[:, 3] - errors[:, :3].mean(1)).std()
    mean_square = np.mean([row.chance[REAL] ** 2 for row in estimated if row.chance[REAL] is not None])
    assert np.sqrt(mean_square) == pytest.approx(of_change, rel=0.08)


def test_cost_is_against_the_same_seeds_only():
    assert {row.name: row.cost_ms for row in lever_rows(RESULTS)} == {
        ALL: 0,
        "clothes": 2.0,
        "facing": 0.5,
        "sensor": 0,
    }


def test_without_real_clips_the_other_domain_decides():
    found = [result(ALL, 0, 90.0, tests=("wide", "site")), result("facing", 0, 91.5, tests=("wide", "site"))]
    assert lever_rows(found)[1].change == {"wide": 0, "site": 1.5}


@pytest.mark.parametrize("results", [RESULTS, RESULTS[:1]])
def test_everything_is_written_whatever_is_done(results, tmp_path):
    publish(tmp_path, results, ABOUT)
    stored = json.loads((tmp_path / "levers.json").read_text())
    assert [row["name"] for row in stored["tables"]["decoded"]] == [row.name for row in lever_rows(results)]
    assert len(stored["runs"]) == len(results)
    picture = cv2.imread(str(tmp_path / "levers.png"))
    assert picture is not None
    text = (tmp_path / "levers.md").read_text()
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert len(set(widths[: len(results)])) == 1


@pytest.fixture
def undrawn(monkeypatch):
    """Plots take seconds."""
    monkeypatch.setattr(levers_report, "change_bars", lambda *_: b"")


@pytest.mark.usefixtures("undrawn")
def test_the_table_states_the_change_and_its_chance(tmp_path):
    publish(tmp_path, RESULTS, ABOUT)
    lines = (tmp_path / "levers.md").read_text().splitlines()
    assert "| without | seeds | real clips | domain wide | change, real clips | cost, ms |" in lines
    assert "| clothes | 1 | 120.0 | 100.0 | +20.0 ± 11.5 | +2.00 |" in lines
    assert "| sensor | 1 | 95.0 | 100.0 | −5.0 ± 11.5 | 0.00 |" in lines


def test_a_crown_is_put_above_the_box():
    joints = np.array([[10.0, 50], [30, 150]])
    assert with_head(joints)[-1].tolist() == [20, 34]


def clip_folder(folder: Path, frames: int = 6) -> np.ndarray:
    """A prepared clip: a disc at the right wrist of somebody who rises; the joints (T, 13, 3) mm."""
    names = ("mid_hip", *(f"{s}_{j}" for j in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist") for s in "rl"))
    rng = np.random.default_rng(3)
    xyz = rng.uniform((-500, -500, 3000), (500, 500, 4000), (13, 3)) - np.arange(frames)[:, None, None] * (0, 20, 0)
    xyz[:, 0] = (xyz[:, names.index("r_hip")] + xyz[:, names.index("l_hip")]) / 2
    uv = 400 * xyz[..., :2] / xyz[..., 2:] + [320, 240]
    folder.mkdir(parents=True)
    writer = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (640, 480))  # type: ignore[attr-defined]
    for t in range(frames):
        picture = np.zeros((480, 640, 3), np.uint8)
        cv2.circle(picture, tuple(uv[t, names.index("r_wrist")].round().astype(int).tolist()), 9, (255, 255, 255), -1)
        writer.write(picture)
    writer.release()
    np.savez(
        folder / "gt_joints.npz", joints=np.array(names), xyz_cam_mm=xyz, uv_px=uv, fps=25.0,
        in_mocap_range=np.arange(frames) > 0,
    )  # fmt: skip
    return xyz


def test_a_scored_clip_shows_its_joints_where_its_truth_says(tmp_path):
    xyz = clip_folder(tmp_path / "one" / "two")
    (clip,) = scored_clips(tmp_path, 64, 3)
    assert clip.name == "one/two"
    assert clip.images.shape == (3, 96, 96, 3)
    wrist = list(SCORED).index(4)
    rows, columns = np.mgrid[:96, :96]
    for image, uv in zip(clip.images, clip.truth_uv, strict=True):
        light = image.astype(float).sum(2)
        found = np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()
        assert np.abs(found - ((uv[wrist] / 1.5 + 1) * 48 - 0.5)).max() < 1.0
    pose, joints = np.zeros((3, 17, 3), np.float32), np.zeros((3, 17, 2), np.float32)
    pose[:, list(SCORED)], joints[:, list(SCORED)] = 0.7 * clip.truth_mm, 0.5 + clip.truth_uv
    assert clip.pa_mpjpe(pose) == pytest.approx(0, abs=1e-2)
    assert clip.uv_error(joints) == pytest.approx(0.5**0.5, abs=1e-5)
    assert np.isclose(clip.truth_mm[0, SCORED.index(0)], xyz[1, 0], atol=0.1).all()


def test_folders_without_clips_are_refused(tmp_path):
    with pytest.raises(DataError, match="has no clip"):
        scored_clips(tmp_path, 64, 3)


def run_tiny(out: Path, **changed: Any) -> Any:
    asked = {"clips": None, "poses": None, "start": None, "seeds": (0, 1), "variant_seeds": 1, "overrides": TINY}
    return job.levers(out=out, **(asked | changed))


@pytest.mark.usefixtures("undrawn")
def test_done_runs_are_kept_and_missing_ones_made(tmp_path, monkeypatch):
    made: list[tuple[str, int]] = []

    def one(study: object, variant: str, seed: int) -> Any:
        made.append((variant, seed))
        if len(made) == 3:
            raise KeyboardInterrupt
        return result(variant, seed, 100.0 + len(made), tests=("wide", "site"))

    monkeypatch.setattr(job, "_one", one)
    monkeypatch.setattr(job, "_prepare", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        run_tiny(tmp_path / "o")
    assert [row["name"] for row in json.loads((tmp_path / "o/levers.json").read_text())["tables"]["read"]] == [ALL]
    table = run_tiny(tmp_path / "o")
    assert made == [(ALL, 0), (ALL, 1), ("facing", 0), *((name, 0) for name in GROUPS)]
    assert set(table["pa_mpjpe"]) == {ALL, *GROUPS}
    assert run_tiny(tmp_path / "o") == table
    assert len(made) == 3 + len(GROUPS)
    with pytest.raises(ConfigError, match=r"source\.steps was 2, now 3"):
        run_tiny(tmp_path / "o", overrides=(*TINY, "source.steps=3"))
    with pytest.raises(ConfigError, match="other inputs: --poses"):
        run_tiny(tmp_path / "o", poses=tmp_path)


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match=r"e_p\.safetensors is not there"):
        run_tiny(tmp_path / "o", start=tmp_path)
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_tiny_experiment_from_end_to_end(tmp_path, monkeypatch):
    clip_folder(tmp_path / "clips" / "walk")
    monkeypatch.setattr(job, "GROUPS", {"facing": ("facing",), "sensor": ("noise", "jpeg")})
    table = run_tiny(tmp_path / "o", clips=tmp_path / "clips")
    assert (tmp_path / "o/weights/d_p.safetensors").exists()
    assert set(table["pa_mpjpe"]["facing"]) == {"wide", "site", REAL}
    runs = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "o/runs").iterdir()}
    assert set(runs) == {"all-0", "all-1", "facing-0", "sensor-0"}
    assert runs["sensor-0"]["left_out"] == ["noise", "jpeg"]
    for run in runs.values():
        assert run["render_ms"] > 0
        assert all(np.isfinite(e) and e > 0 for errors in run["errors"].values() for e in errors.values())
        assert run["errors"]["plane"][REAL] == run["clips"]["plane"]["walk"]
    assert not list((tmp_path / "o/training").glob("*.safetensors"))


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_given_weights_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "GROUPS", {})
    for name, net in (("e_p", PoseEncoder()), ("d_p", PoseDecoder())):
        save_weights(tmp_path / "run" / "weights" / f"{name}.safetensors", net)
    table = run_tiny(tmp_path / "o", start=tmp_path / "run", seeds=(0,))
    assert set(table["pa_mpjpe"]) == {ALL}
    assert not (tmp_path / "o/weights").exists()
