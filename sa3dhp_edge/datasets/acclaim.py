"""Acclaim's skeleton and motion files (ASF, AMC), and where the ends of their bones are.

ASF: `:units` (mass, length, angle deg|rad), `:root` (order of the six channels, axis, position, orientation),
`:bonedata` (id, name, direction in the world's axes, length, axis: three angles and their order, dof, limits),
`:hierarchy` (parent and children per line). AMC: `:FULLY-SPECIFIED`, `:DEGREES`, then for each frame its number and one
line for the root and for each bone that has degrees of freedom. A bone turns about axes of its own: with C for its
`axis` and R for its channels, its turn against its parent is C R C^-1; it reaches from its parent's end along its
direction. Angles in the order XYZ turn about x first: R = R_z R_y R_x.

Compared with CalciferZh/AMCParser and zhyma/acclaim2space, and with the BVH of the same trial, that facebookresearch/
fairmotion ships with its AMC: they agree to the digits of the BVH.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError

Array = NDArray[np.float64]

_AGAIN = "the file is damaged or no such file: fetch it again, or take it out of the folder"
_CHANNELS = ("tx", "ty", "tz", "rx", "ry", "rz")


@dataclass(frozen=True)
class Bone:
    """One bone, or the root: name, parent's place in the list (-1 for the root), rest vector, own axes, channels.

    `vector` (3,) in the file's unit; `axes` (3, 3) is C; `dof` are names such as `rx`; `order` the turns' letters.
    """

    name: str
    parent: int
    vector: Array
    axes: Array
    dof: tuple[str, ...]
    order: str


@dataclass(frozen=True)
class Acclaim:
    """A skeleton: bones with parents first, the root at 0; `length_scale` is `:units length`."""

    path: Path
    bones: tuple[Bone, ...]
    length_scale: float
    in_degrees: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(bone.name for bone in self.bones)

    def vector(self, name: str) -> Array:
        """(3,) rest vector of a bone in the file's unit.

        Raises:
            DataError: there is no such bone.
        """
        for bone in self.bones:
            if bone.name == name:
                return bone.vector
        raise DataError(f"{self.path} has no bone {name}; it has {', '.join(self.names)}", _AGAIN)

    def ends(self, channels: dict[str, Array]) -> Array:
        """(T, B, 3) ends of all bones in the file's unit and axes; channels (T, dof) per bone, from `read_amc`."""
        count = len(channels["root"])
        turned: list[Array] = []
        placed: list[Array] = []
        for bone in self.bones:
            angles = {"x": np.zeros(count), "y": np.zeros(count), "z": np.zeros(count)}
            shift = np.tile(bone.vector, (count, 1))
            for kind, values in zip(bone.dof, channels.get(bone.name, np.zeros((count, 0))).T, strict=True):
                if kind[0] == "r":
                    angles[kind[1]] = values
                elif kind[0] == "t":
                    shift[:, "xyz".index(kind[1])] += values
            turn = bone.axes @ _turn(angles, bone.order) @ bone.axes.T
            if bone.parent >= 0:
                turn = turned[bone.parent] @ turn
                shift = placed[bone.parent] + (turn @ bone.vector[:, None])[..., 0]
            turned.append(turn)
            placed.append(shift)
        return np.stack(placed, 1)


def _turn(angles_rad: dict[str, Array], order: str) -> Array:
    """(T, 3, 3): the first letter turns first, about fixed axes."""
    count = len(next(iter(angles_rad.values())))
    whole = np.tile(np.eye(3), (count, 1, 1))
    for letter in order:
        i = "xyz".index(letter)
        j, k = (i + 1) % 3, (i + 2) % 3
        c, s = np.cos(angles_rad[letter]), np.sin(angles_rad[letter])
        one = np.zeros((count, 3, 3))
        one[:, i, i] = 1
        one[:, j, j] = one[:, k, k] = c
        one[:, j, k], one[:, k, j] = -s, s
        whole = one @ whole
    return whole


class _Sections:
    """The file's lines by section, each with its number, comments left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[str, list[tuple[int, list[str]]]] = {"": []}
        section = ""
        for number, line in enumerate(_text(path).splitlines(), 1):
            words = line.split("#", 1)[0].split()
            if words and words[0].startswith(":"):
                section = words[0].lower()
                self.lines.setdefault(section, [])
                words = words[1:]
            if words:
                self.lines[section].append((number, words))

    def of(self, section: str) -> list[tuple[int, list[str]]]:
        if section not in self.lines:
            raise DataError(f"{self.path} has no section {section}", _AGAIN)
        return self.lines[section]

    def numbers(self, number: int, words: list[str], count: int) -> Array:
        try:
            values = np.array(words[:count], float)
        except ValueError:
            values = np.full(0, np.nan)
        if len(values) != count or not (np.abs(values) < 1e9).all():
            raise DataError(
                f"{self.path}, line {number}: expected {count} numbers, found {' '.join(words)[:60]!r}", _AGAIN
            )
        return values


def read_asf(path: Path) -> Acclaim:
    """A skeleton.

    Raises:
        DataError: missing or damaged; names the file and, where it can, the line.
    """
    sections = _Sections(path)
    units = {words[0].lower(): (number, words[1:]) for number, words in sections.of(":units")}
    scale = float(sections.numbers(*units["length"], 1)[0]) if "length" in units else 1.0
    if not scale > 0:
        raise DataError(f"{path}: the unit of length is {scale}, expected more than 0", _AGAIN)
    degrees = "".join(units.get("angle", (0, ["deg"]))[1]).lower().startswith("deg")
    bones = {"root": _root(sections, degrees)} | _bones(sections, degrees)
    ordered: list[Bone] = [bones["root"]]
    place = {"root": 0}
    for number, words in sections.of(":hierarchy"):
        if words[0] in ("begin", "end"):
            continue
        unknown = [name for name in words if name not in bones]
        if unknown or words[0] not in place:
            raise DataError(f"{path}, line {number}: {' '.join(unknown or words[:1])} has no bone or no parent", _AGAIN)
        for child in words[1:]:
            if child in place:
                raise DataError(f"{path}, line {number}: {child} has two parents", _AGAIN)
            place[child] = len(ordered)
            bone = bones[child]
            ordered.append(Bone(child, place[words[0]], bone.vector, bone.axes, bone.dof, bone.order))
    if len(ordered) != len(bones):
        raise DataError(f"{path}: {', '.join(set(bones) - set(place))} is not in the hierarchy", _AGAIN)
    return Acclaim(path, tuple(ordered), scale, degrees)


def _root(sections: _Sections, degrees: bool) -> Bone:
    facts = {words[0].lower(): (number, words[1:]) for number, words in sections.of(":root")}
    number, order = facts.get("order", (0, ["TX", "TY", "TZ", "RX", "RY", "RZ"]))
    dof = tuple(word.lower() for word in order)
    if any(kind not in _CHANNELS for kind in dof):
        raise DataError(f"{sections.path}, line {number}: expected channels like TX or RZ, found {order}", _AGAIN)
    axis = _order(sections, *facts.get("axis", (0, ["XYZ"])))
    position = sections.numbers(*facts["position"], 3) if "position" in facts else np.zeros(3)
    angles = sections.numbers(*facts["orientation"], 3) if "orientation" in facts else np.zeros(3)
    return Bone("root", -1, position, _axes(angles, axis, degrees), dof, axis)


def _bones(sections: _Sections, degrees: bool) -> dict[str, Bone]:
    bones: dict[str, Bone] = {}
    facts: dict[str, tuple[int, list[str]]] = {}
    for number, words in sections.of(":bonedata"):
        word = words[0].lower()
        if word == "begin":
            facts = {}
        elif word == "end":
            missing = [key for key in ("name", "direction", "length") if not facts.get(key, (0, []))[1]]
            if missing:
                raise DataError(f"{sections.path}, line {number}: the bone has no {', '.join(missing)}", _AGAIN)
            name = facts["name"][1][0]
            vector = sections.numbers(*facts["direction"], 3)
            vector = vector / max(float(np.linalg.norm(vector)), 1e-9)
            at, axis_words = facts.get("axis", (number, ["0", "0", "0", "XYZ"]))
            axis = _order(sections, at, axis_words[3:])
            axes = _axes(sections.numbers(at, axis_words, 3), axis, degrees)
            dof = tuple(kind.lower() for kind in facts.get("dof", (0, []))[1])
            length = float(sections.numbers(*facts["length"], 1)[0])
            bones[name] = Bone(name, -1, vector * length, axes, dof, axis)
        else:
            facts[word] = (number, words[1:])
    return bones


def _order(sections: _Sections, number: int, words: list[str]) -> str:
    order = "".join(words).lower()
    if sorted(order) != ["x", "y", "z"]:
        raise DataError(
            f"{sections.path}, line {number}: expected an order such as XYZ, found {' '.join(words)!r}", _AGAIN
        )
    return order


def _axes(angles: Array, order: str, degrees: bool) -> Array:
    radians = np.radians(angles) if degrees else angles
    return np.asarray(_turn({letter: radians[i : i + 1] for i, letter in enumerate(order)}, order)[0])


def read_amc(path: Path, skeleton: Acclaim) -> dict[str, Array]:
    """(T, dof) channels per bone of the skeleton that has any: positions in the file's unit, angles in radians.

    Raises:
        DataError: missing, damaged, or of another skeleton; names the file and the line.
    """
    lines = [(n, words) for n, line in enumerate(_text(path).splitlines(), 1) if (words := line.split("#")[0].split())]
    degrees = any(words[0].upper() == ":DEGREES" for _, words in lines[:20]) or (
        skeleton.in_degrees and not any(words[0].upper() == ":RADIANS" for _, words in lines[:20])
    )
    lines = [(n, words) for n, words in lines if not words[0].startswith(":")]
    starts = [i for i, (_, words) in enumerate(lines) if len(words) == 1 and words[0].isdigit()]
    if not starts or starts[0] != 0:
        raise DataError(f"{path} has no frame numbers: it is no AMC file", _AGAIN)
    wanted = {bone.name: len(bone.dof) for bone in skeleton.bones if bone.dof}
    order = [words[0] for _, words in lines[1 : starts[1] if len(starts) > 1 else len(lines)]]
    if sorted(order) != sorted(wanted):
        odd = sorted(set(order) ^ set(wanted)) or ["a bone twice"]
        raise DataError(f"{path} does not belong to {skeleton.path.name}: they differ in {', '.join(odd)}", _AGAIN)
    step = len(order) + 1
    for i, (number, words) in enumerate(lines):
        name = order[i % step - 1] if i % step else ""
        if (
            len(words) != (wanted[name] + 1 if name else 1)
            or (name and words[0] != name)
            or (not name and i not in starts[i // step : i // step + 1])
        ):
            expected = f"{name} and {wanted[name]} numbers" if name else "a frame number"
            raise DataError(f"{path}, line {number}: expected {expected}, found {' '.join(words)[:60]!r}", _AGAIN)
    if len(lines) % step:
        raise DataError(f"{path} ends within frame {lines[starts[-1]][1][0]}", _AGAIN)
    return {name: _channels(path, skeleton, name, lines[1 + i :: step], degrees) for i, name in enumerate(order)}


def _channels(path: Path, skeleton: Acclaim, name: str, lines: list[tuple[int, list[str]]], degrees: bool) -> Array:
    dof = next(bone.dof for bone in skeleton.bones if bone.name == name)
    try:
        values = np.array([words[1:] for _, words in lines], float)
    except ValueError:
        values = np.full((1, 1), np.nan)
    if not (np.abs(values) < 1e9).all():
        raise DataError(f"{path}: a channel of {name} is no number", _AGAIN)
    turns = np.array([kind[0] == "r" for kind in dof])
    return np.where(turns, np.radians(values), values) if degrees else values


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="latin-1")
    except OSError as e:
        raise DataError(f"{path} cannot be read: {e.strerror}", "unpack or download this file") from e
