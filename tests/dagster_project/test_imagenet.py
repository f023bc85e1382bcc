"""Generated ImageNet from the command line: made once, paired, opened by datasets, made again; a class anew alone."""

from pathlib import Path

import datasets
import polars as pl
import pytest


@pytest.fixture(scope="session")
def imagenet(shared_root) -> Path:
    """A home with imagenet."""
    from tests.dagster_project.conftest import smoke_home

    return smoke_home("imagenet", shared_root)


def table(home: Path, folder: str) -> pl.DataFrame:
    return pl.read_parquet(home / "data" / "imagenet" / folder / "*.parquet")


def segments(home: Path) -> set[Path]:
    return set((home / ".corpusmith" / "ledger").rglob("segments/*.parquet"))


def drawn_in(home: Path, cli) -> dict[str, int]:
    """How many images each generator has in the ledger."""
    ledger = cli("status", "--json", home=home).json["ledger"]
    return {
        one["fingerprint"]: one["rows"] for one in ledger if one["fingerprint"].startswith(("images:", "variations:"))
    }


def test_every_real_image_was_asked_for_in_every_way(imagenet):
    every = pl.concat(
        [table(imagenet, folder).select("key", "source", "strategy", "generator") for folder in ("data", "rejected")]
    )
    assert every.height == 4 * 7 * 6
    assert set(every.group_by("source").len()["len"]) == {6}
    assert set(every.filter(strategy="label")["generator"]) == {"house/velocity-fast", "finetuned"}


def test_datasets_opens_images_with_their_place_among_the_thousand_classes(imagenet, tmp_path):
    corpus = datasets.load_dataset(str(imagenet / "data" / "imagenet"), cache_dir=str(tmp_path))
    row = corpus["train"][0]
    assert row["image"].size == row["source_image"].size == (64, 64)
    import corpusmith

    loaded = corpusmith.load("imagenet", split="train", home=imagenet)
    label = loaded.features["label"]
    assert label.num_classes == 1000
    assert {label.int2str(number) for number in loaded["label"]} <= {"orange", "banana", "lemon", "strawberry"}


def test_every_expectation_holds(imagenet, cli):
    assert cli("validate", imagenet / "data" / "imagenet").code == 0


def test_a_second_build_makes_nothing(imagenet, cli):
    before = segments(imagenet)
    ran = cli("build", "imagenet", "--profile", "smoke", "--json", home=imagenet)
    assert ran.code == 0, ran.err
    assert ran.json["made"] is False
    assert segments(imagenet) == before


def test_images_of_every_generator_are_made_again_from_what_they_say_of_themselves(imagenet, cli):
    ran = cli("verify", imagenet / "data" / "imagenet", "--regenerate", "12", "--json", home=imagenet)
    assert ran.code == 0, ran.out + ran.err
    assert ran.json["regenerated"] == 12
    assert ran.json["different"] == []


def test_the_scores_say_what_training_on_generated_images_is_worth(imagenet):
    scores = table(imagenet, "scores")
    assert {"recognition", "diversity", "shift"} <= set(scores["task"])
    accuracy = scores.filter(task="shift", metric="accuracy", form="sketch")
    assert {"resnet-18, real", "resnet-18, real + generated (all)"} <= set(accuracy["subject"])
    assert accuracy.select((pl.col("low") <= pl.col("value")) & (pl.col("value") <= pl.col("high"))).to_series().all()


def test_the_export_has_the_authors_layout(imagenet, cli, tmp_path):
    ran = cli("export", "imagenet", "--to", tmp_path / "out", "--format", "imagefolder", home=imagenet)
    assert ran.code == 0, ran.err
    listed = pl.read_csv(
        tmp_path / "out" / "caption" / "train.csv", has_header=False, new_columns=["path", "label", "caption"]
    )
    assert listed["label"].is_in([949, 950, 951, 954]).all()
    assert all((tmp_path / "out" / "caption" / path).is_file() for path in listed["path"])


def test_other_words_for_one_class_make_that_class_again_and_nothing_else(imagenet, cli, tmp_path):
    """Counted in the ledger: of four classes one was drawn, in the ways that say its name."""
    import shutil

    home = Path(shutil.copytree(imagenet, tmp_path / "home", ignore=shutil.ignore_patterns(".writable", "*-wal")))
    words = "imagenet.names={n07749582: sour lemon}"
    few = ("--set", "imagenet.finetuned.base=null")
    before = pl.concat([table(home, folder).select("key") for folder in ("data", "rejected")])
    drawn = drawn_in(home, cli)
    ran = cli("build", "imagenet", "--profile", "smoke", *few, "--set", words, home=home)
    assert ran.code == 0, ran.err
    made = {name: rows - drawn.get(name, 0) for name, rows in drawn_in(home, cli).items()}
    assert sorted(rows for rows in made.values() if rows) == [7, 14]
    after = table(home, "data").select("key", "label")
    assert set(after.join(before, on="key", how="anti")["label"]) == {"lemon"}


def test_photographs_are_paired_by_their_path(cli, shared_data, tmp_path):
    ran = cli(
        *("preview", "imagenet", "--rows", "2", "--profile", "smoke", "--json"),
        *("--source", shared_data / "imagenet_sample_dev" / "images", "--set", "imagenet.classes=all"),
        *("--set", "imagenet.strategies=[image,image_label]"),
        home=tmp_path,
    )
    assert ran.code == 0, ran.err
    assert {row["origin"] for row in ran.json["rows"]} == {"image", "image_label"}


def test_a_class_that_is_none_is_one_line(cli, tmp_path):
    ran = cli("build", "imagenet", "--profile", "smoke", "--set", "imagenet.classes=[n00000001]", home=tmp_path)
    assert ran.code == 2
    assert "n00000001 is none of ImageNet's 1,000" in ran.err


def test_a_generator_of_another_role_is_one_line(cli, tmp_path):
    ran = cli(
        "build", "imagenet", "--profile", "smoke", "--set", "imagenet.generators.image=[house/velocity]", home=tmp_path
    )
    assert ran.code == 2
    assert "expected one of image_to_image, variation" in ran.err
