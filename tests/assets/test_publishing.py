"""Only a release that holds what its suite asks for, and whose code is known, is published."""

import shutil
from dataclasses import replace
from pathlib import Path

import numbers_release
import polars as pl
import pytest
from numbers_corpus import CORPUS

from corpusmith.assets import publishing
from corpusmith.assets.resources import Workshop
from corpusmith.errors import ReleaseError, UserError, ValidationFailed
from corpusmith.release import manifest, tombstones
from corpusmith.release.lineage import Lineage
from corpusmith.release.publish.places import Options
from corpusmith.release.takedown import closure, tables_of, tombs

COMMIT = "0" * 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a release; tests do not write in it."""
    home = tmp_path_factory.mktemp("numbers") / "home"
    numbers_release.project(home)
    numbers_release.release(home)
    return home


@pytest.fixture
def workshop(made: Path, tmp_path: Path) -> Workshop:
    """The same home for the test alone; its release was made by a commit that is known."""
    home = Path(shutil.copytree(made, tmp_path / "home"))
    said_by(home / "data" / "numbers", COMMIT)
    return numbers_release.workshop(home)


def said_by(release: Path, commit: str | None) -> None:
    """Let the manifest say that the code of this commit made the release."""
    said = manifest.read(release)
    (release / manifest.NAME).write_text(replace(said, code={**said.code, "commit": commit}).to_json())


def test_a_release_is_published_where_the_settings_say(workshop: Workshop, tmp_path: Path) -> None:
    place = f"{tmp_path}/shared/{{corpus}}-versions"
    settings = workshop.settings
    elsewhere = workshop.anew(settings.model_copy(update={"work": settings.work.model_copy(update={"publish": place})}))
    assert publishing.publish(CORPUS, elsewhere) == (f"{tmp_path}/shared/numbers-versions/numbers/1.0.0", True)
    assert publishing.publish(CORPUS, workshop) == (str(workshop.home / "published" / "numbers" / "1.0.0"), True)
    assert publishing.publish(CORPUS, workshop, str(tmp_path / "here")).place.startswith(str(tmp_path / "here"))


@pytest.mark.parametrize("commit", [None, f"{COMMIT}{manifest.CHANGES}"], ids=["in no commit", "changed"])
def test_unknown_code_is_refused_unless_it_is_allowed_and_then_the_manifest_says_so(
    workshop: Workshop, commit: str | None
) -> None:
    release = workshop.release("numbers")
    said_by(release, commit)
    before = (release / manifest.NAME).read_bytes()
    for act in (publishing.publish, publishing.plan):
        with pytest.raises(ReleaseError, match=r"in no git commit.*--allow-unknown-code"):
            act(CORPUS, workshop)
    assert not (workshop.home / "published").exists()
    place, new = publishing.publish(CORPUS, workshop, allow_unknown_code=True)
    assert new
    said = manifest.check(Path(place))
    assert len(said.more[publishing.ALLOWED]) == 1
    assert "in no git commit" in said.more[publishing.ALLOWED][0]
    assert publishing.publish(CORPUS, workshop, allow_unknown_code=True) == (place, False)
    assert (release / manifest.NAME).read_bytes() == before
    assert [path.name for path in release.parent.iterdir() if not path.name.endswith(".lock")] == ["numbers"]
    elsewhere = str(workshop.home / "again")
    with pytest.raises(ReleaseError, match="--allow-unknown-code"):  # what was allowed once is asked for again
        publishing.publish(CORPUS, workshop, elsewhere, release=Path(place))
    again = publishing.publish(CORPUS, workshop, elsewhere, release=Path(place), allow_unknown_code=True)
    assert manifest.read(Path(again.place)) == said


def test_what_is_published_already_is_told_before_the_suite_runs(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _ = publishing.publish(CORPUS, workshop)
    monkeypatch.setattr(publishing, "_check_suite", lambda *_: pytest.fail("the suite ran"))
    assert publishing.publish(CORPUS, workshop) == (place, False)


def test_a_release_that_breaks_an_expectation_is_not_published(workshop: Workshop) -> None:
    release = workshop.release("numbers")
    said = manifest.read(release)
    params = {**said.params, "numbers": {**said.params["numbers"], "highest": 100}}
    (release / manifest.NAME).write_text(replace(said, params=params).to_json())
    with pytest.raises(ValidationFailed, match=r"1 of \d+ expectations do not hold, so nothing was published:\n  ✗"):
        publishing.publish(CORPUS, workshop)
    assert not (workshop.home / "published").exists()


def test_a_damaged_release_is_not_published(workshop: Workshop) -> None:
    (workshop.release("numbers") / "README.md").write_text("mine")
    with pytest.raises(ReleaseError, match=r"README\.md: 4 bytes"):
        publishing.publish(CORPUS, workshop)


def test_a_release_with_a_row_that_was_taken_down_is_not_published(workshop: Workshop) -> None:
    release = workshop.release("numbers")
    key = pl.read_parquet(release / "data" / "*.parquet")["key"][0]
    rows = closure(tables_of(release), {key}, Lineage())
    tombstones.add(tombstones.path_of(workshop.home, "numbers"), tombs(rows, [], "1.0.0", "asked"))
    for allowed in (False, True):
        with pytest.raises(ReleaseError, match=f"1 rows that were taken down since it was built.*{key}"):
            publishing.publish(CORPUS, workshop, allow_unknown_code=allowed)
    assert not (workshop.home / "published").exists()


def test_an_address_that_cannot_be_is_told_before_anything_is_looked_at(workshop: Workshop) -> None:
    (workshop.release("numbers") / "README.md").write_text("mine")
    with pytest.raises(UserError, match="is not known"):
        publishing.publish(CORPUS, workshop, "ftp://host/corpora")
    with pytest.raises(UserError, match="are for a repository of the Hub"):
        publishing.publish(CORPUS, workshop, options=Options(branch="old"))
