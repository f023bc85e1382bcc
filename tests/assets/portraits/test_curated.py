"""Who counts the faces, and what stops a build before its first image."""

import hashlib

import polars as pl
import pytest

from corpusmith.assets.portraits import curated, sources
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.drawings import canvas, portraits
from corpusmith.errors import ModelError
from corpusmith.models.images import png


def test_the_first_annotator_that_can_tell_counts_the_faces(tmp_path):
    drawn = [png(picture) for picture in canvas.render(portraits.traits(3, 9_700_000), portraits.draw)]
    images = pl.LazyFrame(
        {
            "key": ["a", "b", "c"],
            "image": [{"bytes": data, "path": None} for data in drawn],
            "image_sha256": [hashlib.sha256(data).hexdigest() for data in drawn],
        }
    )
    settings = load(overrides=["portraits.annotators=[house/clip, house/expression-cnn]"])
    counted = curated.faces(images, Workshop(tmp_path, settings).make, settings.portraits)
    assert counted.sort("key").collect().to_dict(as_series=False) == {
        "key": ["a", "b", "c"],
        "faces": [1, 1, 1],
    }


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("portraits.perceivers=[house/object]", "house/object has the labels"),
        ("portraits.safety=house/expression-cnn", "house/expression-cnn has the labels"),
    ],
)
def test_a_reader_that_could_not_do_its_work_stops_a_build_before_it_begins(setting, why, tmp_path):
    with pytest.raises(ModelError, match=why):
        sources.ready(Workshop(tmp_path, load(overrides=[setting])))
