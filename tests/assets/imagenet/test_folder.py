"""A release goes out as ImageNet lies: each image where the real one is, or not at all."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from corpusmith.assets.imagenet import classes, folder
from corpusmith.errors import UserError
from corpusmith.release.inputs import CardText, Release, Stage
from corpusmith.release.write import write_release
from corpusmith.score.scores import table

TENCH, GOLDFISH = "n01440764", "n01443537"


def row(source: str, wnid: str = TENCH, strategy: str = "label", split: str = "train", **more: object) -> dict:
    name = classes.chosen([wnid])["name"][0] if wnid in set(classes.table()["wnid"]) else "unknown"
    key = hashlib.blake2b(repr((source, strategy, more)).encode(), digest_size=16).hexdigest()
    sink = io.BytesIO()
    Image.new("RGB", (4, 4), tuple(bytes.fromhex(key[:6]))).save(sink, "PNG")
    said = {"prompt": f"a photo of a {name}", "generator": "house/flow"} | more
    return {
        "key": key,
        "wnid": wnid,
        "label": name,
        "strategy": strategy,
        "source": source,
        "split": split,
        "image": {"bytes": sink.getvalue(), "path": f"{key}.png"},
        "image_sha256": hashlib.sha256(sink.getvalue()).hexdigest(),
        "plan": "{}",
        "fingerprint": "x",
    } | said


def released(into: Path, rows: list[dict], corpus: str = "imagenet") -> Path:
    frame = pl.DataFrame(rows)
    columns = {name: "A column." for name in frame.columns}
    labels = tuple(frame["label"].unique().sort())
    text = CardText(
        "Images",
        "Some.",
        "Some.",
        "other",
        "label",
        labels,
        tuple(frame["strategy"].unique().sort()),
        (Stage("drawn", "Drawn."),),
        columns,
        {},
        origin="strategy",
    )
    nothing = frame.clear().with_columns(reasons=pl.lit([], pl.List(pl.String))).drop("split")
    made = dict(frame.group_by("strategy").len().rows())
    params = {corpus: {"seed": 0}}
    write_release(
        Release(corpus, "1.0.0", text, frame.lazy(), nothing.lazy(), table([]), made, {}, params), into / corpus
    )
    return into / corpus


REAL = [
    row(f"train/{TENCH}/{TENCH}_1.JPEG"),
    row(f"train/{TENCH}/deeper/{TENCH}_2.JPEG"),
    row(
        f"val/{GOLDFISH}/ILSVRC2012_val_00000001.JPEG", GOLDFISH, split="validation", prompt='a "gold", fish\nin water'
    ),
    row(f"test/{GOLDFISH}/x.y.png", GOLDFISH, split="test", prompt=None),
]


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    return released(tmp_path_factory.mktemp("clean"), REAL)


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_each_image_lies_where_the_real_one_does_with_the_bytes_that_it_has(tmp_path):
    count = folder.export(released(tmp_path, REAL), tmp_path / "out")
    found = files(tmp_path / "out")
    images = {name: data for name, data in found.items() if name.endswith(".png")}
    assert images == {str(Path(one["source"]).with_suffix(".png")): one["image"]["bytes"] for one in REAL}
    assert count == len(images) == 4
    assert sorted(set(found) - set(images)) == ["test.csv", "train.csv", "val.csv"]


def test_the_table_beside_a_split_says_path_index_and_prompt(tmp_path):
    folder.export(released(tmp_path, REAL), tmp_path / "out")
    read = {name: list(csv.reader((tmp_path / "out" / f"{name}.csv").open())) for name in ("val", "test")}
    name = f"val/{GOLDFISH}/ILSVRC2012_val_00000001.png"
    assert read["val"] == [[name, "1", 'a "gold", fish\nin water']]
    assert read["test"] == [[f"test/{GOLDFISH}/x.y.png", "1", ""]]


def test_it_opens_as_a_folder_of_images_with_the_classes_as_labels(tmp_path):
    import datasets

    folder.export(released(tmp_path, REAL), tmp_path / "out")
    opened = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out" / "train"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert opened.num_rows == 2


def test_sources_without_splits_or_folders_get_them(tmp_path):
    rows = [
        row(f"{TENCH}_tench.JPEG", split="test"),
        row(f"{GOLDFISH}/a.png", GOLDFISH),
        row(f"drawn/train/{TENCH}/0000"),
        row(f"none/{GOLDFISH}/0000", GOLDFISH, split="validation"),
    ]
    folder.export(released(tmp_path, rows), tmp_path / "out")
    assert [name for name in files(tmp_path / "out") if name.endswith(".png")] == [
        f"test/{TENCH}/{TENCH}_tench.png",
        f"train/{TENCH}/0000.png",
        f"train/{GOLDFISH}/a.png",
        f"validation/{GOLDFISH}/0000.png",
    ]


def test_each_strategy_has_a_folder_and_a_table_of_its_own(tmp_path):
    rows = [row(f"train/{TENCH}/a.JPEG", strategy=strategy) for strategy in ("label", "image_label")]
    folder.export(released(tmp_path, rows), tmp_path / "out")
    assert list(files(tmp_path / "out")) == [
        f"image_label/train/{TENCH}/a.png",
        "image_label/train.csv",
        f"label/train/{TENCH}/a.png",
        "label/train.csv",
    ]


def test_images_that_would_be_called_alike_have_their_keys_in_their_names(tmp_path):
    rows = [
        row(f"train/{TENCH}/a.JPEG", guidance=2.0),
        row(f"train/{TENCH}/a.JPEG", guidance=7.5),
        row(f"train/{TENCH}/A.png", guidance=2.0),
        row(f"train/{TENCH}/b.JPEG", guidance=2.0),
    ]
    assert folder.export(released(tmp_path, rows), tmp_path / "out") == 4
    names = {f"train/{TENCH}/{Path(one['source']).stem}-{one['key'][:8]}.png" for one in rows[:3]}
    assert {name for name in files(tmp_path / "out") if name.endswith(".png")} == {*names, f"train/{TENCH}/b.png"}


@pytest.mark.parametrize(
    "hostile",
    [
        {"source": "../../x"},
        {"source": f"train/{TENCH}/../../../x.png"},
        {"source": "/etc/passwd"},
        {"source": f"train/{TENCH}/..\\x.png"},
        {"source": f"train/{TENCH}/a\x00b.png"},
        {"source": f"train/{TENCH}/a\nb.png"},
        {"source": f"train/{TENCH}/{'ü' * 150}.png"},
        {"source": f"train//{TENCH}/a.png"},
        {"source": ""},
        {"source": f"train/{TENCH}/."},
        {"wnid": ".."},
        {"wnid": "n00000001"},
        {"strategy": "../label"},
    ],
)
def test_what_would_lie_outside_is_refused_and_nothing_is_written(tmp_path, clean, hostile):
    [column] = hostile
    release = shutil.copytree(clean, tmp_path / "imagenet")
    [shard] = (release / "data").glob("test-*.parquet")
    pl.read_parquet(shard).with_columns(pl.lit(value).alias(name) for name, value in hostile.items()).write_parquet(
        shard
    )
    before = files(tmp_path)
    with pytest.raises(UserError, match=f"the {column} of row .* cannot be part of a path here"):
        folder.export(release, tmp_path / "out")
    assert files(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over_what_is_there_nor_of_another_corpus(tmp_path):
    release = released(tmp_path, REAL)
    with pytest.raises(UserError, match="is no empty folder"):
        folder.export(release, tmp_path)
    with pytest.raises(UserError, match="is no release of imagenet"):
        folder.export(released(tmp_path, REAL, "other"), tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert folder.export(release, tmp_path / "empty") == 4


def test_an_export_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    release = released(tmp_path, REAL)

    def broken(placed: pl.DataFrame, into: Path) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(folder, "_tables", broken)
    with pytest.raises(OSError, match="full"):
        folder.export(release, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def samples(shard: Path) -> dict[str, dict[str, bytes]]:
    """What WebDataset makes of a tar: by all before the first dot of a name, the parts by all after it."""
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(shard) as archive:
        for member in archive:
            place, _, name = member.name.rpartition("/")
            stem, _, ending = name.partition(".")
            found.setdefault(f"{place}/{stem}", {})[ending] = archive.extractfile(member).read()
    return found


def test_tar_shards_hold_samples_as_webdataset_reads_them_and_the_same_bytes_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "SHARD", 1)
    release = released(tmp_path, [*REAL, row(f"test/{GOLDFISH}/x_y.JPEG", GOLDFISH, split="test")])
    for name in ("a", "b"):
        assert folder.export(release, tmp_path / name, tar=True) == 5
    found = files(tmp_path / "a")
    assert found == files(tmp_path / "b")
    assert sorted(found) == [
        "test-00000.tar",
        "test-00001.tar",
        "train-00000.tar",
        "train-00001.tar",
        "val-00000.tar",
    ]
    [(name, sample)] = samples(tmp_path / "a" / "val-00000.tar").items()
    assert name == f"{GOLDFISH}/ILSVRC2012_val_00000001"
    assert (sample["cls"], sample["png"]) == (b"1", REAL[2]["image"]["bytes"])
    assert sample["txt"].decode() == REAL[2]["prompt"] == json.loads(sample["json"])["prompt"]
    both = [*samples(tmp_path / "a" / "test-00000.tar"), *samples(tmp_path / "a" / "test-00001.tar")]
    assert len(set(both)) == 2
