"""The unit names this program and these settings, and systemd itself understands it and finds it well locked up."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.systemd_unit import unit_text
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.settings_file import SettingsFileError

MOST_EXPOSED = 2.5
"""Of systemd's scale from 0 to 10; it calls up to 3.9 OK."""


def analyze(*words: str | Path) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze here")
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    return text


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    path = tmp_path / "sa3dhp-edge.service"
    path.write_text(unit_text(Path("/bin/true"), tmp_path / "run.toml"))
    return path


def test_systemd_understands_every_line(unit: Path) -> None:
    assert analyze("verify", unit) == ""


def test_systemd_finds_it_well_locked_up(unit: Path) -> None:
    text = analyze("security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", text)
    assert found
    assert float(found[1]) <= MOST_EXPOSED


def test_a_path_is_one_word_of_the_command(tmp_path: Path) -> None:
    config = tmp_path / "100% of it" / "run.toml"
    text = unit_text(Path("/opt/pose/bin/sa3dhp-edge"), config)
    written = str(config.resolve()).replace("%", "%%")
    assert f'\nExecStart=/opt/pose/bin/sa3dhp-edge run --config "{written}"\n' in text
    assert "@" not in re.sub(r"SystemCallFilter=@\S+", "", text)


@pytest.mark.parametrize("program", ["sa3dhp-edge", '/opt/"a"/x', "/opt/a\nUser=root"])
def test_a_path_that_a_unit_cannot_name_is_refused(tmp_path: Path, program: str) -> None:
    with pytest.raises(ConfigError, match="a unit cannot name"):
        unit_text(Path(program), tmp_path / "run.toml")


def test_settings_that_are_there_are_read(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("camera = 'x'\n")
    with pytest.raises(SettingsFileError, match="line 1: camera is 'x', not a whole number"):
        unit_text(Path("/bin/true"), tmp_path / "run.toml")


def test_a_program_in_a_home_folder_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    unit_text(Path("/home/me/.venv/bin/sa3dhp-edge"), tmp_path / "run.toml")
    assert "the service sees no home folder" in caplog.text


def test_the_command_prints_it_for_this_installation(shell: Callable[..., Any], tmp_path: Path) -> None:
    if shutil.which("sa3dhp-edge") is None:
        pytest.skip("no program is installed")
    Path("run.toml").write_text("camera = 0\n")
    outcome = shell("service", "print", "--config", "run.toml")
    assert outcome.code == 0
    assert re.search(rf"^ExecStart=/\S+/sa3dhp-edge run --config {tmp_path.resolve()}/run.toml$", outcome.out, re.M)
