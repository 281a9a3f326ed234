"""How long does the image network take on this processor, by picture size, threads and people?

latency.md     table
latency.json   the same in full, with machine, conditions and commit

The weights are chance ones: time does not depend on them. All networks are timed in turns, so that a machine that gets
slower meanwhile gets slower for all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from export.estimator import Estimator, output_names
from export.folding import folded
from export.to_onnx import exported
from runtime.backends.onnx_runtime import OnnxBackend
from runtime.bench.board import open_board
from runtime.bench.conditions import Watch
from runtime.bench.cores import held_to, usable_cores
from runtime.timings import Spent, Stopwatch
from sa3dhp_edge.atomic import write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.config import ImageConfig, preset
from sa3dhp_edge.experiments.proving_ground import commit, machine
from sa3dhp_edge.experiments.stopwatch import counted
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.networks.image_to_latent import image_network
from sa3dhp_edge.networks.pose_autoencoder import PoseDecoder
from sa3dhp_edge.report.tables import Column, markdown_table

WARM_UP, LAPS = 3, 5


@dataclass(frozen=True)
class Timed:
    """A network's answer to so many people at once.

    Attributes:
        network: name of the preset it belongs to.
        px: side of its pictures.
        gflop: 10^9 operations a person; a multiply-add is two.
        spent: wall and CPU milliseconds of a batch of `people`.
    """

    network: str
    px: int
    gflop: float
    threads: int
    people: int
    spent: Spent


@dataclass(frozen=True)
class _Network:
    name: str
    image: ImageConfig
    gflop: float
    file: Path


def latency(
    *, out: Path, sizes: Sequence[int], threads: Sequence[int], people: Sequence[int], rounds: int, pin: bool
) -> Report:
    """Time the edge network at each size and the paper's at its own, on ONNX Runtime.

    Args:
        out: gets latency.json and latency.md.
        sizes: sides of the pictures, multiples of 32 px.
        threads: of the engine, one after the other.
        people: pictures in a batch.
        rounds: how often each is timed.
        pin: hold the process to as many cores as threads.

    Raises:
        ConfigError: a size that no network takes.
    """
    rows: list[Timed] = []
    with tempfile.TemporaryDirectory() as folder, open_board() as board:
        networks = list(_networks(sizes, Path(folder)))
        watch = Watch(board, usable_cores())
        for number in threads:
            with held_to(number if pin else None):
                rows += _timed(networks, number, people, rounds, watch)
        conditions = watch.conditions()
    result: Report = {
        "experiment": "latency", "machine": machine(), "commit": commit(), "pinned": pin, "rounds": rounds,
        "conditions": asdict(conditions), "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    write_json(out / "latency.json", result)
    write_text(out / "latency.md", _page(rows, conditions.clean, conditions.why_not))
    return {"out": str(out), "clean": conditions.clean, "networks": len(networks), "timed": len(rows)}


def _networks(sizes: Sequence[int], folder: Path) -> Iterator[_Network]:
    edge, paper = preset("edge"), preset("paper")
    images = [("edge", replace(edge, image=replace(edge.image, crop_px=px)).image) for px in sizes]
    for name, image in [*images, ("paper", paper.image)]:
        torch.manual_seed(0)
        g = image_network(image)
        net = folded(Estimator(g, PoseDecoder()).eval())
        picture = torch.zeros(2, 3, image.crop_px, image.crop_px)
        with counted() as work, torch.no_grad():
            net(picture[:1])
        file = folder / f"{name}_{image.crop_px}.onnx"
        file.write_bytes(exported(net, {"image": picture}, output_names(g)).SerializeToString())
        yield _Network(name, image, 2e-9 * work.forward, file)


def _timed(
    networks: Sequence[_Network], threads: int, people: Sequence[int], rounds: int, watch: Watch
) -> Iterator[Timed]:
    """Networks in turns, but one open at a time: an engine's idle threads go on spinning, beside whatever is timed."""
    watches = {(net.file, n): Stopwatch() for net in networks for n in people}
    rng = np.random.default_rng(0)
    for lap in range(min(LAPS, rounds)):
        for net in networks:
            with closing(OnnxBackend(net.file, threads=threads)) as backend:
                for n in people:
                    images = {"image": rng.standard_normal((n, 3, *(net.image.crop_px,) * 2)).astype(np.float32)}
                    for _ in range(WARM_UP):
                        backend.infer(images)
                    for _ in range(lap, rounds, LAPS):
                        with watches[net.file, n].measure():
                            backend.infer(images)
            watch.look()
    for net in networks:
        for n in people:
            yield Timed(net.name, net.image.crop_px, net.gflop, threads, n, watches[net.file, n].spent())


def _page(rows: Sequence[Timed], clean: bool, why_not: Sequence[str]) -> str:
    columns = (
        Column("network"), Column("picture", "px", 0), Column("a person", "GFLOP", 2), Column("threads", digits=0),
        Column("people", digits=0), Column("p50", "ms", 2), Column("p95", "ms", 2), Column("CPU time", "ms", 2),
        Column("people a second", digits=0), Column("rate", "GFLOP/s", 0),
    )  # fmt: skip
    cells = [
        (row.network, row.px, row.gflop, row.threads, row.people, row.spent.wall_ms["p50"], row.spent.wall_ms["p95"],
         row.spent.cpu_ms["p50"], 1e3 * row.people / row.spent.wall_ms["p50"],
         1e3 * row.gflop * row.people / row.spent.wall_ms["p50"])
        for row in rows
    ]  # fmt: skip
    said = "The machine was fit for it." if clean else f"Not clean: {'; '.join(why_not)}."
    head = f"The image network with its decoder on ONNX Runtime, FP32, in turns. {said}"
    return f"{head}\n\n{markdown_table(columns, cells)}"
