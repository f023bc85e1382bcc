"""A file takes its name when it is whole and on disk; a full disk leaves what was there, and one clear error."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from corpusmith.errors import LedgerError
from corpusmith.release.folder import replacing
from corpusmith.release.shards import write_shards
from corpusmith.whole import whole, write_whole
from corpusmith.work.ledger import Ledger


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def noise(rows: int) -> pl.DataFrame:
    """Rows of 32 bytes that no compression makes smaller."""
    draws = np.random.default_rng(0)
    return pl.DataFrame({"key": [f"{n:032x}" for n in range(rows)], "x": [draws.bytes(24).hex() for _ in range(rows)]})


def too_large(path: Path) -> None:
    with whole(path) as temporary:
        noise(100_000).lazy().sink_parquet(temporary)


def torn(path: Path) -> None:
    """Write a table, and lose its second half, as a writer does that is not told of a full disk."""
    with whole(path) as temporary:
        noise(1000).write_parquet(temporary)
        os.truncate(temporary, temporary.stat().st_size // 2)


def broken_off(path: Path) -> None:
    with whole(path) as temporary:
        temporary.write_text("half")
        raise ValueError("no")


def files(place: Path) -> set[str]:
    return {path.name for path in place.rglob("*") if path.is_file()}


def test_a_table_that_does_not_fit_never_takes_its_name(small: Path) -> None:
    path = small / "table.parquet"
    with whole(path) as temporary:
        noise(10).write_parquet(temporary)
    with pytest.raises(
        LedgerError, match=r"table\.parquet could not be written to its end .* the disk is full"
    ) as told:
        too_large(path)
    assert "\n" not in str(told.value)
    assert pl.read_parquet(path).height == 10
    assert files(small) == {"table.parquet"}


def test_a_torn_table_is_noticed_even_if_its_writer_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="could not be written to its end"):
        torn(tmp_path / "t.parquet")
    assert files(tmp_path) == set()


def test_a_note_that_does_not_fit_leaves_the_old_one(small: Path) -> None:
    write_whole(small / "note.json", "old")
    with pytest.raises(LedgerError, match="the disk is full"):
        write_whole(small / "note.json", "new" * 1_000_000)
    assert (small / "note.json").read_text() == "old"
    assert files(small) == {"note.json"}


def test_a_segment_that_does_not_fit_leaves_the_ledger_as_it_was(small: Path) -> None:
    schema = pa.schema({"key": pa.string(), "x": pa.string()})
    shelf = Ledger(small).shelf("noise", "noise:x@1", schema)
    rows = noise(100).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
    shelf.append(rows)
    with pytest.raises(LedgerError):
        shelf.append(noise(100_000).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema))
    assert shelf.scan().collect().height == 100
    assert len(shelf.segments()) == 1


def test_a_release_that_does_not_fit_leaves_the_old_one(small: Path) -> None:
    with replacing(small / "release") as folder:
        (folder / "README.md").write_text("old")
    with pytest.raises(OSError, match="No space left"), replacing(small / "release") as folder:
        write_shards(noise(100_000).lazy(), folder / "data", "train")
    assert files(small / "release") == {"README.md"}


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"):
        broken_off(tmp_path / "note.json")
    assert files(tmp_path) == set()
