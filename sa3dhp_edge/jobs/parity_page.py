"""What an export found, as a page: how far each step is from the trained network, joint by joint and layer by layer."""

from __future__ import annotations

from pathlib import Path

from export.give_back import GivenBack
from export.parity import BUDGETS, ParityReport, PoseBudget, PoseDifference
from sa3dhp_edge.report.page import KeyNumber, Section, Verdict, render_page, write_page
from sa3dhp_edge.report.tables import NOTHING, Column, Table, number
from sa3dhp_edge.skeleton import JOINTS

_NAMES = {"fp32": "FP32", "fp16": "FP16", "int8": "INT8 and FP16"}
_HOW = {"ONNX Runtime": "as it runs here", "as a GPU": "as a GPU rounds"}


def write_parity_page(path: Path, report: ParityReport, name: str) -> Path:
    """Render and write the page; returns its path."""
    last = report.poses[-1]
    sections = [_steps(report), _joints(report), *([_layers(report.search)] if report.search else []), _others(report)]
    html = render_page(
        f"Export of {name}: {_NAMES[report.precision]}",
        f"{report.pictures} crops; the reference is the trained network in PyTorch; distances between joints, in mm.",
        sections,
        verdict=Verdict("Every step is within its budget.", "good")
        if not report.failures()
        else Verdict("; ".join(report.failures()), "bad"),
        numbers=(
            KeyNumber("Mean distance", number(last.mean_mm, 3), "mm", note=f"allowed: {_allowed(last)}"),
            KeyNumber("99 of 100 below", number(last.p99_mm, 2), "mm", note="of the joint that is worst by it"),
            KeyNumber("Farthest joint", number(last.max_mm, 2), "mm", note=last.worst_joint),
        ),
    )
    write_page(path, html)
    return path


def _steps(report: ParityReport) -> Section:
    columns = (
        Column("step"), Column("computed"), Column("crops at once", digits=0), Column("mean", "mm", 4),
        Column("99 % below", "mm", 3), Column("farthest", "mm", 3), Column("joint"), Column("allowed"),
    )  # fmt: skip
    rows = tuple(
        (
            _NAMES[p.precision],
            _HOW[p.computed],
            float(p.batch),
            p.mean_mm,
            p.p99_mm,
            p.max_mm,
            p.worst_joint,
            _allowed(p),
        )
        for p in report.poses
    )
    said = (
        "99 % is of the joint that is worst by it. ONNX Runtime on a processor drops the roundings of half precision, "
        "so what it answers flatters; a GPU's are computed beside it."
    )
    return Section("Step by step", (Table(columns, rows), *((said,) if report.precision != "fp32" else ())))


def _joints(report: ParityReport) -> Section:
    last = report.poses[-1]
    columns = (Column("joint"), Column("mean", "mm", 3), Column("99 of 100 below", "mm", 3))
    rows = tuple((j.joint, j.mean_mm, j.p99_mm) for j in last.joints)
    assert len(rows) == len(JOINTS)
    return Section(f"Joint by joint: {_NAMES[last.precision]}, {_HOW[last.computed]}", (Table(columns, rows),))


def _layers(search: GivenBack) -> Section:
    columns = (Column("layer"), Column("alone in INT8", "mm", 2), Column("computes in"))
    rows = tuple(
        (layer, mm, "INT8" if layer in search.kept else "FP16, given back") for layer, mm in search.alone_mm.items()
    )
    path = ", ".join(number(mm, 1) for mm in search.path_mm)
    told = f"All {len(rows)} convolutions in INT8, and each time one given back: {path} mm. {len(search.kept)} stay."
    return Section("Layer by layer", (told, Table(columns, rows)))


def _others(report: ParityReport) -> Section:
    columns = (Column("output or network"), Column("largest difference"))
    rows = tuple((name, f"{value:.2g}") for name, value in sorted(report.tensors.items()))
    told = "Beyond 1 as a share of the value; frozen networks stay in FP32."
    return Section("What else is compared", (told, Table(columns, rows)))


def _allowed(pose: PoseDifference) -> str:
    budget: PoseBudget = BUDGETS[pose.precision]
    bounds = (("mean", budget.mean_mm), ("99 %", budget.p99_mm), ("farthest", budget.max_mm))
    return ", ".join(f"{name} {mm:g}" for name, mm in bounds if mm is not None) or NOTHING
