import json
import re
from dataclasses import replace
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml
from corpora import reddit, rejected, released
from huggingface_hub import DatasetCard

from corpusmith.release import hub_terms
from corpusmith.release.card import cell, linked
from corpusmith.release.inputs import Source
from corpusmith.release.write import write_release
from corpusmith.validation.schema import RELEASE


def test_its_front_matter_is_what_the_hub_reads(release_dir: Path) -> None:
    said = DatasetCard.load(release_dir / "README.md").data
    assert said.license == "other"
    assert said.language == ["en"]
    assert said.task_categories == ["text-classification"]
    assert said.size_categories == ["n<1K"]
    configs = {config["config_name"]: config for config in said.to_dict()["configs"]}
    assert list(configs) == ["data", "rejected", "scores"]
    assert configs["data"]["default"] is True
    assert [held["split"] for held in configs["data"]["data_files"]] == ["train", "validation", "test"]


def test_its_front_matter_goes_through_the_hub_s_own_card_unchanged(release_dir: Path) -> None:
    """What of the Hub's validation is offline: the card is parsed and typed; `validate()` itself asks the Hub."""
    text = (release_dir / "README.md").read_text()
    card = DatasetCard(text)
    written = yaml.safe_load(text.split("---\n")[1])
    assert card.data.to_dict() == written
    assert DatasetCard(str(card)).data.to_dict() == written
    assert card.data.pretty_name == "Emotion-balanced Reddit text"


def test_it_counts_rows_and_bytes_of_every_split_as_the_files_have_them(release_dir: Path) -> None:
    for held in DatasetCard.load(release_dir / "README.md").data.to_dict()["dataset_info"]:
        files = sorted((release_dir / held["config_name"]).iterdir())
        assert held["download_size"] == sum(path.stat().st_size for path in files)
        assert held["dataset_size"] == sum(split["num_bytes"] for split in held["splits"]) > 0
        for split in held["splits"]:
            of_it = [path for path in files if path.name.startswith(f"{split['name']}-")]
            assert split["num_examples"] == sum(pq.read_metadata(path).num_rows for path in of_it) > 0


def test_load_dataset_refuses_rows_that_the_card_does_not_count(release_dir: Path, tmp_path: Path) -> None:
    from datasets import load_dataset
    from datasets.exceptions import NonMatchingSplitsSizesError

    copy = tmp_path / "reddit"
    (copy / "data").mkdir(parents=True)
    (copy / "README.md").write_bytes((release_dir / "README.md").read_bytes())
    for path in (release_dir / "data").iterdir():
        pl.read_parquet(path).head(3).write_parquet(copy / "data" / path.name)
    with pytest.raises(NonMatchingSplitsSizesError):
        load_dataset(str(copy))


def test_what_it_says_to_type_works_where_it_says_so(release_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(release_dir.parents[1])
    said: dict = {}
    for block in re.findall(r"```python\n(.*?)```", (release_dir / "README.md").read_text(), re.DOTALL):
        exec(block, said)
    assert sum(said["corpus"].num_rows.values()) == 84
    assert (said["rejected"].num_rows, said["scores"].num_rows) == (42, 790)
    train = said["corpus"]["train"]["key"]
    assert [row["key"] for row in said["stream"]] == list(train)
    assert said["rows"].select("key").collect()["key"].to_list() == list(train)


def test_a_config_without_rows_is_not_offered(tmp_path: Path) -> None:
    from datasets import load_dataset

    nothing = reddit(4)
    write_release(
        replace(nothing, rejected=nothing.rejected.clear(), scores=nothing.scores.clear()), tmp_path / "reddit"
    )
    said = DatasetCard.load(tmp_path / "reddit" / "README.md").data.to_dict()
    assert [held["config_name"] for held in said["configs"]] == ["data"]
    assert "rejected = " not in (tmp_path / "reddit" / "README.md").read_text()
    assert sum(load_dataset(str(tmp_path / "reddit")).num_rows.values()) == 28


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (10**7, "10M<n<100M"),
        (10**12 - 1, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_the_size_category_holds_up_to_a_million_million_rows(rows: int, category: str) -> None:
    assert hub_terms.size(rows) == category


def test_sizes_tasks_and_licences_are_those_that_the_hub_knows() -> None:
    """By the lists that ship with `datasets`; of licences none does, so the Hub's own table is in hub_terms."""
    from datasets.utils.metadata import known_task_ids

    known = json.loads((files("datasets.utils.resources") / "size_categories.json").read_text())
    assert {name for _, name in hub_terms.SIZES} < set(known)
    for name in ("reddit", "portraits", "edits", "imagenet"):
        text = import_module(f"corpusmith.assets.{name}.card").CARD
        assert set(text.task_categories) <= set(known_task_ids)
        assert text.licence in {*hub_terms.LICENCES, "other"}


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("apache-2.0", {"license": "apache-2.0"}),
        ("other", {"license": "other", "license_name": "reddit-terms", "license_link": "LICENSE"}),
        ("nscl-v2-custom", {"license": "other", "license_name": "nscl-v2-custom", "license_link": "LICENSE"}),
    ],
)
def test_a_licence_that_the_hub_does_not_know_has_a_name_and_a_file(tmp_path: Path, licence: str, said: dict) -> None:
    given = reddit(4)
    write_release(replace(given, text=replace(given.text, licence=licence)), tmp_path / "reddit")
    data = DatasetCard.load(tmp_path / "reddit" / "README.md").data.to_dict()
    assert {name: held for name, held in data.items() if name.startswith("license")} == said
    assert given.text.licence_text in (tmp_path / "reddit" / "LICENSE").read_text()


def test_models_of_the_hub_are_links_and_nothing_else_is(tmp_path: Path) -> None:
    page = "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0"
    assert linked("sdxl") == f"[sdxl]({page})"
    assert linked("caption, sdxl") == f"caption, [sdxl]({page})"
    assert linked("stabilityai/stable-diffusion-xl-base-1.0@46216598") == (
        f"[stabilityai/stable-diffusion-xl-base-1.0]({page})@46216598"
    )
    for name in ("house/language", "majority", "models/mine", "a|b <i>"):
        assert linked(name) == cell(name)
    given = reddit(4)
    made = {name: {"model": "stabilityai/stable-diffusion-xl-base-1.0"} for name in list(given.makers)[:1]}
    scores = given.scores.with_columns(subject=pl.col("subject").replace("majority", "sdxl"))
    write_release(replace(given, makers=made, scores=scores), tmp_path / "reddit")
    card = (tmp_path / "reddit" / "README.md").read_text()
    assert f"| [stabilityai/stable-diffusion-xl-base-1.0]({page}) |" in card
    assert f"| baseline | [sdxl]({page}) |" in card
    assert "](https://huggingface.co/house" not in card


def test_its_numbers_are_those_of_the_rows(release_dir: Path) -> None:
    card = (release_dir / "README.md").read_text()
    rows = released(12, 0)
    for emotion, part in rows.group_by("emotion"):
        by = dict(part["origin"].value_counts().rows())
        expected = f"| {emotion[0]} | {by.get('natural', 0)} | {by.get('rewritten', 0)} | {by.get('synthetic', 0)} |"
        assert expected in card
    assert "**84 rows**" in card
    assert "42 more rows were rejected" in card
    codes = rejected(42, 0)["reasons"].explode().value_counts().rows()
    for code, count in codes:
        assert [
            line for line in card.splitlines() if line.startswith(f"| `{code}` |") and line.endswith(f"| {count} |")
        ]
    for column in RELEASE:
        assert f"| `{column}` |" in card


def test_each_stage_takes_in_what_the_one_before_let_out(release_dir: Path) -> None:
    card = (release_dir / "README.md").read_text()
    lines = card.split("## How it was made")[1].split("Each stage counts")[0].splitlines()
    cells = [[held.strip() for held in line.split("|")] for line in lines if line.startswith("| ")]
    stages = {row[1]: tuple(int(number) for number in row[3:6]) for row in cells if row[5].isdigit()}
    assert all(into - rejected == out for into, rejected, out in stages.values())
    assert stages["comments"][2] == stages["duplicates"][0]
    assert stages["duplicates"][2] == stages["labelled"][0]
    assert stages["labelled"][2] + stages["rewritten"][2] + stages["synthesized"][2] == stages["balanced"][0]
    assert stages["balanced"][2] == 84


def test_baselines_stand_with_their_intervals(release_dir: Path) -> None:
    card = (release_dir / "README.md").read_text()
    scores = pl.read_parquet(release_dir / "scores" / "*.parquet")
    wanted = scores.filter((pl.col("subject") == "majority") & (pl.col("metric") == "accuracy")).row(0, named=True)
    line = f"| {wanted['value']:.3f} | {wanted['low']:.3f} – {wanted['high']:.3f} | 210 |"
    assert line in card


def test_a_hostile_name_stays_in_its_cell(tmp_path: Path) -> None:
    bad = Source("a|b\n# heading <script>", "0" * 64, 1)
    write_release(reddit(4, sources=[bad]), tmp_path / "reddit")
    card = (tmp_path / "reddit" / "README.md").read_text()
    assert "a\\|b # heading &lt;script>" in card
    assert yaml.safe_load(card.split("---\n")[1])


def test_how_a_source_was_read_and_its_damage_are_on_card_report_and_manifest(tmp_path: Path) -> None:
    cut = Source("RC.zst", "0" * 64, 1, ("text: body", "damage: it ends in the middle; 201 lines can be read of it"))
    write_release(reddit(4, sources=[cut]), tmp_path / "reddit")
    for name in ("README.md", "report/index.html", "manifest.json"):
        assert "it ends in the middle; 201 lines can be read of it" in (tmp_path / "reddit" / name).read_text()


def test_a_cell_is_one_line() -> None:
    assert cell(None) == ""
    assert cell("a\r\nb | <i> & c") == "a  b \\| &lt;i> &amp; c"
