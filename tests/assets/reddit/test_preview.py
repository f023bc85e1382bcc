"""The preview page shows what a sample says, never what it does."""

import polars as pl

from assets.reddit.preview import SHOWN, _page


def test_text_is_escaped_and_reasons_are_sentences(tmp_path):
    sample = dict.fromkeys(SHOWN) | {"origin": "natural", "verdict": "rejected", "text": "<script>alert(1)</script>"}
    page = _page(pl.DataFrame([sample | {"reasons": ["too_short"]}]), tmp_path / "a" / "index.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "fewer words than the minimum" in page
    assert "1 samples" not in page
