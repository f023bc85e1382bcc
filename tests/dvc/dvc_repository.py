"""A git repository with this project's dvc.yaml and two tagged versions of a small release, and clones of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from corpusmith.release.write import write_release
from tests.corpusmith.release.corpora import reddit
from tests.object_store import ObjectStore

ROOT = Path(__file__).parents[2]
FOLDER, STORE = "folder", "store"  # the remotes; the first is the default
VERSIONS = {"1.0.0": 4, "1.1.0": 6}  # rows of each of seven emotions
OTHERS = {"1.1.0": 5, "1.2.0": 5}  # what the settings may be changed to
BUILD = """
import shutil
from pathlib import Path
import yaml

params = yaml.safe_load(Path("params.yaml").read_text())["reddit"]
into = Path("data/reddit")
shutil.rmtree(into, ignore_errors=True)
shutil.copytree(Path({releases!r}) / f"{{params['version']}}-{{params['balanced']['rows_per_emotion']}}", into)
"""


@dataclass(frozen=True)
class Repository:
    """A working tree; ``environment`` is that of its commands: who commits, DVC without a global one, who asks S3."""

    folder: Path
    environment: Mapping[str, str]

    def git(self, *command: str) -> str:
        return self.run("git", *command)

    def dvc(self, *command: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *command)

    def run(self, *command: str) -> str:
        """What a command printed on standard output."""
        ran = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"{' '.join(command)}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def clone(self, into: Path) -> Repository:
        """A fresh one, in which nothing was pulled."""
        self.git("clone", "-q", str(self.folder), str(into))
        return Repository(into, self.environment)

    def set(self, version: str, rows: int) -> None:
        """Let params.yaml say another version and number of rows, and keep what else it says."""
        path = self.folder / "params.yaml"
        text, versions = re.subn(r"^(reddit:\n  version:) \S+", rf"\1 {version}", path.read_text(), flags=re.MULTILINE)
        text, settings = re.subn(r"^(    rows_per_emotion:) \S+", rf"\1 {rows}", text, flags=re.MULTILINE)
        assert versions == settings == 1
        path.write_text(text)

    def commit(self, version: str) -> None:
        """Commit everything, and tag it as the version."""
        self.git("add", "-A")
        self.git("commit", "-qm", version)
        self.git("tag", f"reddit-v{version}")


def pipeline() -> str:
    """The project's dvc.yaml for one corpus, whose stage takes a written release instead of building one."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    stage = stages["stages"]["build"]
    assert stage["do"]["cmd"] == "corpusmith build ${item}"
    stage |= {"foreach": ["reddit"], "do": stage["do"] | {"cmd": f"{sys.executable} build.py", "deps": ["build.py"]}}
    return yaml.safe_dump(stages, sort_keys=False)


def environment(scratch: Path) -> dict[str, str]:
    """That of git and DVC commands which know nothing of this machine's user."""
    who = {f"GIT_{role}_{what}": "test@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    own = {f"DVC_{kind}_DIR": str(scratch / kind) for kind in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")}
    return {**os.environ, **who, **own, "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "NO_COLOR": "1"}


def released(scratch: Path, store: ObjectStore | None = None) -> Repository:
    """A repository in ``scratch`` with VERSIONS, each made by `dvc repro`, tagged and pushed.

    Pushed to the remote ``folder``, and to ``store`` as well where there is one. Its settings can be set to OTHERS.
    """
    for version, rows in [*VERSIONS.items(), *OTHERS.items()]:
        params = {"reddit": {"balanced": {"rows_per_emotion": rows}}}
        write_release(reddit(rows, version=version, params=params), scratch / "releases" / f"{version}-{rows}")
    (scratch / "repository").mkdir()
    made = Repository(scratch / "repository", environment(scratch) | (store.environment() if store else {}))
    made.git("init", "-q")
    made.dvc("init", "-q")
    remotes = {FOLDER: str(scratch / FOLDER)} | ({STORE: f"s3://{store.bucket}/dvc"} if store else {})
    sections = [f"[core]\n    remote = {FOLDER}\n"]
    sections += [f"['remote \"{name}\"']\n    url = {address}\n" for name, address in remotes.items()]
    (made.folder / ".dvc" / "config").write_text("".join(sections))
    for name in ("params.yaml", ".gitignore"):
        (made.folder / name).write_text((ROOT / name).read_text())
    (made.folder / "build.py").write_text(BUILD.format(releases=str(scratch / "releases")))
    (made.folder / "dvc.yaml").write_text(pipeline())
    for version, rows in VERSIONS.items():
        made.set(version, rows)
        made.dvc("repro")
        made.commit(version)
    for remote in remotes:
        made.dvc("push", "--all-tags", "-r", remote)
    return made
