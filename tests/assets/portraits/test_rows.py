"""Images lie beside the table that speaks of them, never beside another's."""

import polars as pl
import pytest

from corpusmith.assets.portraits.rows import rejected
from corpusmith.errors import ReleaseError


def test_images_that_were_made_anew_since_they_were_curated_are_not_released():
    images = pl.LazyFrame({"key": ["b", "a"], "image": [None, None]})
    curated = pl.LazyFrame({"key": ["a", "b"], "verdict": ["kept", "rejected"]})
    with pytest.raises(ReleaseError, match="made from other images than there are now"):
        rejected(images, curated)
