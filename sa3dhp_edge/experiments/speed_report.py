"""The page of a speed study: what was measured in tables, and how."""

from __future__ import annotations

from typing import Any

from sa3dhp_edge.jobs.run_folder import Report
from sa3dhp_edge.report.tables import Cell, Column, markdown_table, number

PARTS = ("views", "light", "other batch work", "forward", "frozen networks", "backward", "optimizer", "the rest")
"""In the order of a step."""
SHARES = tuple(Column(part, "%", 0) for part in PARTS)


def speed_page(result: Report) -> str:
    """Markdown of all tables, each under what it shows."""
    rates = result["matmul_gflops"]
    machine = ", ".join(f"{k} {v}" for k, v in result["machine"].items())
    head = (
        f"Speed of learning on this machine: {machine}, device {result['device']}; commit {result['commit']}. "
        f"A large matrix product attains {rates['fp32']:.0f} GFLOP/s in fp32 and {rates['bf16']:.0f} in bf16; "
        "rates below are beside it, in the same number format. A multiply-add is two operations; those of convolutions "
        "and linear layers are counted as they are called, on the way back only where a gradient is asked for. "
        "On one CPU thread the clock is the process's own time, else the wall's.\n"
    )
    return "\n".join(
        [head, *_section("G by itself", _alone(result, "g") + _compiled(result["compile"])),
         *_section("The paper's G", _alone(result, "paper")),
         *_section("A step of training on the source", _training(result)),
         *_section("A step of each loss of adaptation, with its replay", _losses(result)),
         *_section("A whole adaptation", _round(result["round"])),
         *_section("Memory of a loss on windows of 30 frames", _memory(result["memory"]))]
    )  # fmt: skip


def _section(title: str, body: str) -> tuple[str, str]:
    return f"## {title}\n", body


def _alone(result: Report, name: str) -> str:
    columns = (
        Column("number format"), Column("memory layout"), Column("picture", "px", 0), Column("batch", digits=0),
        Column("forward", "GFLOP a picture", 2), Column("forward", "ms a picture", 2),
        Column("rate", "% of matmul", 0),
        Column("step", "times the operations", 1), Column("step", "ms a picture", 2),
        Column("rate", "% of matmul", 0),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for row in result[name]:
        n, rate = row["pictures"], result["matmul_gflops"][row["dtype"]]
        rows.append(
            (row["dtype"], "channels last" if row["channels_last"] else "channels first", row["px"], n,
             row["forward_gflop"] / n, 1e3 * row["forward_s"] / n, 100 * row["forward_gflop"] / row["forward_s"] / rate,
             row["step_gflop"] / row["forward_gflop"], 1e3 * row["step_s"] / n,
             100 * row["step_gflop"] / row["step_s"] / rate)
        )  # fmt: skip
    return markdown_table(columns, rows)


def _compiled(found: Report | str) -> str:
    if isinstance(found, str):
        return f"\nCompiled by torch.compile: {found}.\n"
    return (
        f"\nCompiled by torch.compile in {found['compile_s']:.0f} s, in the format training takes: forward "
        f"{1e3 * found['forward_s'] / found['pictures']:.2f} ms a picture, step "
        f"{1e3 * found['step_s'] / found['pictures']:.2f} ms a picture.\n"
    )


def _step(row: Report, rates: dict[str, float]) -> tuple[Cell, ...]:
    shares = (100 * row["parts"].get(part, 0.0) / row["seconds"] for part in PARTS)
    rate = 100 * row["gflop"] / row["seconds"] / rates[row["dtype"]]
    return row["pictures"], row["seconds"], row["pictures"] / row["seconds"], rate, *shares


_STEP = (
    Column("pictures read", digits=0), Column("step", "s", 2), Column("pictures a second", digits=0),
    Column("rate", "% of matmul", 0), *SHARES,
)  # fmt: skip


def _training(result: Report) -> str:
    columns = (Column("optimizer"), Column("number format"), Column("picture", "px", 0), *_STEP)
    rows = [
        (row["optimizer"], row["dtype"], row["px"], *_step(row, result["matmul_gflops"])) for row in result["training"]
    ]
    return markdown_table(columns, rows)


def _losses(result: Report) -> str:
    columns = (Column("loss"), Column("number format"), *_STEP)
    rows = [(row["loss"], row["dtype"], *_step(row, result["matmul_gflops"])) for row in result["adaptation"]]
    return markdown_table(columns, rows)


def _round(found: Report) -> str:
    rows = [(name, once, found["times"][name], once * found["times"][name]) for name, once in found["once_s"].items()]
    columns = (Column("part"), Column("once", "s", 2), Column("times", digits=0), Column("all", "s", 1))
    table = markdown_table(columns, rows)
    return (
        f"One clip of {found['clip_s']:.0f} s, {found['frames']} frames, in {found['dtype']}, losses "
        f"{', '.join(found['losses'])}: **{number(found['seconds'], 0)} s**, without cutting the clip and without "
        "rendering the source. Each part was measured at its full size, the step as the mean of two; what is done "
        f"again and again is multiplied, not measured.\n\n{table}"
    )


def _memory(cases: list[Report]) -> str:
    columns = (
        Column("G"), Column("learns"), Column("number format"), Column("reading"), Column("pictures", digits=0),
        Column("peak", "MB", 0), Column("time", "s", 2),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for case in cases:
        measured: Any = case["measured"]
        told = (None, None) if isinstance(measured, str) else (measured["peak_mb"], measured["seconds"])
        way = "whole" if case["chunk"] is None else f"two passes, {case['chunk']} at a time"
        way += f": {measured}" if isinstance(measured, str) else ""
        image = case["image"]
        rows.append(
            (f"{image['backbone']}, {image['crop_px']} px", ", ".join(case["trainable"]), case["dtype"], way,
             30 * case["clips"], *told)
        )  # fmt: skip
    return (
        "Peak: how far a process of its own grew over what it had after a step on two pictures (largest resident set; "
        "on a GPU the memory PyTorch allocated).\n\n" + markdown_table(columns, rows)
    )
