"""People get a folder to rate, and what they filled in comes back as opinions."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from corpusmith.dagster_project.annotate import app
from corpusmith.ingest import people

EMOTIONS = {"happy": "joy", "sad": "sadness", "neutral": "neutral"}
GENERATORS = ("house/epsilon", "house/flow")
RATERS = tuple(f"rater-{letter}" for letter in "abcdefghij")


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def home(tmp_path) -> Path:
    """A home whose release has 10 portraits of each emotion and generator, in two shards."""
    cells = [(generator, emotion) for generator in GENERATORS for emotion in EMOTIONS] * 10
    rows = [
        {
            "key": f"{number:032x}",
            "generator": generator,
            "emotion": emotion,
            "image": {"bytes": picture(number), "path": f"{number:032x}.png"},
        }
        for number, (generator, emotion) in enumerate(cells)
    ]
    folder = tmp_path / "home" / "data" / "portraits" / "data"
    folder.mkdir(parents=True)
    for number in range(2):
        pl.DataFrame(rows[number::2]).write_parquet(folder / f"train-{number:05d}-of-00002.parquet")
    return tmp_path / "home"


def run(home: Path, *arguments: object, code: int = 0):
    ran = CliRunner().invoke(app, [*map(str, arguments), "--home", str(home)])
    assert ran.exit_code == code, ran.output
    return ran


def export(home: Path, to: Path, *arguments: object, raters=RATERS) -> list[Path]:
    run(home, "export", to, *(part for name in raters for part in ("--rater", name)), *arguments)
    return sorted(to.glob("ratings-*.csv"))


def fill(sheet: Path, asked: dict[str, str], draws: np.random.Generator, blind: bool) -> None:
    """Rate as a person would who sees what was asked for, within a grade or so; or blindly."""
    rows = list(csv.DictReader(sheet.open(encoding="utf-8-sig")))
    for row in rows:
        truth = 2 + int(Path(row["image"]).stem, 16) % 3
        row["emotion"] = draws.choice(list(EMOTIONS)) if blind else asked[Path(row["image"]).stem]
        grades = draws.integers(1, 6, 2) if blind else np.clip(truth + draws.normal(0, 0.5, 2), 1, 5).round(1)
        row["degree"], row["quality"] = map(str, grades)
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def asked_for(home: Path) -> dict[str, str]:
    return dict(pl.scan_parquet(home / "data/portraits/data/*.parquet").select("key", "emotion").collect().iter_rows())


def test_what_is_exported_comes_back_as_opinions_of_the_panel(home, tmp_path):
    sheets = export(home, tmp_path / "rating")
    asked, draws = asked_for(home), np.random.default_rng(0)
    for sheet in sheets:
        fill(sheet, asked, draws, blind=sheet.stem == "ratings-rater-c")
    found = json.loads(run(home, "import", *sheets, "--json").stdout)
    assert found["ratings"] == 600
    assert found["screened_out"] == ["rater-c"]
    said = people.said(home, "portraits").collect()
    assert dict(said.select("key", "emotion").iter_rows()) == {key: EMOTIONS[word] for key, word in asked.items()}
    truth = [(1 + int(key, 16) % 3) / 4 for key in said["key"]]
    assert said["quality"].to_list() == pytest.approx(truth, abs=0.2)
    assert said["human"].all()


def test_an_untouched_export_is_no_rating_and_nothing_is_written(home, tmp_path):
    ran = run(home, "import", *export(home, tmp_path / "rating"), code=2)
    assert ran.stderr.startswith("error: nobody filled in a row of ")
    assert ran.stderr.count("\n") == 1
    assert not (home / ".corpusmith" / "ratings").exists()


@pytest.mark.parametrize(
    ("named", "offered"),
    [
        (dict.fromkeys(EMOTIONS), "happy, sad, angry, surprise, worry, neutral"),
        ({"happy": "joy", "sad": "sadness"}, "joy, sadness, anger, fear, surprise, disgust, neutral"),
    ],
)
def test_the_words_on_offer_are_those_of_the_release_alone(home, tmp_path, named, offered):
    for shard in (home / "data" / "portraits" / "data").iterdir():
        words = {word: other or word for word, other in named.items()}
        pl.read_parquet(shard).with_columns(pl.col("emotion").replace(words)).write_parquet(shard)
    export(home, tmp_path / "rating", raters=["anna"])
    assert f"one of: {offered}\n" in (tmp_path / "rating" / "README.txt").read_text()


@pytest.mark.parametrize("held", [None, {"bytes": None, "path": None}, {"bytes": b"junk", "path": "x.png"}])
def test_an_image_that_cannot_be_opened_is_named_and_nothing_is_exported(home, tmp_path, held):
    shard = home / "data" / "portraits" / "data" / "train-00001-of-00002.parquet"
    rows = pl.read_parquet(shard)
    image = pl.when(pl.col("key") == rows["key"][3]).then(pl.lit(held, rows.schema["image"])).otherwise("image")
    rows.with_columns(image=image).write_parquet(shard)
    ran = run(home, "export", tmp_path / "rating", "--rater", "anna", code=2)
    assert f"the image of {rows['key'][3]} cannot be opened" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [home]


def test_a_release_with_a_damaged_shard_is_named(home, tmp_path):
    sheet, *_ = export(home, tmp_path / "rating", raters=["anna"])
    shard = home / "data" / "portraits" / "data" / "train-00001-of-00002.parquet"
    shard.write_bytes(shard.read_bytes()[:500])
    for command in (("export", tmp_path / "new", "--rater", "anna"), ("import", sheet)):
        ran = run(home, *command, code=2)
        assert f"{shard} is not a whole Parquet file" in ran.stderr
        assert ran.stderr.count("\n") == 1


def test_a_shard_that_is_damaged_inside_is_named(home, tmp_path):
    shard = home / "data" / "portraits" / "data" / "train-00001-of-00002.parquet"
    data = shard.read_bytes()
    shard.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    ran = run(home, "export", tmp_path / "new", "--rater", "anna", code=2)
    assert f"{shard} is not a whole Parquet file" in ran.stderr


def test_every_rater_sees_the_same_images_in_an_order_of_his_own(home, tmp_path):
    orders = [pl.read_csv(sheet)["image"].to_list() for sheet in export(home, tmp_path / "one")]
    assert len({tuple(order) for order in orders}) == len(RATERS)
    assert len({frozenset(order) for order in orders}) == 1
    again = [pl.read_csv(sheet)["image"].to_list() for sheet in export(home, tmp_path / "two")]
    assert orders == again


def test_the_images_lie_beside_the_sheets_and_do_not_say_who_made_them(home, tmp_path):
    export(home, tmp_path / "rating", raters=["anna"])
    images = {path.stem: path.read_bytes() for path in (tmp_path / "rating" / "images").iterdir()}
    assert images == {f"{number:032x}": picture(number) for number in range(60)}
    said = (tmp_path / "rating" / "ratings-anna.csv").read_text() + (tmp_path / "rating" / "README.txt").read_text()
    assert "epsilon" not in said


def test_some_images_are_chosen_evenly_from_generators_and_emotions(home, tmp_path):
    export(home, tmp_path / "rating", "--images", 12, raters=["anna"])
    chosen = [path.stem for path in (tmp_path / "rating" / "images").iterdir()]
    table = pl.scan_parquet(home / "data/portraits/data/*.parquet").filter(pl.col("key").is_in(chosen))
    assert table.group_by("generator", "emotion").len().collect()["len"].to_list() == [2] * 6


def test_a_folder_that_may_hold_ratings_is_never_overwritten(home, tmp_path):
    export(home, tmp_path / "rating", raters=["anna"])
    before = (tmp_path / "rating" / "ratings-anna.csv").read_bytes()
    ran = run(home, "export", tmp_path / "rating", "--rater", "anna", code=2)
    assert "choose another folder" in ran.stderr
    assert (tmp_path / "rating" / "ratings-anna.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export", "{tmp}/new", "--rater", "../anna"], "letters"),
        (["export", "{tmp}/new", "--rater", "anna", "--rater", "anna"], "each once"),
        (["export", "{tmp}/new", "--rater", "anna", "--release", "{tmp}/none"], "is no release"),
        (["import", "{tmp}/none.csv"], "No such file"),
        (["import", "{tmp}/none.csv", "--scale", "5"], "such as 1,5"),
        (["import", "{tmp}/none.csv", "--scale", "5,1"], "such as 1,5"),
    ],
)
def test_a_mistake_is_said_in_one_line(home, tmp_path, arguments, says):
    ran = run(home, *(argument.format(tmp=tmp_path) for argument in arguments), code=2)
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (home / ".corpusmith" / "annotations").exists()


def test_memo_benchs_files_need_no_release(tmp_path):
    emotions, qualities = tmp_path / "annotation_emo.csv", tmp_path / "annotation_quality.csv"
    emotions.write_text("Image,Score,Distortions\na.png,4,happy\nb.png,2,worry\n")
    qualities.write_text("Image,Quality\na.png,88\nb.png,40\n")
    ran = run(tmp_path / "home", "import", emotions, qualities)
    assert "scale of annotation_emo.csv degree: 1–5, taken from 2 to 4" in ran.stdout
    assert "2 images are in no release here" in ran.stdout
    said = people.said(tmp_path / "home", "portraits").select("key", "emotion", "intensity", "quality").collect()
    assert said.rows() == [("a.png", "joy", 0.75, pytest.approx(0.88)), ("b.png", "fear", 0.25, pytest.approx(0.4))]
