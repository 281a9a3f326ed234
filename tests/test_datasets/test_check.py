from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from sa3dhp_edge.cli import app
from sa3dhp_edge.datasets import registry
from sa3dhp_edge.datasets.check import count_splits, describe_skeletons, facts_of, largest, problems_of
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.record import Inventory, Take
from sa3dhp_edge.datasets.skeleton_maps import MAPS
from sa3dhp_edge.errors import DataError, InputError, OutputError, ShapeError
from sa3dhp_edge.geometry import Intrinsics, rotation_about_y
from sa3dhp_edge.jobs.data_check import check
from sa3dhp_edge.report.palette import LEFT, RIGHT
from sa3dhp_edge.report.pictures import panel_width_px
from sa3dhp_edge.report.sheet import motion_panel, pictures_panel, sample_panel
from sa3dhp_edge.skeleton import BONES, JOINTS, MIRROR, pose_from_directions

CAMERA = Intrinsics((500.0, 500.0), (159.5, 119.5), (0.05, 0.01, 0.001, 0.001, 0.0))
SIZE_WH = (320, 240)


def person(frames: int = 4) -> np.ndarray:
    """(T, 17, 3) mm in front of the camera, upright, facing it, turning a little."""
    way = {
        "shoulder": (-1, 0.2, 0),
        "elbow": (-0.5, 1, 0),
        "wrist": (0, 1, -0.2),
        "hip": (-1, 0, 0),
        "foot": (0, 0.3, -1),
    }
    directions = np.zeros((16, 3), np.float32)
    for i, bone in enumerate(BONES):
        side, _, limb = bone.partition("_")
        across = np.array([1 if side == "right" else -1, 1, 1])
        directions[i] = np.array(way.get(limb, (0, -1 if bone in ("neck", "head_top") else 1, 0))) * across
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    pose = pose_from_directions(directions)
    turned = [pose @ rotation_about_y(20 * t / frames).T for t in range(frames)]
    return np.array(turned, np.float32) + np.array([0, 0, 4500], np.float32)


@dataclass(frozen=True)
class Grey:
    """Pictures without a file."""

    count: int

    def __len__(self) -> int:
        return self.count

    def read(self, frames: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        for _ in frames:
            yield np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)


def seen(name: str = "s1/walk", mm: np.ndarray | None = None) -> Take:
    """A take with pictures, joints and their projection."""
    mm = person() if mm is None else mm
    return Take(
        "toy", name, "s1", "walk", "train", 25.0, "sa3dhp17", mm, project_px(mm, CAMERA), None, CAMERA, SIZE_WH,
        pictures=Grey(len(mm)), frames=np.arange(len(mm)), notes=("made up",),
    )  # fmt: skip


def motion(name: str = "s2/run") -> Take:
    """A take without pictures."""
    return Take(
        "toy", name, "s2", "run", "test", 50.0, "sa3dhp17", person(10), frames=np.arange(10)
    )  # fmt: skip


def video(name: str = "v.mp4") -> Take:
    """A take of which nothing is known."""
    return Take("toy", name, "", "", "unlabelled", 25.0, pictures=Grey(5), size_wh=SIZE_WH, frames=np.arange(5))


def clip(name: str = "s3/sit") -> Take:
    """A take whose skeleton has no head."""
    chosen, mm = MAPS["prepared18"], person()
    whole = np.where(chosen.known[:, None], chosen.weights, 0)
    joints = np.linalg.pinv(whole[chosen.known]) @ mm[:, chosen.known]
    return Take("toy", name, "s3", "sit", "test", 25.0, "prepared18", joints.astype(np.float32), frames=np.arange(4))


class Toy:
    """A reader of folders that hold one file per take, which says what kind it is."""

    name, title, layout = "toy", "The Toy Set", "*.toy, one per take"

    def recognises(self, folder: Path) -> bool:
        return any(folder.glob("*.toy"))

    def inventory(self, folder: Path) -> Inventory:
        names = tuple(sorted(path.stem for path in folder.glob("*.toy")))
        return Inventory(self.name, folder, names, ("calibration.toml",))

    def read(self, folder: Path, take: str) -> Take:
        kind = (folder / f"{take}.toy").read_text()
        if kind == "damaged":
            raise DataError(f"{take}.toy is damaged", "fetch it again")
        return {"seen": seen, "motion": motion, "clip": clip, "video": video}[kind](take)


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a data set that only these tests know."""
    monkeypatch.setitem(registry.READERS, "toy", Toy())
    folder = tmp_path / "toys"
    folder.mkdir()
    for name, kind in (("a", "seen"), ("b", "seen"), ("c", "motion")):
        (folder / f"{name}.toy").write_text(kind)
    return folder


def test_a_sound_take_has_no_problems() -> None:
    facts = facts_of(seen())
    assert facts.projection_px == pytest.approx(0, abs=1e-3)
    assert facts.feet_forward == facts.upright == 1
    assert facts.offset_mm is not None
    assert facts.offset_mm.max() < 0.1
    assert facts.spread_mm is not None
    assert facts.spread_mm.max() < 0.01
    assert facts.seconds == pytest.approx(4 / 25)
    assert problems_of([facts], allow_lossy=False) == ()


def test_a_wrong_camera_is_found() -> None:
    moved = replace(seen(), camera=Intrinsics((500.0, 500.0), (189.5, 119.5)))
    facts = facts_of(moved)
    assert facts.projection_px == pytest.approx(30, abs=1.5)
    assert "camera and the joints disagree" in problems_of([facts], allow_lossy=False)[0]
    guessed = replace(moved, camera=replace(CAMERA, assumed=True))
    assert facts_of(guessed).projection_px is None


def test_joints_between_others_do_not_count_as_wrongly_projected() -> None:
    rng = np.random.default_rng(0)
    mm = rng.uniform((-400, -400, 700), (400, 400, 2000), (5, 63, 3)).astype(np.float32)
    near = Take("toy", "n", "", "", "train", 25.0, "opencap63", mm, project_px(mm, CAMERA), camera=CAMERA,
                size_wh=SIZE_WH, frames=np.arange(5))  # fmt: skip
    assert facts_of(near).projection_px == pytest.approx(0, abs=1e-3)


def test_sides_changed_over_are_found() -> None:
    wrong = person()[:, list(MIRROR)]
    facts = facts_of(seen("s1/wrong", wrong))
    assert facts.feet_forward == 0
    assert problems_of([facts, facts_of(seen())], allow_lossy=False) == (
        "s1/wrong: left and right may be changed over (feet forward in 0%)",
    )


def test_a_world_with_y_up_is_found() -> None:
    y_up = facts_of(replace(motion(), joints_mm=person(10) * np.array([1, -1, 1], np.float32)))
    assert y_up.upright == 0
    assert any("upside down" in line for line in problems_of([y_up], allow_lossy=False))


def test_bones_that_change_their_length_show() -> None:
    stretched = person(8)
    stretched[::2, JOINTS.index("left_wrist"), 1] += 60
    row = describe_skeletons([facts_of(seen(mm=stretched))])[0]
    bone, spread = largest(row.spread_mm)
    assert bone == "left_wrist"
    assert 20 < spread < 31
    assert largest({})[0] == ""


def test_a_lossy_skeleton_is_a_problem_until_it_is_allowed() -> None:
    facts = facts_of(clip())
    assert facts.unknown == ("head_top",)
    assert "no head_top; with --allow-lossy" in problems_of([facts], allow_lossy=False)[0]
    assert problems_of([facts], allow_lossy=True) == ()


def test_takes_are_counted_by_split() -> None:
    rows = count_splits([facts_of(seen("a")), facts_of(seen("b")), facts_of(motion())])
    assert [(r.split, r.takes, r.subjects, r.actions, r.frames) for r in rows] == [
        ("train", 2, 1, 1, 8), ("test", 1, 1, 1, 10),
    ]  # fmt: skip


def test_a_folder_is_reported_and_drawn(toys: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    report = check(folder=toys, dataset=None, takes=0, allow_lossy=False, sheet=sheet)
    assert (report.dataset, report.takes, report.read, report.problems) == ("toy", 3, 3, ())
    assert (report.labelled, report.with_pictures, report.cameras) == (3, 2, 1)
    assert report.fps == (25.0, 50.0)
    assert report.sizes_wh == (SIZE_WH,)
    assert report.missing == ("calibration.toml",)
    assert report.notes == ("made up (2 takes)",)
    assert report.projection_px == pytest.approx(0, abs=1e-3)
    picture = cv2.imread(str(sheet))
    assert picture is not None
    height = 260
    columns, gap = 2, 12
    assert picture.shape[1] == columns * panel_width_px(height) + gap
    assert picture.shape[0] % (height + gap) == height
    with pytest.raises(OutputError, match="exists already"):
        check(folder=toys, dataset=None, takes=0, allow_lossy=False, sheet=sheet)


def test_video_without_labels_is_drawn_and_has_no_problems(toys: Path, tmp_path: Path) -> None:
    for path in toys.iterdir():
        path.write_text("video")
    report = check(folder=toys, dataset=None, takes=0, allow_lossy=False, sheet=tmp_path / "sheet.png")
    assert (report.labelled, report.with_pictures, report.problems, report.skeletons) == (0, 3, (), ())
    assert report.sheet is not None


def test_only_so_many_takes_are_read(toys: Path) -> None:
    report = check(folder=toys, dataset="toy", takes=2, allow_lossy=False, sheet=None)
    assert (report.takes, report.read, report.subjects) == (3, 2, ("s1", "s2"))


def test_a_damaged_take_is_named_and_the_others_are_read(toys: Path) -> None:
    (toys / "b.toy").write_text("damaged")
    report = check(folder=toys, dataset=None, takes=0, allow_lossy=False, sheet=None)
    assert report.read == 2
    assert report.problems == ("cannot be read: b: b.toy is damaged",)
    for path in toys.iterdir():
        path.write_text("damaged")
    with pytest.raises(DataError, match=r"not one take of The Toy Set can be read: a: a.toy is damaged"):
        check(folder=toys, dataset=None, takes=0, allow_lossy=False, sheet=None)


def test_an_unknown_folder_lists_the_layouts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="layout of no data set") as e:
        registry.recognise(tmp_path)
    for known in registry.READERS.values():
        assert known.layout in e.value.hint
    with pytest.raises(DataError, match="does not exist"):
        registry.recognise(tmp_path / "nothing")
    with pytest.raises(InputError, match="no data set is called 'dog'"):
        registry.reader("dog")


def test_a_folder_that_could_be_two_asks_which(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry.recognise(toys).name == "toy"
    monkeypatch.setitem(registry.READERS, "other", Toy())
    with pytest.raises(DataError, match="toy or other") as e:
        registry.recognise(toys)
    assert "--as toy" in e.value.hint


def test_every_reader_states_what_it_is() -> None:
    for name, known in registry.READERS.items():
        assert known.name == name
        assert known.title
        assert known.layout


def has_colour(picture: np.ndarray, colour: str) -> bool:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(picture.astype(int) - wanted) < 30).all(-1).any())


def test_a_picture_is_cut_out_about_the_person_with_the_skeleton_on_the_joints() -> None:
    size, at = 240, np.zeros((17, 2))
    picture = np.zeros((400, 600, 3), np.uint8)
    at[:] = (400, 200)
    at[JOINTS.index("left_shoulder")], at[JOINTS.index("left_elbow")] = (440, 160), (440, 240)
    at[JOINTS.index("right_shoulder")], at[JOINTS.index("right_elbow")] = (360, 160), (360, 240)
    cv2.circle(picture, (440, 240), 4, (0, 255, 0), -1)
    panel = sample_panel(picture, at, None, size)
    assert panel.shape == (size, panel_width_px(size), 3)
    scale = size / (80 * 1.3)
    x, y = (np.array([440, 240]) - (400, 200)) * scale + size / 2
    assert has_colour(panel[int(y) - 12 : int(y), int(x) - 5 : int(x) + 6], LEFT)
    assert (panel[int(y) + 3 : int(y) + 8, int(x) - 3 : int(x) + 4, 1] > 200).any()  # the mark lies beneath the joint
    assert has_colour(panel[:size, : size // 2], RIGHT)
    assert not has_colour(panel[:size, : size // 4], LEFT)


def test_a_motion_keeps_the_left_at_the_right_of_the_page() -> None:
    panel = motion_panel(person(3) - person(3)[:, :1], 240, label="walk")
    assert panel.shape == (240, panel_width_px(240), 3)
    first = panel[:, : panel.shape[1] // 3]
    assert has_colour(first[:, : first.shape[1] // 2], RIGHT)
    assert has_colour(first[:, first.shape[1] // 2 :], LEFT)
    assert not has_colour(first[:, : first.shape[1] // 4], LEFT)
    with pytest.raises(ShapeError):
        motion_panel(np.zeros((0, 17, 3)))


def test_video_without_labels_is_shown_whole() -> None:
    tall, wide = np.full((90, 60, 3), (200, 0, 0), np.uint8), np.full((60, 90, 3), (0, 0, 200), np.uint8)
    panel = pictures_panel([tall, wide], 240)
    assert panel.shape == (240, panel_width_px(240), 3)
    half = panel.shape[1] // 2
    blue, red = (panel == (0, 0, 200)).all(-1), (panel == (200, 0, 0)).all(-1)
    assert not blue[:, half:].any()
    assert not red[:, : half - 2].any()
    assert blue.sum() == pytest.approx(240 * 160, rel=0.05)
    assert red.sum() == pytest.approx(290 * 193, rel=0.05)


def test_unknown_joints_are_left_out_of_drawings() -> None:
    pose = person(1)[0]
    pose[JOINTS.index("head_top")] = np.nan
    assert sample_panel(np.zeros((90, 60, 3), np.uint8), None, pose, 120).shape[0] == 120
    assert motion_panel(pose[None], 120).shape[0] == 120
    assert motion_panel(np.full((2, 17, 3), np.nan), 120).shape[0] == 120


def test_the_command_prints_tables_and_ends_with_one_where_something_is_wrong(toys: Path) -> None:
    good = CliRunner().invoke(app, ["data", "check", str(toys)])
    assert good.exit_code == 0, good.output
    for words in (
        "The Toy Set",
        "3 takes, all read",
        "train",
        "subjects: s1, s2",
        "missing: calibration.toml",
        "320x240",
    ):
        assert words in good.output, words
    (toys / "d.toy").write_text("clip")
    bad = CliRunner().invoke(app, ["data", "check", str(toys), "--json"])
    assert bad.exit_code == 1
    report = json.loads(bad.stdout)
    assert report["dataset"] == "toy"
    assert any("--allow-lossy" in line for line in report["problems"])


def test_the_commands_options_reach_the_job(toys: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "s.png"
    line = ["data", "check", str(toys), "--as", "toy", "--takes", "2", "--sheet", str(sheet)]
    first = CliRunner().invoke(app, line)
    assert (first.exit_code, f"sheet: {sheet}" in first.output) == (0, True), first.output
    assert "2 of them read" in first.output
    assert isinstance(CliRunner().invoke(app, line).exception, OutputError)
    assert CliRunner().invoke(app, [*line, "--overwrite"]).exit_code == 0
    (toys / "a.toy").write_text("clip")
    lossy = [*line, "--overwrite", "--json"]
    assert CliRunner().invoke(app, lossy).exit_code == 1
    assert CliRunner().invoke(app, [*lossy, "--allow-lossy"]).exit_code == 0
