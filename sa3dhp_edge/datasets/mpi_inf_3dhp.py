"""MPI-INF-3DHP: fourteen cameras around one person in a green studio, and six test sequences, as released.

    S1/Seq1/annot.mat                       MATLAB, version 5
        annot2    (14, 1) cells of (T, 56)      28 joints in pixels, one cell per camera
        annot3    (14, 1) cells of (T, 84)      the same in mm, camera frame
    S1/Seq1/camera.calibration              text: for each camera `size`, `intrinsic` (4 x 4), `extrinsic` (4 x 4, mm)
    S1/Seq1/imageSequence/video_0.avi       2048 x 2048; camera 0 to 13, of which most people fetch eight
    mpi_inf_3dhp_test_set/TS1/annot_data.mat                    MATLAB 7.3, axes in reverse:
        annot2 (T, 1, 17, 2) px, annot3 (T, 1, 17, 3) mm in the camera frame, valid_frame (T, 1)
    mpi_inf_3dhp_test_set/TS1/imageSequence/img_000001.jpg      row 0 is picture 1

The world's y axis points up; extrinsics are world to camera. There is no distortion in training. `univ_annot3` holds
the same poses at one common height, which published test figures are about; the metric ones are read here.

Rates and lengths are those of the release's own `mpii_get_sequence_info.m`. The cameras of the test set are in its
`test_util/camera_calibration`; of TS5 and TS6 both the lens with distortion and without one are tried, and the one that
brings `annot3` nearer to `annot2` is given. The release states no rate for the test set; 25 is assumed.

What is known to be wrong in the release: the video of S6/Seq2 by camera 2 ends after 3911 frames; S3/Seq1 has a row
without a frame; in S4/Seq2 left and right are exchanged in rows 3759 to 5852. They are exchanged back if the toes of
that part are found to point backwards, as they do then.

Checked against: nkolot/SPIN (datasets/preprocess/mpi_inf_3dhp.py), mkocabas/VIBE (lib/data_utils/mpii3d_utils.py),
open-mmlab/mmhuman3d (data_converters/mpi_inf_3dhp.py), isarandi/posepile (ds/tdhp: test cameras, the short video),
anibali/margipose (rates, the short video), vegesm/depth_pose (rates, test cameras, S3/Seq1, S4/Seq2).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from sa3dhp_edge.datasets.containers import Array, hdf5, matlab, shaped
from sa3dhp_edge.datasets.pictures import ImagePictures, VideoPictures
from sa3dhp_edge.datasets.projection import project_px
from sa3dhp_edge.datasets.record import Inventory, Take
from sa3dhp_edge.datasets.skeletons import SKELETONS
from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import Intrinsics

_CAMERAS = 14
_LENGTHS: dict[tuple[str, str], tuple[int, float]] = {
    (f"S{subject + 1}", f"Seq{seq + 1}"): (length, 50.0 if length > 10000 else 25.0)
    for subject, pair in enumerate(
        (
            (6416, 12430),
            (6502, 6081),
            (12487, 12283),
            (6171, 6675),
            (12820, 12312),
            (6188, 6145),
            (6239, 6320),
            (6468, 6054),
        )
    )
    for seq, length in enumerate(pair)
}
"""Frames, and frames per second, of each training sequence; four minutes each, so the rate follows from the length."""
_SHORT = {"S6/Seq2/video_2": 3911}
_EXCHANGED = {("S4", "Seq2"): slice(3759, 5853)}
_TESTS = tuple(f"TS{i}" for i in range(1, 7))
_TEST_FPS = 25.0
_UP_TO_DOWN = np.diag([1.0, -1.0, -1.0])
_FAR_PX = 20.0
_AGAIN = "unpack this part of the data set again"


class _Calibrated(NamedTuple):
    """One camera of a calibration file: picture size, inner geometry, (4, 4) world to camera in mm."""

    size_wh: tuple[int, int]
    intrinsics: Intrinsics
    extrinsic: Array


@final
class MpiInf3dhp:
    """Reads MPI-INF-3DHP as released; takes are `S1/Seq2/video_0` and `TS1`."""

    name = "mpi_inf_3dhp"
    title = "MPI-INF-3DHP"
    layout = (
        "S1/Seq1/annot.mat, S1/Seq1/camera.calibration and S1/Seq1/imageSequence/video_0.avi;"
        " mpi_inf_3dhp_test_set/TS1/annot_data.mat and imageSequence/img_000001.jpg"
    )

    def recognises(self, folder: Path) -> bool:
        """Whether annotations of a training or a test sequence are there."""
        tests = _tests(folder)
        return any((folder / s / q / "annot.mat").is_file() for s, q in _LENGTHS) or any(
            (tests / test / "annot_data.mat").is_file() for test in _TESTS
        )

    def inventory(self, folder: Path) -> Inventory:
        """Every training video with annotations and calibration, and every test sequence.

        Raises:
            DataError: there is none.
        """
        takes: list[str] = []
        missing: list[str] = []
        for subject, sequence in _LENGTHS:
            place = folder / subject / sequence
            absent = [name for name in ("annot.mat", "camera.calibration") if not (place / name).is_file()]
            videos = [i for i in range(_CAMERAS) if (place / "imageSequence" / f"video_{i}.avi").is_file()]
            if absent or not videos:
                missing += [f"{subject}/{sequence}/{name}" for name in absent]
                missing += [] if videos else [f"{subject}/{sequence}/imageSequence/video_0.avi"]
                continue
            takes += [f"{subject}/{sequence}/video_{i}" for i in videos]
        for test in _TESTS:
            if not (_tests(folder) / test / "annot_data.mat").is_file():
                missing.append(f"mpi_inf_3dhp_test_set/{test}/annot_data.mat")
                continue
            takes.append(test)
            if not (_tests(folder) / test / "imageSequence").is_dir():
                missing.append(f"mpi_inf_3dhp_test_set/{test}/imageSequence")
        if not takes:
            raise DataError(
                "; ".join([f"{folder} holds no sequence of {self.title}", *missing[:6]]), f"expected {self.layout}"
            )
        return Inventory(self.name, folder, tuple(takes), tuple(missing))

    def read(self, folder: Path, take: str) -> Take:
        """One training video or one test sequence.

        Raises:
            DataError: it is not there, is damaged, or its files contradict each other.
        """
        if take in _TESTS:
            return _test(_tests(folder) / take, take)
        match = re.fullmatch(r"(S[1-8])/(Seq[12])/video_(\d{1,2})", take)
        if match is None or int(match[3]) >= _CAMERAS:
            raise DataError(f"{self.title} has no take {take!r}", "takes are named like S1/Seq2/video_0 or TS1")
        return _training(folder / match[1] / match[2], take, (match[1], match[2]), int(match[3]))


READER = MpiInf3dhp()


def _training(place: Path, take: str, sequence: tuple[str, str], number: int) -> Take:
    camera = _calibration(place / "camera.calibration", number)
    length, fps = _LENGTHS[sequence]
    joints_px, joints_mm = _annotations(place / "annot.mat", number, _SHORT.get(take, length))
    _agree(place / "annot.mat", joints_mm, joints_px, camera.intrinsics)
    notes = _exchange_back(joints_mm, joints_px, _EXCHANGED[sequence]) if sequence in _EXCHANGED else []
    video = VideoPictures(place / "imageSequence" / f"video_{number}.avi")
    if not video.path.is_file():
        notes.append(f"{video.path.name} is missing")
    count = len(joints_mm)
    rotation, shift_mm = camera.extrinsic[:3, :3], camera.extrinsic[:3, 3]
    position_mm = _UP_TO_DOWN @ (-rotation.T @ shift_mm)
    return Take(
        dataset=MpiInf3dhp.name,
        name=take,
        subject=sequence[0],
        action="",
        split="train",
        fps=fps,
        skeleton="mpi_inf_3dhp28",
        joints_mm=joints_mm.astype(np.float32),
        joints_px=joints_px.astype(np.float32),
        camera=camera.intrinsics,
        size_wh=camera.size_wh,
        rot_world_to_camera=np.tile((rotation @ _UP_TO_DOWN).astype(np.float32), (count, 1, 1)),
        camera_position_mm=np.tile(position_mm.astype(np.float32), (count, 1)),
        pictures=video if video.path.is_file() else None,
        frames=np.arange(count),
        notes=tuple(notes),
    )


def _test(place: Path, take: str) -> Take:
    file = place / "annot_data.mat"
    held = hdf5(file, "annot2", "annot3", "valid_frame")
    joints_mm = shaped(file, "annot3", held["annot3"], None, 1, 17, 3)[:, 0]
    joints_px = shaped(file, "annot2", held["annot2"], len(joints_mm), 1, 17, 2)[:, 0]
    valid = shaped(file, "valid_frame", held["valid_frame"], len(joints_mm), 1)[:, 0] > 0
    frames = np.flatnonzero(valid)
    if not len(frames):
        raise DataError(f"{file}: no frame is valid", _AGAIN)
    joints_mm, joints_px = joints_mm[frames], joints_px[frames]
    size_wh, lenses = _test_cameras(take)
    camera = min(lenses, key=lambda lens: _distance_px(joints_mm, joints_px, lens))
    _agree(file, joints_mm, joints_px, camera)
    notes = [f"{_TEST_FPS:g} frames per second are assumed; the release does not say"]
    pictures = ImagePictures(tuple(place / "imageSequence" / f"img_{i + 1:06d}.jpg" for i in range(len(valid))))
    there = (place / "imageSequence").is_dir()
    if not there:
        notes.append("imageSequence is missing")
    return Take(
        dataset=MpiInf3dhp.name,
        name=take,
        subject=take,
        action="",
        split="test",
        fps=_TEST_FPS,
        skeleton="mpi_inf_3dhp17",
        joints_mm=joints_mm.astype(np.float32),
        joints_px=joints_px.astype(np.float32),
        camera=camera,
        size_wh=size_wh,
        pictures=pictures if there else None,
        frames=frames,
        notes=tuple(notes),
    )


def _tests(folder: Path) -> Path:
    """The folder of TS1 to TS6; the release's archive has it twice in itself."""
    inner = folder / "mpi_inf_3dhp_test_set"
    places = (inner / "mpi_inf_3dhp_test_set", inner)
    return next((place for place in places if any((place / test).is_dir() for test in _TESTS)), folder)


def _annotations(file: Path, number: int, length: int) -> tuple[Array, Array]:
    """(T, 28, 2) px and (T, 28, 3) mm of one camera, cut to the frames there are."""
    held = matlab(file, "annot2", "annot3")
    tables = []
    for name, axes in (("annot2", 2), ("annot3", 3)):
        cells = held[name].reshape(-1)
        if cells.dtype != object or len(cells) != _CAMERAS:
            raise DataError(f"{file}: {name} is {held[name].shape}, expected a cell for each of 14 cameras", _AGAIN)
        tables.append(shaped(file, f"{name}{{{number + 1}}}", cells[number], None, 28 * axes).reshape(-1, 28, axes))
    if len(tables[0]) != len(tables[1]) or not len(tables[0]):
        raise DataError(f"{file}: annot2 has {len(tables[0])} rows, annot3 {len(tables[1])}", _AGAIN)
    return tables[0][:length], tables[1][:length]


def _calibration(file: Path, number: int) -> _Calibrated:
    """Camera `number` of a Skeletool calibration file."""
    try:
        text = file.read_text(encoding="ascii")
    except FileNotFoundError:
        raise DataError(f"{file} is not there", _AGAIN) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is not a camera calibration ({error})", _AGAIN) from None
    block: dict[str, list[str]] = {}
    for words in (line.split() for line in text.splitlines()):
        if words and words[0] == "name":
            if block.get("name") == [str(number)]:
                break
            block = {}
        if words:
            block[words[0]] = words[1:]
    if block.get("name") != [str(number)]:
        raise DataError(f"{file} has no camera {number}", _AGAIN)
    try:
        width, height = (int(word) for word in block["size"])
        inner = np.array([float(word) for word in block["intrinsic"]]).reshape(4, 4)
        outer = np.array([float(word) for word in block["extrinsic"]]).reshape(4, 4)
    except (KeyError, ValueError) as error:
        raise DataError(f"{file}: camera {number} lacks size, intrinsic or extrinsic ({error})", _AGAIN) from None
    if not (np.all(np.isfinite([inner, outer])) and inner[0, 0] > 0 and inner[1, 1] > 0):
        raise DataError(f"{file}: camera {number} has focal lengths {inner[0, 0]:g}, {inner[1, 1]:g}", _AGAIN)
    lens = Intrinsics((float(inner[0, 0]), float(inner[1, 1])), (float(inner[0, 2]), float(inner[1, 2])))
    return _Calibrated((width, height), lens, outer)


def _test_cameras(test: str) -> tuple[tuple[int, int], tuple[Intrinsics, ...]]:
    """Picture size, and the lenses that a test sequence may have been seen through; mm on the sensor in the release."""
    if test in _TESTS[:4]:
        scale = 2048 / 10
        focal = (7.32506 * scale, 7.32506 * scale * 1.00044)
        return (2048, 2048), (Intrinsics(focal, ((5 - 0.0322884) * scale, (5 + 0.0929296) * scale * 1.00044)),)
    scale, aspect = 1920 / 10, 0.993236423
    center = ((5 - 0.104908645) * scale, (2.8125 + 0.104899704) * scale * aspect)
    bent = (-0.276859611, 0.131125256, -0.000360494, -0.001149441, -0.049318332)
    focal = (8.770747185 * scale, 8.770747185 * scale * aspect)
    return (1920, 1080), tuple(Intrinsics(focal, center, distortion) for distortion in (bent, ()))


def _distance_px(joints_mm: Array, joints_px: Array, lens: Intrinsics) -> float:
    """Median distance of projected joints from those in the picture; infinite where nothing can be compared."""
    apart = np.linalg.norm(project_px(joints_mm, lens) - joints_px, axis=-1)
    apart = apart[np.isfinite(apart)]
    return float(np.median(apart)) if apart.size else float("inf")


def _agree(file: Path, joints_mm: Array, joints_px: Array, lens: Intrinsics) -> None:
    far = _distance_px(joints_mm, joints_px, lens)
    if not far <= _FAR_PX:
        raise DataError(f"{file}: annot2 lies {far:.0f} px from annot3 seen by this camera", _AGAIN)


def _exchange_back(joints_mm: Array, joints_px: Array, rows: slice) -> list[str]:
    """Exchange left and right in these rows, in place, if the toes point backwards in most of them."""
    skeleton = SKELETONS["mpi_inf_3dhp28"]
    part = joints_mm[rows]

    def between(start: str, end: str) -> Array:
        return np.asarray(part[:, skeleton.index(end)] - part[:, skeleton.index(start)])

    forward = np.cross(between("left_hip", "right_hip"), between("neck", "pelvis"))
    toes = between("left_ankle", "left_toe") + between("right_ankle", "right_toe")
    if not len(part) or np.median((forward * toes).sum(-1)) >= 0:
        return []
    mirror = list(skeleton.mirror)
    joints_mm[rows], joints_px[rows] = part[:, mirror], joints_px[rows][:, mirror]
    return [f"left and right are exchanged in the release in rows {rows.start} to {rows.stop - 1}, and back here"]
