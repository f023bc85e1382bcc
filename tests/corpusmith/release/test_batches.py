"""Batches for training: each row once an epoch, in an order that nothing but seed and epoch decides."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from corpusmith.errors import ReleaseError
from corpusmith.release.batches import Images, squared
from corpusmith.release.shards import write_shards

CLASSES = ("a", "b", "c")


def encoded(colour: Sequence[int], width: int = 8, height: int = 8, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), tuple(colour)).save(file, kind)
    return file.getvalue()


def shards(folder: Path, rows: int, *, broken: int | None = None, other: int | None = None) -> list[Path]:
    """Row n is of one colour, (n // 256, n % 256, class); classes lie side by side, in small shards and row groups."""
    key = [f"{n:032x}" for n in range(rows)]
    images = [encoded((n // 256, n % 256, n % 3)) for n in range(rows)]
    if broken is not None:
        images[broken] = images[broken][:40]
    label = [CLASSES[n % 3] for n in range(rows)]
    if other is not None:
        label[other] = "z"
    table = pl.DataFrame(
        {"key": key, "label": label, "image": [{"bytes": data, "path": ""} for data in images]},
        schema_overrides={"image": pl.Struct({"bytes": pl.Binary, "path": pl.String})},
    )
    table = table.with_columns(key=pl.col("key").str.reverse())
    return write_shards(table.lazy(), folder, "train", order=["label"], shard_bytes=40_000, row_group_bytes=8_000)


def epoch(images: Images, rows: int = 10, seed: int = 0, number: int = 0) -> tuple[list[int], list[int]]:
    """The numbers and labels of the rows as they come."""
    found = list(images.batches(rows, seed=seed, epoch=number))
    assert {len(pixels) for pixels, _ in found[:-1]} <= {rows}
    colours = np.concatenate([pixels[:, 0, 0].astype(int) for pixels, _ in found])
    labels = np.concatenate([labels for _, labels in found])
    assert (colours[:, 2] == labels).all()
    return (colours[:, 0] * 256 + colours[:, 1]).tolist(), labels.tolist()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400), st.integers(1, 50), st.integers(0, 60_000), st.integers(1, 4))
def test_every_row_comes_once_an_epoch(
    tmp_path_factory: pytest.TempPathFactory, rows: int, batch_rows: int, buffer_bytes: int, threads: int
) -> None:
    paths = shards(tmp_path_factory.mktemp("release"), rows)
    images = Images(paths, size=8, label="label", classes=CLASSES, buffer_bytes=buffer_bytes, threads=threads)
    for number in range(3):
        assert sorted(epoch(images, batch_rows, number=number)[0]) == list(range(rows))


def test_the_order_is_that_of_seed_and_epoch_whichever_thread_is_quicker_and_whether_images_are_kept(
    tmp_path: Path,
) -> None:
    paths = shards(tmp_path, 300)
    one = Images(paths, size=8, label="label", classes=CLASSES, threads=1, keep_bytes=0)
    other = Images(paths, size=8, label="label", classes=CLASSES, threads=5)
    orders = [epoch(one, number=number) for number in range(3)]
    assert [epoch(other, number=number) for number in range(3)] == orders
    assert len({tuple(order) for order, _ in orders}) == 3
    assert epoch(one, seed=1) != orders[0]


def test_classes_that_lie_side_by_side_are_mixed(tmp_path: Path) -> None:
    images = Images(shards(tmp_path, 600), size=8, label="label", classes=CLASSES, buffer_bytes=1 << 20)
    _, labels = epoch(images)
    assert all(len(set(labels[start : start + 30])) == 3 for start in range(0, 600, 30))


def test_images_are_kept_only_where_they_fit(tmp_path: Path) -> None:
    paths = shards(tmp_path, 30)
    kept, anew = (Images(paths, size=8, label="label", classes=CLASSES, keep_bytes=30 * 192 - no) for no in (0, 1))
    for images in (kept, anew):
        epoch(images)
    for path in paths:
        path.unlink()
    assert sorted(epoch(kept, number=1)[0]) == list(range(30))
    with pytest.raises(FileNotFoundError):
        epoch(anew, number=1)


def test_an_image_that_cannot_be_decoded_is_named_with_its_shard_and_key(tmp_path: Path) -> None:
    images = Images(shards(tmp_path, 60, broken=33), size=8, label="label", classes=CLASSES)
    with pytest.raises(ReleaseError, match=rf"train-0000\d-of-.*\.parquet, row {f'{33:032x}'[::-1]}: .*decoded"):
        epoch(images)


def test_a_label_that_is_no_class_is_named_with_its_shard_and_key(tmp_path: Path) -> None:
    images = Images(shards(tmp_path, 60, other=33), size=8, label="label", classes=CLASSES)
    with pytest.raises(ReleaseError, match=rf"row {f'{33:032x}'[::-1]}: its label, 'z', is no class"):
        epoch(images)


def test_a_column_that_is_not_there_and_shards_without_rows_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="has no column 'emotion'; it has key, label, image"):
        Images(shards(tmp_path, 10), size=8, label="emotion")
    with pytest.raises(ReleaseError, match="no row to train on"):
        Images([], size=8, label="label")


def test_an_epoch_that_is_left_early_can_be_begun_again(tmp_path: Path) -> None:
    images = Images(shards(tmp_path, 100), size=8, label="label", classes=CLASSES)
    begun = images.batches(10, seed=0, epoch=0)
    next(begun)
    begun.close()
    assert sorted(epoch(images)[0]) == list(range(100))


@pytest.mark.parametrize(("width", "height"), [(8, 8), (30, 90), (200, 20), (7, 5), (401, 399)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_image_of_any_size_becomes_a_square(width: int, height: int, kind: str) -> None:
    found = squared(encoded((200, 100, 50), width, height, kind), 8)
    assert not isinstance(found, str)
    assert found.shape == (8, 8, 3)
    assert np.abs(found.astype(int) - (200, 100, 50)).max() <= 3


def test_the_middle_of_a_long_image_is_shown() -> None:
    pixels = np.zeros((10, 100, 3), np.uint8)
    pixels[:, 45:55] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    found = squared(file.getvalue(), 10)
    assert not isinstance(found, str)
    assert found.min() > 200
