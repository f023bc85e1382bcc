"""Publishing the next version of a release: which share of its bytes the Hub has to be sent.

python -m benchmarks.uploading [--megabytes 300] [--kilobytes 40] [--comments 600000]

Counted by the Hub's own client (hf_xet): it uploads the old version, then the new one, to a store in a folder here, and
says how many bytes it had to send. It cuts files into chunks of about 64 KiB by their content, and does not refer to
single chunks that lie far apart. Each case is written in the order of its corpus and in the order of keys alone, and
both again without content-defined chunks, as Parquet is usually written.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from benchmarks.tables import Measured, Value, met, show
from corpusmith.assets.reddit.card import CARD
from corpusmith.curate.balance import assign_splits, balanced, groups
from corpusmith.emotions import EMOTIONS
from corpusmith.release.shards import ROW_GROUP_BYTES, Order, write_shards

CLASSES = 100
AIM = 0.05
OFTEN = (0.06, 0.03, 0.02, 0.20, 0.52, 0.10, 0.07)  # how often comments show each emotion, roughly
IMAGE_ORDER: Order = ("generator", "label")


def uploaded(versions: Sequence[Sequence[Path]]) -> list[float]:
    """Which share of its bytes each version's files have that its store had not been sent before."""
    import hf_xet

    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_XET_CACHE"] = f"{folder}/cache"
        session = hf_xet.XetSession(hf_xet.XetConfig().with_config("telemetry.enabled", False))
        shares = []
        for files in versions:
            with session.new_upload_commit(endpoint=f"local://{folder}/store") as commit:
                sent = [commit.start_upload_file(str(file)) for file in files]
            counts = [one.result().dedup_metrics for one in sent]
            shares.append(sum(one.new_bytes for one in counts) / sum(one.total_bytes for one in counts))
    return shares


def images(rows: int, kilobytes: float, seed: int, label: np.ndarray) -> pl.DataFrame:
    """Rows of an image release; an encoded image does not compress, so it is noise, of 0.6 to 1.4 times the size."""
    random = np.random.default_rng(seed)
    sizes = random.uniform(600 * kilobytes, 1400 * kilobytes, rows).astype(np.int64)
    key, prompt = digits(random, rows), digits(random, rows)
    data = [{"bytes": random.bytes(size), "path": f"{name}.jpg"} for size, name in zip(sizes, key, strict=True)]
    table = pl.DataFrame(
        {"key": key, "image": data, "label": label, "image_sha256": digits(random, rows, 64)},
        schema_overrides={"image": pl.Struct({"bytes": pl.Binary, "path": pl.String})},
    )
    return table.with_columns(
        generator=pl.lit("stable-diffusion-xl"),
        prompt=pl.format("a photograph of a {}, number {}", "label", pl.Series(prompt).str.head(3)),
        seed=pl.Series(random.integers(0, 2**62, rows)),
        plan=pl.concat_str(pl.lit('{"prompt":"a photograph of a '), "label", pl.lit('","x":"'), pl.Series(prompt)),
        fingerprint=pl.lit("images:stabilityai/stable-diffusion-xl-base-1.0@462165984030+1a2b3c4d"),
        **{name: pl.Series(random.random(rows).astype(np.float32)) for name in ("sharpness", "contrast", "quality")},
    )


def comments(rows: int, source: str, seed: int) -> pl.DataFrame:
    """Natural comments of a dump as they stand before they are balanced, of 8 to 60 words."""
    random = np.random.default_rng(seed)
    letters = np.random.default_rng(0).choice(list("etaoinshrdlu"), (20_000, 9))
    words = np.array(["".join(word[: 2 + number % 8]) for number, word in enumerate(letters)])
    often = 1 / np.arange(1, len(words) + 1)
    lengths = random.integers(8, 60, rows)
    said = random.choice(words, lengths.sum(), p=often / often.sum())
    ends = lengths.cumsum()
    texts = [" ".join(said[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
    chances = random.dirichlet(np.ones(7), rows).astype(np.float32)
    table = pl.DataFrame(
        {"key": digits(random, rows), "text": texts, "emotion": random.choice(EMOTIONS, rows, p=OFTEN)}
    )
    return table.with_columns(
        pl.lit("natural").alias("origin"),
        pl.lit(None, pl.String).alias("source_key"),
        pl.lit(None, pl.String).alias("cluster"),
        *(pl.Series(f"p_{emotion}", chances[:, i]) for i, emotion in enumerate(EMOTIONS)),
        thread=pl.format("t{}-{}", pl.lit(source), pl.Series(random.integers(0, 3 * rows, rows))),
        subreddit=pl.Series(random.choice(words[:500], rows)),
        created_utc=pl.Series(random.integers(1_136_073_600, 1_138_752_000, rows)),
        author=pl.Series(digits(random, rows)),
        judge=pl.lit("house/emotion-judge@0123456789ab"),
        plan=pl.concat_str(
            pl.lit('{"digest":"'),
            pl.Series(digits(random, rows)),
            pl.lit('","line":'),
            pl.int_range(rows),
            pl.lit(f',"source":"{source}"}}'),
        ),
        fingerprint=pl.lit("comments:corpusmith/curate@2+99914b93"),
    )


def released(candidates: pl.DataFrame, per_emotion: int) -> pl.DataFrame:
    """What the Reddit corpus takes of its comments, with their splits."""
    chosen = balanced(candidates.select("key", "emotion", "origin", "source_key", "thread", "cluster"), per_emotion)
    placed = chosen.select("key", "emotion", group=groups(chosen))
    splits = placed.select("key", "group", split=assign_splits(placed))
    return splits.join(candidates.drop("cluster"), on="key", how="left", maintain_order="left")


def digits(random: np.random.Generator, rows: int, count: int = 32) -> list[str]:
    """Random hexadecimal digits, as a digest has them."""
    drawn = random.bytes(rows * count // 2).hex()
    return [drawn[start : start + count] for start in range(0, rows * count, count)]


def some(rows: int, share: float, seed: int) -> pl.Series:
    """A share of the rows, drawn."""
    drawn = np.zeros(rows, bool)
    drawn[np.random.default_rng(seed).permutation(rows)[: round(rows * share)]] = True
    return pl.Series(drawn)


def written(table: pl.DataFrame, folder: Path, order: Order) -> list[Path]:
    """The shards of each split as a release has them."""
    parts = table.partition_by("split", as_dict=True) if "split" in table.columns else {("train",): table}
    return [
        path for (split,), part in parts.items() for path in write_shards(part.lazy(), folder, str(split), order=order)
    ]


def plain(files: Sequence[Path], folder: Path) -> list[Path]:
    """The same shards without content-defined chunks: the defaults of pyarrow, and zstd; so many rows a row group."""
    folder.mkdir(parents=True)
    for file in files:
        table = pq.read_table(file)
        count = -(-table.nbytes // ROW_GROUP_BYTES)
        rows = max(1, -(-table.num_rows // count))
        pq.write_table(table, folder / file.name, compression="zstd", row_group_size=rows)
    return [folder / file.name for file in files]


def shares(old: pl.DataFrame, new: Mapping[str, Callable[[], pl.DataFrame]], order: Order) -> dict[str, list[float]]:
    """Of each case what is uploaded: in order, and by key, each with content-defined chunks and without."""
    found: dict[str, list[float]] = {name: [] for name in new}
    for by in (order, ()):
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            before = written(old, place / "old", by)
            before_plain = plain(before, place / "old-plain")
            for number, (case, made) in enumerate(new.items()):
                after = written(made(), place / f"new-{number}", by)
                found[case].append(uploaded([before, after])[1])
                found[case].append(uploaded([before_plain, plain(after, place / f"plain-{number}")])[1])
    return found


def of_images(asked: argparse.Namespace) -> dict[str, list[float]]:
    rows = max(1, round(asked.megabytes * 1000 / asked.kilobytes / CLASSES)) * CLASSES
    label = np.repeat([f"thing {number:03d}" for number in range(CLASSES)], rows // CLASSES)
    old = images(rows, asked.kilobytes, 0, label)
    drawn, few = some(rows, 0.01, 1), some(rows, 0.001, 2)
    one = pl.col("label") == label[rows // 2]

    def replaced(gone: pl.Expr | pl.Series, seed: int) -> pl.DataFrame:
        lost = old.filter(gone)["label"].to_numpy()
        return pl.concat([old.filter(~gone), images(len(lost), asked.kilobytes, seed, lost)])

    return shares(
        old,
        {
            "images: one class of a hundred gets other prompts": lambda: replaced(one, 3),
            "images: a random 1 % of the rows changes": lambda: replaced(drawn, 4),
            "images: 1 % new rows, of all classes": lambda: pl.concat(
                [
                    old,
                    images(rows // 100, asked.kilobytes, 5, np.random.default_rng(5).permutation(label)[: rows // 100]),
                ]
            ),
            "images: a takedown of 0.1 %": lambda: old.filter(~few),
        },
        IMAGE_ORDER,
    )


def of_comments(asked: argparse.Namespace) -> dict[str, list[float]]:
    dumps = [comments(asked.comments // 4, f"RC_2006-{month:02d}.zst", month) for month in range(1, 5)]
    new = comments(asked.comments // 100, "RC_2006-05.zst", 5)
    old = pl.concat(dumps)
    per_emotion = int(0.9 * old["emotion"].value_counts()["count"].min())
    few, drawn = some(old.height, 0.001, 6), some(old.height, 0.01, 7)
    cases = {
        "comments: a new dump brings 1 % more": lambda: pl.concat([old, new]),
        "comments: a random 1 % of the rows is judged anew": lambda: old.with_columns(
            p_joy=pl.when(drawn).then(pl.col("p_joy") / 2).otherwise("p_joy")
        ),
        "comments: a takedown of 0.1 %": lambda: old.filter(~few),
    }
    anew = {"comments: a new dump brings 1 %, rows chosen anew": lambda: released(pl.concat([old, new]), per_emotion)}
    return shares(old, cases, CARD.order) | shares(released(old, per_emotion), anew, CARD.order)


def parser() -> argparse.ArgumentParser:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--megabytes", type=int, default=300, help="of the image release")
    ask.add_argument("--kilobytes", type=float, default=40, help="of an image, on average")
    ask.add_argument("--comments", type=int, default=600_000, help="of the text release")
    return ask


def measure(asked: argparse.Namespace) -> Iterator[Measured]:
    rows: list[tuple[Value, ...]] = []
    for case, found in {**of_images(asked), **of_comments(asked)}.items():
        aimed = "one class" in case or "new dump" in case
        aim = ("at most 5 %", met(found[0] <= AIM)) if aimed else (None, None)
        rows.append((case, *(f"{share:.1%}" for share in found), *aim))
    yield Measured(
        "uploading",
        f"Share of a new version's bytes that has to be uploaded, counted by the Hub's client (hf_xet) against a store "
        f"that has the old one; {asked.megabytes:,} MB of images of about {asked.kilobytes:g} KB, "
        f"{asked.comments:,} comments; one run, nothing is timed",
        ("what changes", "ours", "ours, not chunked", "by key, chunked", "by key, not chunked", "aim", ""),
        rows,
    )


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
