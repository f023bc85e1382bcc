"""Every Python that the project names can read it, and no more than needed is imported."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
FOLDERS = ("assets", "benchmarks", "corpusmith", "dagster_project", "tests", "validation")
READ_ALL = """
import pathlib, sys
for folder in sys.argv[1:]:
    for path in pathlib.Path(folder).rglob("*.py"):
        compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True)
"""
HEAVY = ("torch", "diffusers", "transformers", "great_expectations", "dvc")
WITHOUT_TORCH = f"""
import sys
sys.modules |= dict.fromkeys({HEAVY})  # importing one of these is an ImportError now
import corpusmith, corpusmith.settings, corpusmith.errors, corpusmith.work.produce, corpusmith.release.manifest
"""


def found(version: str) -> str:
    """A Python of this version, on the PATH or of pyenv (whose names on the PATH may lead nowhere)."""
    managed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for python in filter(None, [shutil.which(f"python{version}"), *map(str, managed)]):
        if not subprocess.run([python, "-c", ""], capture_output=True).returncode:
            return python
    pytest.skip(f"no Python {version} was found")


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_each_python_reads_every_file_and_imports_the_package_by_itself(version):
    python = found(version)
    said = subprocess.run([python, "-c", READ_ALL, *FOLDERS], cwd=CHECKOUT, capture_output=True, text=True)
    assert not said.returncode, said.stderr
    bare = [python, "-S", "-c", "import corpusmith"]  # -S: without one installed package
    said = subprocess.run(bare, cwd=CHECKOUT, capture_output=True, text=True)
    assert not said.returncode, said.stderr


def test_the_library_is_imported_without_torch_and_the_other_heavy_ones():
    said = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], cwd=CHECKOUT, capture_output=True, text=True)
    assert not said.returncode, said.stderr
