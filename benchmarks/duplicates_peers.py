"""The peers of `duplicates.py`, each doing the same work in its own idiom; runs in their own virtual environment.

python benchmarks/duplicates_peers.py PEER SOURCE TARGET   reads SOURCE (id, text), writes TARGET, prints the seconds.

The work: normalise, drop exact and near-duplicates (MinHash of 3-word shingles, Jaccard 0.8), replace personal data,
write Parquet. Where a peer has a step of its own for one of these, it is used; where it has none, the regexes below,
or nothing (datatrove and data-juicer replace fewer kinds of personal data than the others: that is in their favour).
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WORDS, BANDS, ROWS = 3, 16, 8  # of a shingle; of the 128 hashes: 95 % of pairs at 0.8 agree in a band
PERSONAL = {
    "[URL]": r"https?://\S+|www\.\S+",
    "[EMAIL]": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    "[USER]": r"/?\bu/[A-Za-z0-9_-]{3,20}",
    "[IP]": r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    "[CARD]": r"\b(?:\d[ -]?){13,16}\b",
    "[PHONE]": r"\+?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b",
}


def without_linked(ids: Any, left: Any, right: Any) -> Any:
    """``ids`` but for those that are linked, over pairs left-right, to a smaller one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = int(ids.max()) + 1
    _, part = connected_components(coo_array((np.ones(len(left), bool), (left, right)), shape=(size, size)))
    first = np.full(size, size)
    np.minimum.at(first, part[ids], ids)
    return ids[first[part[ids]] == ids]


def daft(source: str, target: str) -> None:
    import daft
    import pyarrow as pa
    from daft import col
    from daft.functions import minhash, normalize, regexp_replace

    table = daft.read_parquet(source)
    clean = normalize(col("text"), remove_punct=True, lowercase=True, white_space=True)
    table = table.with_column("clean", clean)
    table = table.groupby("clean").agg(col("id").min(), col("text").any_value()).collect()
    hashes = minhash(col("clean"), num_hashes=BANDS * ROWS, ngram_size=WORDS, hash_function="xxhash3_64")
    signed = table.select(col("id"), hashes.alias("hashes")).to_arrow()
    values = signed["hashes"].combine_chunks().values.to_numpy().reshape(len(signed), BANDS, ROWS)
    bands = [np.ascontiguousarray(values[:, band]).view(f"V{4 * ROWS}").ravel() for band in range(BANDS)]
    ids = signed["id"].to_numpy()
    left, right = [], []
    for band in bands:  # the same as a group-by in daft, and faster
        _, first, members = np.unique(band, return_index=True, return_inverse=True)
        left.append(ids[first[members]])
        right.append(ids)
    kept = without_linked(ids, np.concatenate(left), np.concatenate(right))
    table = table.join(daft.from_arrow(pa.table({"id": kept})), on="id").select("id", "text")
    text = col("text")
    for token, pattern in PERSONAL.items():
        text = regexp_replace(text, pattern, token)
    table.with_column("text", text).write_parquet(target)


def rensa(source: str, target: str) -> None:
    import polars as pl
    from rensa import RMinHash, RMinHashLSH

    table = pl.read_parquet(source)
    clean = pl.col("text").str.to_lowercase().str.replace_all(r"[^\w\s]+", "").str.replace_all(r"\s+", " ")
    table = table.with_columns(clean=clean).unique("clean", keep="first", maintain_order=True)
    words = [text.split(" ") for text in table["clean"]]
    shingles = [list(map(" ".join, zip(*(text[i:] for i in range(WORDS)), strict=False))) or text for text in words]
    hashes = RMinHash.from_token_sets(shingles, BANDS * ROWS, 42)
    index = RMinHashLSH(0.8, BANDS * ROWS, BANDS)
    index.insert_many(hashes)
    found = index.query_all(hashes)
    left = np.repeat(np.arange(len(found)), [len(others) for others in found])
    right = np.fromiter((other for others in found for other in others), np.int64)
    kept = without_linked(np.arange(len(table)), left, right)
    text = pl.col("text")
    for token, pattern in PERSONAL.items():
        text = text.str.replace_all(pattern, token)
    table[kept].select("id", text).write_parquet(target, compression="snappy")  # as the others


def datatrove(source: str, target: str, whitespace: bool = False) -> None:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
    )
    from datatrove.pipeline.formatters import PIIFormatter
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.word_tokenizers import WordTokenizer
    from loguru import logger

    class Whitespace(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    logger.remove()
    config = MinhashConfig(n_grams=WORDS, num_buckets=BANDS, hashes_per_bucket=ROWS)
    language = Whitespace() if whitespace else "eng"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source").mkdir()
        split_in_two(source, folder / "source")
        reader = ParquetReader(str(folder / "source"), id_key="id")
        steps: list[tuple[list[Any], int]] = [
            ([reader, MinhashDedupSignature(str(folder / "signatures"), config, language)], 2),
            ([MinhashDedupBuckets(str(folder / "signatures"), str(folder / "buckets"), config=config)], BANDS),
            ([MinhashDedupCluster(str(folder / "buckets"), str(folder / "remove"), config=config)], 1),
            ([reader, MinhashDedupFilter(str(folder / "remove")), PIIFormatter(), ParquetWriter(target)], 2),
        ]
        for number, (steps_of_one, tasks) in enumerate(steps):
            LocalPipelineExecutor(
                steps_of_one, tasks=tasks, workers=2, logging_dir=str(folder / f"logs{number}"), start_method="fork"
            ).run()


def split_in_two(source: str, folder: Path) -> None:
    """datatrove shares work by file: two files, two workers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(source)
    table = table.set_column(0, "id", table["id"].cast(pa.string()))
    half = len(table) // 2
    pq.write_table(table.slice(0, half), folder / "0.parquet")
    pq.write_table(table.slice(half), folder / "1.parquet")


def data_juicer(source: str, target: str) -> None:
    import datasets
    from data_juicer.core.data import NestedDataset
    from data_juicer.ops.deduplicator.document_deduplicator import DocumentDeduplicator
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator
    from data_juicer.ops.mapper.clean_email_mapper import CleanEmailMapper
    from data_juicer.ops.mapper.clean_ip_mapper import CleanIpMapper
    from data_juicer.ops.mapper.clean_links_mapper import CleanLinksMapper
    from data_juicer.ops.mapper.punctuation_normalization_mapper import PunctuationNormalizationMapper
    from data_juicer.ops.mapper.whitespace_normalization_mapper import WhitespaceNormalizationMapper
    from loguru import logger

    logger.remove()
    datasets.disable_progress_bars()
    both = {"num_proc": 2}
    table = NestedDataset(datasets.Dataset.from_parquet(source, cache_dir=tempfile.mkdtemp()))
    for step in [
        WhitespaceNormalizationMapper(**both),
        PunctuationNormalizationMapper(**both),
        DocumentDeduplicator(lowercase=True, **both),
        DocumentMinhashDeduplicator(
            window_size=WORDS,
            num_permutations=BANDS * ROWS,
            jaccard_threshold=0.8,
            num_bands=BANDS,
            num_rows_per_band=ROWS,
            ignore_pattern=r"[^\w\s]+",
            **both,
        ),
        CleanLinksMapper(**both),
        CleanEmailMapper(**both),
        CleanIpMapper(**both),
    ]:
        table = step.run(table)
    table.to_parquet(target)


PEERS: dict[str, Callable[[str, str], None]] = {
    "daft": daft,
    "rensa": rensa,
    "datatrove, whitespace tokens": lambda source, target: datatrove(source, target, whitespace=True),
    "datatrove": datatrove,
    "data-juicer": data_juicer,
}


def main() -> None:
    name, source, target = sys.argv[1:]
    logging.disable()
    warm = {"daft": "daft.functions", "data-juicer": "data_juicer.core.data", "rensa": "rensa"}.get(name, "datatrove")
    for module in (warm, "scipy.sparse.csgraph"):  # starting up is not part of the work
        __import__(module)
    began = time.perf_counter()
    PEERS[name](source, target)
    print(json.dumps({"seconds": time.perf_counter() - began}), file=sys.__stdout__)


if __name__ == "__main__":
    main()
