"""Where the four cameras of Human3.6M stood and how they see.

The numbers are those of the release's own `metadata.xml` (element `w0`, 300 numbers: 4 cameras x 11 subjects x 3 angles
and 3 mm, then 4 cameras x 2 focal lengths, 2 of the centre, 3 radial and 2 tangential distortions). The table below has
the seven subjects with published poses, so that a folder without `metadata.xml` can be read; it was taken from that
file as anibali/h36m-fetch carries it and compared with facebookresearch/VideoPose3D (common/h36m_dataset.py): rotations
agree to 1.2e-7, positions to 0.0003 mm, inner numbers to 6e-5. VideoPose3D lists the two tangential numbers the other
way round; the order here is OpenCV's (k1, k2, p1, p2, k3), as in isarandi/posepile and open-mmlab/mmhuman3d.
"""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.geometry import Intrinsics, rotation_about_x, rotation_about_y, rotation_about_z

Array = NDArray[np.float64]

CAMERAS = ("54138969", "55011271", "58860488", "60457274")
"""In the order of `metadata.xml`."""
SIZE_WH = {"54138969": (1000, 1002), "55011271": (1000, 1000), "58860488": (1000, 1000), "60457274": (1000, 1002)}

_SUBJECTS = 11
_COUNT = 4 * _SUBJECTS * 6 + 4 * 9
_LARGEST_XML_BYTES = 8 << 20

_INNER: tuple[tuple[float, ...], ...] = (
    (
        1145.0494,
        1143.7811,
        512.541505,
        515.451487,
        -0.207098911,
        0.247775183,
        -0.00307515035,
        -0.00142447157,
        -0.000975698859,
    ),
    (
        1149.6757,
        1147.59162,
        508.848622,
        508.064917,
        -0.19421363,
        0.240408539,
        0.00681997559,
        -0.0027408944,
        -0.00161902661,
    ),
    (
        1149.14072,
        1148.79897,
        519.815837,
        501.402659,
        -0.208338188,
        0.255488007,
        -0.0024604975,
        -0.000759999321,
        0.00148438698,
    ),
    (
        1145.51134,
        1144.77393,
        514.968197,
        501.882019,
        -0.198384094,
        0.218323676,
        -0.00894780704,
        -0.001813362,
        -0.000587205583,
    ),
)
"""Per camera: focal lengths, centre (px), k1, k2, k3, p1, p2."""

_OUTER: dict[str, tuple[tuple[float, ...], ...]] = {
    "S1": (
        (-1.3838278, -3.167343, 0.41363631, 1841.107, 4955.2846, 1563.4454),
        (-1.3551712, 3.1393443, 2.7602632, 1761.2785, -5078.0066, 1606.265),
        (-1.3546045, -3.0958538, -0.41501068, -1846.7777, 5215.0465, 1491.9725),
        (-1.2908473, -3.2035383, -2.728573, -1794.7897, -3722.6989, 1574.8927),
    ),
    "S5": (
        (-1.3761771, -3.1625677, 0.44080999, 2097.3915, 4880.9447, 1605.7325),
        (-1.3563051, 3.1293181, 2.7447374, 2031.7008, -5167.933, 1612.9231),
        (-1.3562743, -3.0798216, -0.38286537, -1620.5949, 5171.6587, 1496.437),
        (-1.3133202, -3.2257452, -2.7533001, -1637.1737, -3867.3173, 1547.0333),
    ),
    "S6": (
        (-1.3738407, -3.1496291, 0.41533827, 1935.4517, 4950.2458, 1618.0838),
        (-1.3527348, 3.1230662, 2.7386073, 1969.8039, -5128.7388, 1632.7788),
        (-1.3629542, -3.0729774, -0.40591981, -1769.5965, 5185.3612, 1476.9934),
        (-1.3157486, -3.2336463, -2.7445267, -1721.6687, -3884.1313, 1540.4879),
    ),
    "S7": (
        (-1.3767901, -3.1563456, 0.43782726, 1974.513, 4926.3545, 1597.8326),
        (-1.3511595, 3.1254172, 2.7424245, 1937.0584, -5119.7898, 1631.5665),
        (-1.3620202, -3.0763961, -0.38585947, -1741.8111, 5208.2494, 1464.8246),
        (-1.312299, -3.2322671, -2.7561767, -1734.7106, -3832.4214, 1548.583),
    ),
    "S8": (
        (-1.377291, -3.1617968, 0.42325814, 2150.6518, 4896.161, 1611.9047),
        (-1.355296, 3.129068, 2.768184, 2219.9657, -5148.4531, 1613.044),
        (-1.3563331, -3.0790393, -0.39573823, -1571.2215, 5137.0186, 1498.1761),
        (-1.3126147, -3.2266913, -2.7680384, -1476.9134, -3896.7411, 1547.9722),
    ),
    "S9": (
        (-1.3866015, -3.1829255, 0.44147876, 2044.4585, 4935.1173, 1481.2275),
        (-1.3635835, 3.1489219, 2.7695784, 1990.9597, -5123.8106, 1568.8048),
        (-1.3488817, -3.1029607, -0.38278896, -1670.9922, 5211.9857, 1528.388),
        (-1.3021636, -3.2052579, -2.7320905, -1696.0435, -3827.0999, 1591.4127),
    ),
    "S11": (
        (-1.3825386, -3.1803294, 0.43568445, 2098.4402, 4926.5547, 1500.2786),
        (-1.3670894, 3.1430099, 2.743148, 2083.1824, -4912.1728, 1561.0786),
        (-1.3395353, -3.1006424, -0.43441947, -1609.8153, 5177.336, 1537.8967),
        (-1.305282, -3.2068187, -2.737593, -1590.738, -3854.169, 1578.0176),
    ),
}
"""Per subject and camera: three angles (rad), position (mm)."""


@dataclass(frozen=True)
class StudioCamera:
    """One camera while one subject was recorded; the world is the release's, z up.

    Attributes:
        intrinsics: with distortion.
        rotation: (3, 3) world to camera, or None where it is not known for this subject.
        position_mm: (3,), or None.
    """

    intrinsics: Intrinsics
    rotation: Array | None = None
    position_mm: Array | None = None

    def see(self, world_mm: Array) -> Array:
        """(..., 3) mm in the camera frame."""
        assert self.rotation is not None
        assert self.position_mm is not None
        return np.asarray((world_mm - self.position_mm) @ self.rotation.T)


def metadata_file(folder: Path) -> Path | None:
    """`metadata.xml` in the folder itself or in an unpacked code release below it (`Release-v1.2`)."""
    found = (
        path for pattern in ("metadata.xml", "*/metadata.xml", "*/*/metadata.xml") for path in folder.glob(pattern)
    )
    return next((path for path in found if path.is_file()), None)


def studio_camera(folder: Path, subject: str, camera: str) -> StudioCamera:
    """From the folder's `metadata.xml`, else from the published table.

    Args:
        folder: of the data set.
        subject: `S1` to `S11`.
        camera: one of `CAMERAS`.

    Raises:
        DataError: `metadata.xml` is damaged.
    """
    index = CAMERAS.index(camera)
    if (file := metadata_file(folder)) is not None:
        numbers = _numbers(file)
        outer = numbers[: 4 * _SUBJECTS * 6].reshape(4, _SUBJECTS, 6)[index, int(subject[1:]) - 1]
        return _camera(numbers[4 * _SUBJECTS * 6 :].reshape(4, 9)[index], outer)
    place = _OUTER.get(subject)
    return _camera(np.array(_INNER[index]), None if place is None else np.array(place[index]))


def _camera(inner: Array, outer: Array | None) -> StudioCamera:
    fx, fy, cx, cy, k1, k2, k3, p1, p2 = (float(number) for number in inner)
    intrinsics = Intrinsics((fx, fy), (cx, cy), (k1, k2, p1, p2, k3))
    if outer is None:
        return StudioCamera(intrinsics)
    a, b, c = np.degrees(outer[:3])
    return StudioCamera(intrinsics, rotation_about_x(a) @ rotation_about_y(b) @ rotation_about_z(c), outer[3:])


def _numbers(file: Path) -> Array:
    """(300,) of `w0`."""
    hint = "take metadata.xml from the release's code archive (Release-v1.2), or remove it to use the published table"
    try:
        if file.stat().st_size > _LARGEST_XML_BYTES:
            raise DataError(f"{file} is too large to be Human3.6M's metadata.xml", hint)
        text = file.read_text(encoding="utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise DataError(f"{file} defines entities, which Human3.6M's metadata.xml does not", hint)
        content = Xml.fromstring(text).findtext("w0") or ""
        numbers = np.array([float(word) for word in content.strip().strip("[]").split()])
    except (OSError, ValueError, Xml.ParseError) as error:
        raise DataError(f"{file} is not Human3.6M's metadata.xml ({error})", hint) from None
    if numbers.shape != (_COUNT,) or not np.all(np.isfinite(numbers)):
        raise DataError(f"{file}: w0 has {numbers.size} numbers, expected {_COUNT}", hint)
    return numbers
