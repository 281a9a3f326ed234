"""BVH: a skeleton of constant bones, and its rotations over time.

Axes are y up, right-handed, the person's left at +x in the rest pose, which is a T facing +z; centimetres; rotations
in the order z, x, y. The joints are those of `skeleton.py`, and every bone that leaves a branching joint has a node of
its own at that joint (`spine`, `right_collar`…): spine and hips, or the shoulders, are not rigid to each other in poses
of a network, and BVH turns all children of a node as one. Forward kinematics of the file therefore give the directions
of all bones exactly; their lengths are the person's means, and how far that moves the joints is said in the log.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.outputs.axes import y_up
from runtime.outputs.bvh_rotations import NODES, Node, RotationSolver, euler_degrees
from runtime.outputs.clip import Clip
from sa3dhp_edge.atomic import publish_file
from sa3dhp_edge.skeleton import ANCESTORS, BONES, DIFFERENCES

log = logging.getLogger(__name__)

_CM = 0.1
"""Centimetres of a millimetre."""
_STUB_CM = 5.0
"""Length of the end sites, which the format wants behind the last joints."""

Array = NDArray[np.float64]


@dataclass
class _Residual:
    """How far constant bones move the joints, mm."""

    total: float = 0.0
    count: int = 0
    worst: float = 0.0

    def add(self, distances_mm: Array) -> None:
        self.total += float(distances_mm.sum())
        self.count += distances_mm.size
        self.worst = max(self.worst, float(distances_mm.max(initial=0)))


def write_bvh(clip: Clip, path: Path) -> None:
    """A person as a skeleton; a missing frame holds the pose before it, since the format cannot say "missing".

    Raises:
        OutputError: the disk refuses.
    """
    lengths = _mean_lengths_mm(clip)
    solver, residual, held = RotationSolver(clip.fps), _Residual(), 0
    last: Array | None = None
    before: Array | None = None
    with publish_file(path) as new, new.open("w", newline="\n", encoding="utf-8") as file:
        file.write("HIERARCHY\n" + "".join(_hierarchy(lengths)))
        file.write(f"MOTION\nFrames: {clip.frames}\nFrame Time: {1 / clip.fps:.8f}\n")
        for piece in clip.pieces():
            held += int(np.isnan(piece).any((1, 2)).sum())
            xyz = y_up(_held(piece, last))
            residual.add(_moved_mm(xyz, lengths)[~np.isnan(piece).any((1, 2))])
            angles = euler_degrees(solver.local(xyz), before)
            for root, rotations in zip(xyz[:, 0] * _CM, angles, strict=True):
                file.write(" ".join([*(f"{v:.5f}" for v in root), *(f"{v:.6f}" for v in rotations.ravel())]) + "\n")
            last, before = y_up(xyz[-1]), angles[-1]
    log.info(
        "%s: constant bones move its joints by %.2f mm in the mean and %.1f mm at most; %d frames hold the last pose",
        *(path, residual.total / max(residual.count, 1), residual.worst, held),
    )


def _mean_lengths_mm(clip: Clip) -> Array:
    """(16,) mm, over the frames with the person."""
    total, count = np.zeros(len(BONES)), 0
    for piece in clip.pieces():
        there = piece[~np.isnan(piece).any((1, 2))]
        total += np.linalg.norm(DIFFERENCES @ there, axis=-1).sum(0)
        count += len(there)
    return total / max(count, 1)


def _held(piece: Array, last: Array | None) -> Array:
    """The piece with the newest known pose where one is missing; a clip begins with a known one."""
    known = np.where(np.isnan(piece).any((1, 2)), -1, np.arange(len(piece)))
    newest = np.maximum.accumulate(known)
    filled = piece[np.maximum(newest, 0)]
    if last is not None:
        filled = np.where((newest < 0)[:, None, None], last, filled)
    return filled


def _moved_mm(xyz: Array, lengths_mm: Array) -> Array:
    """(n, 17) mm between joints and where they are with bones of these lengths."""
    bones = DIFFERENCES @ xyz
    own = np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)
    same = ANCESTORS @ (bones / own * lengths_mm[:, None]) + xyz[:, :1]
    return np.asarray(np.linalg.norm(same - xyz, axis=-1))


def _hierarchy(lengths_mm: Array) -> list[str]:
    """Lines of the tree; nodes are in depth-first order."""
    lines: list[str] = []
    open_nodes: list[int] = []
    for index, node in enumerate(NODES):
        while open_nodes and open_nodes[-1] != node.parent:
            open_nodes.pop()
            lines.append("\t" * len(open_nodes) + "}\n")
        pad = "\t" * len(open_nodes)
        offset = np.zeros(3) if node.bone is None else node.rest * lengths_mm[node.bone] * _CM
        place = "Xposition Yposition Zposition " if node.parent < 0 else ""
        lines += [
            f"{pad}{'JOINT' if place == '' else 'ROOT'} {node.name}\n{pad}{{\n",
            f"{pad}\tOFFSET {_numbers(offset)}\n",
            f"{pad}\tCHANNELS {6 if place else 3} {place}Zrotation Xrotation Yrotation\n",
        ]
        if not any(other.parent == index for other in NODES):
            lines.append(f"{pad}\tEnd Site\n{pad}\t{{\n{pad}\t\tOFFSET {_numbers(_stub(node))}\n{pad}\t}}\n")
        open_nodes.append(index)
    while open_nodes:
        open_nodes.pop()
        lines.append("\t" * len(open_nodes) + "}\n")
    return lines


def _stub(node: Node) -> Array:
    return node.rest * _STUB_CM


def _numbers(values: Array) -> str:
    return " ".join(f"{v:.6f}" for v in values)
