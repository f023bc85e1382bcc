"""Which requests a generator is scored on."""

import polars as pl

from assets.portraits.scores import counted

CURATED = pl.LazyFrame(
    {
        "key": ["fit", "blank", "copy"],
        "generator": ["one", "one", "two"],
        "prompt_id": ["happy-000", "happy-001", "happy-000"],
        "ekman": ["joy"] * 3,
        "degree": [1, 2, 1],
        "verdict": ["kept", "rejected", "rejected"],
        "duplicate_of": [None, None, "fit"],
    }
)


def test_an_unfit_image_counts_against_its_generator_and_a_copy_does_not():
    assert dict(counted(CURATED).select("key", "kept").collect().iter_rows()) == {"fit": True, "blank": False}
