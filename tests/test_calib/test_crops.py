import numpy as np
import pytest

from calib.crops import choose_crops
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.frameset import FrameSet, picture_px


def frames_of_kinds(kinds: list[int]) -> FrameSet:
    """Noise patterns; pictures of one kind are nearly equal."""
    rng = np.random.default_rng(0)
    side = picture_px(32)
    patterns = rng.integers(0, 200, (max(kinds) + 1, side, side, 3))
    images = np.stack([patterns[k] + rng.integers(0, 4, (side, side, 3)) for k in kinds]).astype(np.uint8)
    n = len(kinds)
    return FrameSet(images, 32, np.zeros(n, np.int32), np.arange(n) / 30.0)


def test_the_choice_covers_every_kind_however_rare():
    kinds = [0] * 40 + [1] * 3 + [2] * 1 + [3] * 6
    for seed in range(5):
        choice = choose_crops(frames_of_kinds(kinds), 4, seed)
        assert sorted(kinds[i] for i in choice.indices) == [0, 1, 2, 3]


def test_the_choice_is_repeatable_named_and_of_the_nominal_crop():
    frames = frames_of_kinds([0, 1, 2, 0, 1, 2])
    a, b, other = choose_crops(frames, 3, 1), choose_crops(frames, 3, 1), choose_crops(frames, 2, 1)
    assert a.sha256 == b.sha256 != other.sha256
    assert np.array_equal(a.indices, b.indices)
    assert a.pictures_rgb.shape == (3, 32, 32, 3)
    assert np.array_equal(a.pictures_rgb[0], frames.images[a.indices[0]][8:40, 8:40])


def test_never_twice_the_same_and_never_too_many():
    frames = frames_of_kinds([0] * 6)
    assert len(set(choose_crops(frames, 6).indices.tolist())) == 6
    with pytest.raises(DataError, match="7 crops are wanted"):
        choose_crops(frames, 7)
