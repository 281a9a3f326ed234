"""The documents name only what exists: files, commands, options, targets, functions."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sa3dhp_edge.cli import app

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [p for p in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if p.is_file()]
README = ROOT / "README.md"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_within_a_document_lead_to_a_heading(document: Path) -> None:
    text = document.read_text()
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        assert anchor in headings, f"{document.name} links to #{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_named_commands_have_the_options_they_are_shown_with(document: Path) -> None:
    for line in command_lines(document):
        words = shlex.split(line.split(" > ")[0].split(" | ")[0], comments=True)[1:]
        command = words[: 2 if words[:1] in (["experiment"], ["data"], ["calib"], ["service"]) else 1]
        options = {w.split("=")[0] for w in words if w.startswith("--")}
        if not command or command[0].startswith("--"):
            command = []
        result = CliRunner().invoke(app, [*command, "--help"], terminal_width=120)
        assert result.exit_code == 0, f"{document.name}: {line}"
        known = set(re.findall(r"--[a-z][a-z-]*", result.output))
        assert options <= known, f"{document.name}: {line}"


def test_the_readme_shows_every_verb() -> None:
    shown = " ".join(command_lines(README))
    for verb in ("demo", "adapt", "export", "run", "calib camera", "doctor"):
        assert f"sa3dhp-edge {verb}" in shown, verb


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_named_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ((?!VENV)[a-z-]+)", document.read_text(), re.MULTILINE))
    assert named <= targets


def test_the_readme_starts_with_two_commands() -> None:
    text = README.read_text()
    assert 0 < text.index("make demo") < 2500
    assert "make test" in text


def command_lines(document: Path) -> list[str]:
    """Lines of code blocks that call the program, with continued lines joined."""
    blocks = re.findall(r"```(?:sh|bash|console)?\n(.*?)```", document.read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines if re.match(r"\s*(\$ )?sa3dhp-edge ", line)]
