"""The peers of `image_curation.py`, each in its own idiom; runs in their own virtual environment.

python benchmarks/image_curation_peers.py PEER SOURCE TARGET   reads the JPEGs in SOURCE, writes TARGET, prints seconds.

daft and imagededup hash, look for near-duplicates and write Parquet (key, duplicate_of); cleanvision measures quality.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np

DISTANCE = 8
WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
ISSUES = ("dark", "light", "blurry", "low_information", "odd_aspect_ratio", "odd_size", "grayscale")


def processor_seconds() -> float:
    """What this process and those that it waited for took of the processor until now."""
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, WHO))


def processor_file(target: Path) -> Path:
    """Where a system says what it took of the processor, beside what it found."""
    return target.with_name(f"{target.name}.processor")


def daft(source: str, target: str) -> None:
    """It has hashes, but no search among them: all are compared with all in numpy, which is cheap for so few."""
    import daft
    import polars as pl
    from daft import col
    from daft.functions import decode_image, download, image_hash

    files = daft.from_glob_path(f"{source}/*.jpg")
    table = files.select(col("path"), image_hash(decode_image(download(col("path")))).alias("hash")).to_arrow()
    hashes = np.frombuffer(b"".join(table["hash"].to_pylist()), np.uint64)
    keys = np.array([Path(path).name for path in table["path"].to_pylist()])
    order = keys.argsort()
    hashes, keys = hashes[order], keys[order]
    first = np.arange(len(keys))
    for row in range(1, len(keys)):
        near = np.bitwise_count(hashes[:row] ^ hashes[row]) <= DISTANCE
        first[row] = near.argmax() if near.any() else row
    copies = [keys[earlier] if earlier != row else None for row, earlier in enumerate(first)]
    pl.DataFrame({"key": keys, "hash": hashes, "duplicate_of": copies}).write_parquet(target)


def imagededup(source: str, target: str) -> None:
    import polars as pl
    from imagededup.methods import PHash

    hasher = PHash(verbose=False)
    hashes = hasher.encode_images(source)
    near = hasher.find_duplicates(encoding_map=hashes, max_distance_threshold=DISTANCE)
    keys = sorted(hashes)
    copies = [min((other for other in near[key] if other < key), default=None) for key in keys]
    table = {"key": keys, "hash": [hashes[key] for key in keys], "duplicate_of": copies}
    pl.DataFrame(table, schema_overrides={"duplicate_of": pl.String}).write_parquet(target)


def cleanvision(source: str, target: str) -> None:
    from cleanvision import Imagelab

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        lab = Imagelab(data_path=source)
        lab.find_issues({issue: {} for issue in ISSUES}, verbose=False)
    lab.issues.rename_axis("key").reset_index().to_parquet(target)


PEERS: dict[str, Callable[[str, str], None]] = {"daft": daft, "imagededup": imagededup, "cleanvision": cleanvision}


def main() -> None:
    name, source, target = sys.argv[1:]
    if name == "imagededup":  # it loads torch and torchvision, for networks that hashing does not use
        sys.modules["imagededup.methods.cnn"] = types.SimpleNamespace(CNN=None)
        sys.modules["imagededup.utils.models"] = types.SimpleNamespace(CustomModel=None)
    __import__(
        {"daft": "daft.functions", "imagededup": "imagededup.methods"}.get(name, name)
    )  # start-up is not the work
    began, busy = time.perf_counter(), processor_seconds()
    PEERS[name](source, target)
    print(json.dumps({"seconds": time.perf_counter() - began}), file=sys.__stdout__)
    processor_file(Path(target)).write_text(str(processor_seconds() - busy))


if __name__ == "__main__":
    main()
