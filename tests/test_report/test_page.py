from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from sa3dhp_edge.errors import OutputError, ShapeError
from sa3dhp_edge.report.page import Figure, KeyNumber, Section, Verdict, render_page, write_page
from sa3dhp_edge.report.pictures import png_bytes
from sa3dhp_edge.report.tables import Column, Table

NASTY = '<script>alert("x")</script> & Co'
PICTURE = png_bytes(np.full((40, 60, 3), 7, np.uint8))
TABLE = Table((Column("name"), Column("error", "mm", 1, best="low")), ((NASTY, 141.3), ("after", 128.0)), NASTY)


class Reader(HTMLParser):
    """Every tag with its attributes, and whether tags are closed in order."""

    VOID = frozenset({"meta", "img", "br", "hr", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def html() -> str:
    sections = (
        Section(NASTY, (f"{NASTY} and `{NASTY}`.\n\nA second paragraph.", TABLE)),
        Section("Pictures", (Figure(PICTURE, NASTY, sharpness=1), (KeyNumber("fps", "31"),))),
        Section("Nothing", ()),
    )
    numbers = (KeyNumber(NASTY, "128", "mm", before="141", note=NASTY, tone="good"),)
    return render_page(NASTY, NASTY, sections, verdict=Verdict(NASTY, "good"), numbers=numbers, foot=NASTY)


def test_the_page_fetches_nothing(html):
    tags = Reader(html).tags
    sources = [v for _, attrs in tags for k, v in attrs.items() if k in ("src", "href", "srcset", "action")]
    assert sources
    assert all(v and v.startswith("data:") for v in sources)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in tags}
    assert not re.search(r"url\(|@import|https?:", html)


def test_every_text_is_escaped(html):
    assert "<script" not in html
    assert '"x"' not in html
    assert html.count("&lt;script&gt;") >= 10


def test_tables_mark_numerals_and_the_best(html):
    assert '<td class="n"><strong>128.0</strong></td>' in html
    assert '<td class="n">141.3</td>' in html
    assert '<th scope="col" class="n">error <small>mm</small></th>' in html


def test_figures_are_the_given_png_at_their_size(html):
    images = [attrs for tag, attrs in Reader(html).tags if tag == "img"]
    assert len(images) == 1
    assert (images[0]["width"], images[0]["height"]) == ("60", "40")
    assert base64.b64decode(str(images[0]["src"]).split(",")[1]) == PICTURE
    assert Figure(PICTURE, "", sharpness=2).size_px == (30, 20)


def test_what_is_no_png_is_refused():
    with pytest.raises(ShapeError, match="no PNG"):
        Figure(b"<svg/>", "a plot")


def test_a_section_without_content_and_a_table_without_rows_say_so(html):
    assert "Nothing to show." in html
    assert "errors: no rows." in render_page("t", "s", [Section("a", (Table(TABLE.columns, (), "errors"),))])


def test_the_page_appears_whole(html, tmp_path):
    write_page(tmp_path / "new" / "report.html", html)
    assert (tmp_path / "new" / "report.html").read_text() == html
    with pytest.raises(OutputError):
        write_page(tmp_path / "new", html)
