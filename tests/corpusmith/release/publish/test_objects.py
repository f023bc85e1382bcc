"""A version in an object store: there when its manifest is, never mixed with another, never changed."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from object_store import ObjectStore

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest
from corpusmith.release.publish import objects
from corpusmith.release.publish.objects import bucket_of
from corpusmith.release.publish.places import source_of
from corpusmith.release.publish.pull import Wanted, pull
from corpusmith.release.publish.put import plan, publish

ROOT = Path(__file__).parents[4]
TRAIN = "data/train-00000-of-00001.parquet"
KILLED = """
import os, signal, sys
from pathlib import Path
import s3fs
from corpusmith.release.publish.put import publish

put = s3fs.S3FileSystem.put_file
def until(self, path, to, **more):
    if to.endswith(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return put(self, path, to, **more)
s3fs.S3FileSystem.put_file = until
publish(Path(sys.argv[1]), sys.argv[2])
"""


@pytest.fixture
def address(store: ObjectStore, repo: str) -> str:
    """An address of the test's own."""
    return f"s3://{store.bucket}/{repo}"


def is_whole(store: ObjectStore, address: str, release: Path) -> bool:
    """Every file of a release, byte for byte, and nothing else that a reader would take in."""
    fs, said = store.filesystem(), manifest.read(release)
    root = f"{address.removeprefix('s3://')}/reddit/{said.version}"
    there = {path.removeprefix(f"{root}/") for path in fs.find(root)} - {objects.CLAIM, manifest.RUN}
    return there == {manifest.NAME, *said.files} and all(
        fs.cat_file(f"{root}/{name}") == (release / name).read_bytes() for name in there
    )


def test_a_version_is_published_and_pulled(store: ObjectStore, address: str, first: Path, tmp_path: Path) -> None:
    assert not plan(first, address).exists
    assert publish(first, address) == (f"{address}/reddit/1.0.0", True)
    assert is_whole(store, address, first)
    assert plan(first, address).exists
    assert source_of(address, "reddit").versions("reddit") == ["1.0.0"]
    assert manifest.check(pull("reddit", "^1", address, tmp_path)) == manifest.read(first)


def test_the_same_version_again_writes_nothing(store: ObjectStore, address: str, first: Path) -> None:
    publish(first, address)
    fs = store.filesystem()
    before = {path: fs.info(path)["LastModified"] for path in fs.find(address.removeprefix("s3://"))}
    assert publish(first, address) == (f"{address}/reddit/1.0.0", False)
    assert {path: fs.info(path)["LastModified"] for path in fs.find(address.removeprefix("s3://"))} == before


def test_a_published_version_never_changes(store: ObjectStore, address: str, releases: dict[str, Path]) -> None:
    publish(releases["first"], address)
    for act in (plan, publish):
        with pytest.raises(ReleaseError, match="published already, with other content"):
            act(releases["other"], address)
    assert is_whole(store, address, releases["first"])


@pytest.mark.parametrize("moment", ["scores-00000-of-00001.parquet", manifest.NAME])
def test_a_killed_publish_is_not_seen_and_is_completed_by_the_same_command(
    store: ObjectStore, address: str, first: Path, moment: str
) -> None:
    environment = {**os.environ, **store.environment(), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(first), address, moment]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == -9, ran.stderr
    assert bucket_of(address).versions("reddit") == []
    with pytest.raises(ReleaseError, match="holds no reddit"):
        pull("reddit", None, address, first)
    left = plan(first, address)
    assert left.there
    assert bool(left.upload) == (moment != manifest.NAME)
    publish(first, address)
    assert is_whole(store, address, first)


def test_what_a_killed_try_left_of_other_content_is_not_mixed_in(
    store: ObjectStore, address: str, releases: dict[str, Path]
) -> None:
    root = f"{address.removeprefix('s3://')}/reddit/1.0.0"
    fs = store.filesystem()
    fs.pipe_file(f"{root}/data/train-00001-of-00002.parquet", b"of another try")
    fs.pipe_file(f"{root}/README.md", b"of another try")
    fs.pipe_file(f"{root}/{objects.CLAIM}", manifest.read(releases["other"]).digest.encode())
    with pytest.raises(ReleaseError, match=rf"was cut off; where nobody is, take away s3://{root}/\.claim") as found:
        publish(releases["first"], address)
    assert "\n" not in str(found.value)
    fs.rm(f"{root}/{objects.CLAIM}")
    assert plan(releases["first"], address).delete == ("data/train-00001-of-00002.parquet",)
    publish(releases["first"], address)
    assert is_whole(store, address, releases["first"])


def test_of_two_publishers_at_once_one_wins_and_its_version_is_whole(
    store: ObjectStore, address: str, releases: dict[str, Path]
) -> None:
    said: dict[str, object] = {}

    def act(name: str) -> None:
        try:
            said[name] = publish(releases[name], address)
        except ReleaseError as error:
            said[name] = str(error)

    threads = [threading.Thread(target=act, args=(name,)) for name in ("first", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [name for name, what in said.items() if isinstance(what, tuple)]
    [loser] = [what for what in said.values() if isinstance(what, str)]
    assert "with other content" in loser
    assert is_whole(store, address, releases[winner])


def test_a_block_that_was_fetched_is_not_fetched_again(
    store: ObjectStore, address: str, second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(second, address)
    monkeypatch.setattr(objects, "BLOCK", 100_000)
    monkeypatch.setattr(objects, "TRIES", 1)
    blocks: list[tuple[str, int]] = []
    read = objects.Objects.read

    def cut(self: objects.Objects, name: str, start: int, stop: int) -> bytes:
        if name == TRAIN and start == 300_000 and not blocks.count((name, start)):
            blocks.append((name, start))
            raise ReleaseError("cut")
        blocks.append((name, start))
        return read(self, name, start, stop)

    monkeypatch.setattr(objects.Objects, "read", cut)
    with pytest.raises(ReleaseError, match="cut"):
        pull("reddit", None, address, tmp_path)
    assert not (tmp_path / "reddit" / "1.1.0").exists()
    manifest.check(pull("reddit", None, address, tmp_path))
    files = [(name, start) for name, start in blocks if name != manifest.NAME]
    assert sorted(files) == sorted([*dict.fromkeys(files), (TRAIN, 300_000)])


def test_columns_are_read_by_their_bytes(store: ObjectStore, address: str, second: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    publish(second, address)
    pulled = pull("reddit", None, address, tmp_path, Wanted(("train",), ("turns", "key")))
    whole = pq.read_table(second / TRAIN, columns=["turns", "key"]).select(["turns", "key"])
    assert pq.read_table(pulled / TRAIN).equals(whole)


def test_a_byte_that_was_flipped_in_the_store_is_named(
    store: ObjectStore, address: str, first: Path, tmp_path: Path
) -> None:
    publish(first, address)
    path, fs = f"{address.removeprefix('s3://')}/reddit/1.0.0/{TRAIN}", store.filesystem()
    right = fs.cat_file(path)
    fs.pipe_file(path, right[:-100] + bytes([right[-100] ^ 1]) + right[-99:])
    with pytest.raises(ReleaseError, match=f"not what was published: {TRAIN}"):
        pull("reddit", None, address, tmp_path)
    fs.rm(path)
    with pytest.raises(ReleaseError, match=f"{TRAIN}: a file of it is not there"):
        pull("reddit", None, address, tmp_path)
    assert not (tmp_path / "reddit" / "1.0.0").exists()
    fs.pipe_file(path, right)
    manifest.check(pull("reddit", None, address, tmp_path))


def test_a_store_that_refuses_is_told_of_in_a_line_without_keys(
    store: ObjectStore, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "A" * 20
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    with pytest.raises(ReleaseError, match=r"s3://nowhere/here/reddit/1\.0\.0: .*no such bucket") as found:
        publish(first, "s3://nowhere/here")
    assert "\n" not in str(found.value)
    with pytest.raises(ReleaseError) as found, objects._told("s3://x"):
        raise OSError(f"denied to {secret} at http://host/x?X-Amz-Signature=abc&b=1")
    assert str(found.value) == (
        "s3://x: the store says: denied to *** at http://host/x?X-Amz-Signature=***&b=1; the same command goes on"
    )
