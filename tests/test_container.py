"""The container files name only what is there, and the images run as nobody special; no image is built here."""

from __future__ import annotations

import fnmatch
import re
import sys
from pathlib import Path

import pytest

from sa3dhp_edge.extras import EXTRAS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "deploy" / "container"
DOCKERFILES = sorted(FOLDER.glob("Dockerfile*"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(name, rest) of each instruction, continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def copied(dockerfile: Path) -> list[str]:
    """What is copied from the checkout."""
    rests = [rest for name, rest in instructions(dockerfile) if name == "COPY" and not rest.startswith("--from")]
    return [source for rest in rests for source in rest.split()[:-1]]


def kept() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    return [line[1:] for line in lines if line.startswith("!")]


def test_there_is_one_for_every_kind_of_machine() -> None:
    assert [p.name for p in DOCKERFILES] == ["Dockerfile", "Dockerfile.jetpack-6.2", "Dockerfile.jetpack-7"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda p: p.name)
def test_what_is_copied_is_there_and_not_ignored(dockerfile: Path) -> None:
    sources = copied(dockerfile)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(source == name or source.startswith(f"{name}/") for name in kept()), f"{source} is ignored"
    packages = {name.split(".")[0] for name in PROJECT["tool"]["setuptools"]["packages"]}
    assert packages <= set(sources), "an image without a package of ours"
    licences = PROJECT["project"]["license-files"]
    assert all(any(fnmatch.fnmatch(source, pattern) for source in sources) for pattern in licences)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda p: p.name)
def test_extras_and_constraints_that_are_installed_are_ours(dockerfile: Path) -> None:
    runs = " ".join(rest for name, rest in instructions(dockerfile) if name == "RUN")
    (constraints,) = re.findall(r"pip install .*?-c (\S+)", runs)
    assert any(constraints == source or constraints.startswith(f"{source}/") for source in copied(dockerfile))
    assert (ROOT / constraints).is_file()
    extras = {extra for group in re.findall(r"'\.\[([\w,-]+)\]'", runs) for extra in group.split(",")}
    assert extras <= set(EXTRAS)
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", runs)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda p: p.name)
def test_an_image_runs_as_a_user_is_asked_for_its_health_and_stops_in_order(dockerfile: Path) -> None:
    last = instructions(dockerfile)
    last = last[max(i for i, (name, _) in enumerate(last) if name == "FROM") :]
    said = dict(last)
    assert said["USER"] == "pose"
    assert "/healthz" in said["HEALTHCHECK"]
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert said["ENTRYPOINT"].startswith('["sa3dhp-edge"'), "the program itself gets the signals, no shell"
    assert said["CMD"] == '["run", "--config", "/etc/sa3dhp-edge/run.toml"]'


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda p: p.name)
def test_a_base_image_has_a_tag(dockerfile: Path) -> None:
    (base,) = [rest for name, rest in instructions(dockerfile) if name == "ARG"]
    assert re.fullmatch(r"BASE=[\w./-]+:[\w.-]+", base)
    assert not base.endswith(":latest")


def test_the_compose_example_is_locked_up_and_names_what_is_there() -> None:
    yaml = pytest.importorskip("yaml")
    (service,) = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"].values()
    assert (FOLDER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"]), "nobody outside is let in by an example"
    assert "/dev/video0:/dev/video0" in service["devices"]
    assert any(volume.endswith("/etc/sa3dhp-edge/run.toml:ro") for volume in service["volumes"])
