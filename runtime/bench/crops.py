"""From boxes to poses: how long it takes for one and for more people, and how much of it is the network.

Everything that is compared is timed in turns, frame by frame with the bare engine and some frames at a time with other
programs, so that a machine that gets slower meanwhile gets slower for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from runtime.bench.conditions import Watch
from runtime.bench.peers import BlazePose
from runtime.bench.report import CropToPose, PeerTimes
from runtime.estimator import Estimator
from runtime.model import Model
from runtime.sources import AbstractSource
from runtime.timings import Stopwatch, Timings
from sa3dhp_edge.crop import normalise
from sa3dhp_edge.records import Box, Frame

TURN_FRAMES = 20
"""So many frames each program has before it is the other's turn."""


class BareNetwork:
    """A model's image network alone, on the engine that the model has, with a batch of noise that is ready for it."""

    def __init__(self, model: Model, people: int) -> None:
        self._network = model.network
        side, contract = model.crop_px, model.contract
        noise = np.random.default_rng(0).integers(0, 256, (people, side, side, 3), np.uint8)
        self._inputs = {"image": normalise(noise, contract.mean, contract.std)}

    def run(self) -> None:
        """The network's answer for the batch, which nobody looks at."""
        self._network.infer(self._inputs)


class _People:
    """The measurements of one number of people."""

    def __init__(self, estimator: Estimator, threads: int, people: int) -> None:
        self._estimator, self._threads, self._people = estimator, threads, people
        self._bare = BareNetwork(estimator.model, people)
        self._whole, self._network, self._stages = Stopwatch(), Stopwatch(), Timings()

    def warm_up(self, frame: Frame, box: Box) -> None:
        """One of each, not timed."""
        self._estimator.timings = Timings()
        self._estimator.poses(frame, [box] * self._people)
        self._bare.run()

    def time(self, frame: Frame, box: Box) -> None:
        """One of each."""
        self._estimator.timings = self._stages
        boxes = [box] * self._people
        with self._whole.measure():
            self._estimator.poses(frame, boxes)
        self._stages.next_frame()
        with self._network.measure():
            self._bare.run()

    def result(self) -> CropToPose:
        """What was measured."""
        whole, network, stages = self._whole.spent(), self._network.spent(), self._stages.summary()
        return CropToPose(
            threads=self._threads,
            people=self._people,
            whole=whole,
            network=network,
            overhead_ms=round(whole.wall_ms["p50"] - stages["inference"]["p50"], 3),
            stages=stages,
            people_per_s=round(1000 * self._people / whole.mean_ms, 2),
        )


def time_crops(
    source: AbstractSource,
    boxes: Mapping[int, Box],
    estimator: Estimator,
    threads: int,
    people: Sequence[int],
    watch: Watch,
    blazepose: tuple[Path, Path] | None = None,
) -> tuple[list[CropToPose], list[PeerTimes]]:
    """Time crop to pose, the bare network, and BlazePose where it is asked for.

    Args:
        source: open, at its start.
        boxes: where the person is, px, by the frame's index; other frames are passed over.
        estimator: a warm one.
        threads: it was made with.
        people: numbers of boxes in a frame, all of them the same box: crops cost the same wherever they lie.
        watch: who asks the board.
        blazepose: a Python with mediapipe, and the source's video; its one person is compared with one of ours.

    Raises:
        MissingPackage, InputError: as `BlazePose`.
    """
    measured = {n: _People(estimator, threads, n) for n in people}
    with ExitStack() as opened:
        peer = None if blazepose is None else opened.enter_context(BlazePose(*blazepose))
        if peer is not None:
            watch.counts_as_ours(peer.pid)
            measured.setdefault(1, _People(estimator, threads, 1))
        for number, turn in enumerate(_turns(source, boxes)):
            for one in measured.values():
                if number == 0:
                    one.warm_up(turn[0], boxes[turn[0].index])
                for frame in turn:
                    one.time(frame, boxes[frame.index])
            if peer is not None:
                peer.look_at([frame.index for frame in turn])
            watch.look()
        results = {n: one.result() for n, one in measured.items()}
        return list(results.values()), [] if peer is None else peer.times(results[1])


def _turns(source: AbstractSource, boxes: Mapping[int, Box]) -> Iterator[list[Frame]]:
    turn: list[Frame] = []
    for frame in source:
        if frame.index in boxes:
            turn.append(frame)
        if len(turn) == TURN_FRAMES or (turn and frame.index >= max(boxes)):
            yield turn
            turn = []
        if frame.index >= max(boxes):
            return
