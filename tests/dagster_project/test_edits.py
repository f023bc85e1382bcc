"""The edits corpus from the command line: made once, accounted for, opened by datasets, made again."""

from pathlib import Path

import datasets
import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="session")
def edits(shared_root) -> Path:
    """A home with edits."""
    from tests.dagster_project.conftest import smoke_home

    return smoke_home("edits", shared_root)


def table(edits: Path, folder: str) -> pl.DataFrame:
    return pl.read_parquet(edits / "data" / "edits" / folder / "*.parquet")


def test_every_scene_was_kept_or_rejected_with_a_reason(edits):
    kept, rejected = table(edits, "data"), table(edits, "rejected")
    assert kept.height + rejected.height == 26
    assert kept["turn_count"].is_between(1, 3).all()
    assert rejected["reasons"].list.len().min() in (None, 1, 2)


def test_datasets_opens_images_masks_and_every_turn(edits, tmp_path):
    corpus = datasets.load_dataset(str(edits / "data" / "edits"), cache_dir=str(tmp_path))
    row = corpus["train"][0]
    assert row["image"].size == row["mask"].size == row["base"].size == (64, 64)
    assert row["mask"].mode == "L"
    assert len(np.unique(np.asarray(row["mask"]))) > 1
    assert row["turns"][0]["image"]
    assert row["turns"][0]["prompt"]


def test_a_second_build_makes_nothing(edits, cli):
    before = set((edits / ".corpusmith" / "ledger").rglob("segments/*.parquet"))
    ran = cli("build", "edits", "--profile", "smoke", "--json", home=edits)
    assert ran.code == 0, ran.err
    assert set((edits / ".corpusmith" / "ledger").rglob("segments/*.parquet")) == before


def test_whole_chains_are_made_again_from_what_they_say_of_themselves(edits, cli):
    ran = cli("verify", edits / "data" / "edits", "--regenerate", "9", "--json", home=edits)
    assert ran.code == 0, ran.out + ran.err
    assert ran.json["regenerated"] == min(9, table(edits, "data").height)
    assert ran.json["different"] == []


def test_a_release_of_edits_passes_validation(edits, cli):
    assert cli("validate", edits / "data" / "edits").code == 0


def test_the_scores_say_how_many_edits_are_fit_and_who_finds_them(edits):
    scores = table(edits, "scores")
    assert {"regions", "yield", "localisation", "attribution", "robustness", "whole image", "parts"} == set(
        scores["task"].unique()
    )
    shares = scores.filter(pl.col("form").is_null(), task="yield", metric="kept")
    assert {"all editors", *table(edits, "data")["editors"].explode()} <= set(shares["subject"])
    assert scores.filter(pl.col("metric") == "miou")["value"].is_between(0, 1).all()


def test_photographs_with_annotations_of_coco_are_edited_in_their_own_masks(cli, shared_data, tmp_path):
    coco = shared_data / "coco_tiny_dev"
    ran = cli(
        *("preview", "edits", "--rows", "2", "--profile", "smoke", "--json"),
        *("--source", coco / "val2017", "--source", coco / "annotations" / "instances_val2017.json"),
        home=tmp_path,
    )
    assert ran.code == 0, ran.err
    assert {row["origin"] for row in ran.json["rows"]} == {"real"}


def test_a_source_without_images_is_one_line(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    ran = cli("build", "edits", "--source", tmp_path / "empty", home=tmp_path / "home")
    assert ran.code == 2
    assert "holds no images" in ran.err
