"""What a pool holds follows from the step alone; its workers are heard, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sa3dhp_edge import pool as pool_file
from sa3dhp_edge.errors import ConfigError, TrainingError
from sa3dhp_edge.motion.procedural import procedural_motion
from sa3dhp_edge.pool import Drawn, Plan, Pool, pool_workers
from sa3dhp_edge.shared_memory import SharedArrays, bytes_of
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.stream import ClipMaker, clip_seed

CROP, FRAMES, STEPS = 32, 2, 6
PLAN = Plan.for_training(clips=6, frames=FRAMES, reuse=2, batch=8, steps=STEPS)


@pytest.fixture(scope="module")
def maker() -> ClipMaker:
    return ClipMaker(DOMAINS["studio"], procedural_motion(20, 3), FRAMES, 2.0, CROP, 4)


def seen(pool: Pool, steps: range, part: int = 0) -> list[Drawn]:
    """What each step draws."""
    drawn = []
    for step in steps:
        pool.at(step)
        drawn.append(pool.draw(np.random.default_rng((step, part)), 5, part))
    return drawn


def equal(one: list[Drawn], other: list[Drawn]) -> bool:
    return all(np.array_equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def test_a_window_grows_to_its_size_and_then_moves_at_its_rate() -> None:
    plan = Plan.for_training(clips=80, frames=4, reuse=5, batch=40, steps=1000)
    assert plan.window(0) == (0, 10)
    assert plan.window(1) == (0, 12)
    assert plan.window(35) == (0, 80)
    assert plan.window(500) == (930, 1010)
    assert all(b - a <= 80 < plan.room for a, b in map(plan.window, range(100)))


@pytest.mark.parametrize(("reuse", "batch", "frames"), [(4.0, 64, 8), (1.0, 30, 7), (2.5, 16, 3)])
def test_a_picture_is_used_as_often_as_was_asked_on_average(reuse: float, batch: int, frames: int) -> None:
    steps = 20_000
    plan = Plan.for_training(clips=100, frames=frames, reuse=reuse, batch=batch, steps=steps)
    made = plan.window(steps - 1)[1] * frames
    assert batch * steps / made == pytest.approx(reuse, rel=0.02)


def test_parts_divide_clips_and_batch() -> None:
    whole = Plan.for_training(clips=80, frames=4, reuse=5, batch=40, steps=10)
    part = Plan.for_training(clips=80, frames=4, reuse=5, batch=40, steps=10, parts=4, own=(2,))
    assert (part.clips, part.per_step) == (20, whole.per_step / 4)


@pytest.mark.parametrize("wrong", [{"reuse": 0}, {"frames": 0}])
def test_a_plan_that_holds_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="source"):
        Plan.for_training(**({"clips": 8, "frames": 2, "reuse": 1, "batch": 4, "steps": 1} | wrong))


def test_what_is_drawn_depends_on_neither_workers_nor_the_start(maker: ClipMaker) -> None:
    with Pool(maker, PLAN, CROP, 1) as pool:
        alone = seen(pool, range(STEPS))
        assert 0 <= pool.waiting_share <= 1
        assert pool.first_fill_s > 0
    with Pool(maker, PLAN, CROP, 2) as pool:
        resumed = seen(pool, range(3, STEPS))
    assert equal(alone[3:], resumed)
    assert not equal(alone[2:3], alone[3:4])


def test_pictures_come_from_the_clips_of_the_step(maker: ClipMaker) -> None:
    with Pool(maker, PLAN, CROP, 1) as pool:
        pool.at(4)
        drawn = pool.draw(np.random.default_rng(0), 200)
    low, high = PLAN.window(4)
    made = {maker.clip(n).images[f].tobytes() for n in range(low, high) for f in range(FRAMES)}
    assert {picture.tobytes() for picture in drawn.images} == made


def test_a_part_draws_the_same_wherever_it_is_held(maker: ClipMaker) -> None:
    both = Plan.for_training(clips=8, frames=FRAMES, reuse=2, batch=8, steps=3, parts=2, own=(0, 1))
    with Pool(maker, both, CROP, 1) as pool:
        pool.at(2)
        together = [pool.draw(np.random.default_rng((2, p)), 5, p) for p in (0, 1)]
    with Pool(maker, replace(both, own=(1,)), CROP, 1) as pool:
        apart = seen(pool, range(2, 3), part=1)
    assert equal(together[1:], apart)
    assert not equal(together[:1], apart)


def test_an_error_in_a_worker_is_the_parents(maker: ClipMaker) -> None:
    with Pool(replace(maker, frames=0), PLAN, CROP, 1) as pool, pytest.raises(ConfigError, match="at least one clip"):
        pool.at(0)
    broken = replace(maker, motion=None)  # type: ignore[arg-type]
    with Pool(broken, PLAN, CROP, 1) as pool, pytest.raises(TrainingError, match=r"clip 0 could not be made: [A-Z]"):
        pool.at(0)


def test_a_dead_worker_is_heard_and_all_others_end(maker: ClipMaker) -> None:
    with Pool(maker, PLAN, CROP, 2) as pool:
        pool.at(0)
        processes = [worker.process for worker in pool._crew]
        os.kill(processes[0].pid or 0, signal.SIGKILL)
        with pytest.raises(TrainingError, match=r"ended by signal SIGKILL\n.*source\.pool_clips"):
            pool.at(STEPS - 1)
    assert not any(process.is_alive() for process in processes)


def test_workers_end_with_a_parent_that_is_killed(maker: ClipMaker) -> None:
    with Pool(maker, PLAN, CROP, 1) as pool:
        pool.at(0)
        worker = pool._crew[0]
        worker.line.close()  # all that a dead parent's worker sees
        worker.process.join(10)
        assert worker.process.exitcode == 0


def test_nothing_is_left_in_shared_memory(maker: ClipMaker) -> None:
    mine = lambda: {p.name for p in Path("/dev/shm").glob("*") if "sa3dhp" in p.name or "psm" in p.name}  # noqa: E731
    if not Path("/dev/shm").is_dir():
        pytest.skip("this system has no /dev/shm")
    before = mine()
    with Pool(maker, PLAN, CROP, 1) as pool:
        pool.at(0)
        assert mine() == before


def test_a_pool_larger_than_the_memory_is_refused(maker: ClipMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    size = bytes_of(PLAN.layout(CROP))
    monkeypatch.setattr(pool_file, "free_bytes", lambda: size)
    with pytest.raises(ConfigError, match=r"6 clips takes .* GiB.*\n.*source\.pool_clips=4\).*source\.streaming=false"):
        Pool(maker, PLAN, CROP, 1)
    monkeypatch.setattr(pool_file, "free_bytes", lambda: 2 * size)
    Pool(maker, PLAN, CROP, 1).close()
    with pytest.raises(ConfigError):
        Pool(maker, PLAN, CROP, 1, sharers=2)


def test_one_core_is_left_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(9)))
    assert (pool_workers(0), pool_workers(3), pool_workers(0, sharers=2), pool_workers(0, sharers=8)) == (8, 3, 3, 1)


def test_arrays_share_one_block_and_start_on_cache_lines() -> None:
    arrays = SharedArrays({"a": ((3,), "uint8"), "b": ((2, 2), "float32")})
    a, b = arrays.arrays["a"], arrays.arrays["b"]
    a[:], b[:] = 255, 1
    assert b.ctypes.data - a.ctypes.data == 64
    assert (a.sum(), b.sum()) == (765, 4)
    arrays.close()
    assert b.sum() == 4


def test_clips_of_a_stream_have_seeds_of_their_own() -> None:
    seeds = {clip_seed(seed, number) for seed in range(20) for number in range(500)}
    assert len(seeds) == 10_000


def timed(do: Callable[[], object]) -> float:
    start = time.monotonic()
    do()
    return time.monotonic() - start


def test_a_pool_closes_at_once(maker: ClipMaker) -> None:
    pool = Pool(replace(maker, crop_px=512, frames=FRAMES), replace(PLAN, clips=40, first=40), 512, 1)
    with pytest.raises(KeyboardInterrupt):
        _interrupted(pool)
    assert timed(pool.close) < 2


def _interrupted(pool: Pool) -> None:
    signal.signal(signal.SIGALRM, signal.default_int_handler)  # a test run in the background ignores SIGINT
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    pool.at(0)
