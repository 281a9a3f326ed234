"""What the runs of the levers' experiment say together: changes beside chance, a table, a plot, a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sa3dhp_edge.atomic import write_bytes, write_text
from sa3dhp_edge.checkpoint import write_json
from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.report.changes import ChangePanel, change_bars
from sa3dhp_edge.report.tables import markdown_lines, number

ALL, REAL = "all", "real"
"""The variant that leaves nothing out, and the test on real clips: the mean over these."""
READINGS = {
    "decoded": "PA-MPJPE of the decoded pose, mm",
    "read": "PA-MPJPE of joints and depth as the network reads them, mm",
    "plane": "Distance of the joints in the picture, percent of the crop's side",
}
"""What is measured of a network, and how it is called."""


@dataclass(frozen=True)
class LeverRow:
    """One variant over its seeds.

    Attributes:
        name: of the levers left out, or `ALL`.
        seeds: how many networks.
        error: test -> mean, in the unit of the reading.
        change: test -> that mean minus the one of `ALL` over all its seeds; positive where the levers help.
        chance: test -> one standard deviation of such a change where nothing differs but the seeds, from the
            spread of `ALL`; None with fewer than two seeds.
        cost_ms: CPU time that a picture takes more with the levers than without, over the same seeds.
    """

    name: str
    seeds: int
    error: dict[str, float]
    change: dict[str, float]
    chance: dict[str, float | None]
    cost_ms: float


def lever_rows(results: Sequence[Report], reading: str = "decoded") -> list[LeverRow]:
    """`ALL` first, then by the change on real clips, or on the last test where there are none; the greatest first.

    Args:
        results: as `runs/` holds them, with at least one of `ALL`.
        reading: one of `READINGS`.
    """
    base = [r for r in results if r["variant"] == ALL]
    tests = list(base[0]["errors"][reading])
    rows = []
    for name in dict.fromkeys(r["variant"] for r in results):
        own = [r for r in results if r["variant"] == name]
        same = [r for r in base if r["seed"] in {o["seed"] for o in own}]
        error = {test: float(np.mean([r["errors"][reading][test] for r in own])) for test in tests}
        start = {test: float(np.mean([r["errors"][reading][test] for r in base])) for test in tests}
        chance = {test: _chance([r["errors"][reading][test] for r in base], len(own)) for test in tests}
        cost = float(np.mean([r["render_ms"] for r in same]) - np.mean([r["render_ms"] for r in own]))
        rows.append(LeverRow(name, len(own), error, {t: error[t] - start[t] for t in tests}, chance, cost))
    return sorted(rows, key=lambda row: (row.name != ALL, -row.change[_main(tests)]))


def publish(out: Path, results: list[Report], about: Report) -> list[LeverRow]:
    """Write `levers.json`, `levers.md` and `levers.png` of what is done so far.

    Returns:
        the rows of the decoded pose.
    """
    by_reading = {reading: lever_rows(results, reading) for reading in READINGS}
    rows = by_reading["decoded"]
    tables = {reading: [asdict(row) for row in found] for reading, found in by_reading.items()}
    write_json(out / "levers.json", {"experiment": "levers", **about, "tables": tables, "runs": results})
    write_text(out / "levers.md", markdown(by_reading, results))
    write_bytes(out / "levers.png", _plot(by_reading))
    return rows


def _plot(by_reading: dict[str, list[LeverRow]]) -> bytes:
    """The decoded pose in every test and, beside it, the joints in the picture where it matters most."""
    rows = [row for row in by_reading["decoded"] if row.name != ALL]
    tests = _ordered(by_reading["decoded"][0])
    flat = {row.name: row for row in by_reading["plane"]}
    panels = [_panel(_title(test), "mm", 1, rows, test) for test in tests]
    panels.append(_panel(f"{_title(tests[0])}, in 2D", "%", 2, [flat[row.name] for row in rows], tests[0]))
    return change_bars([row.name for row in rows], panels)


def _panel(title: str, unit: str, digits: int, rows: Sequence[LeverRow], test: str) -> ChangePanel:
    chance = rows[0].chance[test] if rows else None
    return ChangePanel(title, unit, digits, [row.change[test] for row in rows], chance)


def markdown(by_reading: dict[str, list[LeverRow]], results: Sequence[Report]) -> str:
    """A table for each reading, and the decoded pose clip by clip."""
    base = [r for r in results if r["variant"] == ALL]
    lines = [
        f"Errors of small networks that learned from {base[0]['pictures']} generated pictures without some levers;"
        f" {len(base)} seeds with all levers. A change is against their mean; after it stands one standard deviation of"
        " such a change by the seeds alone. The cost is what the levers add to a picture's CPU time.",
    ]
    for reading, rows in by_reading.items():
        tests, digits = _ordered(rows[0]), 2 if reading == "plane" else 1
        heads = ["without", "seeds", *map(_title, tests), f"change, {_title(tests[0])}", "cost, ms"]
        cells = []
        for row in rows:
            errors = [number(row.error[test], digits) for test in tests]
            change = "" if row.name == ALL else _change(row, tests[0], digits)
            cost = "" if row.name == ALL else number(row.cost_ms, 2, signed=True)
            cells.append([_name(row.name), str(row.seeds), *errors, change, cost])
        lines += ["", f"{READINGS[reading]}:", "", markdown_lines(heads, cells).rstrip("\n")]
    if clips := list(base[0]["clips"]["decoded"]):
        cells = []
        for row in by_reading["decoded"]:
            own = [r["clips"]["decoded"] for r in results if r["variant"] == row.name]
            cells.append([_name(row.name), *(number(float(np.mean([o[clip] for o in own]))) for clip in clips)])
        table = markdown_lines(["without", *clips], cells).rstrip("\n")
        lines += ["", "PA-MPJPE of the decoded pose, real clip by real clip, mm:", "", table]
    return "\n".join(lines) + "\n"


def _chance(errors_mm: list[float], seeds: int) -> float | None:
    """One standard deviation of the difference between the mean of so many networks and the mean of these."""
    if len(errors_mm) < 2:
        return None
    return float(np.std(errors_mm, ddof=1) * np.sqrt(1 / seeds + 1 / len(errors_mm)))


def _main(tests: Sequence[str]) -> str:
    return REAL if REAL in tests else tests[-1]


def _ordered(row: LeverRow) -> list[str]:
    """The tests, the one that decides first."""
    tests = list(row.error)
    return [_main(tests), *(test for test in tests if test != _main(tests))]


def _title(test: str) -> str:
    return "real clips" if test == REAL else f"domain {test}"


def _name(variant: str) -> str:
    return "(nothing)" if variant == ALL else variant


def _change(row: LeverRow, test: str, digits: int) -> str:
    chance = row.chance[test]
    return number(row.change[test], digits, signed=True) + ("" if chance is None else f" ± {number(chance, digits)}")
