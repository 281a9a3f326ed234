"""Outputs appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sa3dhp_edge.atomic import publish_folder, refuse_existing, write_bytes, write_text
from sa3dhp_edge.errors import OutputError


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    with publish_folder(tmp_path / "deep" / "out") as new:
        (new / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "out").exists()
    assert (tmp_path / "deep" / "out" / "a.txt").read_text() == "a"
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_folder_that_failed(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), publish_folder(tmp_path / "out") as new:  # noqa: PT012
        (new / "half.txt").write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_old_folder_survives_a_failure_and_is_replaced_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.txt").write_text("old")
    with pytest.raises(ValueError), publish_folder(out) as new:  # noqa: PT011, PT012
        (new / "new.txt").write_text("new")
        raise ValueError
    assert [p.name for p in out.iterdir()] == ["old.txt"]
    with publish_folder(out) as new:
        (new / "new.txt").write_text("new")
    assert [p.name for p in out.iterdir()] == ["new.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="out cannot be created"), publish_folder(tmp_path / "file" / "out"):
        pytest.fail("the block must not run")


def test_a_disk_that_refuses_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"), publish_folder(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_text(path, "één")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_a_refused_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sa3dhp_edge.atomic.os.fsync", full)
    with pytest.raises(OutputError, match=r"a.json cannot be written: No space left[\s\S]*free some space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_existing_output_is_refused_and_an_empty_folder_is_not(tmp_path: Path) -> None:
    refuse_existing(tmp_path / "absent")
    refuse_existing(tmp_path)
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(OutputError, match=r"exists already[\s\S]*hint: name another path"):
            refuse_existing(path)
