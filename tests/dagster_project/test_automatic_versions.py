"""Runs that nobody in particular starts name versions, and another release is published once it stands."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
import yaml
from project import Project

from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project.definitions import definitions
from corpusmith.dagster_project.instance import instance_of
from corpusmith.release import changelog, manifest, shelf


class Left:
    """A project that was left to Dagster: its jobs run as its daemon runs them."""

    def __init__(self, project: Project):
        self.project, self.folder = project, project.folder

    @property
    def workshop(self) -> Workshop:
        return Workshop(self.folder, load(), automatic=True)

    def set(self, **values: object) -> None:
        params = yaml.safe_load((self.folder / "params.yaml").read_text())
        params["numbers"] |= values
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def runs(self, *jobs: str, partitions: tuple[str, ...] = ("odd", "even")) -> bool:
        workshop = self.workshop
        defs = definitions(workshop)
        with instance_of(workshop) as instance:
            instance.add_dynamic_partitions("numbers_squares", list(partitions))
            for job in jobs:
                for partition in partitions if job == "numbers_squares" else (None,):
                    found = defs.resolve_job_def(job).execute_in_process(
                        instance=instance, partition_key=partition, raise_on_error=False
                    )
                    if not found.success:
                        return False
        return True

    def version(self, place: str = "data/numbers") -> str:
        return manifest.check(self.folder / place).version

    @property
    def shelf(self) -> list[str]:
        return shelf.versions(self.folder, "numbers")


EVERYTHING = ("numbers_plan", "numbers_squares", "numbers")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which a corpus was released for the first time."""
    with pytest.MonkeyPatch.context() as patch:
        project = Project(tmp_path_factory.mktemp("left") / "project")
        patch.chdir(project.folder)
        assert Left(project).runs(*EVERYTHING)
    return project.folder


@pytest.fixture
def left(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Left:
    project = Project(tmp_path / "project")
    shutil.copytree(first, project.folder, dirs_exist_ok=True)
    monkeypatch.chdir(project.folder)
    return Left(project)


def test_the_first_release_keeps_the_version_of_the_settings(left: Left) -> None:
    assert left.shelf == ["1.0.0"]
    assert left.version() == left.version("versions/numbers/1.0.0") == "1.0.0"


def test_where_nothing_changed_no_version_is_made(left: Left) -> None:
    before = manifest.check(left.folder / "data/numbers")
    assert left.runs("numbers")
    assert left.shelf == ["1.0.0"]
    assert manifest.check(left.folder / "data/numbers") == before


def test_other_rows_are_a_minor_version_with_its_changelog(left: Left) -> None:
    left.set(highest=500)
    assert left.runs("numbers")
    assert left.shelf == ["1.0.0", "1.1.0"]
    assert left.version() == left.version("versions/numbers/1.1.0") == "1.1.0"
    said = changelog.entries((left.folder / "data/numbers/CHANGELOG.md").read_text())
    assert list(said) == ["1.1.0", "1.0.0"]
    assert load().numbers.version == "1.1.0", "params.yaml names it now"


def test_a_setting_that_changes_no_row_is_a_patch(left: Left) -> None:
    left.set(highest=610)
    assert left.runs("numbers")
    assert left.shelf == ["1.0.0", "1.0.1"]
    assert left.version() == "1.0.1"


def test_a_later_version_that_somebody_asked_for_is_taken(left: Left) -> None:
    left.set(highest=500, version="2.0.0")
    assert left.runs("numbers")
    assert left.shelf == ["1.0.0", "2.0.0"]


def test_what_is_built_at_the_terminal_afterwards_is_the_same(left: Left) -> None:
    left.set(highest=500, count=12)
    assert left.runs(*EVERYTHING)
    before = manifest.check(left.folder / "data/numbers")
    assert '"made": false' in left.project.run("build", "numbers", "--json")
    assert manifest.check(left.folder / "data/numbers") == before


def test_a_run_that_is_killed_before_the_shelf_is_completed_by_the_next(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    left.set(highest=500)
    with monkeypatch.context() as patch:
        patch.setattr(shelf, "put", lambda *_: (_ for _ in ()).throw(ValueError("killed")))
        assert not left.runs("numbers")
    assert left.shelf == ["1.0.0"]
    assert left.runs("numbers")
    assert left.shelf == ["1.0.0", "1.1.0"]
    assert left.version() == "1.1.0"


def test_scores_are_measured_and_released_only_of_tables_that_hold(left: Left) -> None:
    assert left.runs("numbers_scoring")
    assert left.shelf == ["1.0.0"]
    left.set(highest=50)  # and the table is as it was
    assert not left.runs("numbers_scoring")
    assert left.version() == "1.0.0"


def test_another_release_asks_for_a_publication_and_the_same_one_for_none(left: Left) -> None:
    defs, asked = definitions(left.workshop), []
    cursor = None
    published = dg.AssetSelection.assets("numbers/published")
    with instance_of(left.workshop) as instance:

        def evaluate() -> int:
            nonlocal cursor
            found = dg.evaluate_automation_conditions(defs, instance, asset_selection=published, cursor=cursor)
            cursor = found.cursor
            return found.total_requested

        asked.append(evaluate())
        assert left.runs("numbers")
        asked.append(evaluate())
        left.set(highest=500)
        assert left.runs("numbers")
        asked += [evaluate(), evaluate()]
    assert asked == [0, 0, 1, 0]
