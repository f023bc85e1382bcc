"""A written release that the tests of this folder read; `corpora` (beside) makes others."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def release_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 84 rows; tests do not write in it."""
    from corpora import reddit

    from corpusmith.release.write import write_release

    folder = tmp_path_factory.mktemp("home") / "data" / "reddit"
    write_release(reddit(12), folder)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `datasets` prepares from the tests' releases goes where it is cleared away."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
