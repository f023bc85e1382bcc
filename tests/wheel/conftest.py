"""corpusmith as somebody has it who installed the wheel: an environment of its own, outside any checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOSTILE = 'raise RuntimeError("{name} of this folder was imported in the place of corpusmith\'s")\n'
OURS = ("CORPUSMITH", "PYTHONPATH", "DAGSTER_HOME", "GIT_", "DVC_")


@dataclass(frozen=True)
class Installed:
    """An environment in which corpusmith is installed from its wheel."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, *command: object, cwd: Path, code: int = 0) -> str:
        """What a command printed, there: on standard output, or on standard error if it is to fail."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        path = os.pathsep.join([str(self.python.parent), clean["PATH"]])
        line = [str(self.python.parent / command[0]), *map(str, command[1:])]
        ran = subprocess.run(line, cwd=cwd, env={**clean, "PATH": path}, capture_output=True, text=True, check=False)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stderr if code else ran.stdout

    def module(self, *command: object, cwd: Path, code: int = 0) -> str:
        """The same of ``python -m``, which has the folder that one stands in before all else."""
        return self.run("python", "-m", *command, cwd=cwd, code=code)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("corpusmith-*.whl"))


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> Installed:
    """The wheel in an environment of its own; what it depends on is this environment's.

    A line of a .pth file adds a folder, but reads no .pth file in it: the editable corpusmith of the checkout is not
    there, and its metadata come after those of the wheel.
    """
    found = Installed(tmp_path_factory.mktemp("installed") / "venv")
    venv.create(found.folder, with_pip=False, symlinks=True)
    packages = sysconfig.get_path("purelib", "venv", {"base": str(found.folder)})
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(found.python), *install], check=True)
    return found


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory) -> Path:
    """A folder outside any checkout with packages of its own that are called as ours were."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in ("validation", "dagster_project"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(HOSTILE.format(name=name))
    (folder / "assets").mkdir()
    (folder / "assets" / "__init__.py").write_text('WHOSE = "theirs"\n')
    return folder
