"""The preview page shows samples as text, and samples that are made anew are asked for anew."""

from pathlib import Path

import polars as pl
from batch_server import batched, chat

from corpusmith.assets.registry import corpora, load
from corpusmith.assets.resources import Workshop
from corpusmith.assets.samples import make, write_page
from corpusmith.models.text.writers import LlmRewriter


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


def test_rows_of_a_batch_api_are_made_again_and_not_compared_with_what_the_provider_still_has(tmp_path: Path) -> None:
    rows = pl.DataFrame({"key": ["a", "b"], "text": ["It rained.", "It was late."], "target": ["joy", "fear"]})
    with batched() as server:
        maker = LlmRewriter(chat(server, tmp_path))
        maker.read = lambda answer: {"rewrite": answer}
        made = [make(rows, maker) for _ in range(2)]
        assert len(server.batches) == 2
    assert made[0].height == made[1].height == 2
    assert not list(tmp_path.glob("*"))
    assert maker.chat.notes == tmp_path
