"""CMU motion capture: skeletons and motions as ASF/AMC, or the BVH files others made of them; no pictures.

mocap.cs.cmu.edu: `subjects/SSS/SSS.asf` (one skeleton per subject) and `subjects/SSS/SSS_TT.amc` (one file per trial);
see `acclaim` for what they hold. Lengths are inches divided by the skeleton's `:units length`, 0.45 in all of them: one
unit is 56.444 mm, as the site's questions and answers say. Y is up. AMC files state no rate; the laboratory's cameras
run at 120 Hz.

BVH conversions (cgspeed): `SSS_TT.bvh`, singly or in a folder per subject, 31 joints, the same unit. Two traps, both
looked for here: their first frame is a T-pose that nobody took, and they lose the bone between the chest and the base
of the neck: Neck, LeftShoulder and RightShoulder have the offset 0 0 0, so that head and arms lie about 115 mm too low.
Where the subject's ASF lies beside the file or in its parent folder, the bone is restored from it.

Compared with CalciferZh/AMCParser, facebookresearch/fairmotion (its 01.asf, 01_01.amc and 01_01.bvh agree here to
0.005 mm once the bone is restored) and zhyma/acclaim2space.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.datasets.acclaim import Acclaim, read_amc, read_asf
from sa3dhp_edge.datasets.record import Inventory, Take
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.motion.bvh import CMU_UNIT_MM, BvhFile, pose_of_file, read_file

Array = NDArray[np.float64]

INCH_MM = 25.4
AMC_HZ = 120.0
_LEVEL = np.array([1.0, -1.0, -1.0])
"""From Y up to the project's y down, z forward."""
_LOST = ("Neck", "LeftShoulder", "RightShoulder")
_STILL_SHARE = 0.75
"""A first frame with more than this share of angles that are exactly 0 is the T-pose of a conversion: of 98 angles it
has about 90, a captured frame only the few of joints that do not turn."""
_ALIASES = {f"{side[0]}Fingers{end}": f"{side}HandIndex1{end}" for side in ("Left", "Right") for end in ("", "End")}


class CmuReader:
    """`SSS.asf` with `SSS_TT.amc`, or `SSS_TT.bvh`; see the module."""

    name = "cmu"
    title = "CMU motion capture"
    layout = "subjects/SSS/SSS.asf and SSS_TT.amc, or SSS_TT.bvh"

    def recognises(self, folder: Path) -> bool:
        return any(path.suffix.lower() != ".asf" for path in _files(folder).values())

    def inventory(self, folder: Path) -> Inventory:
        files = _files(folder)
        if not files:
            raise DataError(f"{folder} has no *.amc and no *.bvh file", f"expected {self.layout}")
        without = [name for name, path in files.items() if path.suffix.lower() == ".amc" and _asf_of(path) is None]
        missing = tuple(f"{name}.amc needs {_subject(files[name])}.asf in its folder" for name in without)
        return Inventory(self.name, folder, tuple(name for name in files if name not in without), missing)

    def read(self, folder: Path, take: str) -> Take:
        files = _files(folder)
        if take not in files:
            raise DataError(f"{folder} has no take {take}", "`inventory` lists them")
        path = files[take]
        return _read_amc(path, take) if path.suffix.lower() == ".amc" else _read_bvh(path, take)


READER = CmuReader()


def _files(folder: Path) -> dict[str, Path]:
    """Take name -> file, in order; a trial that is there as AMC and as BVH is read from its AMC."""
    found: dict[str, Path] = {}
    for suffix in ("bvh", "BVH", "amc", "AMC"):
        for depth in ("*", "*/*", "subjects/*/*", "*/subjects/*/*"):
            for path in sorted(folder.glob(f"{depth}.{suffix}")):
                found[path.stem] = path
    return dict(sorted(found.items()))


def _subject(path: Path) -> str:
    return path.stem.partition("_")[0]


def _asf_of(path: Path) -> Path | None:
    """The subject's skeleton: in the file's folder, or in the folder around it, its number with or without zeros."""
    subject = _subject(path)
    names = [subject, subject.lstrip("0"), subject.lstrip("0").zfill(2), subject.lstrip("0").zfill(3)]
    places = (path.parent, path.parent.parent)
    return next((p for d in places for n in names if (p := d / f"{n}.asf").is_file()), None)


@lru_cache(maxsize=8)
def _skeleton(path: Path) -> Acclaim:
    return read_asf(path)


def _read_amc(path: Path, name: str) -> Take:
    asf = _asf_of(path)
    if asf is None:
        raise DataError(f"{path} needs {_subject(path)}.asf in its folder", "fetch the subject's skeleton as well")
    skeleton = _skeleton(asf)
    joints = SKELETONS["cmu31"].joints
    missing = [joint for joint in joints if joint not in skeleton.names]
    if missing:
        raise DataError(
            f"{asf} has no bone {', '.join(missing)}: it is no CMU skeleton", "read it from mocap.cs.cmu.edu"
        )
    ends = skeleton.ends(read_amc(path, skeleton))[:, [skeleton.names.index(joint) for joint in joints]]
    note = f"AMC files state no rate: {AMC_HZ:.0f} Hz are assumed"
    return _take(name, path, AMC_HZ, "cmu31", ends * (INCH_MM / skeleton.length_scale) * _LEVEL, (note,))


def _read_bvh(path: Path, name: str) -> Take:
    file, notes = repaired(path)
    places = {_ALIASES.get(joint, joint): place for joint, place in file.positions().items()}
    joints = SKELETONS["cmu_bvh38"].joints
    if set(joints) <= set(places):
        whole = np.stack([places[joint] for joint in joints], 1) * CMU_UNIT_MM * _LEVEL
        return _take(name, path, file.hz, "cmu_bvh38", whole, notes)
    note = "joints are not named as in CMU's BVH files: those of the project's 17 were looked for"
    return _take(name, path, file.hz, "sa3dhp17", pose_of_file(file, path), (*notes, note))


def repaired(path: Path) -> tuple[BvhFile, tuple[str, ...]]:
    """A BVH file without the T-pose and with the lost bone where it can be had, and what was done.

    Raises:
        DataError: the file is damaged, or holds no frame but the T-pose.
    """
    file = read_file(path)
    notes: list[str] = []
    if starts_with_t_pose(file):
        if len(file.values) < 3:
            raise DataError(f"{path} has fewer than two frames beside the T-pose", "take it out of the folder")
        file = replace(file, values=file.values[1:])
        notes.append("the first frame, a T-pose of the conversion, is left out")
    if lost_chest_bone(file):
        asf = _asf_of(path)
        if asf is None:
            notes.append(
                "the bone from the chest to the base of the neck has no length: head and arms lie about 115 mm too "
                f"low; put {_subject(path)}.asf beside the file to restore it"
            )
        else:
            vector = _skeleton(asf).vector("thorax")
            file = replace(file, joints=[replace(j, offset=vector) if j.name in _LOST else j for j in file.joints])
            notes.append(f"the bone from the chest to the base of the neck is restored from {asf.name}")
    return file, tuple(notes)


def starts_with_t_pose(file: BvhFile) -> bool:
    """Whether the first frame was not captured: most of its angles are exactly 0, those of the second are not."""
    kinds = [kind for joint in file.joints for kind, _ in joint.channels]
    angles = file.values[:, np.array([kind == "rotation" for kind in kinds], bool)]
    still = (angles[:2] == 0).mean(1) > _STILL_SHARE
    return bool(still[0] and not still[1])


def lost_chest_bone(file: BvhFile) -> bool:
    """Whether neck and shoulders all sit at the joint below them."""
    offsets = {joint.name: joint.offset for joint in file.joints}
    return all(name in offsets and not np.any(offsets[name]) for name in _LOST)


def _take(name: str, path: Path, fps: float, skeleton: str, joints_mm: Array, notes: tuple[str, ...]) -> Take:
    return Take(
        dataset=READER.name, name=name, subject=_subject(path), action=path.stem.partition("_")[2], split="train",
        fps=fps, skeleton=skeleton, joints_mm=np.asarray(joints_mm, np.float32), frames=np.arange(len(joints_mm)),
        notes=notes,
    )  # fmt: skip
