"""What a demo found, as a page: the verdict first, then curves, pictures, relations and speed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.adaptation.relations import Rule
from sa3dhp_edge.frameset import FrameSet
from sa3dhp_edge.jobs.run_folder import RunFolder
from sa3dhp_edge.report.bars import ErrorRow, errors_bars, latency_bars, non_localness_bars
from sa3dhp_edge.report.curves import curves
from sa3dhp_edge.report.page import Figure, KeyNumber, Section, Tone, Verdict, render_page, write_page
from sa3dhp_edge.report.pictures import contact_sheet, png_bytes, pose_panel
from sa3dhp_edge.report.tables import Column, Table, number
from sa3dhp_edge.skeleton import to_template
from sa3dhp_edge.training.log import read_scalars

Drawn = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Poses (N, 17, 3) mm and joints (N, 17, 2) uv."""

NOTABLE_MM = 2.0
"""A smaller change of the mean is called no change."""
SHOWN_FRAMES = 4


@dataclass(frozen=True)
class Shown:
    """The labelled test frames and what the model said of them before and after adaptation."""

    test: FrameSet
    before: Drawn
    after: Drawn


def write_demo_page(path: Path, run: RunFolder, figures: dict[str, Any], shown: Shown) -> Path:
    """Render and write the page; returns its path."""
    before, after = figures["before"], figures["after"]
    html = render_page(
        "Adaptation on unlabelled video: a demonstration",
        "Generated people in a studio with labels; generated people elsewhere without. One seed, small networks.",
        [
            _errors(figures),
            Section("What it looks like", _pictures(shown)),
            Section("Training", (Figure(curves(read_scalars(run.path)), "Every stage's terms over its steps."),)),
            _relations(run),
            _device(figures),
        ],
        verdict=_verdict(figures),
        numbers=(
            _change("PA-MPJPE on the target", before["pa_mpjpe"], after["pa_mpjpe"]),
            _change("MPJPE on the target", before["mpjpe"], after["mpjpe"]),
            KeyNumber(
                "Export against training",
                number(max(p["max_mm"] for p in figures["parity"]["poses"]), 4),
                "mm",
                note="largest",
            ),
            KeyNumber("From nothing to here", number(figures["minutes"], 1), "min"),
        ),
        foot=f"seed {figures['seed']}; errors over {len(shown.test)} frames of people that training never saw",
    )
    write_page(path, html)
    return path


def _verdict(figures: dict[str, Any]) -> Verdict:
    """What the figures say, in either direction."""
    gain = figures["before"]["pa_mpjpe"] - figures["after"]["pa_mpjpe"]
    fault = figures["adaptation"]["fault"]
    stopped = f" The guard stopped it: {fault}." if fault else ""
    if gain > NOTABLE_MM:
        return Verdict(f"Adaptation without labels lowered the error on the target by {gain:.1f} mm.{stopped}", "good")
    if gain < -NOTABLE_MM:
        return Verdict(f"Adaptation raised the error on the target by {-gain:.1f} mm in this run.{stopped}", "bad")
    return Verdict(f"Adaptation changed the error on the target by {-gain:+.1f} mm: no clear effect here.{stopped}")


def _change(label: str, before: float, after: float) -> KeyNumber:
    gain = before - after
    tone: Tone = "good" if gain > NOTABLE_MM else "bad" if gain < -NOTABLE_MM else "plain"
    return KeyNumber(label, number(after), "mm", before=number(before), tone=tone)


def _errors(figures: dict[str, Any]) -> Section:
    columns = (
        Column("where"), Column("MPJPE", "mm", 1), Column("PA-MPJPE", "mm", 1),
        Column("PA-MPJPE, true bones", "mm", 1), Column("PCK@150", "", 3), Column("2D", "crop half-widths", 3),
    )  # fmt: skip
    rows = [
        ("source, before", figures["source"]), ("source, after", figures["adaptation"]["source_after"]),
        ("target, before", figures["before"]), ("target, after", figures["after"]),
    ]  # fmt: skip
    keys = ("mpjpe", "pa_mpjpe", "pa_mpjpe_true_bones", "pck_150", "uv")
    table = Table(columns, tuple((name, *(row[k] for k in keys)) for name, row in rows))
    bars = [ErrorRow(name, row["mpjpe"], row["pa_mpjpe"]) for name, row in rows]
    left_out = figures["adaptation"]["left_out"]
    said = (
        "Left out of adaptation: " + "; ".join(left_out) + "." if left_out else "Every rule was served by every clip."
    )
    return Section("Errors", (table, Figure(errors_bars(bars, "target, before"), "Mean error per joint."), said))


def _pictures(shown: Shown) -> tuple[str | Figure, ...]:
    """Some test frames before and after, spread over the set."""
    assert shown.test.joints_mm is not None
    panels = []
    for i in np.linspace(0, len(shown.test) - 1, SHOWN_FRAMES).astype(int):
        truth = to_template(shown.test.joints_mm[i])
        for label, (poses, joints) in (("before", shown.before), ("after", shown.after)):
            panels.append(
                pose_panel(np.asarray(shown.test.images[i]), joints[i], poses[i], truth, size_px=340, label=label)
            )
    text = "Test frames of the target with the joints the network sees, and its pose from the front and from the side."
    return (text, Figure(png_bytes(contact_sheet(panels)), "The truth is grey; left is blue, right is orange."))


def _relations(run: RunFolder) -> Section:
    settings = run.settings.relations
    chosen = {
        latent: {Rule.parse(n).name for n in names}
        for latent, names in (("z", settings.rules_z), ("v", settings.rules_v))
    }
    errors = tuple(
        (Rule.parse(name).name, latent, run.report(f"t_{latent}_{Rule.parse(name).name}")["held_out_mpjpe_mm"])
        for latent, names in (("z", settings.rules_z), ("v", settings.rules_v))
        for name in names
    )
    table = Table((Column("rule"), Column("latent"), Column("held-out error of T", "mm", 1)), errors)
    bars = Figure(
        non_localness_bars(run.report("non_localness"), chosen),
        "How far a rule carries a latent; chosen rules stand out.",
    )
    return Section("Relations", (bars, table))


def _device(figures: dict[str, Any]) -> Section:
    live, speed = figures["run"], figures["bench"]
    said = (
        f"The exported model on a rendered video: {live['poses']} poses in {live['frames']} frames."
        if "poses" in live
        else f"On the rendered video: {live['note']}."
    )
    threads = speed["latency_ms"]
    first = next(iter(threads.values()))
    return Section(
        "On the device",
        (
            said + " ONNX Runtime, no torch.",
            Figure(latency_bars(first), "Milliseconds per frame with one thread: median and 95th percentile."),
        ),
    )
