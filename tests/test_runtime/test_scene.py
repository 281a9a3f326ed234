import cv2
import numpy as np

from runtime.config import SceneConfig
from runtime.finder import overlap
from runtime.scene import Scene
from sa3dhp_edge.records import Frame

TABLE = (60.0, 100.0, 120.0, 220.0)
PERSON = (180.0, 60.0, 240.0, 220.0)
WALL = (10.0, 10.0, 60.0, 60.0)
CFG = SceneConfig()
NOISE = np.random.default_rng(0).normal(0, 4, (5, 240, 320, 3)).astype(np.float32)


class Room:
    """A room with a table, filmed with a little noise: `show` what is in it, `pass_s` seconds."""

    def __init__(self) -> None:
        self.scene, self.time_s, self.noise = Scene(CFG), 0.0, NOISE
        self.light = self.shift = 0

    def pass_s(self, seconds: float, *, person=None, sway: float = 0.0, followed=None, fps: float = 10.0) -> None:
        for i in range(round(seconds * fps)):
            image = np.full((240, 320, 3), 120.0, np.float32)
            _fill(image, TABLE, 60)
            if person is not None:
                _fill(image, person, 200)
                dx = sway * np.sin(i / 2.5)
                _fill(image, (person[0] + 20 + dx, person[1] + 40, person[0] + 40 + dx, person[1] + 90), 30)
            image = np.roll(image, self.shift, 1) + self.light + self.noise[i % len(self.noise)]
            self.scene.watch(
                Frame(np.clip(image, 0, 255).astype(np.uint8), 0, self.time_s), () if followed is None else (followed,)
            )
            self.time_s += 1 / fps


def _fill(image: np.ndarray, box, grey: float) -> None:
    x0, y0, x1, y1 = (round(v) for v in box)
    image[y0:y1, x0:x1] = grey


def test_at_first_nothing_is_known_to_be_empty_and_nothing_moves():
    room = Room()
    assert not room.scene.lifeless(TABLE)
    room.pass_s(1.0)
    assert not room.scene.lifeless(TABLE)
    assert room.scene.movers() == []


def test_who_comes_in_is_a_mover_and_stays_one_while_he_stands_still():
    room = Room()
    room.pass_s(4.0)
    for _ in range(3):
        room.pass_s(4.0, person=PERSON, followed=PERSON)
        assert overlap(room.scene.movers()[0], PERSON) > 0.7
        assert not room.scene.lifeless(PERSON)
        assert room.scene.lifeless(TABLE)
        assert room.scene.lifeless(WALL)
    room.pass_s(1.0)
    assert room.scene.lifeless(PERSON)


def test_a_followed_thing_that_never_moves_is_lifeless_and_a_swaying_person_is_not():
    room = Room()
    room.pass_s(CFG.still_s - 1, person=PERSON, sway=2.0, followed=TABLE)
    assert not room.scene.lifeless(TABLE)
    room.pass_s(2.0, person=PERSON, sway=2.0, followed=TABLE)
    assert room.scene.lifeless(TABLE)
    room = Room()
    room.pass_s(20.0, person=PERSON, sway=2.0, followed=PERSON)
    assert not room.scene.lifeless(PERSON)


def test_what_a_person_hid_from_the_start_is_lifeless_soon_after_he_left():
    room = Room()
    room.pass_s(6.0, person=TABLE, sway=3.0, followed=TABLE)
    room.pass_s(CFG.still_s + 1, followed=TABLE)
    assert room.scene.lifeless(TABLE)


def test_other_light_moves_nothing():
    room = Room()
    room.pass_s(5.0)
    room.light = 25
    room.pass_s(0.5)
    assert room.scene.lifeless(WALL)
    assert room.scene.movers() == []


def test_another_view_is_another_place():
    scene, rng = Scene(CFG), np.random.default_rng(1)
    for view in range(2):
        image = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (320, 240), interpolation=cv2.INTER_NEAREST)
        for i in range(40):
            scene.watch(Frame(image, 0, 4 * view + i / 10), ())
            assert scene.movers() == []
            if i != 10 * CFG.settle_s:
                assert scene.lifeless(WALL) == (i > 10 * CFG.settle_s)


def test_a_jump_in_time_keeps_the_place():
    room = Room()
    room.pass_s(5.0)
    room.time_s = 1.0
    room.pass_s(0.3)
    assert room.scene.lifeless(TABLE)
    room.time_s = 500.0
    room.pass_s(0.3, person=PERSON)
    assert not room.scene.lifeless(PERSON)
