"""Labelled pictures in memory that worker processes renew while a network learns from them.

A source is an endless row of clips, numbered from 0; clip n is the same wherever and whenever it is made. At step k the
pool holds the clips `Plan.window(k)`, and pictures are drawn from these alone. So what a step sees depends on neither
the number of workers nor their speed, and a run that was broken off at step k goes on with the clips it would have had.

Several parts divide a source: part p of P has the clips p, p + P, p + 2 P, ... as its own row, and a process may hold
any number of parts.
"""

from __future__ import annotations

import math
import multiprocessing.connection as connections
import os
import signal
import time
import traceback
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge import errors
from sa3dhp_edge.errors import ConfigError, Sa3dhpError, TrainingError
from sa3dhp_edge.frameset import NOT_KNOWN, FrameSet, picture_px
from sa3dhp_edge.shared_memory import Layout, SharedArrays, bytes_of, free_bytes
from sa3dhp_edge.skeleton import J

AT_ONCE = 16
"""Clips that a worker has been asked for and has not handed over: enough to be busy while the network takes a step."""
AHEAD_SHARE = 0.125
"""Room for clips that are made before their turn, over the size of the pool."""
MEMORY_SHARE = 0.8
"""Of the memory that is free, a pool takes no more than this."""


class Maker(Protocol):
    """Makes a source's clips; it is sent to each worker once, so it can be pickled."""

    def clip(self, number: int) -> FrameSet:
        """Labelled frames of clip `number`: always the same ones, and always as many.

        Raises:
            Sa3dhpError: the clip cannot be made; training stops with these words.
        """
        ...


@dataclass(frozen=True)
class Plan:
    """Which clips the pool holds at which step, in every part.

    Attributes:
        clips: of one part that are held at a time.
        frames: pictures of a clip.
        per_step: clips of a part that take another's place with each step.
        first: clips of a part that are there before the first step; the pool grows from these to `clips`.
        steps: after so many steps nothing more is needed.
        parts: of the whole source.
        own: the parts this process holds.
    """

    clips: int
    frames: int
    per_step: float
    first: int
    steps: int
    parts: int = 1
    own: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if self.clips < 1 or self.frames < 1 or self.first < 1 or self.per_step < 0:
            raise ConfigError(
                f"a pool of {self.clips} clips of {self.frames} pictures, {self.first} of them at first",
                "source.pool_clips and source.frames_per_clip are 1 or more for each part",
            )

    @staticmethod
    def for_training(
        *, clips: int, frames: int, reuse: float, batch: int, steps: int, parts: int = 1, own: tuple[int, ...] = (0,)
    ) -> Plan:
        """A plan by which every picture is used `reuse` times on average; `clips` and `batch` are of all parts."""
        if reuse <= 0 or frames < 1:
            raise ConfigError(
                f"source.reuse is {reuse:g}, source.frames_per_clip {frames}",
                "how often a picture is used on average is more than 0, and a clip has 1 picture or more",
            )
        each = max(clips // parts, 1)
        return Plan(each, frames, batch / (reuse * frames * parts), max(each // 8, 1), steps, parts, own)

    def window(self, step: int) -> tuple[int, int]:
        """(a, b): at this step the pool holds clips a to b - 1 of each part's row."""
        end = self.first + math.floor(step * self.per_step + 1e-9)
        return max(end - self.clips, 0), end

    @property
    def room(self) -> int:
        """Places for clips in each part's ring."""
        return self.clips + max(math.ceil(self.clips * AHEAD_SHARE), 2 * math.ceil(self.per_step))

    def layout(self, crop_px: int) -> Layout:
        """What the pool keeps in memory."""
        n, side = self.room * len(self.own) * self.frames, picture_px(crop_px)
        return {
            "images": ((n, side, side, 3), "uint8"),
            "joints_mm": ((n, J, 3), "float32"),
            "joints_uv": ((n, J, 2), "float32"),
            "visible": ((n, J), "bool"),
            "hidden_by": ((n, J), "uint8"),
            "root_mm": ((n, 3), "float32"),
            "focal_uv": ((n,), "float32"),
            "box_xyxy_px": ((n, 4), "float32"),
        }


class Drawn(NamedTuple):
    """Pictures and labels as in a frame set, copied out of the pool; what nobody knows is NaN, or NOT_KNOWN."""

    images: NDArray[np.uint8]
    joints_mm: NDArray[np.float32]
    joints_uv: NDArray[np.float32]
    visible: NDArray[np.bool_]
    hidden_by: NDArray[np.uint8]
    root_mm: NDArray[np.float32]
    focal_uv: NDArray[np.float32]
    box_xyxy_px: NDArray[np.float32]


class Pool:
    """The clips of a plan, in memory that workers write and this process reads; to be closed, or used with `with`.

    Args:
        make: the source.
        workers: processes, 1 or more.
        sharers: pools of this size on this machine, this one among them.

    Raises:
        ConfigError: the pool does not fit into the machine's memory.
    """

    def __init__(self, make: Maker, plan: Plan, crop_px: int, workers: int, sharers: int = 1) -> None:
        refuse_too_large(plan, crop_px, sharers)
        self.plan, self._make, self._count = plan, make, max(workers, 1)
        self._memory = SharedArrays(plan.layout(crop_px))
        self._slots = plan.room * len(plan.own)
        self._holds = np.full(self._slots, -1, np.int64)
        self._crew: list[_Worker] = []
        self._step = self._given = self._whole = 0
        self.first_fill_s = self._waited_s = 0.0
        self._filled_at = 0.0

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers at once and free the memory; a pool may be closed twice."""
        for worker in self._crew:
            worker.process.terminate()
        for worker in self._crew:
            worker.process.join()
            worker.line.close()
        self._crew = []
        self._memory.close()

    def at(self, step: int) -> None:
        """Wait until the clips of a step are there; steps never go back. What earlier steps alone needed is given up.

        Raises:
            TrainingError: a worker has died or failed.
            Sa3dhpError: what the source says of a clip it cannot make.
        """
        begun, start = time.monotonic(), not self._crew
        needed = self._needed(step)
        if start:
            self._given = self._whole = needed.start
            self._crew = [_Worker(self._make, self._memory, self.plan.frames) for _ in range(self._count)]
        assert step >= self._step or start, "a pool goes forward"
        self._step = step
        self._pump(0)
        while self._whole < needed.stop:
            self._pump(1.0)
        now = time.monotonic()
        if start:
            self.first_fill_s, self._filled_at = now - begun, now
        else:
            self._waited_s += now - begun

    @property
    def waiting_share(self) -> float:
        """Share of the time since the first fill that was spent waiting for clips."""
        return self._waited_s / max(time.monotonic() - self._filled_at, 1e-9) if self._filled_at else 0.0

    def draw(self, rng: np.random.Generator, count: int, part: int = 0) -> Drawn:
        """Pictures drawn evenly from what a part holds at this step.

        Args:
            part: one of `plan.own`.
        """
        low, high = self.plan.window(self._step)
        frames = self.plan.frames
        chosen = np.sort(rng.integers(0, (high - low) * frames, count))
        task = (low + chosen // frames) * len(self.plan.own) + self.plan.own.index(part)
        return self._rows(task % self._slots * frames + chosen % frames)

    def clip(self, number: int) -> Drawn:
        """All pictures of a clip the pool holds now, for a pool of one part."""
        low, high = self.plan.window(self._step)
        assert low <= number < high, "the pool does not hold this clip"
        return self._rows(number % self._slots * self.plan.frames + np.arange(self.plan.frames))

    def _rows(self, rows: NDArray[np.intp]) -> Drawn:
        return Drawn(**{name: array[rows] for name, array in self._memory.arrays.items()})

    def _needed(self, step: int) -> range:
        """Tasks of a step; task t is clip t // m of the own part t % m, m parts being held."""
        low, high = self.plan.window(step)
        return range(low * len(self.plan.own), high * len(self.plan.own))

    def _pump(self, timeout_s: float) -> None:
        """Ask the workers for what there is room for, and hear what they have done, waiting at most so long for it."""
        self._hand_out()
        for line in connections.wait([w.line for w in self._crew], timeout_s):
            worker = next(w for w in self._crew if w.line is line)
            while worker.line.poll():
                task = worker.hear()
                self._holds[task % self._slots] = task
        while self._holds[self._whole % self._slots] == self._whole:
            self._whole += 1
        self._hand_out()

    def _hand_out(self) -> None:
        low = self._needed(self._step).start
        stop = min(low + self._slots, self._needed(max(self.plan.steps - 1, self._step)).stop)
        m = len(self.plan.own)
        while self._given < stop:
            worker = min(self._crew, key=lambda w: w.asked)
            if worker.asked >= AT_ONCE:
                return
            t = self._given
            worker.ask(t, t // m * self.plan.parts + self.plan.own[t % m], t % self._slots)
            self._given += 1


class _Worker:
    """One process that makes clips, and the line to it."""

    def __init__(self, make: Maker, memory: SharedArrays, frames: int) -> None:
        context = get_context("spawn")  # a forked process would inherit the locks of other threads
        self.line, theirs = context.Pipe()
        self.asked = 0
        self.process: SpawnProcess = context.Process(
            target=_work, args=(theirs, make, memory, frames), daemon=True, name="sa3dhp-edge pictures"
        )
        self.process.start()
        theirs.close()

    def ask(self, task: int, number: int, slot: int) -> None:
        try:
            self.line.send((task, number, slot))
        except OSError:
            raise self._death() from None
        self.asked += 1

    def hear(self) -> int:
        """The task that was done."""
        try:
            said = self.line.recv()
        except (EOFError, OSError):
            raise self._death() from None
        if isinstance(said, int):
            self.asked -= 1
            return said
        kind, message, hint = said
        raise getattr(errors, kind)(message, hint)

    def _death(self) -> TrainingError:
        self.process.join(2)
        code = self.process.exitcode
        how = f"by signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"with status {code}"
        return TrainingError(
            f"a process that makes pictures ended {how}",
            "is memory short? lower source.pool_clips or source.workers, and go on with --resume",
        )


def _work(line: Connection, make: Maker, memory: SharedArrays, frames: int) -> None:
    """What a worker does: it ends when the line does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells everybody; the parent decides
    cv2.setNumThreads(1)
    try:
        while True:
            task, number, slot = line.recv()
            said = _made(make, number, memory, slice(slot * frames, (slot + 1) * frames))
            line.send(task if said is None else said)
    except (EOFError, OSError):
        return


def _made(make: Maker, number: int, memory: SharedArrays, rows: slice) -> tuple[str, str, str] | None:
    """Put a clip into its place; what went wrong, where something did."""
    try:
        clip = make.clip(number)
        for name, array in memory.arrays.items():
            found = getattr(clip, name)
            array[rows] = (NOT_KNOWN if array.dtype == np.uint8 else np.nan) if found is None else found
    except Sa3dhpError as e:
        return type(e).__name__, e.message, e.hint
    except Exception as e:  # noqa: BLE001 - it is told in the parent, whatever it is
        where = traceback.extract_tb(e.__traceback__)[-1]
        said = f"clip {number} could not be made: {type(e).__name__}: {e} ({where.filename}, line {where.lineno})"
        return "TrainingError", said, "go on with --resume; if it fails again at this clip, take another seed"
    return None


def pool_workers(asked: int, sharers: int = 1) -> int:
    """Processes that make pictures beside training: as asked, or with 0 all cores but one, which feeds the network.

    Args:
        sharers: processes on this machine that each have such workers.
    """
    return asked or max((len(os.sched_getaffinity(0)) - sharers) // sharers, 1)


def refuse_too_large(plan: Plan, crop_px: int, sharers: int = 1) -> None:
    """Stop where pools of a plan do not fit into the machine's memory.

    Raises:
        ConfigError: says what they take, what there is, and how many clips would fit.
    """
    wanted, usable = bytes_of(plan.layout(crop_px)), int(MEMORY_SHARE * free_bytes())
    if wanted * sharers > usable:
        fitting = int(plan.clips * plan.parts * usable / (wanted * sharers))
        raise ConfigError(
            f"a pool of {plan.clips * plan.parts} clips takes {wanted * sharers / 2**30:.1f} GiB of memory, "
            f"this machine can give {usable / 2**30:.1f} GiB",
            f"hold fewer clips (--set source.pool_clips={max(fitting, 1)}), or keep the pictures on the disk "
            "(--set source.streaming=false)",
        )
