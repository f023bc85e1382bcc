"""The S3-compatible server of the tests is one that the libraries of S3 take for real."""

from collections.abc import Iterator

import pytest

from tests.object_store import ObjectStore, object_store


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as started:
        yield started


def test_what_one_library_puts_the_other_reads(store: ObjectStore) -> None:
    store.filesystem().pipe_file(f"{store.bucket}/by/s3fs", b"one")
    with store.arrow().open_output_stream(f"{store.bucket}/by/pyarrow") as stream:
        stream.write(b"two")
    assert store.arrow().open_input_file(f"{store.bucket}/by/s3fs").read() == b"one"
    assert store.filesystem().cat_file(f"{store.bucket}/by/pyarrow") == b"two"
    assert store.filesystem().ls(f"{store.bucket}/by", detail=False) == ["corpora/by/pyarrow", "corpora/by/s3fs"]


@pytest.mark.parametrize("size", [3, 12 << 20], ids=["in one part", "in several parts"])
def test_a_file_that_is_there_is_not_created_again(store: ObjectStore, size: int) -> None:
    address = f"{store.bucket}/once/{size}"
    store.filesystem().pipe_file(address, b"a" * size, mode="create", chunksize=5 << 20)
    with pytest.raises(FileExistsError):
        store.filesystem().pipe_file(address, b"b" * size, mode="create", chunksize=5 << 20)
    assert store.filesystem().cat_file(address, end=1) == b"a"


def test_a_file_opened_for_exclusive_writing_is_not_written_again(store: ObjectStore) -> None:
    address = f"{store.bucket}/exclusive"
    with store.filesystem().open(address, "xb") as file:
        file.write(b"first")
    with pytest.raises(FileExistsError), store.filesystem().open(address, "xb") as file:
        file.write(b"second")
    assert store.filesystem().cat_file(address) == b"first"
