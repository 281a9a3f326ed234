"""The page about Jetsons, its constraints and its tables of wheels agree with each other and with the project."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

DOCS = Path(__file__).resolve().parent.parent / "docs"
PROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]
JETPACKS = ("jetpack-6.2", "jetpack-7")


def pins(jetpack: str) -> dict[str, str]:
    lines = (DOCS / "constraints" / f"{jetpack}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("jetpack", JETPACKS)
def test_everything_light_is_pinned_within_the_projects_bounds(jetpack: str) -> None:
    packaging = pytest.importorskip("packaging.requirements")
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["tensorrt"]]
    python = {"python_version": {"jetpack-6.2": "3.10", "jetpack-7": "3.12"}[jetpack]}
    for requirement in map(packaging.Requirement, wanted):
        if requirement.marker is not None and not requirement.marker.evaluate(python):
            continue
        assert requirement.specifier.contains(pins(jetpack)[requirement.name]), requirement


@pytest.mark.parametrize("jetpack", JETPACKS)
def test_numpy_is_one_that_jetpacks_opencv_takes(jetpack: str) -> None:
    assert pins(jetpack)["numpy"].startswith("1.")


@pytest.mark.parametrize("jetpack", JETPACKS)
def test_the_table_holds_a_wheel_of_every_pin(jetpack: str) -> None:
    table = (DOCS / "wheels" / f"{jetpack}.md").read_text()
    rows = re.findall(r"^\| ([\w.-]+) \| ([\w.]+) \| (\S+) \| ([\d.]+) \|", table, re.MULTILINE)
    found = {(name.lower().replace("_", "-"), version) for name, version, _, _ in rows}
    assert set(pins(jetpack).items()) <= found
    assert all("aarch64" in tag or tag.endswith("none-any") for _, _, tag, _ in rows)


@pytest.mark.parametrize(
    "file", sorted(DOCS.glob("wheels/*")) + sorted(DOCS.glob("constraints/*")), ids=lambda p: p.name
)
def test_no_registry_is_named(file: Path) -> None:
    if file.is_file():
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", file.read_text())
