"""Compare new images with those of earlier releases, whose hashes are sorted once and then only looked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.curate.hamming import Band, banded, near_between
from corpusmith.whole import whole

FOUND = {"key": pl.String, "known": pl.String, "distance": pl.UInt8, "release": pl.String}
BLOCK: Final = 1 << 22  # hashes that are sorted, and held in memory, together: 0.5 GB with what sorting takes


def remember(images: pl.DataFrame, path: Path) -> None:
    """Write the hashes of a release's images (columns key and phash; nulls are left out) to ``path``, an Arrow file.

    It holds them once for each band, sorted by that band, so that a search maps the file and reads but the pages that
    it looks up: what was written is never sorted, or written, again. Many are sorted BLOCK after BLOCK.
    """
    hashed = images.select("key", "phash").drop_nulls("phash")
    batches = map(_sorted, hashed.iter_slices(BLOCK) if hashed.height else [hashed])
    first = next(batches)
    with (
        whole(path) as unfinished,
        pa.OSFile(str(unfinished), "wb") as file,
        pa.ipc.new_file(file, first.schema) as writer,
    ):
        writer.write_batch(first)
        del first
        for batch in batches:
            writer.write_batch(batch)


def _sorted(hashed: pl.DataFrame) -> pa.RecordBatch:
    columns = {"key": hashed["key"].to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())}
    for band in banded(hashed["phash"].to_numpy()):
        columns[f"hashes-{band.start}-{band.bits}"] = pa.array(band.hashes)
        columns[f"rows-{band.start}-{band.bits}"] = pa.array(band.rows.astype(np.uint32))
    return pa.record_batch(columns)


def known(images: pl.DataFrame, remembered: Sequence[Path], distance: int) -> pl.DataFrame:
    """The images that look like one of an earlier release: columns key, known, distance, release.

    ``images`` has the columns key and phash. known is the key of the earlier image, release the stem of the file in
    ``remembered`` that holds it (see `remember`). All pairs whose hashes differ in ``distance`` bits or less are found.
    Time grows with the new images, and with the earlier ones only as far as more of these are near; memory with what
    is found, and a block of a file that is mapped.
    """
    hashed = images.select("key", "phash").drop_nulls("phash")
    hashes = hashed["phash"].to_numpy()
    parts = [pl.DataFrame(schema=FOUND)]
    for path in remembered:
        for rows in _blocks(path):
            for near in near_between(hashes, _bands(rows), distance):
                columns = {"key": hashed["key"].gather(near.left), "known": rows["key"].take(pa.array(near.right))}
                part = pl.DataFrame({**columns, "distance": near.distance})
                parts.append(part.with_columns(release=pl.lit(path.stem)))
    return pl.concat(parts).sort("key", "distance", "release", "known")


def _blocks(path: Path) -> Iterator[pa.RecordBatch]:
    place, count = 0, 1
    while place < count:
        with pa.memory_map(str(path)) as file:  # anew for each block, so that the pages of the one before are let go
            blocks = pa.ipc.open_file(file)
            count = blocks.num_record_batches
            yield blocks.get_batch(place)
        place += 1


def _bands(rows: pa.RecordBatch) -> list[Band]:
    places = [name.removeprefix("hashes-") for name in rows.schema.names if name.startswith("hashes-")]
    arrays = [(rows[f"hashes-{place}"].to_numpy(), rows[f"rows-{place}"].to_numpy()) for place in places]
    cuts = [tuple(map(int, place.split("-"))) for place in places]
    return [Band(start, bits, *array) for (start, bits), array in zip(cuts, arrays, strict=True)]
