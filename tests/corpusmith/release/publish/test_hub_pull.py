"""What comes from the Hub is what was published, byte for byte, or nothing; cut off, the same call goes on."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_faults import Fault
from hub_server import Hub

import corpusmith
from corpusmith.errors import ReleaseError
from corpusmith.release import manifest
from corpusmith.release.publish.hub import Repository
from corpusmith.release.publish.pull import Wanted, pull

Of = Callable[..., Repository]
TRAIN = "data/train-00000-of-00001.parquet"
PULL = """
import sys
from pathlib import Path
from corpusmith.release.publish.pull import pull
print(pull("reddit", None, sys.argv[1], Path(sys.argv[2])))
"""
READ = """
import sys, json
from datasets import load_dataset
repo = sys.argv[1]
old = load_dataset(repo, revision="v1.0.0")
new = load_dataset(repo, revision="v1.1.0", split="train", streaming=True)
streamed = load_dataset(repo, revision="v1.0.0", split="test", streaming=True)
print(json.dumps({
    "old": {name: part.num_rows for name, part in old.items()},
    "columns": old["train"].column_names,
    "emotions": old["train"].features["emotion"].names,
    "streamed": len(list(streamed)),
    "turns": next(iter(new))["turns"],
    "rejected": len(load_dataset(repo, "rejected", revision="v1.0.0", split="rejected")),
    "scores": len(load_dataset(repo, "scores", split="scores")),
}))
"""


@pytest.fixture
def published(hub: Hub, repo: str, repository: Of, first: Path, second: Path) -> str:
    """The address of a repository with two versions."""
    for release in (first, second):
        repository().publish(release, manifest.check(release))
    hub.requests.clear()
    return f"hf://datasets/{repo}"


def sent(hub: Hub) -> int:
    """Bytes of files that the Hub has sent."""
    return sum(one.bytes_out for one in hub.requests.matching("^/cdn/|/resolve/"))


@pytest.mark.parametrize(
    ("asked", "version"),
    [(None, "1.1.0"), ("1.0.0", "1.0.0"), ("^1.0", "1.1.0"), ("~1.0.0", "1.0.0"), ("<1.1", "1.0.0")],
)
def test_the_version_that_is_asked_for_comes(
    published: str, tmp_path: Path, releases: dict[str, Path], asked: str | None, version: str
) -> None:
    pulled = pull("reddit", asked, published, tmp_path)
    assert pulled == tmp_path / "reddit" / version
    assert manifest.check(pulled) == manifest.read(releases["first" if version == "1.0.0" else "second"])
    assert not [path for path in pulled.iterdir() if path.name == ".cache"]


def test_a_second_pull_transfers_no_file(hub: Hub, published: str, tmp_path: Path) -> None:
    pull("reddit", None, published, tmp_path)
    hub.requests.clear()
    pulled = pull("reddit", None, published, tmp_path)
    assert {Path(one.path).name for one in hub.requests.matching("^/cdn/|/resolve/")} == {manifest.NAME}
    manifest.check(pulled)


def test_the_token_is_not_sent_to_where_the_files_lie(hub: Hub, published: str, tmp_path: Path) -> None:
    pull("reddit", "1.1", published, tmp_path, Wanted(("train",), ("key",)))
    pull("reddit", "1.0", published, tmp_path)
    there = hub.requests.matching("^/cdn/")
    assert there
    assert {one.token for one in there} == {None}


def test_a_pull_that_is_cut_in_a_file_goes_on_with_the_rest(
    hub: Hub, published: str, tmp_path: Path, second: Path
) -> None:
    size = (second / TRAIN).stat().st_size
    digest = manifest.read(second).files[TRAIN]["sha256"]
    hub.faults.add(Fault(method="GET", path=f"/cdn/{digest}", delay=1, status=403, message="no more today"))
    with pytest.raises(ReleaseError, match="no more today"):
        pull("reddit", "1.1", published, tmp_path)
    assert not (tmp_path / "reddit" / "1.1.0").exists()
    hub.requests.clear()
    manifest.check(pull("reddit", "1.1", published, tmp_path))
    assert size < sent(hub) < sum(file["bytes"] for file in manifest.read(second).files.values())


def test_a_connection_that_is_cut_does_no_harm(hub: Hub, published: str, tmp_path: Path) -> None:
    cut = hub.faults.add(Fault(method="GET", path="^/cdn/|/resolve/", cut_download=1000, times=4))
    manifest.check(pull("reddit", None, published, tmp_path))
    assert cut.struck == 4


def test_a_killed_pull_goes_on_with_what_it_has(
    hub: Hub, published: str, tmp_path: Path, second: Path, elsewhere: dict[str, str]
) -> None:
    digest = manifest.read(second).files[TRAIN]["sha256"]
    started: list[subprocess.Popen[str]] = []
    hub.faults.add(Fault(method="GET", path=f"/cdn/{digest}", delay=1, before=lambda: started[0].kill()))
    command = [sys.executable, "-c", PULL, published, str(tmp_path / "pulled")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started.append(subprocess.Popen(command, env=elsewhere, text=True, **pipes))
    out, err = started[0].communicate()
    assert started[0].returncode == -9, out + err
    assert not list((tmp_path / "pulled" / "reddit").glob("[!.]*"))
    hub.requests.clear()
    manifest.check(pull("reddit", None, published, tmp_path / "pulled"))
    assert sent(hub) < sum(file["bytes"] for file in manifest.read(second).files.values())


def test_a_byte_that_was_flipped_at_the_source_is_named_and_nothing_is_placed(
    hub: Hub, published: str, tmp_path: Path, second: Path
) -> None:
    stored = hub.repositories.objects.path(manifest.read(second).files[TRAIN]["sha256"])
    right = stored.read_bytes()
    stored.write_bytes(right[:-100] + bytes([right[-100] ^ 1]) + right[-99:])
    try:
        for wanted in (Wanted(), Wanted(("train",))):
            with pytest.raises(ReleaseError, match=f"not what was published: {TRAIN}"):
                pull("reddit", "1.1", published, tmp_path, wanted)
        assert not (tmp_path / "reddit" / "1.1.0").exists()
    finally:
        stored.write_bytes(right)
    manifest.check(pull("reddit", "1.1", published, tmp_path))


def test_a_manifest_that_was_tampered_with_is_told_of(
    hub: Hub, repo: str, published: str, tmp_path: Path, first: Path
) -> None:
    said = (first / manifest.NAME).read_text()
    held = hub.repositories[repo]
    for wrong, words in (
        (said.replace('"rows": 28', '"rows": 29', 1), "was changed after it was written"),
        ("{", "is not the manifest of a release"),
        (said, r"should hold reddit 9\.0\.0, and holds reddit 1\.0\.0"),
    ):
        made, _ = held.commit({manifest.NAME: wrong.encode()})
        held.tags["v9.0.0"] = made.oid
        with pytest.raises(ReleaseError, match=words):
            pull("reddit", "9", published, tmp_path)
    made, _ = held.commit({manifest.NAME: None})
    held.tags["v9.0.0"] = made.oid
    with pytest.raises(ReleaseError, match=r"has no manifest\.json of reddit 9\.0\.0"):
        pull("reddit", "9", published, tmp_path)


def test_what_is_not_there_is_told_in_a_line(hub: Hub, published: str, tmp_path: Path) -> None:
    for corpus, version, source, words in (
        ("reddit", "2.0.0", published, r"holds no reddit 2\.0\.0; it has 1\.0\.0, 1\.1\.0"),
        ("edits", None, published, "holds no edits"),
        ("reddit", None, "hf://datasets/org/nowhere", "is not there, or not for you"),
    ):
        with pytest.raises(ReleaseError, match=words) as found:
            pull(corpus, version, source, tmp_path)
        assert "\n" not in str(found.value)


def test_a_file_that_went_missing_is_named(hub: Hub, repo: str, published: str, tmp_path: Path) -> None:
    held = hub.repositories[repo]
    made, _ = held.commit({"LICENSE": None})
    held.tags["v1.1.0"] = made.oid
    with pytest.raises(ReleaseError, match="LICENSE"):
        pull("reddit", None, published, tmp_path)


def test_a_gated_repository_says_so(hub: Hub, repo: str, published: str, tmp_path: Path, monkeypatch) -> None:
    hub.repositories[repo].private, hub.repositories[repo].gated = False, True
    monkeypatch.setenv("HF_TOKEN", hub.stranger_token)
    with pytest.raises(ReleaseError, match="restricted") as found:
        pull("reddit", None, published, tmp_path)
    assert hub.stranger_token not in str(found.value)


def test_two_pulls_at_once_make_one_release(hub: Hub, published: str, tmp_path: Path, second: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    hub.faults.add(Fault(path="/cdn/", delay=0.3, times=None))
    with ThreadPoolExecutor(2) as pool:
        pulled = list(pool.map(lambda _: pull("reddit", None, published, tmp_path), range(2)))
    assert pulled[0] == pulled[1]
    manifest.check(pulled[0])
    assert sent(hub) < 2 * sum(file["bytes"] for file in manifest.read(second).files.values())


def test_datasets_reads_each_version_by_its_tag(
    hub: Hub, repo: str, published: str, elsewhere: dict[str, str], first: Path
) -> None:
    import json

    ran = subprocess.run([sys.executable, "-c", READ, repo], env=elsewhere, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    said, counts = json.loads(ran.stdout.splitlines()[-1]), manifest.read(first).counts
    assert said["old"] == counts["by_split"]
    assert "turns" not in said["columns"]
    assert said["emotions"] == manifest.read(first).labels["emotion"]
    assert said["streamed"] == counts["by_split"]["test"]
    assert said["turns"][0]["n"] >= 0
    assert said["rejected"] == counts["rejected"]
    assert said["scores"] > 0


def test_pull_and_load_work_by_name_and_range(hub: Hub, published: str, tmp_path: Path) -> None:
    corpusmith.pull(
        "reddit@^1.0", source=published, into=tmp_path / "pulled", splits=["train"], columns=["key", "text"]
    )
    rows = corpusmith.load("reddit", "train", version="^1.0", home=tmp_path)
    assert rows.column_names == ["key", "text"]
