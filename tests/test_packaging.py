"""What is installed is what is there; pins cover what is asked for; one command sets everything up."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import sa3dhp_edge
from sa3dhp_edge.extras import EXTRAS

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOP = ("sa3dhp_edge", "export", "runtime", "calib")
PINS = dict(
    line.lower().replace("_", "-").split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
)


def folders_with_code() -> list[str]:
    """Dotted names of all folders below the top-level packages that hold Python files."""
    folders = {path.parent for top in TOP for path in (ROOT / top).rglob("*.py")}
    return sorted(".".join(folder.relative_to(ROOT).parts) for folder in folders)


def test_the_list_of_packages_is_the_folders_with_code() -> None:
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == folders_with_code()
    for name in folders_with_code():
        assert (ROOT / name.replace(".", "/") / "__init__.py").is_file(), f"{name} has no __init__.py"


def test_every_file_that_is_no_code_is_listed() -> None:
    data = PROJECT["tool"]["setuptools"]["package-data"]
    for top in TOP:
        found = {p for p in (ROOT / top).rglob("*") if _is_source(p) and p.suffix != ".py"}
        packed = {p for package, patterns in data.items() for pattern in patterns for p in _files(package, pattern)}
        assert found <= packed, f"not in package-data: {sorted(found - packed)}"
        assert ROOT / top / "py.typed" in packed


def _files(package: str, pattern: str) -> list[Path]:
    return list((ROOT / package.replace(".", "/")).glob(pattern))


def test_the_wheel_cannot_be_uploaded_by_accident() -> None:
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]


def test_the_default_installation_is_light() -> None:
    names = {_name(line) for line in PROJECT["project"]["dependencies"]}
    assert names == {"numpy", "onnxruntime", "opencv-python-headless", "tomli", "typer"}
    assert "tomli>=2; python_version < '3.11'" in PROJECT["project"]["dependencies"], "later Pythons have tomllib"


def test_extras_are_those_the_program_speaks_of() -> None:
    assert set(PROJECT["project"]["optional-dependencies"]) == {*EXTRAS, "dev"}


def test_everything_the_developer_needs_is_pinned() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    asked = {_name(line) for key in ("adapt", "export", "dev") for line in extras[key]}
    asked |= {_name(line) for line in PROJECT["project"]["dependencies"]}
    assert asked - {"sa3dhp-edge"} <= set(PINS)
    assert "+" not in PINS["torch"], "a build's suffix would shut out the other builds"
    assert int(PINS["opencv-python-headless"].split(".")[0]) < 5


@pytest.mark.parametrize("file", ["constraints.txt", "pyproject.toml", "Makefile", ".ci/run"])
def test_no_address_is_written_into_the_set_up(file: str) -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", (ROOT / file).read_text())


def test_version_is_the_newest_in_the_changelog() -> None:
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == sa3dhp_edge.__version__


def test_the_licence_is_complete() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_make_lists_its_targets_and_the_checks_run_them() -> None:
    if not shutil.which("make"):
        pytest.skip("no make here")
    help_text = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "test-all", "lint", "format", "clean", "help"):
        assert re.search(rf"^{target} ", help_text, re.MULTILINE), target
    script = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"^make (\w+)$", script, re.MULTILINE) == ["lint", "test"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.mark.slow
def test_a_wheel_holds_the_packages_and_nothing_else(tmp_path: Path) -> None:
    setuptools = pytest.importorskip("setuptools")
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip("setuptools is too old to build here")
    tree = tmp_path / "tree"
    for name in (*TOP, "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, tree]
    subprocess.run(pip, check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {n for n in archive.namelist() if ".dist-info/" not in n}
    wanted = {p.relative_to(ROOT).as_posix() for top in TOP for p in (ROOT / top).rglob("*") if _is_source(p)}
    assert inside == wanted


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return match[0].lower()
