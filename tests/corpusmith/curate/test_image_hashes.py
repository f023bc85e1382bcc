"""Perceptual hashes stay near when a picture is re-encoded, and duplicates are what hash and embedding agree on."""

import io

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from corpusmith.curate import known_images
from corpusmith.curate.hamming import near_among
from corpusmith.curate.image_hashes import confirm, duplicates, perceptual_hashes
from corpusmith.curate.image_quality import measure
from corpusmith.curate.known_images import known, remember
from corpusmith.errors import SettingsError

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def painted(seed, side=256):
    """A picture of a few soft shapes in colour."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), np.uint8))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


def hash_of(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return measure(pa.array([{"bytes": buffer.getvalue(), "path": None}], IMAGE))["phash"][0]


def table(hashes, sha256=None):
    sha256 = sha256 or [f"sha-{row}" for row in range(len(hashes))]
    keys = [f"key-{row}" for row in range(len(hashes))]
    return pl.DataFrame({"key": keys, "image_sha256": sha256, "phash": pl.Series(hashes, dtype=pl.UInt64)})


@pytest.mark.parametrize(("quality", "side"), [(40, 96), (75, 200), (95, 384)])
def test_jpeg_and_scaling_leave_nearly_every_hash_near(quality, side):
    pictures = [painted(seed) for seed in range(60)]
    small = [picture.resize((side, side), Image.Resampling.LANCZOS) for picture in pictures]
    moved = [
        (hash_of(picture) ^ hash_of(again, "JPEG", quality=quality)).bit_count()
        for picture, again in zip(pictures, small, strict=True)
    ]
    assert np.quantile(moved, 0.95) <= 8
    assert max(moved) <= 16


def test_different_pictures_are_far_apart():
    hashes = [hash_of(painted(seed)) for seed in range(30)]
    distances = [(a ^ b).bit_count() for place, a in enumerate(hashes) for b in hashes[:place]]
    assert min(distances) > 10
    assert np.mean(distances) == pytest.approx(32, abs=2)


def test_the_hash_is_that_of_the_definition():
    grey = np.random.default_rng(0).integers(0, 256, (1, 64, 64), np.uint8)
    points = np.arange(64) + 0.5
    coefficients = [
        (grey[0] * np.outer(np.cos(np.pi / 64 * u * points), np.cos(np.pi / 64 * v * points))).sum()
        for u in range(1, 9)
        for v in range(1, 9)
    ]
    expected = sum(1 << 63 - place for place, value in enumerate(coefficients) if value > np.median(coefficients))
    assert perceptual_hashes(grey).tolist() == [expected]
    assert expected.bit_count() == 32


def test_the_first_stays_and_the_others_name_it():
    found = duplicates(table([7, 2**40, 7, 6, None, None], ["a", "b", "c", "a", "e", "e"]), 0)
    assert found.rows() == [
        ("key-0", "key-0", None, None),
        ("key-2", "key-0", "key-0", "near_duplicate"),
        ("key-3", "key-0", "key-0", "exact_duplicate"),
        ("key-4", "key-4", None, None),
        ("key-5", "key-4", "key-4", "exact_duplicate"),
    ]


def test_what_hashes_alike_is_no_duplicate_where_the_embedding_says_so():
    embeddings = np.array([[1, 0], [0, 1], [2, 0.1]], np.float32)
    found = duplicates(table([5, 5, 4]), 1, embeddings, 0.9)
    assert found.select("key", "duplicate_of").rows() == [("key-0", None), ("key-2", "key-0")]


def test_confirm_keeps_the_pairs_that_are_similar():
    embeddings = np.array([[1, 0], [1, 1], [0, 1]], np.float32)
    kept = list(confirm(near_among(np.zeros(3, np.uint64), 0), embeddings, 0.7))
    assert [(part.left.tolist(), part.right.tolist()) for part in kept] == [([0, 1], [1, 2])]


def test_no_images_have_no_duplicates():
    assert duplicates(table([]), 4).rows() == []


def test_a_distance_that_means_nothing_is_refused():
    with pytest.raises(SettingsError, match="40"):
        duplicates(table([1]), 40)


def test_new_images_are_found_among_those_of_earlier_releases(tmp_path):
    rng = np.random.default_rng(0)
    old, newer, new = (rng.integers(0, 2**64, size, dtype=np.uint64) for size in (500, 300, 50))
    old[123], newer[45] = new[7] ^ np.uint64(1 << 63 | 1), new[7]
    files = [tmp_path / "1.0.0.arrow", tmp_path / "1.1.0.arrow"]
    for path, hashes in zip(files, (old, newer), strict=True):
        remember(table([*hashes.tolist(), None]), path)
    found = known(table(new.tolist()), files, 2)
    assert found.rows() == [("key-7", "key-45", 0, "1.1.0"), ("key-7", "key-123", 2, "1.0.0")]
    assert known(table(new.tolist()), [], 2).rows() == []
    assert known(table([None]), files, 2).rows() == []


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_what_is_known_is_what_comparing_all_with_all_finds_whatever_is_sorted_together(tmp_path_factory, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    old = rng.integers(0, 2**64, data.draw(st.integers(0, 300)), np.uint64)
    flips = rng.integers(0, 2**64, (4, 40), np.uint64)
    near = old[: len(flips[0])] ^ np.bitwise_and.reduce(flips)[: len(old)]  # some bits of sixteen
    new = np.concatenate([near, rng.integers(0, 2**64, 20, np.uint64)])
    distance = data.draw(st.integers(0, 10))
    path = tmp_path_factory.mktemp("known") / "1.0.0.arrow"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_images, "BLOCK", data.draw(st.sampled_from([1, 7, 100, 1000])))
        remember(table(old.tolist()), path)
    apart = np.bitwise_count(new[:, None] ^ old[None])
    expected = {(f"key-{i}", f"key-{j}", int(apart[i, j])) for i, j in np.argwhere(apart <= distance)}
    found = known(table(new.tolist()), [path], distance)
    assert set(found.select("key", "known", "distance").rows()) == expected
    assert found.height == len(expected)


def test_an_empty_release_is_remembered_too(tmp_path):
    remember(table([None]), tmp_path / "1.0.0.arrow")
    assert known(table([1]), [tmp_path / "1.0.0.arrow"], 2).rows() == []
