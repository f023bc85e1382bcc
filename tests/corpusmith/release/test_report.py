import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import polars as pl
from corpora import reddit, released

from corpusmith.release.report.charts import Curve, Point, line_chart
from corpusmith.release.write import write_release
from corpusmith.score.scores import SCORES

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Balanced(HTMLParser):
    """Fails on a tag that is closed out of turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(folder: Path) -> str:
    return (folder / "report" / "index.html").read_text()


def test_it_is_one_whole_page_that_needs_nothing_else(release_dir: Path) -> None:
    page = page_of(release_dir)
    parser = Balanced()
    parser.feed(page)
    assert not parser.open
    assert "script" not in parser.seen
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "url(" not in page
    for section in ("balance", "flow", "rejected", "examples", "scores", "confusions", "provenance"):
        assert f'<section id="{section}">' in page
    assert page.count('<svg class="chart"') == 1


def test_text_of_the_corpus_is_escaped(tmp_path: Path) -> None:
    rows = released(4, 0).with_columns(text=pl.lit("<script>alert('x')</script>"), source_text=pl.lit("<b>bold"))
    write_release(replace(reddit(4), rows=rows.lazy()), tmp_path / "reddit")
    page = page_of(tmp_path / "reddit")
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)" in page


def test_counts_of_the_balance_are_shown(release_dir: Path) -> None:
    page = page_of(release_dir)
    for origin, count in released(12, 0)["origin"].value_counts().rows():
        assert f'{origin}</dt><dd>{count / 84:.0%}</dd><dd class="small">{count} rows' in page


def test_a_release_without_scores_has_a_page_too(tmp_path: Path) -> None:
    write_release(replace(reddit(4), scores=pl.DataFrame(schema=SCORES)), tmp_path / "reddit")
    page = page_of(tmp_path / "reddit")
    assert "None were measured" in page
    assert "<svg" not in page


def test_a_share_of_nothing_is_left_out(tmp_path: Path) -> None:
    empty = pl.when(pl.col("metric") != "count").then(None).otherwise(pl.col("value")).alias("value")
    scores = reddit(4).scores.with_columns(empty, low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64))
    write_release(reddit(4, scores=scores), tmp_path / "reddit")
    assert "<svg" not in page_of(tmp_path / "reddit")


def test_labels_in_a_chart_do_not_overlap_and_stay_inside() -> None:
    curves = [Curve(f"form {i}", [Point(0, 0.0, 0, 0, ""), Point(1, 0.01 * i, 0, 0.1, "")]) for i in range(3)]
    chart = line_chart(curves, [("majority", 0.0), ("a & b", 0.02), ("top", 1.0)], "depth", "accuracy")
    heights = sorted(float(y) for y in re.findall(r'<text class="label [^"]*" x="[\d.]+" y="([\d.]+)"', chart))
    assert len(heights) == 6
    assert min(b - a for a, b in pairwise(heights)) >= 14.9
    assert heights[0] > 0
    assert heights[-1] <= 340
    assert "a &amp; b" in chart
