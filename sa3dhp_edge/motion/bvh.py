"""Motion-capture files in the BVH format, turned into the project's skeleton, axes and rate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.motion.motion_set import MotionSet, concatenate
from sa3dhp_edge.motion.positions import motion_of_positions
from sa3dhp_edge.skeleton import JOINTS

Array = NDArray[np.float64]

CMU_UNIT_MM = 56.444
"""Length unit of the CMU files: one inch divided by 0.45."""

_SOURCES: dict[str, tuple[str, ...]] = {
    "neck": ("neckbase", "neck", "thorax"),
    "right_shoulder": ("rightarm", "rightupperarm", "rshldr", "rightshoulderjoint"),
    "right_elbow": ("rightforearm", "rightlowerarm", "rforearm", "rightelbow"),
    "right_wrist": ("righthand", "rhand", "rightwrist"),
    "left_shoulder": ("leftarm", "leftupperarm", "lshldr", "leftshoulderjoint"),
    "left_elbow": ("leftforearm", "leftlowerarm", "lforearm", "leftelbow"),
    "left_wrist": ("lefthand", "lhand", "leftwrist"),
    "head_top": ("headend", "headtopend", "head"),
    "right_hip": ("rightupleg", "rightupperleg", "rthigh", "righthip", "rightthigh"),
    "right_knee": ("rightleg", "rightlowerleg", "rshin", "rightknee"),
    "right_ankle": ("rightfoot", "rfoot", "rightankle"),
    "right_foot": ("righttoebase", "righttoe", "righttoes", "rtoe", "rightfootend"),
    "left_hip": ("leftupleg", "leftupperleg", "lthigh", "lefthip", "leftthigh"),
    "left_knee": ("leftleg", "leftlowerleg", "lshin", "leftknee"),
    "left_ankle": ("leftfoot", "lfoot", "leftankle"),
    "left_foot": ("lefttoebase", "lefttoe", "lefttoes", "ltoe", "leftfootend"),
}
"""Joint of ours to the names it may have in a file, best first; letters and digits only, prefixes cut off."""

_CHANNELS = {f"{axis}{kind}": (kind, i) for kind in ("position", "rotation") for i, axis in enumerate("xyz")}


@dataclass
class BvhJoint:
    """One node of the file's tree; `channels` are (kind, axis) in the order of the file."""

    name: str
    parent: int
    offset: Array = field(default_factory=lambda: np.zeros(3))
    channels: list[tuple[str, int]] = field(default_factory=list)


class _Lines:
    """The file's lines that are not empty, with their numbers for messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="latin-1")
        except OSError as e:
            raise DataError(f"{path} cannot be read: {e.strerror}", "check the path") from e
        self._lines = [(i, words) for i, line in enumerate(text.splitlines(), 1) if (words := line.split())]
        self._next = 0
        self.number = 0

    def take(self, expected: str) -> list[str]:
        """Words of the next line."""
        if self._next >= len(self._lines):
            raise DataError(f"{self.path} ends after line {self.number}, expected {expected}", _DAMAGED)
        self.number, words = self._lines[self._next]
        self._next += 1
        return words

    def numbers(self, words: list[str], count: int) -> Array:
        """Exactly `count` finite numbers."""
        try:
            values = np.array(words, float)
        except ValueError:
            raise self.error(f"{count} numbers", words) from None
        if len(values) != count or not np.isfinite(values).all():
            raise self.error(f"{count} numbers", words)
        return values

    def error(self, expected: str, found: list[str]) -> DataError:
        """What is wrong with the current line."""
        text = " ".join(found)
        shown = text if len(text) <= 60 else f"{text[:57]}... ({len(found)} words)"
        return DataError(f"{self.path}, line {self.number}: expected {expected}, found {shown!r}", _DAMAGED)


_DAMAGED = "the file is damaged or no BVH file: fetch or export it again, or take it out of the folder"


def _read_tree(lines: _Lines) -> list[BvhJoint]:
    """Joints in the order of their channels, parents first; ends of limbs are named after their joint + 'end'."""
    words = lines.take("HIERARCHY")
    if words[0].upper() != "HIERARCHY":
        raise lines.error("HIERARCHY", words)
    joints: list[BvhJoint] = []
    open_joints: list[int] = []
    while True:
        words = lines.take("the joint tree")
        word = words[0].upper()
        if word in ("ROOT", "JOINT", "END"):
            parent = open_joints[-1] if open_joints else -1
            if (parent < 0) == (word != "ROOT") or len(words) < 2:
                raise lines.error("ROOT, or JOINT within it, with a name", words)
            name = f"{joints[parent].name}End" if word == "END" else words[1]
            joints.append(BvhJoint(name, parent))
            if (brace := lines.take("{")) != ["{"]:
                raise lines.error("{", brace)
            open_joints.append(len(joints) - 1)
        elif word == "OFFSET" and open_joints:
            joints[open_joints[-1]].offset = lines.numbers(words[1:], 3)
        elif word == "CHANNELS" and open_joints:
            joints[open_joints[-1]].channels = _channels(lines, words)
        elif word == "}" and open_joints:
            open_joints.pop()
        elif word == "MOTION" and joints and not open_joints:
            return joints
        else:
            raise lines.error("a joint, OFFSET, CHANNELS or a closing brace", words)


def _channels(lines: _Lines, words: list[str]) -> list[tuple[str, int]]:
    names = [word.lower() for word in words[2:]]
    if len(words) < 2 or words[1] != str(len(names)) or any(name not in _CHANNELS for name in names):
        raise lines.error("CHANNELS, their number and names like Xposition or Zrotation", words)
    return [_CHANNELS[name] for name in names]


def _read_frames(lines: _Lines, channels: int) -> tuple[Array, float]:
    """(T, channels) values and the frames per second."""
    words = lines.take("Frames:")
    if words[0].lower() != "frames:" or len(words) != 2 or not words[1].isdigit() or int(words[1]) < 2:
        raise lines.error("'Frames:' and a number of 2 or more", words)
    count = int(words[1])
    words = lines.take("Frame Time:")
    if [word.lower() for word in words[:2]] != ["frame", "time:"]:
        raise lines.error("'Frame Time:' and seconds", words)
    seconds = lines.numbers(words[2:], 1)[0]
    if seconds <= 0:
        raise lines.error("a frame time above 0", words)
    values = np.array([lines.numbers(lines.take(f"{count} frames"), channels) for _ in range(count)])
    return values, 1 / seconds


def _axis_rotation(axis: int, angle_deg: Array) -> Array:
    """(T, 3, 3) from (T,)."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((len(angle_deg), 3, 3))
    matrix[:, axis, axis] = 1
    matrix[:, i, i] = matrix[:, j, j] = c
    matrix[:, i, j], matrix[:, j, i] = -s, s
    return matrix


def _positions(joints: list[BvhJoint], values: Array) -> dict[str, Array]:
    """(T, 3) per joint name, in the file's unit and axes."""
    turned: list[Array] = []
    placed: list[Array] = []
    column = 0
    for joint in joints:
        shift = np.tile(joint.offset, (len(values), 1))
        turn = np.tile(np.eye(3), (len(values), 1, 1))
        if any(kind == "position" for kind, _ in joint.channels):
            shift[:] = 0  # a joint with a position of its own has its offset in it
        for kind, axis in joint.channels:
            if kind == "position":
                shift[:, axis] += values[:, column]
            else:
                turn = turn @ _axis_rotation(axis, values[:, column])
            column += 1
        if joint.parent >= 0:
            above = turned[joint.parent]
            shift = placed[joint.parent] + (above @ shift[..., None])[..., 0]
            turn = above @ turn
        turned.append(turn)
        placed.append(shift)
    return {joint.name: place for joint, place in zip(joints, placed, strict=True)}


def _plain(name: str) -> str:
    """Lower-case letters and digits of a joint's name, without a prefix such as 'mixamorig:'."""
    return "".join(c for c in name.rpartition(":")[2].lower() if c.isalnum()).removeprefix("mixamorig")


@dataclass(frozen=True)
class BvhFile:
    """A file as it is written.

    Attributes:
        joints: the tree in the order of its channels, parents first; ends of limbs carry their joint's name and `End`.
        values: (T, C) all channels, positions in the file's unit and angles in degrees.
        hz: frames per second.
    """

    joints: list[BvhJoint]
    values: Array
    hz: float

    def positions(self) -> dict[str, Array]:
        """(T, 3) per joint name, in the file's unit and axes."""
        return _positions(self.joints, self.values)


def read_file(path: Path) -> BvhFile:
    """Tree and channels of one file.

    Raises:
        DataError: the file is damaged; the message names the line.
    """
    lines = _Lines(path)
    joints = _read_tree(lines)
    values, hz = _read_frames(lines, sum(len(joint.channels) for joint in joints))
    return BvhFile(joints, values, hz)


def read_positions(path: Path, unit_mm: float = CMU_UNIT_MM) -> tuple[Array, float]:
    """Joints of one file as they were captured, with that person's bone lengths.

    Args:
        path: a BVH file, Y up.
        unit_mm: length of the file's unit in mm.

    Returns:
        (T, 17, 3) mm in the world frame (x right, y down, z forward), and the file's frames per second.

    Raises:
        DataError: the file is damaged, or lacks joints; the message names the line or the joints.
    """
    file = read_file(path)
    return pose_of_file(file, path, unit_mm), file.hz


def pose_of_file(file: BvhFile, path: Path, unit_mm: float = CMU_UNIT_MM) -> Array:
    """(T, 17, 3) mm in the world frame, of a file that was read; `path` is for messages.

    Raises:
        DataError: the file lacks joints.
    """
    places = {_plain(name): place for name, place in file.positions().items()}
    found = {ours: next((n for n in names if n in places), None) for ours, names in _SOURCES.items()}
    missing = [ours for ours, name in found.items() if name is None]
    if missing:
        raise DataError(
            f"{path} has no joint for {', '.join(missing)}; it has {', '.join(joint.name for joint in file.joints)}",
            "rename the file's joints as in the CMU files (LeftUpLeg, LeftLeg, LeftFoot, LeftToeBase, LeftArm, ...)",
        )
    pose = np.zeros((len(file.values), len(JOINTS), 3))
    for ours, name in found.items():
        if name is not None:
            pose[:, JOINTS.index(ours)] = places[name]
    pose[:, 0] = (pose[:, JOINTS.index("right_hip")] + pose[:, JOINTS.index("left_hip")]) / 2
    return np.asarray(pose * np.array([1, -1, -1]) * unit_mm)


def read_bvh(path: Path, unit_mm: float = CMU_UNIT_MM) -> MotionSet:
    """One file as one sequence at 60 Hz, named after the file.

    Args:
        path: a BVH file, Y up.
        unit_mm: length of the file's unit in mm; the default is that of the CMU files.

    Raises:
        DataError: see `read_positions`; also when a bone has no length.
    """
    positions, hz = read_positions(path, unit_mm)
    motion = motion_of_positions(positions, hz, str(path), "repair the OFFSET lines of these joints")
    return replace(motion, names=(path.stem,))


def read_bvh_folder(folder: Path, unit_mm: float = CMU_UNIT_MM) -> MotionSet:
    """All *.bvh files of a folder, sorted by name, one sequence each.

    Raises:
        DataError: the folder does not exist, has no such file, or a file is damaged.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder", "name the folder that holds the *.bvh files")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".bvh")
    if not paths:
        raise DataError(
            f"{folder} has no *.bvh file", "name the folder that holds them; folders within are not searched"
        )
    return concatenate([read_bvh(path, unit_mm) for path in paths])
