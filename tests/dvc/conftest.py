"""One repository for all tests of DVC: making it takes longer than they do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dvc.dvc_repository import Repository, released
from tests.object_store import object_store


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Two versions, pushed to a folder and to an object store; tests do not change it."""
    with object_store() as store:
        yield released(tmp_path_factory.mktemp("origin"), store)


@pytest.fixture(scope="session")
def clone(origin: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A fresh clone for the commands that change nothing in it; nothing was pulled."""
    return origin.clone(tmp_path_factory.mktemp("clone") / "clone")
