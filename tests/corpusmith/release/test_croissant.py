import json
from pathlib import Path

import polars as pl


def test_mlcroissant_finds_no_error_in_it(release_dir: Path) -> None:
    import mlcroissant

    issues = mlcroissant.Dataset(jsonld=release_dir / "croissant.json").metadata.issues
    assert not issues.errors
    assert all("datePublished" in warning for warning in issues.warnings)  # a release has no time in it


def test_mlcroissant_reads_every_row(release_dir: Path) -> None:
    import mlcroissant

    records = list(mlcroissant.Dataset(jsonld=release_dir / "croissant.json").records(record_set="data"))
    read = {record["data/key"].decode(): record["data/text"].decode() for record in records}
    rows = pl.read_parquet(release_dir / "data" / "*.parquet")
    assert read == dict(rows.select("key", "text").rows())


def test_mlcroissant_reads_the_rejected_rows_with_their_reasons(release_dir: Path) -> None:
    import mlcroissant

    records = list(mlcroissant.Dataset(jsonld=release_dir / "croissant.json").records(record_set="rejected"))
    assert len(records) == 42
    assert all(len(record["rejected/reasons"]) for record in records)


def test_it_has_the_digest_of_each_shard_of_the_manifest(release_dir: Path) -> None:
    said = json.loads((release_dir / "croissant.json").read_text())
    files = json.loads((release_dir / "manifest.json").read_text())["files"]
    shards = {held["@id"]: held["sha256"] for held in said["distribution"] if held["@type"] == "cr:FileObject"}
    assert shards == {name: held["sha256"] for name, held in files.items() if name.endswith(".parquet")}
