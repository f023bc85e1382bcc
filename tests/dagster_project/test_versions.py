"""Two versions of a corpus of one's own, what lies between them, and back: no row is made twice on the way."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import forked
import pytest
import yaml
from patched import STEPS
from project import CORPORA, ROOT, Project

from corpusmith.release import changelog, manifest, shelf
from corpusmith.release.diff import diff
from corpusmith.release.publish import versions
from corpusmith.release.publish.pull import pull

TABLE = """
words:
  # what a reader of the settings is told
  version: 1.0.0      # of the release
  count: 30
  said: {zero: it is, one: this is, two: that is}
  length: false
  left_out: []
"""


class Words:
    """A folder of one's own with the corpus of words, which its commands run in."""

    def __init__(self, folder: Path):
        self.folder, self.calls = folder, folder / "calls"

    @property
    def params(self) -> Path:
        return self.folder / "params.yaml"

    def run(self, *arguments: object, code: int = 0, patched: str | None = None) -> str:
        """What a command said; patched: a step at which it dies, or a file of settings that is the package's."""
        ran = self._ran(*arguments, patched=patched)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return " ".join((ran.stdout + ran.stderr).split())

    def json(self, *arguments: object) -> dict:
        ran = self._ran(*arguments, "--json")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    def _ran(self, *arguments: object, patched: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(CORPORA / "patched.py"), patched] if patched else ["corpusmith"]
        paths = os.pathsep.join([str(CORPORA), os.environ.get("PYTHONPATH", str(ROOT))])
        return forked.run(*command, *map(str, arguments), env={**os.environ, "PYTHONPATH": paths})

    def set(self, before: str, after: str) -> None:
        text = self.params.read_text()
        assert before in text
        self.params.write_text(text.replace(before, after))

    def called(self) -> list[int]:
        """The numbers that the maker was called for since this was asked last."""
        found = sorted(map(int, self.calls.read_text().split())) if self.calls.exists() else []
        self.calls.write_text("")
        return found


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first version was released."""
    project = Project(tmp_path_factory.mktemp("words"))
    params = yaml.safe_load((project.folder / "params.yaml").read_text())
    params["work"]["corpora"] = ["words_corpus"]
    del params["numbers"]
    (project.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False) + TABLE)
    stages = yaml.safe_load((project.folder / "dvc.yaml").read_text())
    outs = stages["stages"]["build"]["do"]["outs"]
    outs += [name for name in ("data/${item}/CHANGELOG.md",) if name not in outs]
    stages["stages"]["build"]["foreach"] = ["words"]
    (project.folder / "dvc.yaml").write_text(yaml.safe_dump(stages))
    said = project.run("release", "words")
    assert "words 1.0.0 is released" in said
    return project.folder


@pytest.fixture
def words(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    """The same in a copy that a test may change; nothing was called yet."""
    passing = shutil.ignore_patterns("*-journal", "*-wal", "*-shm")
    folder = shutil.copytree(first, tmp_path / "project", ignore=passing)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CORPUSMITH_HOME", raising=False)
    monkeypatch.setenv("CALLS", str(folder / "calls"))
    return Words(Path(folder))


def test_a_setting_that_decides_one_row_makes_one_row_and_the_diff_says_so(words: Words) -> None:
    words.set("count: 30", "count: 31")
    done = words.json("release", "words", "--bump", "minor")
    assert words.called() == [31]
    assert (done["version"], done["before"], done["new"]) == ("1.1.0", "1.0.0", True)
    found = words.json("diff", "words@1.0.0", "words@1.1.0")
    assert [found[name] for name in ("added", "removed", "changed", "unchanged")] == [1, 0, 0, 30]
    assert found["settings"] == [{"setting": "words.count", "old": "30", "new": "31"}]
    assert found["schema"] == []


def test_a_prompt_of_one_kind_makes_that_kind_again_and_nothing_else(words: Words) -> None:
    words.set("one: this is", "one: this was")
    words.json("release", "words", "--bump", "minor")
    ones = [n for n in range(1, 31) if n % 3 == 1]
    assert words.called() == ones
    found = diff(words.folder / "versions/words/1.0.0", words.folder / "data/words")
    assert (found.added, found.removed, found.changed, found.unchanged) == (10, 10, 0, 20)


def test_only_the_line_of_the_version_is_changed_in_the_settings(words: Words) -> None:
    words.set("count: 30", "count: 31")
    before = words.params.read_text()
    assert "says words.version: 1.1.0 now" in words.run("release", "words", "--bump", "minor")
    at = before.rindex("version: 1.0.0      # of the release")
    assert words.params.read_text() == before[:at] + before[at:].replace("1.0.0", "1.1.0", 1)


def test_what_was_released_is_unchanged_for_a_build_and_keeps_its_changelog(words: Words) -> None:
    words.set("count: 30", "count: 31")
    words.run("release", "words", "--bump", "minor")
    built = words.folder / "data/words"
    said = manifest.check(built)
    assert words.json("build", "words")["made"] is False
    (built / "README.md").unlink()
    assert words.json("build", "words")["made"] is True
    assert manifest.check(built) == said == manifest.check(words.folder / "versions/words/1.1.0")
    assert list(changelog.entries((built / "CHANGELOG.md").read_text())) == ["1.1.0", "1.0.0"]


def test_nothing_changed_makes_no_version(words: Words) -> None:
    before = manifest.read(words.folder / "data/words")
    assert "nothing changed since words 1.0.0" in words.run("release", "words", "--bump", "major")
    assert words.called() == []
    assert shelf.versions(words.folder, "words") == ["1.0.0"]
    assert manifest.check(words.folder / "data/words") == before
    assert words.json("build", "words")["made"] is False


@pytest.mark.parametrize(
    ("change", "bump", "asked"),
    [
        (("length: false", "length: true"), "minor", "the schema changed: length (added); that is a major release"),
        (("left_out: []", "left_out: [7]"), "patch", "0 are new, 1 gone and 0 changed; that is a minor release"),
        (("left_out: []", "left_out: [99]"), None, "the setting words.left_out did; that is a patch release"),
    ],
)
def test_too_small_a_step_is_refused_with_the_reason(
    words: Words, change: tuple[str, str], bump: str | None, asked: str
) -> None:
    words.set(*change)
    before = manifest.read(words.folder / "data/words")
    assert asked in words.run("release", "words", *(["--bump", bump] if bump else []), code=2)
    assert shelf.versions(words.folder, "words") == ["1.0.0"]
    assert manifest.check(words.folder / "data/words") == before
    assert "version: 1.0.0      # of" in words.params.read_text()


def test_a_larger_step_than_needed_is_taken(words: Words) -> None:
    words.set("left_out: []", "left_out: [7]")
    assert words.json("release", "words", "--bump", "major")["version"] == "2.0.0"


def test_a_version_that_does_not_come_from_the_file_is_refused(words: Words) -> None:
    said = words.run("release", "words", "--bump", "minor", "--set", "words.version=3.0.0", code=2)
    assert "words.version is 3.0.0 by --set or by the profile, and 1.0.0 in" in said
    words.set("version: 1.0.0      # of", "version: 3.0.0      # of")
    said = words.run("release", "words", "--bump", "minor", code=2)
    assert "expected 1.0.0, or the version that --bump comes to (1.0.1, 1.1.0, 2.0.0)" in said


def test_settings_of_the_package_are_not_written(words: Words, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shipped = words.params.read_bytes()
    monkeypatch.chdir(tmp_path)
    more = ("--home", words.folder, "--set", "words.count=31")
    said = words.run("release", "words", "--bump", "minor", *more, patched=str(words.params))
    assert "the settings are the package's own and were not written" in said
    assert words.params.read_bytes() == shipped


@pytest.mark.parametrize("step", STEPS)
def test_a_release_that_was_killed_is_completed_by_the_same_command(words: Words, step: str) -> None:
    words.set("count: 30", "count: 31")
    words.run("release", "words", "--bump", "minor", code=130, patched=step)
    for version in shelf.versions(words.folder, "words"):
        manifest.check(words.folder / "versions/words" / version)
    words.json("release", "words", "--bump", "minor")
    assert words.called() == [31]
    assert shelf.versions(words.folder, "words") == ["1.0.0", "1.1.0"]
    for place in ("data/words", "versions/words/1.1.0"):
        assert manifest.check(words.folder / place).version == "1.1.0"
    for place in ("data/words", "versions/words/1.1.0", "versions/words"):
        said = changelog.entries((words.folder / place / "CHANGELOG.md").read_text())
        assert list(said) == ["1.1.0", "1.0.0"]
    assert "version: 1.1.0      # of" in words.params.read_text()


def test_rolling_back_makes_no_row(words: Words) -> None:
    words.set("count: 30", "count: 31")
    words.run("release", "words", "--bump", "minor")
    words.called()
    said = words.run("rollback", "words", "1.0.0")
    assert "params.yaml says 1.1.0, and corpusmith build words makes that" in said
    assert manifest.check(words.folder / "data/words") == manifest.check(words.folder / "versions/words/1.0.0")
    assert "1.0.0 is the current version already" in words.run("rollback", "words", "1.0.0")
    assert "there are 1.0.0, 1.1.0 " in words.run("rollback", "words", "9.9.9", code=2)
    assert words.json("build", "words")["version"] == "1.1.0"
    assert words.called() == []
    assert manifest.check(words.folder / "data/words") == manifest.check(words.folder / "versions/words/1.1.0")


def test_a_version_that_somebody_changed_is_not_rolled_back_to(words: Words) -> None:
    words.set("count: 30", "count: 31")
    words.run("release", "words", "--bump", "minor")
    readme = words.folder / "versions/words/1.0.0/README.md"
    readme.write_text("changed")
    assert "README.md: 7 bytes" in words.run("rollback", "words", "1.0.0", code=2)
    assert manifest.check(words.folder / "data/words").version == "1.1.0"


def test_a_version_that_was_published_is_one_to_go_on_from(words: Words) -> None:
    words.run("publish", "words")
    shutil.rmtree(words.folder / "versions")
    words.set("count: 30", "count: 31")
    assert words.json("release", "words", "--bump", "minor")["version"] == "1.1.0"
    assert "1.0.0 is the current version again" in words.run("rollback", "words", "1.0.0")


def test_a_version_that_was_released_elsewhere_is_pulled_first(words: Words) -> None:
    shutil.rmtree(words.folder / "versions/words/1.0.0")
    said = words.run("release", "words", "--bump", "minor", code=2)
    assert "corpusmith pull words@1.0.0 --from" in said


def git(folder: Path, *command: str) -> str:
    return subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(words: Words, monkeypatch: pytest.MonkeyPatch) -> Words:
    """The same folder as a repository of git and DVC, with nothing committed."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git(words.folder, "init", "--quiet")
    versions.dvc("init", "--quiet", cwd=words.folder)
    return words


def test_with_dvc_every_version_has_a_tag_that_others_pull(repository: Words, tmp_path: Path) -> None:
    assert repository.json("release", "words", "--dvc")["tag"] == "words-v1.0.0"
    repository.set("count: 30", "count: 31")
    assert repository.json("release", "words", "--bump", "minor", "--dvc")["tag"] == "words-v1.1.0"
    for version, rows in (("1.0.0", 30), ("1.1.0", 31)):
        pulled = pull("words", version, repository.folder, tmp_path / "pulled")
        assert manifest.check(pulled).counts["rows"] == rows
    tracked = git(repository.folder, "ls-files").split()
    assert {"dvc.lock", "params.yaml", "versions/words/CHANGELOG.md"} <= set(tracked)
    assert not [name for name in tracked if name.startswith(("data/words/", "versions/words/1"))]
    commits = git(repository.folder, "rev-list", "HEAD")
    assert repository.json("release", "words", "--bump", "minor", "--dvc")["tag"] == "words-v1.1.0"
    assert git(repository.folder, "rev-list", "HEAD") == commits, "nothing changed, so nothing is committed"
    git(repository.folder, "tag", "--force", "words-v1.1.0", "words-v1.0.0")
    assert "words-v1.1.0 holds another release" in repository.run("release", "words", "--dvc", code=2)


def test_a_tag_that_is_taken_is_refused_before_anything_is_made(repository: Words) -> None:
    git(repository.folder, "commit", "--quiet", "--allow-empty", "-m", "begun")
    git(repository.folder, "tag", "words-v1.1.0")
    repository.set("count: 30", "count: 31")
    assert "the tag words-v1.1.0 is there already" in repository.run(
        "release", "words", "--bump", "minor", "--dvc", code=2
    )
    assert repository.called() == []


def test_what_dvc_lacks_is_told_before_anything_is_made(words: Words, repository: Words) -> None:
    stages = yaml.safe_load((words.folder / "dvc.yaml").read_text())
    stages["stages"]["build"]["foreach"] = ["others"]
    (words.folder / "dvc.yaml").write_text(yaml.safe_dump(stages))
    words.set("count: 30", "count: 31")
    said = words.run("release", "words", "--bump", "minor", "--dvc", code=2)
    assert "has no stage build@words: add words to the foreach" in said
    shutil.rmtree(words.folder / ".dvc")
    assert "is no DVC repository" in words.run("release", "words", "--bump", "minor", "--dvc", code=2)
    assert words.called() == []
