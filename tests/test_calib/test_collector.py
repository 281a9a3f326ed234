"""What a live session takes, what it asks for, and that it ends."""

import itertools
from collections import Counter

import cv2
import numpy as np
import pytest

from calib.collector import MAX_VIEWS, Look, ViewCollector
from calib.coverage import ENOUGH, Coverage
from calib.detection import Sighting
from calib.views import views_of_stream
from runtime.sources import AbstractSource
from sa3dhp_edge.errors import CameraLost
from sa3dhp_edge.records import Frame


class Hand:
    """Corners of a board that somebody holds before a camera without distortion; no picture is drawn."""

    def __init__(self, studio, board) -> None:
        self.studio, self.board, self.time_s = studio, board, 0.0

    def sighting(self, x=0.0, y=0.0, z_mm=450.0, turn=(0.0, 0.0, 0.0), sharpness=1.0) -> Sighting:
        points = self.board.points_mm - self.board.points_mm.mean(0)
        place = np.array(self.studio.place(x, y, z_mm))
        px, _ = cv2.projectPoints(points, np.array(turn), place, self.studio.k, np.zeros(5))
        inside = ((px[:, 0] > 0) & (px[:, 0] < self.studio.size_wh)).all(1)
        ids = np.flatnonzero(inside)
        return Sighting(ids, px[ids, 0].astype(np.float32), sharpness)

    def shows(self, collector, times=2, step_s=0.1, **how) -> Look:
        """The same sighting several times; what became of the last."""
        look = Look.ABSENT
        for _ in range(times):
            self.time_s += step_s
            look = collector.offer(self.time_s, self.sighting(**how))
        return look


@pytest.fixture
def hand(studio, charuco):
    return Hand(studio, charuco)


@pytest.fixture
def collector(studio, charuco):
    return ViewCollector(charuco, studio.size_wh)


def test_a_still_sharp_board_is_taken_once(hand, collector):
    assert hand.shows(collector, times=1) is Look.MOVING, "the first look cannot know"
    assert hand.shows(collector, times=1) is Look.TAKEN
    assert hand.shows(collector, times=5) is Look.ALIKE
    assert len(collector.taken) == 1
    assert collector.looks == Counter({Look.ALIKE: 5, Look.MOVING: 1, Look.TAKEN: 1})


def test_a_moving_board_is_not_taken_whatever_the_frame_rate(hand, collector):
    for fps in (5, 30, 100):
        for i in range(20):
            look = hand.shows(collector, times=1, step_s=1 / fps, x=-0.8 + 0.5 * i / fps)
            assert look is Look.MOVING, fps
    assert not collector.taken


def test_a_board_seen_again_after_a_while_must_be_still_first(hand, collector):
    hand.shows(collector)
    hand.time_s += 10
    assert hand.shows(collector, times=1, x=0.5) is Look.MOVING
    assert hand.shows(collector, times=1, x=0.5) is Look.TAKEN


def test_blur_is_judged_by_the_sharpest_board_seen(hand, collector):
    hand.shows(collector)
    assert hand.shows(collector, x=0.5, sharpness=0.2) is Look.BLURRED
    assert hand.shows(collector, times=1, x=0.5, sharpness=0.6) is Look.TAKEN


@pytest.mark.parametrize(
    "other", [{"x": 0.4}, {"y": -0.4}, {"z_mm": 600.0}, {"turn": (0.4, 0.0, 0.0)}, {"turn": (0.0, -0.4, 0.0)}]
)
def test_place_distance_and_tilt_each_make_another_view(hand, collector, other):
    hand.shows(collector)
    assert hand.shows(collector, **other) is Look.TAKEN


def test_turning_the_board_in_its_plane_tells_nothing_new(hand, collector):
    hand.shows(collector)
    assert hand.shows(collector, turn=(0.0, 0.0, 0.3)) is Look.ALIKE


def test_it_asks_for_what_is_missing(hand, collector):
    assert collector.request() == "show it top left"
    for x, y in itertools.product((-0.8, -0.3), (-0.8, 0.0, 0.8)):
        hand.shows(collector, x=x, y=y, z_mm=600)
    assert collector.request() == "show it top right"
    for x, y in itertools.product((0.2, 0.7), (-0.8, 0.0, 0.8)):
        hand.shows(collector, x=x, y=y, z_mm=600)
    assert collector.request() == "tilt it: its left and right side towards the camera in turn"
    for angle in (-0.5, 0.5):
        hand.shows(collector, turn=(0.0, angle, 0.0), z_mm=600)
    assert collector.request() == "tilt it: its upper and lower edge towards the camera in turn"
    for angle in (-0.5, 0.5):
        hand.shows(collector, turn=(angle, 0.0, 0.0), z_mm=600)
    assert collector.request() in ("show it closer", "show it from farther away")
    assert not collector.enough
    hand.shows(collector, z_mm=400.0)
    assert collector.enough
    assert collector.request() == "enough"


def test_a_small_board_is_wanted_closer_and_a_large_one_farther_away(hand, studio, charuco):
    for z_mm, wanted in ((900.0, "show it closer"), (330.0, "show it from farther away")):
        coverage = Coverage.of(charuco, [hand.sighting(z_mm=z_mm), hand.sighting(z_mm=z_mm)], studio.size_wh)
        assert wanted in [wish.show for wish in coverage.wishes(ENOUGH)]


def test_it_ends_even_if_it_never_gets_what_it_wants(hand, collector):
    taken = 0
    for z_mm, x in itertools.product(np.geomspace(2000, 9000, 8), np.linspace(-0.6, 0.6, 7)):
        taken += hand.shows(collector, z_mm=z_mm, x=x, y=-0.7) is Look.TAKEN
        if collector.enough:
            break
    assert collector.full
    assert taken == len(collector.taken) == MAX_VIEWS


class Shown(AbstractSource):
    """A live source of given pictures, each for a second at 10 frames a second."""

    name, fps, live = "camera 0", 10.0, True

    def __init__(self, pictures, ending: BaseException | None = None, live: bool = True) -> None:
        self.live, self._pictures, self._ending = live, pictures, ending
        self.size_wh = pictures[0].shape[1::-1]
        self.given = 0

    def frames(self, stop):
        for index, picture in enumerate(p for p in self._pictures for _ in range(3)):
            self.given += 1
            yield Frame(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), index, index / 10)
        if self._ending is not None:
            raise self._ending

    def close(self) -> None:
        pass


def test_a_live_session_counts_and_asks_and_ends_by_itself(charuco, pictures):
    said: list[str] = []
    source = Shown(pictures(charuco) * 2)
    views = views_of_stream(source, charuco, said.append)
    assert source.given < 2 * 3 * 14, "it did not wait for the end"
    assert len(views.views) >= ENOUGH.views
    assert not Coverage.of(charuco, [v.sighting for v in views.views], views.size_wh).wishes(ENOUGH)
    assert said[0].startswith("0 views, moving: show it top left")
    assert any("tilt it" in line or "show it" in line for line in said)
    assert said[-1].startswith(f"{len(views.views)} views, taken: ")
    assert len({view.name for view in views.views}) == len(views.views)
    assert f"taken in {len(views.views)}" in views.account


def test_ctrl_c_ends_a_live_session_with_what_was_taken_and_stops_a_video(charuco, pictures):
    some = pictures(charuco)[:3]
    assert len(views_of_stream(Shown(some, KeyboardInterrupt()), charuco, lambda _: None).views) == 3
    with pytest.raises(KeyboardInterrupt):
        views_of_stream(Shown(some, KeyboardInterrupt(), live=False), charuco, lambda _: None)


def test_a_lost_camera_is_an_error(charuco, pictures):
    with pytest.raises(CameraLost, match="unplugged"):
        views_of_stream(Shown(pictures(charuco)[:1], CameraLost("unplugged")), charuco, lambda _: None)


def test_a_camera_that_never_sees_the_board_is_given_up(charuco, monkeypatch):
    ticks = itertools.count(step=10)
    monkeypatch.setattr("calib.views.time.monotonic", lambda: float(next(ticks)))
    source = Shown([np.full((240, 320), 90, np.uint8)] * 100)
    views = views_of_stream(source, charuco, lambda _: None)
    assert not views.views
    assert source.given < 20
    assert views.account == f"of {source.given} frames looked at: no board in {source.given}"


def test_a_video_is_looked_at_to_its_end(charuco, pictures):
    source = Shown(pictures(charuco), live=False)
    views = views_of_stream(source, charuco, lambda _: None)
    assert source.given == 3 * 14
    assert len(views.views) >= 12
