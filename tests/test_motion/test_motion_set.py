"""Motion sets: what they refuse, windows, splitting, joining, storing."""

from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.errors import DataError, ShapeError
from sa3dhp_edge.motion.motion_set import MotionSet, concatenate


def _set(lengths: tuple[int, ...], seed: int = 0) -> MotionSet:
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    directions = rng.standard_normal((n, 16, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    directions[:, 12] = -directions[:, 8]
    sequence = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    root = rng.standard_normal((n, 3)).astype(np.float32)
    return MotionSet(directions, root, sequence, names=tuple(f"s{seed}.{i}" for i in range(len(lengths))))


def test_windows_never_cross_sequences() -> None:
    motion = _set((5, 2, 7))
    starts = motion.windows(3)
    assert starts.tolist() == [0, 1, 2, 7, 8, 9, 10, 11]
    assert len(motion.windows(8)) == 0
    assert len(motion.windows(100)) == 0
    with pytest.raises(ShapeError, match="window of 0 frames"):
        motion.windows(0)


def test_a_split_parts_whole_sequences_and_loses_none() -> None:
    motion = _set((3, 4, 5, 6, 7))
    train, held_out = motion.split(0.4, seed=1)
    assert len(held_out.names) == 2
    assert sorted(train.names + held_out.names) == sorted(motion.names)
    for part in (train, held_out):
        for number, name in enumerate(part.names):
            original = motion.sequence == motion.names.index(name)
            assert np.array_equal(part.root_mm[part.sequence == number], motion.root_mm[original])
    assert motion.split(0.4, seed=1)[1].names == held_out.names
    with pytest.raises(DataError, match="cannot be split"):
        _set((3,)).split(0.5, 0)


def test_joining_renumbers_and_refuses_other_rates() -> None:
    a, b = _set((3, 4), 1), _set((2,), 2)
    both = concatenate([a, b])
    assert both.names == a.names + b.names
    assert both.sequence.tolist() == [0] * 3 + [1] * 4 + [2] * 2
    other = MotionSet(b.directions, b.root_mm, b.sequence, 30.0, b.names)
    with pytest.raises(DataError, match="different rates"):
        concatenate([a, other])


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    motion = _set((3, 4))
    motion.save(tmp_path / "m.npz")
    again = MotionSet.load(tmp_path / "m.npz")
    assert again.names == motion.names
    assert again.hz == motion.hz
    for name in ("directions", "root_mm", "sequence"):
        assert np.array_equal(getattr(again, name), getattr(motion, name))
        assert getattr(again, name).dtype == getattr(motion, name).dtype
    (tmp_path / "bad.npz").write_bytes((tmp_path / "m.npz").read_bytes()[:300])
    for name in ("bad.npz", "absent.npz"):
        with pytest.raises(DataError, match=name):
            MotionSet.load(tmp_path / name)


def test_faulty_values_are_refused() -> None:
    m = _set((3, 4))
    bent = m.directions.copy()
    bent[:, 8] = [0, 1, 0]
    bent[:, 12] = [0, 1, 0]
    with pytest.raises(ShapeError, match=r"root_mm of a motion set is \(6, 3\), expected \(7, 3\)"):
        MotionSet(m.directions, m.root_mm[1:], m.sequence, names=m.names)
    with pytest.raises(DataError, match="length 1"):
        MotionSet(2 * m.directions, m.root_mm, m.sequence, names=m.names)
    with pytest.raises(DataError, match="not opposite"):
        MotionSet(bent, m.root_mm, m.sequence, names=m.names)
    with pytest.raises(DataError, match="not finite"):
        MotionSet(m.directions, m.root_mm * np.float32(np.nan), m.sequence, names=m.names)
    with pytest.raises(DataError, match="never decrease"):
        MotionSet(m.directions, m.root_mm, m.sequence[::-1], names=m.names)
    with pytest.raises(DataError, match="has no name"):
        MotionSet(m.directions, m.root_mm, m.sequence, names=m.names[:1])
