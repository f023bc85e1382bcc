"""What no release of the last versions uses goes, and nothing else: neither what others use nor what is being built."""

import json
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pyarrow as pa
import pytest
from filelock import FileLock

from corpusmith.assets import gc, running, uses
from corpusmith.errors import LedgerError
from corpusmith.release.manifest import Manifest
from corpusmith.work.ledger import Ledger

SCHEMA = pa.schema([("key", pa.string())])


class Home:
    """A home in which corpora are built and released without any model."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, 0
        self.workshop = SimpleNamespace(home=folder, release=lambda corpus: folder / "data" / corpus)

    def shelf(self, maker: str = "writer"):
        return Ledger(self.folder / ".corpusmith" / "ledger").shelf(maker, f"{maker}:x@1", SCHEMA)

    def make(self, corpus: str, keys: str, maker: str = "writer", asset: str = "texts", partition: str = "") -> None:
        """What an asset does in a run of its own: it says what it asks for, then makes what is not there yet."""
        self.runs += 1
        shelf = self.shelf(maker)
        made = uses.Step(corpus, asset, partition, str(self.runs))
        uses.note(self.folder, made, Path(shelf.path).name, pl.Series([*keys]))
        if new := sorted(set(keys) - set(shelf.keys())):
            shelf.describe({})
            shelf.append(pa.table({"key": new}, schema=SCHEMA))

    def release(self, corpus: str, version: str, place: str = "versions", partitions: tuple[str, ...] = ()) -> str:
        """A release of what was made last, in data/ and on the shelf."""
        said = f"{corpus} {version}".encode().hex().ljust(64, "0")[:64]
        uses.keep(self.folder, corpus, said, partitions)
        self.lay(corpus, version, said, place)
        self.lay(corpus, version, said, "data")
        return said

    def lay(self, corpus: str, version: str, content: str, place: str) -> None:
        folder = self.folder / place / corpus / ("" if place == "data" else version)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {name: {} for name in ("code", "models", "params", "files", "labels")}
        made = Manifest(corpus, version, content, "0" * 32, counts={"rows": 1}, sources=[], **tables)
        (folder / "manifest.json").write_text(made.to_json())

    def look(self, *corpora: str, keep: int = 2) -> gc.Found:
        chosen = [SimpleNamespace(name=name, partitions=None) for name in corpora]
        return gc.look(chosen, self.workshop, keep, gc.busy(self.folder, uses.corpora(self.folder)))

    def free(self, *corpora: str, keep: int = 2) -> gc.Found:
        gc.free(found := self.look(*corpora, keep=keep), self.folder)
        return found

    def keys(self, maker: str = "writer") -> str:
        return "".join(sorted(self.shelf(maker).keys()))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Three versions of a corpus, each of which asked for other rows."""
    made = Home(tmp_path)
    for version, keys in (("1.0.0", "abc"), ("1.1.0", "bcd"), ("1.2.0", "cde")):
        made.make("words", keys)
        made.release("words", version)
    return made


@pytest.mark.parametrize(("keep", "left"), [(3, "abcde"), (2, "bcde"), (1, "cde")])
def test_rows_that_no_kept_version_uses_go(home, keep, left):
    assert sum(part.rows for part in home.look("words", keep=keep).parts) == 5 - len(left)
    assert home.keys() == "abcde"
    home.free("words", keep=keep)
    assert home.keys() == left
    assert not home.look("words", keep=keep).parts


def test_what_another_corpus_uses_stays(home):
    home.make("poems", "a", asset="poems")
    home.release("poems", "1.0.0")
    home.free("words", keep=1)
    assert home.keys() == "acde"


def test_only_what_the_named_corpora_left_behind_goes(home):
    home.make("poems", "xy", asset="poems")
    home.release("poems", "1.0.0")
    home.make("poems", "y", asset="poems")
    home.release("poems", "1.0.1")
    home.free("words", keep=1)
    assert home.keys() == "cdexy"
    home.free("poems", keep=1)
    assert home.keys() == "cdey"


def test_what_the_judges_of_a_kept_version_said_stays(home):
    home.make("words", "jk", maker="judge", asset="judged")
    home.release("words", "1.3.0")
    home.make("words", "k", maker="judge", asset="judged")
    home.release("words", "1.4.0")
    home.free("words", keep=2)
    assert home.keys("judge") == "jk"
    home.free("words", keep=1)
    assert home.keys("judge") == "k"


def test_what_an_interrupted_build_asked_for_stays(home):
    home.make("words", "aq")
    home.free("words", keep=1)
    assert home.keys() == "acdeq"


def test_what_an_interrupted_build_asked_for_goes_once_another_took_its_place(home):
    home.make("words", "aq")
    home.make("words", "cde")
    home.release("words", "1.3.0")
    home.free("words", keep=1)
    assert home.keys() == "cde"


def test_what_somebody_asks_for_after_the_look_stays(home):
    found = home.look("words", keep=1)
    home.make("words", "a")
    gc.free(found, home.folder)
    assert home.keys() == "acde"


def test_partitions_that_the_last_release_has_no_more_go(tmp_path):
    home = Home(tmp_path)
    for partition, keys in (("one", "ab"), ("two", "cd")):
        home.make("words", keys, partition=partition)
    home.release("words", "1.0.0", partitions=("one", "two"))
    home.make("words", "ab", partition="one")
    home.release("words", "1.1.0", partitions=("one",))
    home.free("words", keep=2)
    assert home.keys() == "abcd"
    home.free("words", keep=1)
    assert home.keys() == "ab"


def test_rows_of_no_noted_use_stay_and_are_counted(home):
    home.shelf("old").describe({})
    home.shelf("old").append(pa.table({"key": ["o", "p"]}, schema=SCHEMA))
    assert home.free("words", keep=1).unknown == 2
    assert home.keys("old") == "op"


def test_nothing_of_the_ledger_goes_while_it_is_not_known_what_a_kept_release_is_made_of(home):
    home.lay("poems", "2.0.0", "f" * 64, "versions")
    found = home.free("words", keep=1)
    assert [said.partition(" (")[0] for said in found.undecided] == ["poems 2.0.0"]
    assert home.keys() == "abcde"


def test_a_release_that_was_pulled_from_elsewhere_holds_nothing_up(home):
    home.lay("poems", "2.0.0", "f" * 64, "pulled")
    home.free("words", keep=1)
    assert home.keys() == "cde"


def test_nothing_goes_of_a_corpus_that_is_being_built_or_of_what_it_shares(home):
    home.make("poems", "xy", asset="poems")
    home.release("poems", "1.0.0")
    home.make("poems", "y", asset="poems")
    home.release("poems", "1.0.1")
    with FileLock(running.lock_path(home.folder, "words")):
        found = home.free("words", "poems", keep=1)
    assert found.busy == ["words"]
    assert home.keys() == "abcdexy"
    home.free("words", "poems", keep=1)
    assert home.keys() == "cdey"


def test_no_build_begins_while_it_is_freed(home):
    with gc.quiet(home.folder, ["words"]) as busy:
        assert busy == []
        assert running.is_built(home.folder, "words")
    assert not running.is_built(home.folder, "words")


def test_killed_in_the_middle_the_next_call_completes_it(home, monkeypatch):
    home.make("words", "jk", maker="judge", asset="judged")
    home.release("words", "1.3.0")
    home.make("words", "k", maker="judge", asset="judged")
    home.release("words", "1.4.0")
    found = home.look("words", keep=1)
    found.parts[0].remove()  # and then it was killed
    home.free("words", keep=1)
    assert (home.keys(), home.keys("judge")) == ("cde", "k")
    assert len(list((home.folder / ".corpusmith" / "uses" / "keys").glob("*.parquet"))) == 2


def test_a_damaged_note_frees_nothing(home):
    note = next((home.folder / ".corpusmith" / "uses" / "words" / "releases").iterdir())
    note.write_text("{")
    with pytest.raises(LedgerError, match=rf"^{note} is not what was noted"):
        home.free("words", keep=1)
    assert home.keys() == "abcde"


def test_tables_of_partitions_that_nobody_asks_for_go(home):
    tables = home.folder / ".corpusmith" / "tables" / "words"
    for name in ("texts/one", "texts/two", "curated"):
        (tables / f"{name}.parquet").parent.mkdir(parents=True, exist_ok=True)
        (tables / f"{name}.parquet").write_text("")
    corpus = SimpleNamespace(name="words", partitions=lambda workshop: {"one": ""})
    gc.free(gc.look([corpus], home.workshop, 2), home.folder)
    assert sorted(path.stem for path in tables.rglob("*.parquet")) == ["curated", "one"]


def test_reports_of_earlier_checks_and_previews_go(home):
    hidden = home.folder / ".corpusmith"
    for name in ("checked/old.json", "checked/last.json", "checks/words.json", "preview/words.html"):
        (hidden / name).parent.mkdir(exist_ok=True)
        (hidden / name).write_text(json.dumps({"digest": "last"}))
    home.free("words")
    assert [path.name for path in (hidden / "checked").iterdir()] == ["last.json"]
    assert not list((hidden / "preview").iterdir())


def test_looking_at_a_home_where_nothing_was_made_asks_no_corpus_for_its_partitions(tmp_path: Path) -> None:
    asked = SimpleNamespace(name="words", partitions=lambda _: pytest.fail("a demo dump would be written"))
    home = SimpleNamespace(home=tmp_path / "nowhere", release=lambda corpus: tmp_path / "nowhere" / "data" / corpus)
    assert gc.look([asked], home, 2).parts == []
    assert not (tmp_path / "nowhere").exists()
