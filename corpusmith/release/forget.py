"""Write the rows taken down of a release, and the rest of it, as the two halves of an unlearning benchmark."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml

from corpusmith.errors import UserError
from corpusmith.release import manifest, parquet
from corpusmith.release.folder import check_folder, replacing
from corpusmith.release.plain import read_text
from corpusmith.release.shards import features, write_shards

FORGET: Final = "forget"
RETAIN: Final = "retain"
SPLIT: Final = "train"
"""Each configuration is one split, as TOFU has it (arXiv 2401.06121); the release's own is the column ``split``."""


def write_forget_set(release: Path, keys: Collection[str], into: Path) -> dict[str, int]:
    """How many rows each of the configurations ``forget`` and ``retain`` has, which are written to the folder ``into``.

    Only released rows are among them: nothing learns from the rejected. Raises UserError where none of the keys is a
    released row, no row would be left, or ``into`` is a file or has something in it.
    """
    check_folder(into)
    if into.is_dir() and any(into.iterdir()):
        raise UserError(f"{into} is not empty: name a new folder for the forget set")
    said, rows = manifest.read(release), parquet.scan(release)
    is_taken = pl.col("key").is_in(pl.Series([*keys], dtype=pl.String).implode())
    taken = rows.select(is_taken.sum()).collect(engine="streaming").item()
    counts = {FORGET: taken, RETAIN: said.counts["rows"] - taken}
    if not all(counts.values()):
        raise UserError(
            f"--forget-set: {taken:,} of the {said.counts['rows']:,} released rows of {release} are taken down; "
            "expected some, and some that are left"
        )
    with replacing(into) as folder:
        for name, part in ((FORGET, rows.filter(is_taken)), (RETAIN, rows.filter(~is_taken))):
            write_shards(part, folder / name, SPLIT)
        (folder / "README.md").write_text(_card(folder, release, said, counts))
    return counts


def _card(folder: Path, release: Path, said: manifest.Manifest, counts: dict[str, int]) -> str:
    front = {
        "license": _licence(release),
        "tags": ["unlearning"],
        "dataset_info": [{"config_name": name, "features": _columns(folder / name, said)} for name in counts],
        "configs": [
            {
                "config_name": name,
                "version": said.version,
                "description": f"rows {_digest(folder / name)}",  # `datasets` keeps what it prepared by this text
                "data_files": [{"split": SPLIT, "path": f"{name}/{SPLIT}-*.parquet"}],
            }
            for name in counts
        ],
    }
    return (
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n"
        f"# {said.corpus} {said.version}: what to forget, and what to retain\n\n"
        f"`{FORGET}`: {counts[FORGET]:,} rows that were taken down. `{RETAIN}`: the {counts[RETAIN]:,} others of the "
        "release. A model that has forgotten answers to the first as one that was trained on the second alone.\n\n"
        "```python\nfrom datasets import load_dataset\n\n"
        f'{FORGET} = load_dataset(DIR, "{FORGET}", split="{SPLIT}")\n'
        f'{RETAIN} = load_dataset(DIR, "{RETAIN}", split="{SPLIT}")\n```\n\n'
        "It holds what somebody asked to be taken down: delete it when the unlearning is done.\n"
    )


def _columns(folder: Path, said: manifest.Manifest) -> list[dict[str, Any]]:
    columns: list[dict[str, Any]] = features(min(folder.iterdir()), said.labels)._to_yaml_list()
    return columns


def _digest(folder: Path) -> str:
    lines = "".join(f"{manifest.sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()))
    return sha256(lines.encode()).hexdigest()[:16]


def _licence(release: Path) -> str:
    """The licence that the card of the release names."""
    _, front, _ = read_text(release / "README.md").split("---\n", 2)
    return str(yaml.safe_load(front)["license"])
