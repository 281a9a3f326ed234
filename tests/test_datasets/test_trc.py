"""Marker and angle tables: units, empty cells, names, damage."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from sa3dhp_edge.datasets.trc import read_table, read_trc
from sa3dhp_edge.errors import DataError

_TRC = (
    "PathFileType\t4\t(X/Y/Z)\ta.trc\n"
    "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
    "60\t60\t2\t2\tm\t60\t7\t2\n"
    "Frame#\tTime\tHip\t\t\tNeck\t\t\t\n"
    "\t\tX1\tY1\tZ1\tX2\tY2\tZ2\t\n"
    "\n"
    "7\t0.1166667\t0.1\t0.9\t-1\t0.2\t1.5\t-1.1\n"
    "8\t0.1333333\t0.1\t0.9\t-1\t\t\t\t\n"
)
_MOT = "Coordinates\nversion=1\nnRows=2\nnColumns=2\ninDegrees=yes\nendheader\ntime\tknee\n0.0\t10\n0.01\t11\n"


def _write(tmp_path: Path, text: str, name: str = "a.trc") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_markers_are_in_mm_and_an_empty_cell_is_unknown(tmp_path: Path) -> None:
    markers = read_trc(_write(tmp_path, _TRC))
    assert markers.names == ("Hip", "Neck")
    assert (markers.fps, markers.start_frame, list(markers.frame)) == (60, 7, [7, 8])
    assert np.allclose(markers.xyz_mm[0], [[100, 900, -1000], [200, 1500, -1100]])
    assert np.isnan(markers.xyz_mm[1, 1]).all()
    same = read_trc(_write(tmp_path, _TRC.replace("\tm\t", "\tmm\t")))
    assert np.allclose(same.xyz_mm[0] * 1000, markers.xyz_mm[0])


def test_markers_of_no_known_set_are_listed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has the markers Hip, Neck: of no known set .*opencap20 lacks RShoulder"):
        read_trc(_write(tmp_path, _TRC)).best_skeleton(("opencap20",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("PathFileType", "Something", "line 1: expected PathFileType"),
        ("\tUnits", "\tUnit", "no Units"),
        ("\tm\t", "\tfurlong\t", "unit 'furlong'"),
        ("60\t60\t2\t2", "x\t60\t2\t2", "DataRate is 'x'"),
        ("60\t60\t2\t2", "0\t60\t2\t2", "DataRate is 0"),
        ("Frame#\t", "Frame\t", "line 4: expected Frame#"),
        ("Neck", "Hip", "Hip is named twice"),
        ("\t-1\t0.2", "\t-1\tabc", "line 7: expected numbers, found 'abc'"),
        ("0.2\t1.5\t-1.1\n", "0.2\t1.5\t-1.1\t9\t9\n", "line 7: 10 columns, expected 8"),
        ("8\t0.1333333", "8\t0.1", "do not increase"),
    ],
)
def test_damage_names_the_file_and_the_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = _write(tmp_path, _TRC.replace(old, new))
    with pytest.raises(DataError) as error:
        read_trc(path)
    assert str(path) in error.value.message
    assert message in error.value.message


def test_no_beginning_of_a_file_is_anything_but_data_or_a_data_error(tmp_path: Path) -> None:
    for end in range(0, len(_TRC), 7):
        with contextlib.suppress(DataError):
            assert read_trc(_write(tmp_path, _TRC[:end])).names
    with pytest.raises(DataError, match="cannot be read"):
        read_trc(tmp_path / "absent.trc")


def test_angles_have_labels_and_a_unit(tmp_path: Path) -> None:
    table = read_table(_write(tmp_path, _MOT, "a.mot"))
    assert (table.labels, table.in_degrees) == (("time", "knee"), True)
    assert np.allclose(table.values, [[0, 10], [0.01, 11]])
    for old, new, message in (
        ("endheader", "end", "expected a header"),
        ("time\t", "t\t", "expected labels from 'time'"),
        ("nRows=2", "nRows=3", "2 rows, its header says 3"),
        ("0.01\t11", "0.01", "line 9: 1 columns, expected 2"),
    ):
        with pytest.raises(DataError, match=message):
            read_table(_write(tmp_path, _MOT.replace(old, new), "a.mot"))
