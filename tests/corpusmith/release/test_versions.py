"""Against a real git repository, a real DVC and a real remote folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest
from corpusmith.release.publish import hub, versions

ROOT = Path(__file__).parents[3]
BUILD = """
import sys; sys.path[:0] = [{root!r}, {here!r}]
from pathlib import Path
import yaml
from corpora import reddit
from corpusmith.release.write import write_release

params = yaml.safe_load(Path("params.yaml").read_text())["reddit"]
write_release(reddit(params["rows"], version=params["version"], params={{"reddit": params}}), Path("data/reddit"))
"""


def git(*command: str, cwd: Path) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    ran = subprocess.run(["git", *identity, *command], cwd=cwd, check=True, capture_output=True, text=True)
    return ran.stdout


def set_params(repository: Path, version: str, rows: int) -> None:
    params = {"work": {}, "reddit": {"version": version, "rows": rows}}
    (repository / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions, built by `dvc repro` with this project's dvc.yaml, tagged, and pushed to a remote folder."""
    folder = tmp_path_factory.mktemp("repository")
    git("init", "-q", cwd=folder)
    versions.dvc("init", "-q", cwd=folder)
    versions.dvc("remote", "add", "-d", "store", str(tmp_path_factory.mktemp("remote")), cwd=folder)
    (folder / "build.py").write_text(BUILD.format(root=str(ROOT), here=str(Path(__file__).parent)))
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    stage = pipeline["stages"]["build"]
    assert stage["do"]["cmd"] == "corpusmith build ${item}"
    stage |= {"foreach": ["reddit"], "do": stage["do"] | {"cmd": f"{sys.executable} build.py", "deps": ["build.py"]}}
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    (folder / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    for version, rows in (("1.0.0", 4), ("1.1.0", 6)):
        set_params(folder, version, rows)
        versions.dvc("repro", cwd=folder)
        versions.dvc("push", cwd=folder)
        git("add", "-A", cwd=folder)
        git("commit", "-qm", version, cwd=folder)
        git("tag", versions.tag("reddit", version), cwd=folder)
    return folder


def test_a_stage_with_nothing_changed_is_skipped(repository: Path) -> None:
    assert "didn't change, skipping" in versions.dvc("repro", cwd=repository)


def test_a_release_rebuilt_by_hand_is_the_one_that_dvc_knows(repository: Path) -> None:
    subprocess.run([sys.executable, "build.py"], cwd=repository, check=True)
    assert "up to date" in versions.dvc("status", cwd=repository)


def test_git_tracks_none_of_the_rows(repository: Path) -> None:
    assert not [name for name in git("ls-files", cwd=repository).splitlines() if name.startswith("data/reddit")]


def test_metrics_diff_shows_what_changed_between_two_versions(repository: Path) -> None:
    shown = versions.dvc("metrics", "diff", "reddit-v1.0.0", "reddit-v1.1.0", "--md", cwd=repository)
    [line] = [line for line in shown.splitlines() if "| rows " in line]
    assert [cell.strip() for cell in line.split("|")][3:6] == ["28", "42", "14"]


def test_plots_are_drawn_from_both_versions(repository: Path, tmp_path: Path) -> None:
    versions.dvc("plots", "diff", "reddit-v1.0.0", "--out", str(tmp_path), cwd=repository)
    page = (tmp_path / "index.html").read_text()
    for title in ("Rows of reddit by label", "Rejected rows of reddit by reason", "Probe accuracy of reddit by depth"):
        assert title in page


def test_a_fresh_clone_pulls_the_same_release(repository: Path, tmp_path: Path) -> None:
    git("clone", "-q", str(repository), str(tmp_path / "clone"), cwd=tmp_path)
    versions.dvc("pull", cwd=tmp_path / "clone")
    assert manifest.check(tmp_path / "clone" / "data" / "reddit") == manifest.check(repository / "data" / "reddit")


def test_any_version_is_pulled_by_its_tag(repository: Path, tmp_path: Path) -> None:
    first = hub.pull("reddit", "1.0.0", repository, tmp_path)
    assert first == tmp_path / "reddit" / "1.0.0"
    assert manifest.check(first).counts["rows"] == 28
    assert manifest.check(hub.pull("reddit", None, repository, tmp_path)).version == "1.1.0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reddit"]


def test_a_version_without_a_tag_is_told(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"unknown Git revision 'reddit-v9\.0\.0'"):
        hub.pull("reddit", "9.0.0", repository, tmp_path)


def test_a_wrong_tag_is_told(repository: Path, tmp_path: Path) -> None:
    git("tag", "-f", "reddit-v3.0.0", cwd=repository)
    with pytest.raises(ReleaseError, match=r"should hold reddit 3\.0\.0, and holds reddit 1\.1\.0"):
        hub.pull("reddit", "3.0.0", repository, tmp_path)


def test_a_release_linked_from_the_cache_is_rebuilt_and_the_cache_stays_whole(repository: Path, tmp_path: Path) -> None:
    git("clone", "-q", str(repository), str(tmp_path / "clone"), cwd=tmp_path)
    clone = tmp_path / "clone"
    versions.dvc("config", "cache.type", "hardlink", cwd=clone)
    versions.dvc("pull", cwd=clone)
    assert not os.access(clone / "data/reddit/README.md", os.W_OK) or os.geteuid() == 0
    set_params(clone, "1.2.0", 5)
    versions.dvc("repro", cwd=clone)
    assert manifest.check(clone / "data" / "reddit").version == "1.2.0"
    git("checkout", "-q", "--", "dvc.lock", "params.yaml", cwd=clone)
    versions.dvc("checkout", "--force", cwd=clone)
    assert manifest.check(clone / "data" / "reddit").version == "1.1.0"


def test_the_stage_reads_settings_that_exist() -> None:
    every = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["build"]
    stage = every["do"]
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert set(every["foreach"]) | {"work"} <= set(settings)
    assert all((ROOT / path).exists() for path in stage["deps"])
