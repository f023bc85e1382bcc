"""New images are held against those of earlier releases, and an image stays itself from version to version."""

import dataclasses
import hashlib

import polars as pl
import pytest

from corpusmith.assets.portraits import earlier
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.curate.image_quality import Inspector
from corpusmith.drawings import portraits
from corpusmith.models.images import png
from corpusmith.models.perceivers import Embedder
from corpusmith.release.manifest import Manifest


@pytest.fixture
def workshop(tmp_path):
    settings = load(profile="smoke", overrides=["portraits.version=1.1.0"])
    return Workshop(tmp_path, settings)


def images(seed, rows=4):
    """Drawn portraits with hash and embedding."""
    import numpy as np

    encoded = [png(np.asarray(portraits.draw(row))) for row in portraits.traits(rows, seed).to_dicts()]
    sha = [hashlib.sha256(data).hexdigest() for data in encoded]
    frame = pl.DataFrame(
        {
            "key": [f"{digest[:8]}-{seed}" for digest in sha],
            "image": [{"bytes": data, "path": f"{digest}.png"} for data, digest in zip(encoded, sha, strict=True)],
            "image_sha256": sha,
        }
    )
    rows_of = frame.select("image_sha256", "image").to_arrow().combine_chunks().to_batches()[0]
    looked = (pl.DataFrame(maker.make(rows_of)) for maker in (Inspector(), Embedder("house/clip")))
    return pl.concat([frame, *looked], how="horizontal").select("key", "image", "image_sha256", "phash", "embedding")


def publish(workshop, version, frame):
    folder = workshop.home / "published" / "portraits" / version
    (folder / "data").mkdir(parents=True)
    frame.drop("embedding").write_parquet(folder / "data" / "train.parquet")
    held = {"data/train.parquet": {"sha256": "", "bytes": 0, "rows": frame.height}}
    said = Manifest("portraits", version, "0" * 64, "0" * 32, {}, {"rows": frame.height}, [], {}, {}, held, {})
    (folder / "manifest.json").write_text(said.to_json())


def held_against_earlier(workshop, new):
    return earlier.copies(new, earlier.indexed(workshop), workshop.make, workshop.settings.portraits)


def test_an_image_like_one_of_an_earlier_release_is_told_with_its_key(workshop):
    old = images(1)
    publish(workshop, "1.0.0", old)
    again = old.with_columns(key=pl.col("key") + "-again")
    found = held_against_earlier(workshop, again)
    assert dict(found.select("key", "duplicate_of").iter_rows()) == dict(zip(again["key"], old["key"], strict=True))
    assert set(found["reason"]) == {"released_before"}


def test_an_image_that_was_released_before_under_its_own_key_is_no_copy(workshop):
    old = images(1)
    publish(workshop, "1.0.0", old)
    assert held_against_earlier(workshop, old).is_empty()


def test_the_version_that_is_being_made_is_no_earlier_one(workshop):
    old = images(1)
    publish(workshop, "1.1.0", old)
    assert held_against_earlier(workshop, old.with_columns(key=pl.col("key") + "-again")).is_empty()


def test_hashes_of_a_release_are_sorted_once(workshop):
    publish(workshop, "1.0.0", images(1))
    (index,) = earlier.indexed(workshop).values()
    written = index.stat().st_mtime_ns
    assert list(earlier.indexed(dataclasses.replace(workshop)).values()) == [index]
    assert index.stat().st_mtime_ns == written
