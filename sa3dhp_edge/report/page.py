"""A report as one HTML file: what it is made of, and how that becomes a page that needs nothing else."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

from sa3dhp_edge.atomic import write_text
from sa3dhp_edge.errors import ShapeError
from sa3dhp_edge.report.canvas import SHARPNESS
from sa3dhp_edge.report.page_style import CSS
from sa3dhp_edge.report.tables import Table

Tone = Literal["good", "bad", "plain"]

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class KeyNumber:
    """One figure of the strip at the top: what it is, its value as text, and where it came from.

    Attributes:
        label: "PA-MPJPE on the target".
        value: "128", made by `tables.number`.
        unit: "mm".
        before: the value it started from; an arrow leads from it to `value`.
        note: a remark below, such as "1,200 frames".
        tone: the value's colour.
    """

    label: str
    value: str
    unit: str = ""
    before: str = ""
    note: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True)
class Verdict:
    """The one sentence a reader takes along."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Figure:
    """A PNG with its caption; `alt` says in words what is seen.

    Attributes:
        png: the file's content.
        sharpness: PNG pixels per page pixel: 2 as plots are made, 1 for pictures shown as they are.
    """

    png: bytes
    caption: str
    alt: str = ""
    sharpness: int = SHARPNESS

    def __post_init__(self) -> None:
        if self.png[:8] != _PNG or self.png[12:16] != b"IHDR":
            raise ShapeError(f"the figure {self.caption!r} is no PNG: it begins with {self.png[:8]!r}")

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height on the page."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width // self.sharpness, height // self.sharpness


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, in order: text, tables, figures and rows of key numbers.

    In text an empty line parts paragraphs, and `code` in backticks is set as such.
    """

    title: str
    parts: tuple[str | Table | Figure | tuple[KeyNumber, ...], ...]


def render_page(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    *,
    verdict: Verdict | None = None,
    numbers: Sequence[KeyNumber] = (),
    foot: str = "",
) -> str:
    """The whole HTML page; all texts are escaped, all pictures inlined, and nothing is fetched."""
    head = f'<header><h1>{escape(title)}</h1><p class="subtitle">{_inline(subtitle)}</p></header>'
    lead = f'<p class="verdict {verdict.tone}">{_inline(verdict.text)}</p>' if verdict else ""
    body = "\n".join(_section(section) for section in sections)
    end = f"<footer>{_paragraphs(foot)}</footer>" if foot else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>\n<style>{CSS}</style></head>\n'
        f"<body><main>\n{head}\n{lead}\n{_numbers(numbers)}\n{body}\n{end}\n</main></body></html>\n"
    )


def write_page(path: Path, html: str) -> None:
    """Put the page on the disk in one step.

    Raises:
        OutputError: the disk refuses.
    """
    write_text(path, html)


def _section(section: Section) -> str:
    parts = "\n".join(_part(part) for part in section.parts) or '<p class="muted">Nothing to show.</p>'
    return f"<section><h2>{escape(section.title)}</h2>\n{parts}</section>"


def _part(part: str | Table | Figure | tuple[KeyNumber, ...]) -> str:
    if isinstance(part, str):
        return _paragraphs(part)
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Figure):
        return _figure(part)
    return _numbers(part)


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_inline(block)}</p>" for block in re.split(r"\n\s*\n", text.strip()) if block)


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _numbers(numbers: Sequence[KeyNumber]) -> str:
    if not numbers:
        return ""
    return f'<dl class="numbers">{"".join(_number(n) for n in numbers)}</dl>'


def _number(n: KeyNumber) -> str:
    start = f'<span class="before">{escape(n.before)}<span class="arrow" aria-label="to"> → </span></span>'
    unit = f' <span class="unit">{escape(n.unit)}</span>' if n.unit else ""
    note = f'<dd class="note">{escape(n.note)}</dd>' if n.note else ""
    value = f'<dd class="value {n.tone}">{start if n.before else ""}<strong>{escape(n.value)}</strong>{unit}</dd>'
    return f"<div><dt>{escape(n.label)}</dt>{value}{note}</div>"


def _table(table: Table) -> str:
    if not table.rows:
        return f'<p class="muted">{escape(table.caption) + ": " if table.caption else ""}no rows.</p>'
    kinds = [' class="n"' if column.numeric else "" for column in table.columns]
    heads = "".join(
        f'<th scope="col"{kind}>{escape(c.title)}{f" <small>{escape(c.unit)}</small>" if c.unit else ""}</th>'
        for kind, c in zip(kinds, table.columns, strict=True)
    )
    best = table.best_cells()
    lines = []
    for r, row in enumerate(table.rows):
        shown = [escape(column.show(cell)) for column, cell in zip(table.columns, row, strict=True)]
        shown = [f"<strong>{text}</strong>" if (r, c) in best else text for c, text in enumerate(shown)]
        cells = "".join(f"<td{kind}>{text}</td>" for kind, text in zip(kinds[1:], shown[1:], strict=True))
        lines.append(f'<tr><th scope="row"{kinds[0]}>{shown[0]}</th>{cells}</tr>')
    caption = f"<figcaption>{_inline(table.caption)}</figcaption>" if table.caption else ""
    return (
        f'<figure class="table">{caption}<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div></figure>"
    )


def _figure(figure: Figure) -> str:
    width, height = figure.size_px
    source = "data:image/png;base64," + base64.b64encode(figure.png).decode()
    alt = escape(figure.alt or figure.caption)
    image = f'<img src="{source}" alt="{alt}" width="{width}" height="{height}">'
    return f'<figure><div class="card">{image}</div><figcaption>{_inline(figure.caption)}</figcaption></figure>'
