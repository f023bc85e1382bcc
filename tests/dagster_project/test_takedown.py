"""`corpusmith takedown`, from the command to a release without the rows, with the real corpora."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from project import Project

from corpusmith.release import parquet

WHY = ("--reason", "its author asked for it")


def every(home: Path, *names: str) -> pl.DataFrame:
    """Kept and rejected rows of the reddit release."""
    return pl.concat(
        [parquet.scan(home / "data" / "reddit", table).select(names) for table in ("data", "rejected")]
    ).collect()


def family(home: Path) -> tuple[str, str]:
    """The keys of a rewritten row of the release and of its source."""
    rows = parquet.scan(home / "data" / "reddit").drop_nulls("source_key").select("key", "source_key")
    return rows.sort("key").first().collect().row(0)


def texts_in(folder: Path) -> set[str]:
    """Every text that the tables in a folder hold."""
    found = set()
    for path in folder.rglob("*.parquet"):
        table = pl.read_parquet(path, glob=False)
        found |= {value for one in table.iter_columns() if one.dtype == pl.String for value in one.drop_nulls()}
    return found


def test_a_row_and_what_was_made_of_it_are_gone_for_good(cli, home):
    child, source = family(home)
    before = every(home, "key", "text")
    said = dict(before.filter(pl.col("key").is_in([child, source])).iter_rows())
    assert set(said.values()) <= texts_in(home / ".corpusmith" / "ledger")
    assert cli("publish", "reddit", "--allow-unknown-code", home=home).code == 0

    ran = cli("takedown", "reddit", source, *WHY, "--json", home=home)
    assert ran.code == 0, ran.err
    assert (ran.json["named"], ran.json["with_them"]) == ([source], [child])
    assert [Path(one["path"]).relative_to(home).as_posix() for one in ran.json["still_in"]] == [
        "data/reddit",
        "published/reddit/1.0.0",
    ]
    assert not set(said.values()) & texts_in(home / ".corpusmith"), "neither in the ledger nor in a table"

    refused = cli("publish", "reddit", "--allow-unknown-code", "--to", home / "elsewhere", home=home)
    assert refused.code == 2
    assert "2 rows that were taken down" in refused.err
    assert source in refused.err or child in refused.err

    built = cli("build", "reddit", "--profile", "smoke", "--json", home=home)
    assert built.code == 0, built.err
    assert built.json["made"], "it is not the same as before"
    after = every(home, "key", "text")
    assert not set(said) & set(after["key"])
    assert not set(said.values()) & set(after["text"].drop_nulls())
    assert cli("validate", home / "data" / "reddit", home=home).code == 0
    assert cli("publish", "reddit", "--allow-unknown-code", "--to", home / "elsewhere", home=home).code == 0
    assert not cli("build", "reddit", "--profile", "smoke", "--json", home=home).json["made"]

    again = cli("takedown", "reddit", source, *WHY, home=home)
    assert again.code == 0
    assert f"{source} was taken down before" in again.out


def test_a_dry_run_says_what_would_go_and_writes_nothing(cli, home):
    child, source = family(home)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    ran = cli("takedown", "reddit", source, "--dry-run", home=home)
    assert ran.code == 0, ran.err
    assert {child, source} <= set(ran.out.split())
    assert "2 rows of reddit would go" in ran.out
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()} == before


def test_all_rows_of_an_author_go(cli, home):
    author, count = every(home, "author").drop_nulls().to_series().value_counts(sort=True).row(0)
    ran = cli("takedown", "reddit", "--author", author, "--dry-run", "--json", home=home)
    assert ran.code == 0, ran.err
    assert len(ran.json["named"]) == count


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("0" * 32, *WHY), f"has a row {'0' * 32}"),
        (("no-key", *WHY), "has a row no-key"),
        (("KEY", "0" * 32, *WHY), "has a row 0000"),
        (("KEY",), "say why with --reason"),
        (("KEY", "--reason", "  "), "say why with --reason"),
        (WHY, "name what is to be taken down"),
        (("--author", "nobody", *WHY), "no row has this author"),
        (("--source", "nowhere", *WHY), "no row says that it comes from it"),
        (("--image", "/nothing", *WHY), "No such file"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(cli, home, arguments, said):
    _, source = family(home)
    ran = cli("takedown", "reddit", *(source if word == "KEY" else word for word in arguments), home=home)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())
    assert not (home / "takedowns").exists()


def test_a_key_of_another_corpus_is_told_apart(cli, home, portraits):
    (home / "data" / "portraits").symlink_to(portraits / "data" / "portraits")
    key = parquet.scan(portraits / "data" / "portraits").select("key").first().collect().item()
    ran = cli("takedown", "reddit", key, *WHY, home=home)
    assert ran.code == 2
    assert f"{key} is a row of portraits, not of reddit" in ran.err


def test_two_takedowns_at_once_lose_nothing(cli, home):
    keys = every(home, "key")["key"].sort().head(6).to_list()
    with ThreadPoolExecutor(3) as pool:
        ran = list(pool.map(lambda key: cli("takedown", "reddit", key, *WHY, home=home), keys))
    assert [one.code for one in ran] == [0] * 6, [one.err for one in ran]
    assert set(keys) <= set(pl.read_csv(home / "takedowns" / "reddit.csv")["key"])


def test_it_works_for_a_corpus_of_somebody_elses(tmp_path):
    project = Project(tmp_path / "project")
    project.run("build", "numbers")
    release = project.folder / "data" / "numbers"
    rows = dict(parquet.scan(release).select("square", "key").collect().iter_rows())
    forget = tmp_path / "forget"
    project.run("takedown", "numbers", rows[25], *WHY, "--forget-set", forget)
    project.run("build", "numbers", "--profile", "house")
    assert 25 not in parquet.scan(release).select("square").collect().to_series()
    said = json.loads((release / "manifest.json").read_text())["counts"]
    assert sum(said["made"].values()) == said["rows"] + said["rejected"] == 29
    assert rows[25] not in parquet.scan(release, "rejected").select("key").collect().to_series()
    assert sorted(path.name for path in forget.iterdir()) == ["README.md", "forget", "retain"]
