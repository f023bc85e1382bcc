"""A release of images: written, opened by those who read it, compared, verified and made again."""

import io
import re
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from PIL import Image
from portraits_corpus import portraits

from corpusmith.errors import ReleaseError
from corpusmith.models.images import png
from corpusmith.release import manifest, verify
from corpusmith.release.diff import diff
from corpusmith.release.inputs import Release
from corpusmith.release.shards import write_parquet, write_shards
from corpusmith.release.write import write_release
from corpusmith.validation.schema import IMAGE, PORTRAITS, PORTRAITS_REJECTED, schema


@pytest.fixture(scope="module")
def given() -> Release:
    return portraits()


@pytest.fixture(scope="module")
def folder(given: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written release; tests do not write in it."""
    place = tmp_path_factory.mktemp("home") / "data" / "portraits"
    write_release(given, place)
    return place


def data(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(sorted((folder / "data").glob("*.parquet")))


def test_every_row_comes_back_as_it_went_in(given: Release, folder: Path) -> None:
    rows = data(folder)
    assert rows.schema == schema(PORTRAITS)
    assert rows.sort("key").equals(given.rows.collect().sort("key"))


def test_load_dataset_shows_pictures(folder: Path) -> None:
    import datasets

    opened = datasets.load_dataset(str(folder))
    assert opened["train"].features["image"] == datasets.Image()
    row = opened["train"][0]
    assert isinstance(row["image"], Image.Image)
    assert row["image"].size == (64, 64)
    assert {said["annotator"] for said in row["annotations"]} == {"house/expression-cnn", "house/expression-vit"}


def test_the_schema_says_to_the_viewer_that_it_is_an_image(folder: Path) -> None:
    said = pq.read_schema(next((folder / "data").glob("train-*"))).metadata[b"huggingface"]
    assert b'"image": {"_type": "Image"}' in said


def test_images_of_rejected_rows_stay_in_the_ledger_unless_asked_for(
    given: Release, folder: Path, tmp_path: Path
) -> None:
    assert pl.read_parquet(folder / "rejected" / "*.parquet").schema == schema(PORTRAITS_REJECTED)
    assert "(without their images)" in (folder / "README.md").read_text()
    write_release(replace(given, rejected_images=True), tmp_path / "portraits")
    kept = pl.read_parquet(tmp_path / "portraits" / "rejected" / "*.parquet")
    assert kept.schema["image"] == IMAGE
    assert verify.check_files(tmp_path / "portraits").images == data(folder).height + kept["image_sha256"].count()


def test_large_images_fill_shards_and_row_groups_by_their_bytes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sizes = [1_000] * 300 + [40_000] * 100
    images = [{"bytes": random.bytes(size), "path": "x"} for size in sizes]
    rows = pl.DataFrame(
        {"key": [sha256(str(i).encode()).hexdigest() for i in range(400)], "image": images},
        {"key": pl.String, "image": IMAGE},
    )
    paths = write_shards(rows.lazy(), tmp_path, "train", shard_bytes=1 << 20)
    assert 4 <= len(paths) <= 6
    write_parquet(rows, tmp_path / "one.parquet", row_group_bytes=1 << 20)
    assert pq.read_metadata(tmp_path / "one.parquet").num_row_groups == 5


def test_mlcroissant_reads_images_and_annotations(folder: Path) -> None:
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert not dataset.metadata.issues.errors
    record = next(iter(dataset.records(record_set="data")))
    assert record["data/image"].size == (64, 64)
    assert record["data/prompt"]


def test_the_card_ranks_generators_and_names_house_models(given: Release, folder: Path) -> None:
    card = (folder / "README.md").read_text()
    best = given.scores.filter(
        (pl.col("task") == "generator") & (pl.col("metric") == "score"), pl.col("label").is_null()
    )
    best = best.sort("value", descending=True).row(0, named=True)
    line = next(line for line in card.splitlines() if line.startswith("| 1") and "| house/" in line)
    assert f"| {best['subject']} | {best['value']:.3f} | {best['low']:.3f} – {best['high']:.3f} |" in line
    assert "### Perceivers" in card
    assert "is a house model" in card
    assert "| house/velocity as house/velocity-early |" in card
    assert "| `image` | image |" in card
    assert "of the rows are not" not in card  # nothing is natural here


def test_the_report_shows_a_contact_sheet_leaderboards_and_what_was_rejected(given: Release, folder: Path) -> None:
    page = (folder / "report" / "index.html").read_text()
    assert len(page) < 5_000_000
    for section in ("balance", "sheet", "flow", "rejected", "spreads", "generators", "perceivers", "confusions"):
        assert f'<section id="{section}">' in page
    assert 'id="examples"' not in page
    sheet = page.split('id="sheet"')[1].split("</section>")[0]
    degrees = 5 * 3 + 1
    assert sheet.count("<tr>") == degrees + 1
    assert sheet.count("<img") + sheet.count("not made") == degrees * len(given.text.origins)
    assert page.split('id="rejected"')[1].split("</section>")[0].count("<img") == sum(
        image is not None for image in given.rejected.collect()["image"].struct.field("bytes")
    )
    assert page.count("intensity seen") >= len(given.text.origins)  # one curve each
    assert not re.search(r'(?:src|href)="(?!#|data:image/webp)', page)


def test_another_image_under_a_key_is_told_from_another_number(given: Release, folder: Path, tmp_path: Path) -> None:
    rows = given.rows.collect()
    first, second, third = rows["key"][:3]
    grey = png(np.full((64, 64, 3), 99, np.uint8))
    new = changed(rows, first, grey).with_columns(
        quality=pl.when(pl.col("key") == second).then(0.123).otherwise("quality").cast(pl.Float32),
        key=pl.when(pl.col("key") == third).then(pl.lit("f" * 32)).otherwise("key"),
    )
    write_release(replace(given, rows=new.lazy(), version="1.1.0"), tmp_path / "portraits")
    found = diff(folder, tmp_path / "portraits")
    assert (found.added, found.removed, found.changed, found.redrawn, found.renamed) == (1, 1, 2, 1, 1)
    assert "1 of the changed rows have another image" in found.sentence()
    assert found.counts.columns == ["emotion", "generator", "old", "new", "delta"]
    assert found.scores["other"].is_empty() if "other" in found.scores.columns else True


def changed(rows: pl.DataFrame, key: str, image: bytes, digest: str | None = None) -> pl.DataFrame:
    """The rows with another image in one of them."""
    other = pl.lit({"bytes": image, "path": "x.png"}, IMAGE)
    here = pl.col("key") == key
    stated = pl.lit(digest or sha256(image).hexdigest())
    return rows.with_columns(
        image=pl.when(here).then(other).otherwise("image"),
        image_sha256=pl.when(here).then(stated).otherwise("image_sha256"),
    )


def test_an_image_that_is_not_that_of_its_digest_is_found(given: Release, folder: Path, tmp_path: Path) -> None:
    checked = verify.check_files(folder)
    assert checked.images == given.rows.collect().height
    rows = given.rows.collect()
    forged = changed(rows, rows["key"][4], png(np.zeros((64, 64, 3), np.uint8)), digest="0" * 64)
    write_release(replace(given, rows=forged.lazy()), tmp_path / "portraits")
    with pytest.raises(ReleaseError, match=rf"1 images are not those of their digests: {rows['key'][4]} in data/"):
        verify.check_files(tmp_path / "portraits")


def test_a_released_row_without_its_image_is_found(given: Release, tmp_path: Path) -> None:
    rows = given.rows.collect()
    here = pl.col("key") == rows["key"][4]
    for name, lost in (("null", None), ("empty", {"bytes": None, "path": "x.png"})):
        image = pl.when(here).then(pl.lit(lost, IMAGE)).otherwise("image").alias("image")
        write_release(replace(given, rows=rows.with_columns(image).lazy()), tmp_path / name)
        with pytest.raises(ReleaseError, match=rf"1 images are missing: {rows['key'][4]} in data/"):
            verify.check_files(tmp_path / name)


def redrawn(rows: pl.DataFrame, levels: int, compression: int = 1) -> pl.DataFrame:
    """The images of the rows again, some grey levels off, as a remaker returns them."""
    images = []
    for held in rows["image"].struct.field("bytes"):
        pixels = np.asarray(Image.open(io.BytesIO(held)))
        sink = io.BytesIO()
        Image.fromarray(np.where(pixels > 200, pixels - levels, pixels).astype(np.uint8)).save(
            sink, "PNG", compress_level=compression
        )
        images.append({"bytes": sink.getvalue(), "path": "x.png"})
    digests = [sha256(image["bytes"]).hexdigest() for image in images]
    return rows.select("key", "p_joy").with_columns(
        image=pl.Series(images, dtype=IMAGE), image_sha256=pl.Series(digests)
    )


def test_images_made_again_are_told_apart_bit_for_bit_or_within_a_grey_level(folder: Path) -> None:
    same = verify.regenerate(folder, 6, lambda rows: redrawn(rows, 0))
    assert (same.rows, same.identical, same.within, same.different) == (6, 6, [], [])

    near = verify.regenerate(folder, 6, lambda rows: redrawn(rows, 1))
    assert (near.identical, len(near.within), near.different) == (0, 6, [])
    assert {row["why"] for row in near.within} == {"image is off by 1 of 255 grey levels"}
    told = near.sentence()
    assert told.startswith("6 of 6 rows made again: 0 bit for bit, 6 within the tolerance (0.001, or 1 of 255")
    assert near.within[0]["key"] in near.sentence()

    far = verify.regenerate(folder, 6, lambda rows: redrawn(rows, 2))
    assert (far.identical, far.within, len(far.different)) == (0, [], 6)

    other = verify.regenerate(folder, 3, lambda rows: redrawn(rows, 0, compression=9))
    assert {row["why"] for row in other.within} == {"image has the same pixels in other bytes"}


def test_an_image_of_another_size_is_different(folder: Path) -> None:
    small = {"bytes": png(np.zeros((8, 8, 3), np.uint8)), "path": "x.png"}
    found = verify.regenerate(folder, 3, lambda rows: rows.select("key").with_columns(image=pl.lit(small, IMAGE)))
    assert {row["why"] for row in found.different} == {"image is of another size, or cannot be opened"}


def test_a_number_out_of_tolerance_counts_also_where_the_image_is_right(folder: Path) -> None:
    found = verify.regenerate(folder, 3, lambda rows: redrawn(rows, 1).with_columns(pl.col("p_joy") + 0.5))
    assert len(found.different) == 3
    assert all("p_joy was" in row["why"] for row in found.different)


def test_the_same_inputs_give_the_same_bytes(given: Release, folder: Path, tmp_path: Path) -> None:
    shuffled = given.rows.collect().sample(fraction=1.0, shuffle=True, seed=3)
    again = write_release(replace(given, rows=shuffled.lazy()), tmp_path / "portraits")
    assert again.files == manifest.read(folder).files
    shutil.rmtree(tmp_path / "portraits")
