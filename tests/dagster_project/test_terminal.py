"""What came from elsewhere is shown as text: it is no markup, and steers no terminal."""

import io
import shutil
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from corpusmith.dagster_project.cli import app
from corpusmith.dagster_project.console import Display, _of
from corpusmith.dagster_project.terminal import plain
from corpusmith.work.produce import Progress

HOSTILE = "[/nope][red]\x1b[2J"


def test_markup_and_escapes_are_text() -> None:
    assert plain(HOSTILE) == r"\[/nope]\[red]\x1b[2J"


@pytest.fixture
def relabelled(built: Path, tmp_path: Path) -> Path:
    """A release whose labels somebody made hostile."""
    folder = Path(shutil.copytree(built / "data" / "reddit", tmp_path / "reddit"))
    for shard in (folder / "data").glob("*.parquet"):
        pl.read_parquet(shard).with_columns(emotion=pl.lit(HOSTILE)).write_parquet(shard)
    return folder


def test_a_label_from_elsewhere_is_shown_by_diff(built: Path, relabelled: Path) -> None:
    ran = CliRunner().invoke(app, ["diff", str(built / "data" / "reddit"), str(relabelled)])
    assert ran.exit_code == 0, ran.output
    assert "nope" in ran.output
    assert "\x1b[2J" not in ran.output


def test_a_home_whose_name_is_markup_is_a_home(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["status", "--home", str(tmp_path / "rel [v1] [/nope]")])
    assert ran.exit_code == 0, ran.output
    assert "rel [v1] [/nope]" in ran.output


def test_a_partition_whose_name_is_markup_is_shown_as_it_is() -> None:
    assert _of("dump [/nope].csv") == r" of dump \[/nope].csv"


def test_rows_that_failed_are_said_once_their_step_has_ended():
    said = io.StringIO()
    display = Display(console=Console(file=said, width=200))
    display.on_rows(Progress("squares", 14, 1, 15, 1.0))
    display._say_failed()
    display._say_failed()
    assert said.getvalue().count("1 of its rows failed (squares): the next build tries them again") == 1
