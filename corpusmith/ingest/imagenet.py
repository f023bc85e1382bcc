"""The 1,000 classes of ImageNet, as they are numbered and named; assets/imagenet/NOTICE says whose words these are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import polars as pl

TABLE: Final = Path(__file__).with_name("imagenet.csv")
CLASSES: Final = pl.Schema({"index": pl.Int32, "wnid": pl.String, "name": pl.String, "synonyms": pl.String})
"""index: 0 to 999, in the order of wnid. name: unique, as prompts say it. synonyms: the synset's words, comma
separated, and CLIP's name of one that is called otherwise here."""


@cache
def classes() -> pl.DataFrame:
    """Every class, in order (CLASSES)."""
    return pl.read_csv(TABLE, schema=CLASSES)
