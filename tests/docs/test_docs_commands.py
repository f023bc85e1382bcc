"""Every command that a page shows is run, in the order of the page, and ends as the page says."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import forked
import polars as pl
import pytest
from filelock import FileLock
from hub_server import serve
from not_run import ELSEWHERE, NOT_RUN
from pages_of import ROOT, Shown, pages, shown
from project import Project

from tests.dagster_project.conftest import smoke_home
from tests.object_store import object_store

KEY = re.compile(r"\b[0-9a-f]{32}\b|\bKEY\b")
CORPORA = ("reddit", "portraits", "edits", "imagenet")
BUILT: dict[str, tuple[str, ...]] = {
    **{f"docs/tutorials/{corpus}.md": (corpus,) for corpus in CORPORA},
    "README.md": ("reddit", "portraits"),
    "docs/how-to/add-a-model.md": ("portraits",),
    "docs/how-to/upkeep.md": ("reddit",),
    "docs/how-to/annotate.md": ("portraits",),
    "docs/versions.md": ("reddit",),
}
"""Smoke builds that stand where a page begins, so that its own builds find their rows made."""
INSTEAD: dict[str, dict[str, str]] = {
    "docs/versions.md": {"mkdir emotions": "mkdir emotions && mv .corpusmith emotions && rm -r data"},
    "docs/how-to/team.md": {"reddit": "numbers", "min_confidence": "highest", "0.45": "500", "0.4 ": "600"},
    "docs/how-to/publish.md": {"reddit": "numbers"},
    "docs/how-to/pull.md": {"reddit": "numbers", "emotion": "size", "text": "n"},
}
"""What stands in a page's commands instead: pages that are about no corpus in particular run with that of numbers."""
MADE = {f"docs/tutorials/{corpus}.md": f"corpusmith build {corpus}" for corpus in CORPORA}
"""What the homes were made with: the fixture has run it, and it ended well."""
NUMBERS = [page for page, words in INSTEAD.items() if "numbers" in words.values()]


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory, worker_id: str):
    """Homes with a corpus, built once for all workers: the smoke builds of tests/dagster_project, and numbers."""
    root = tmp_path_factory.getbasetemp()
    root = root if worker_id == "master" else root.parent
    return lambda corpus: numbers_home(root) if corpus == "numbers" else smoke_home(corpus, root)


def numbers_home(root: Path) -> Path:
    """A project with the corpus of numbers, built."""
    home = root / "docs-numbers"
    with FileLock(f"{home}.lock"):
        if not (home / "data").exists():
            Project(home).run("build", "numbers")
    return home


class Terminal:
    """A shell in a folder that looks like a checkout, which remembers where it is and what was exported."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder, self.environment = folder, environment
        self.state = folder.with_name("state.sh")
        self.state.write_text("")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        keeping = (
            f"source {self.state}\n{command}\ncode=$?\n{{ export -p; echo cd \"'$PWD'\"; }} > {self.state}\nexit $code"
        )
        line = ["bash", "-c", keeping]
        return subprocess.run(line, cwd=self.folder, env=self.environment, text=True, capture_output=True, timeout=900)


@pytest.fixture
def terminal(request: pytest.FixtureRequest, smoke, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal for the page that the test is about, with the homes that it needs and the servers that it names."""
    page = request.node.callspec.params["page"]
    text = pages()[page].read_text()
    folder = tmp_path / "corpusmith"
    folder.mkdir()
    for corpus in ("numbers",) if page in NUMBERS else BUILT.get(page, ()):
        passing = shutil.ignore_patterns(".writable", "*-journal", "*-wal", "*-shm", "said.txt")
        shutil.copytree(smoke(corpus), folder, dirs_exist_ok=True, ignore=passing)
    if page not in NUMBERS:
        _settings(folder)
    for name in ("benchmarks", "docker", "examples", "pyproject.toml", "tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    of_ones_own = {name: value for name, value in os.environ.items() if not name.startswith(("CORPUSMITH_", "HF_"))}
    environment = of_ones_own | {"PATH": binaries, "CORPUSMITH_PROFILE": "smoke"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "corpora")])
    with contextlib.ExitStack() as servers:
        if "hf://" in text:
            hub = servers.enter_context(serve(tmp_path / "hub"))
            environment |= {name: value for name, value in hub.environment().items() if name.startswith("HF_")}
        else:
            environment |= {"HF_HUB_OFFLINE": "1"}
        if "s3://" in text:
            store = servers.enter_context(object_store())
            environment |= store.environment()
        servers.enter_context(forked.command("corpusmith", tmp_path / "bin", environment))
        environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"
        yield Terminal(folder, environment)


def _settings(folder: Path) -> None:
    """params.yaml and dvc.yaml, as a checkout has them; the code that is tested may be in no commit yet."""
    params = (ROOT / "params.yaml").read_text()
    (folder / "params.yaml").write_text(params.replace("allow_unknown_code: false", "allow_unknown_code: true"))
    shutil.copy(ROOT / "dvc.yaml", folder)


def is_run(page: str, command: Shown) -> bool:
    return command.text not in ELSEWHERE.get(page, {}) and not any(
        re.match(pattern, command.text) for pattern in NOT_RUN
    )


def runnable(page: str) -> list[Shown]:
    return [command for command in shown(pages()[page].read_text()) if is_run(page, command)]


@pytest.mark.parametrize("page", [page for page in pages() if runnable(page)])
def test_every_command_of_a_page_ends_as_the_page_says(page: str, terminal: Terminal):
    for command in runnable(page):
        if command.text == MADE.get(page):
            continue
        done = terminal.run(as_here(page, command, terminal.folder))
        said = f"{page}: {command.text}\nended with {done.returncode}, not {command.code}\n{done.stdout}{done.stderr}"
        assert done.returncode == command.code, said


def as_here(page: str, command: Shown, folder: Path) -> str:
    """The command with what is another in every home: the corpus, and the keys of its rows."""
    text = command.text
    for word, other in INSTEAD.get(page, {}).items():
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", other, text)
    if command.is_program:
        return f"python - <<'PROGRAM'\n{text}PROGRAM"
    if not KEY.search(text):
        return text
    rows = pl.scan_parquet(next(folder.rglob("data/*/data")) / "*.parquet").sort("key")
    return KEY.sub(rows.select("key").first().collect().item(), text)


def test_what_a_page_leaves_to_another_is_run_there():
    for page, commands in ELSEWHERE.items():
        assert set(commands) <= {one.text for one in shown(pages()[page].read_text())}, page
        for other, command in commands.values():
            assert command in [one.text for one in runnable(other)], f"{other} does not show: {command}"


def test_no_reason_is_kept_for_a_command_that_is_shown_nowhere():
    every = [command.text for page in pages() for command in shown(pages()[page].read_text())]
    stale = [pattern for pattern in NOT_RUN if not any(re.match(pattern, command) for command in every)]
    assert not stale, "no page shows what these are about"
