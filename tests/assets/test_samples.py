"""The preview page shows samples with what is said of them, and nothing in them is taken for markup."""

from pathlib import Path

import polars as pl

from corpusmith.assets.registry import corpora, load
from corpusmith.assets.resources import Workshop
from corpusmith.assets.samples import write_page


def test_what_a_sample_says_is_text_on_the_page(tmp_path: Path) -> None:
    samples = pl.DataFrame(
        {
            "origin": ["natural"],
            "text": ["<script>alert(1)</script>"],
            "emotion": ["joy"],
            "verdict": ["rejected"],
            "reasons": [["too_short"]],
        }
    )
    workshop = Workshop(tmp_path, load(profile="smoke"))
    page = write_page(corpora()["reddit"], workshop, samples).read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "emotion joy" in page
    assert "too_short" in page
