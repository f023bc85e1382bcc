from pathlib import Path

import polars as pl
import yaml
from corpora import reddit, rejected, released
from huggingface_hub import DatasetCard

from corpusmith.release.card import cell
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
