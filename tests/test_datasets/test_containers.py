from __future__ import annotations

import collections
import contextlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cdflib.cdfwrite
import h5py
import numpy as np
import pytest
import scipy.io

from sa3dhp_edge import extras
from sa3dhp_edge.datasets.containers import cdf, hdf5, matlab, python2_pickle, shaped
from sa3dhp_edge.errors import DataError, MissingPackage

VALUES = np.arange(24.0).reshape(4, 6)


def write_mat(path: Path) -> Path:
    scipy.io.savemat(path, {"a": VALUES})
    return path


def write_hdf5(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["a"] = VALUES
    return path


def write_cdf(path: Path) -> Path:
    file = cdflib.cdfwrite.CDF(path.with_suffix(""), cdf_spec={"Compressed": 0}, delete=True)
    about = {
        "Variable": "a", "Data_Type": 45, "Num_Elements": 1, "Rec_Vary": True, "Var_Type": "zVariable",
        "Dim_Sizes": list(VALUES.shape),
    }  # fmt: skip
    file.write_var(about, var_data=VALUES[None])
    file.close()
    return path.with_suffix("").with_suffix(".cdf") if not path.exists() else path


def write_pickle(path: Path) -> Path:
    path.write_bytes(pickle.dumps(VALUES, protocol=2))
    return path


READ: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any], str]] = {
    "x.mat": (write_mat, lambda path: matlab(path, "a")["a"], "MATLAB"),
    "x.h5": (write_hdf5, lambda path: hdf5(path, "a")["a"], "HDF5"),
    "x.cdf": (write_cdf, lambda path: cdf(path, "a"), "CDF"),
    "x.pkl": (write_pickle, lambda path: shaped(path, "a", python2_pickle(path), 4, 6), "pickle"),
}


@pytest.mark.parametrize("name", READ)
def test_values_come_back(name: str, tmp_path: Path) -> None:
    write, read, _ = READ[name]
    assert np.array_equal(np.squeeze(read(write(tmp_path / name))), VALUES)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("damage", ["empty", "text", "zeros", "half", "other"])
def test_a_damaged_file_is_an_error_that_names_it(name: str, damage: str, tmp_path: Path) -> None:
    write, read, what = READ[name]
    path = write(tmp_path / name)
    content = path.read_bytes()
    other = READ["x.pkl" if name != "x.pkl" else "x.h5"][0](tmp_path / "other").read_bytes()
    path.write_bytes(
        {"empty": b"", "text": b"no such thing" * 99, "zeros": bytes(9999), "half": content[: len(content) // 2],
         "other": other}[damage]
    )  # fmt: skip
    with pytest.raises(DataError, match=name.replace(".", r"\.")) as caught:
        read(path)
    assert what in caught.value.message or "holds no a" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", READ)
def test_no_damaged_byte_gives_anything_but_a_data_error(name: str, tmp_path: Path) -> None:
    write, read, _ = READ[name]
    path = write(tmp_path / name)
    content = path.read_bytes()
    chance = np.random.default_rng(5)
    for _ in range(60):
        damaged = bytearray(content)
        for at in chance.integers(0, len(content), 4):
            damaged[at] = chance.integers(0, 256)
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):
            read(path)


@pytest.mark.parametrize("name", ["x.mat", "x.h5", "x.cdf"])
def test_missing_files_and_names_are_said(name: str, tmp_path: Path) -> None:
    write, _, _ = READ[name]
    read: Callable[[Path, str], Any] = {"x.mat": matlab, "x.h5": hdf5, "x.cdf": cdf}[name]
    with pytest.raises(DataError, match=r"gone.* is not there"):
        read(tmp_path / "gone", "a")
    with pytest.raises(DataError, match="holds no b; it has a"):
        read(write(tmp_path / name), "b")


def test_a_table_that_claims_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("a", (1 << 40,), "f8", chunks=(1024,))
    with pytest.raises(DataError, match=r"bomb\.h5: a claims 8388608 MiB"):
        hdf5(tmp_path / "bomb.h5", "a")


class Runs:
    """A pickle of this runs a command when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "arguments"),
    [(os.system, ("touch ran",)), (eval, ("open('ran','w')",)), (getattr, ("a", "upper")),
     (np.load, ("ran",)), (np.fromfile, ("ran",)), (open, ("ran", "w"))],
)  # fmt: skip
def test_a_pickle_that_would_run_something_is_refused(
    function: Any, arguments: tuple[Any, ...], protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"poses": Runs(function, *arguments)}, protocol))
    with pytest.raises(DataError, match=r"evil\.pkl asks for .*; it was not run"):
        python2_pickle(path)
    assert not (tmp_path / "ran").exists()


def test_other_classes_are_refused_even_harmless_ones(tmp_path: Path) -> None:
    path = tmp_path / "other.pkl"
    for value in (collections.OrderedDict(a=1), Path("x"), np.zeros(2, [("a", "f4")]), np.datetime64("2020-01-01")):
        path.write_bytes(pickle.dumps(value, 2))
        with pytest.raises(DataError, match=r"other\.pkl"):
            python2_pickle(path)


def test_pickled_arrays_of_every_kind_come_back_as_they_were(tmp_path: Path) -> None:
    value = {
        "f": np.arange(6, dtype=">f4").reshape(2, 3),
        "column": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "i": [np.int64(3), np.float32(0.5), True, None, "text", ("a", 1)],
        "b": np.array([True, False]),
        "o": np.array([np.zeros(2), "m", None], object),
        "none": np.zeros((0, 4)),
        "s": np.array(["m", "f"]),
    }
    path = tmp_path / "x.pkl"
    for protocol in range(5):
        path.write_bytes(pickle.dumps(value, protocol))
        got = python2_pickle(path)
        for key in ("f", "column", "b", "none"):
            assert got[key].shape == value[key].shape
            assert np.array_equal(got[key], value[key])
        assert got["i"] == [3, 0.5, True, None, "text", ["a", 1]]
        assert np.array_equal(got["o"][0], np.zeros(2))
        assert list(got["o"][1:]) == ["m", None]
        assert list(got["s"]) == ["m", "f"]


def test_a_pickle_as_python_2_wrote_it(tmp_path: Path) -> None:
    """Python 2 wrote text and the bytes of arrays as one kind of string."""
    raw = np.array([1.5, -2.0], "<f8").tobytes()
    text = (
        b"\x80\x02}q\x00U\x06gender" + b"q\x01U\x01mq\x02sU\x01aq\x03cnumpy.core.multiarray\n_reconstruct\nq\x04"
        b"cnumpy\nndarray\nq\x05K\x00\x85q\x06U\x01bq\x07\x87q\x08Rq\t(K\x01K\x02\x85q\ncnumpy\ndtype\nq\x0bU\x02f8q\x0c"
        b"K\x00K\x01\x87q\rRq\x0e(K\x03U\x01<q\x0fNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x10b\x89U\x10" + raw
        + b"q\x11tq\x12bs."
    )  # fmt: skip
    path = tmp_path / "x.pkl"
    path.write_bytes(text)
    got = python2_pickle(path)
    assert got["gender"] == "m"
    assert got["a"].tolist() == [1.5, -2.0]


def test_a_small_pickle_cannot_ask_for_endless_work(tmp_path: Path) -> None:
    nest: Any = []
    for _ in range(200):
        nest = [nest, nest]
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(nest, 2))
    python2_pickle(path)
    loop: list[Any] = []
    loop.append(loop)
    path.write_bytes(pickle.dumps(loop, 2))
    with pytest.raises(DataError):
        python2_pickle(path)


def test_tables_are_checked_against_their_shape() -> None:
    path = Path("f.mat")
    assert shaped(path, "a", [[1, 2]], None, 2).shape == (1, 2)
    with pytest.raises(DataError, match=r"f\.mat: a is \(1, 2\), expected \(any, 3\)"):
        shaped(path, "a", [[1, 2]], None, 3)
    with pytest.raises(DataError, match=r"f\.mat: a holds no numbers"):
        shaped(path, "a", np.array(["x"]), 1)


@pytest.mark.parametrize("name", ["x.mat", "x.h5", "x.cdf"])
def test_without_the_package_the_error_says_what_to_install(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, read, _ = READ[name]
    path = write(tmp_path / name)
    monkeypatch.setattr(extras, "findable", lambda package: False)
    with pytest.raises(MissingPackage, match=rf"reading {name} needs scipy, h5py, cdflib") as caught:
        read(path)
    assert caught.value.hint == "pip install 'sa3dhp-edge[data]'"
