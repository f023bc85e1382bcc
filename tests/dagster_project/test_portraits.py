"""The portraits corpus from the command line: made once, accounted for, opened by datasets, made again."""

from pathlib import Path

import dagster as dg
import datasets
import polars as pl
import pytest

GENERATORS = {"house/epsilon", "house/velocity", "house/flow"}
REQUESTS = 6 * 3 * len(GENERATORS)  # emotions, prompts of each, generators


def table(portraits: Path, folder: str) -> pl.DataFrame:
    return pl.read_parquet(portraits / "data" / "portraits" / folder / "*.parquet")


def test_every_request_was_kept_or_rejected_with_a_reason(portraits):
    kept, rejected = table(portraits, "data"), table(portraits, "rejected")
    assert kept.height + rejected.height == REQUESTS
    assert set(kept["generator"]) == GENERATORS
    assert rejected["reasons"].list.len().min() in (None, 1, 2)


def test_datasets_opens_the_images(portraits, tmp_path):
    corpus = datasets.load_dataset(str(portraits / "data" / "portraits"), cache_dir=str(tmp_path))
    assert set(corpus) == {"train", "validation", "test"}
    assert corpus["test"][0]["image"].size == (64, 64)


def test_a_prompt_is_in_one_split_whoever_drew_it(portraits):
    rows = table(portraits, "data")
    assert rows.group_by("prompt_id").agg(pl.col("split").n_unique())["split"].max() == 1


def test_a_second_build_makes_nothing(portraits, cli):
    before = set((portraits / ".corpusmith" / "ledger").rglob("segments/*.parquet"))
    ran = cli("build", "portraits", "--profile", "smoke", "--json", home=portraits)
    assert ran.code == 0, ran.err
    assert set((portraits / ".corpusmith" / "ledger").rglob("segments/*.parquet")) == before


def test_a_generator_that_is_added_is_the_only_one_that_is_asked(portraits, cli):
    more = ", ".join([*sorted(GENERATORS), "house/epsilon-fast"])
    added = ("--set", f"portraits.generators=[{more}]")
    steps = cli("build", "portraits", "--profile", "smoke", *added, "--dry-run", "--json", home=portraits).json
    lacking = {step["name"]: step["rows"] for step in steps if step["name"].startswith("images ")}
    assert lacking == {f"images {name}": 0 for name in GENERATORS} | {"images house/epsilon-fast": 18}


def test_portraits_are_made_again_from_what_they_say_of_themselves(portraits, cli):
    ran = cli("verify", portraits / "data" / "portraits", "--regenerate", "9", "--json", home=portraits)
    assert ran.code == 0, ran.out + ran.err
    assert ran.json["regenerated"] == 9
    assert ran.json["different"] == []
    assert ran.json["images"] == table(portraits, "data").height


def test_a_release_of_portraits_passes_validation(portraits, cli, tmp_path):
    ran = cli("validate", portraits / "data" / "portraits", "--docs", tmp_path / "docs", "--json")
    assert ran.code == 0, ran.out


def test_the_tables_are_shown_with_pictures(portraits):
    with dg.DagsterInstance.from_config(str(portraits / ".corpusmith" / "dagster")) as instance:
        assert {run.job_name for run in instance.get_runs()} == {"portraits_plan", "portraits_images", "portraits"}
        assert instance.get_materialized_partitions(dg.AssetKey(["portraits", "images"])) == GENERATORS
        for name in ("images", "curated", "generator_scores", "perceiver_scores"):
            event = instance.get_latest_materialization_event(dg.AssetKey(["portraits", name]))
            metadata = event.asset_materialization.metadata
            assert metadata["picture"].value.startswith(f"![{name}](data:image/svg+xml;base64,")


def test_a_preview_shows_every_generator_and_releases_nothing(portraits, cli, tmp_path):
    ran = cli("preview", "portraits", "--profile", "smoke", "--rows", "2", "--json", home=tmp_path)
    assert ran.code == 0, ran.err
    assert {row["origin"] for row in ran.json["rows"]} == GENERATORS
    assert Path(ran.json["page"]).read_text().count("data:image/png;base64,") == 2 * len(GENERATORS)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "portraits.generators=[house/epsilom]"), "did you mean house/epsilon"),
        (("--set", "portraits.generators=[sdxl, sdxl]"), "sdxl is named more than once"),
        (("--set", "portraits.embedder=house/expression-cnn"), "is a model of the role classify"),
        (("--source", "RC_2006-01.zst"), "portraits is made from no source"),
    ],
)
def test_a_users_mistake_is_one_clear_line_and_exit_code_2(cli, tmp_path, arguments, said):
    ran = cli("build", "portraits", "--profile", "smoke", *arguments, home=tmp_path)
    assert ran.code == 2, ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err
