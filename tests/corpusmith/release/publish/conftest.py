"""Releases, a Hub and an object store that the tests of this folder share; each test has a repository of its own."""

import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from hub_server import Hub, serve
from huggingface_hub import HfApi
from object_store import ObjectStore, object_store
from PIL import Image

from corpusmith.release import manifest
from corpusmith.release.publish import hub_errors
from corpusmith.release.publish.hub import Repository
from corpusmith.release.publish.places import Options

ROOT = Path(__file__).parents[4]


def picture() -> bytes:
    """A PNG of noise, of 14 kB."""
    file = io.BytesIO()
    Image.frombytes("RGB", (68, 68), os.urandom(68 * 68 * 3)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``first``: 1.0.0. ``other``: the same version with other rows. ``second``: 1.1.0 with nested columns more, and
    no split `test`. Tests do not write in them.
    """
    from corpora import reddit, released

    from corpusmith.release.write import write_release

    drawn = pl.Series([picture() for _ in range(28)])
    rows = released(4, 0).with_columns(
        drawn=pl.struct(bytes=drawn, path=pl.col("key")),
        turns=pl.concat_list(pl.struct(n=pl.int_range(pl.len()), said=pl.col("text"))),
        split=pl.col("split").replace("test", "train"),
    )
    written = {
        "first": reddit(4),
        "other": reddit(5),
        "second": reddit(4, version="1.1.0", rows=rows.lazy()),
    }
    folder = tmp_path_factory.mktemp("releases")
    for name, release in written.items():
        write_release(release, folder / name / "data" / "reddit")
    return {name: folder / name / "data" / "reddit" for name in written}


@pytest.fixture
def first(releases: dict[str, Path]) -> Path:
    return releases["first"]


@pytest.fixture
def second(releases: dict[str, Path]) -> Path:
    return releases["second"]


@pytest.fixture
def fresh(first: Path, tmp_path: Path) -> Path:
    """``first`` with a large file that no other test has: the client remembers what it has sent, and sends it once."""
    folder = Path(shutil.copytree(first, tmp_path / "fresh" / "reddit"))
    said, picture = manifest.read(folder), folder / "report" / "noise.png"
    picture.write_bytes(os.urandom(100_000))
    files = {**said.files, "report/noise.png": manifest.file(picture)}
    (folder / manifest.NAME).write_text(replace(said, files=files).to_json())
    return folder


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """One object store, of which s3fs knows in this process."""
    with pytest.MonkeyPatch.context() as patch, object_store() as served:
        for name, value in served.environment().items():
            patch.setenv(name, value)
        yield served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One Hub, and a cache of hf_xet of its own."""
    with pytest.MonkeyPatch.context() as patch, serve(tmp_path_factory.mktemp("hub")) as hub:
        patch.setenv("HF_XET_CACHE", str(tmp_path_factory.mktemp("xet")))
        yield hub


@pytest.fixture
def hub(served: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The Hub without faults and with nothing in its log; who asks it again does not wait."""
    monkeypatch.setattr(hub_errors, "FIRST_WAIT", 0.01)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", served.endpoint)
    template = f"{served.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_TOKEN", served.token)
    served.faults.clear()
    served.requests.clear()
    yield served
    served.faults.clear()


@pytest.fixture
def repo(request: pytest.FixtureRequest) -> str:
    """A name that no other test has."""
    return f"org/{re.sub('[^a-z0-9]+', '-', request.node.name.lower())[:80].strip('-')}"


@pytest.fixture
def repository(hub: Hub, repo: str) -> Callable[..., Repository]:
    """The test's repository, through a client of its own: ``repository(branch="old")``, ``repository(token=…)``."""

    def of(token: str | bool = hub.token, **options: object) -> Repository:
        return Repository(HfApi(endpoint=hub.endpoint, token=token), repo, Options(**options))

    return of


@pytest.fixture
def elsewhere(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """The environment of another process that works against the Hub."""
    return {**os.environ, **hub.environment(tmp_path / "hf"), "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
