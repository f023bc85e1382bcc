"""One smoke build of each corpus that the tests of this folder look at."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import forked
import pytest
from filelock import FileLock

forked.unsynced()


@dataclass(frozen=True)
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def corpusmith(*arguments: str | Path, home: Path | None = None, **environment: str) -> Ran:
    """The installed command, as a person would call it."""
    if home is not None:
        environment["CORPUSMITH_HOME"] = str(home)
    done = forked.run("corpusmith", *map(str, arguments), env={**os.environ, **environment})
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def cli():
    return corpusmith


def smoke_home(corpus: str, root: Path) -> Path:
    """A home in which a corpus's smoke profile was built, once for all workers; said.txt holds what was said then."""
    home = root / f"smoke-{corpus}"
    with FileLock(f"{home}.lock"):
        if not (home / "said.txt").exists():
            ran = corpusmith("build", corpus, "--profile", "smoke", home=home)
            assert ran.code == 0, ran.err
            (home / "said.txt").write_text(ran.err)
    return home


@pytest.fixture(scope="session")
def shared_root(tmp_path_factory, worker_id) -> Path:
    """A temporary folder that all workers share."""
    root = tmp_path_factory.getbasetemp()
    return root if worker_id == "master" else root.parent


@pytest.fixture(scope="session")
def built(shared_root) -> Path:
    """A home with reddit."""
    return smoke_home("reddit", shared_root)


@pytest.fixture(scope="session")
def portraits(shared_root) -> Path:
    """A home with portraits."""
    return smoke_home("portraits", shared_root)


@pytest.fixture
def built_said(built) -> str:
    """What the build said on standard error."""
    return (built / "said.txt").read_text()


@pytest.fixture
def home(built, tmp_path) -> Path:
    """A copy of the built home that a test may change."""
    passing = shutil.ignore_patterns(".writable", "*-journal", "*-wal", "*-shm")
    return Path(shutil.copytree(built, tmp_path / "home", ignore=passing))
