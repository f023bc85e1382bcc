"""What is uploaded to the hub by its real client arrives once and whole, and commits change what they say."""

from __future__ import annotations

import io
import json
import random
from functools import partial
from pathlib import Path

import httpx
import pytest
from hub_client import add
from hub_server import Hub
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError

DATA = random.Random(0).randbytes(300_000) + b"abcdef" * 20_000  # some that compresses, and some that does not
KIND = "dataset"


# --- uploads


@pytest.mark.parametrize("as_path", [True, False], ids=["a path", "bytes"])
def test_xet_uploads_arrive_as_they_were_sent(
    api: HfApi, dataset: str, hub: Hub, tmp_path: Path, as_path: bool
) -> None:
    numbers = b"".join(number.to_bytes(4, "little") for number in range(200_000))  # its chunks are stored grouped
    (tmp_path / "a").write_bytes(content := DATA + numbers)
    add(api, dataset, {"a.parquet": tmp_path / "a" if as_path else content})
    assert hub.repositories[dataset].read("a.parquet") == content
    assert hub.requests.matching("/v1/xorbs/")


def test_xet_sends_known_chunks_once(api: HfApi, dataset: str, hub: Hub) -> None:
    big = random.Random(1).randbytes(2_000_000)
    add(api, dataset, {"a.parquet": big})
    sent = len(hub.requests)
    add(api, dataset, {"b.parquet": big + b"and a little more"})
    again = sum(one.bytes_in for one in hub.requests[sent:] if "/xorbs/" in one.path)
    assert again < len(big) // 2
    assert hub.repositories[dataset].read("b.parquet") == big + b"and a little more"


def test_lfs_uploads_go_whole(api: HfApi, dataset: str, hub: Hub) -> None:
    add(api, dataset, {"a.parquet": io.BytesIO(DATA)})
    put = hub.requests.matching("^/lfs/", "PUT")
    assert [(one.bytes_in, one.token) for one in put] == [(len(DATA), None)]
    assert hub.requests.matching(r"\.git/info/lfs/objects/verify")
    assert hub.repositories[dataset].read("a.parquet") == DATA


def test_large_lfs_uploads_go_in_parts(api: HfApi, dataset: str, hub: Hub) -> None:
    hub.files.multipart_bytes = hub.files.part_bytes = 100_000
    add(api, dataset, {"a.parquet": io.BytesIO(DATA)})
    assert [one.bytes_in for one in hub.requests.matching("^/lfs/", "PUT")] == [100_000] * 4 + [20_000]
    assert hub.repositories[dataset].read("a.parquet") == DATA


def test_an_lfs_object_that_is_there_is_not_sent_again(api: HfApi, dataset: str, hub: Hub) -> None:
    add(api, dataset, {"a.parquet": io.BytesIO(DATA)})
    add(api, dataset, {"b.parquet": io.BytesIO(DATA)})
    assert len(hub.requests.matching("^/lfs/", "PUT")) == 1


def test_files_are_sent_before_the_commit_that_names_them(api: HfApi, dataset: str, hub: Hub) -> None:
    addition = CommitOperationAdd("a.parquet", DATA)
    api.preupload_lfs_files(dataset, [addition], repo_type=KIND)
    assert "a.parquet" not in hub.repositories[dataset].resolve("main").files
    api.create_commit(dataset, [addition], commit_message="add", repo_type=KIND)
    assert hub.repositories[dataset].read("a.parquet") == DATA


def test_a_commit_of_an_object_that_is_missing_is_refused(api: HfApi, dataset: str, hub: Hub) -> None:
    addition = CommitOperationAdd("a.parquet", DATA)
    api.preupload_lfs_files(dataset, [addition], repo_type=KIND)
    hub.repositories[dataset].lfs.clear()
    with pytest.raises(BadRequestError, match=r"LFS pointer pointed to a file that does not exist.*a\.parquet"):
        api.create_commit(dataset, [addition], commit_message="add", repo_type=KIND)


def test_an_ignored_file_is_left_out(api: HfApi, dataset: str, hub: Hub) -> None:
    add(api, dataset, {".gitignore": b"*.log\n", "a.log": b"a", "a.txt": b"a"})
    assert set(hub.repositories[dataset].resolve("main").files) == {".gitattributes", ".gitignore", "a.txt"}


# --- commits, branches, tags


def test_a_commit_adds_copies_and_deletes(api: HfApi, dataset: str, hub: Hub) -> None:
    add(api, dataset, {"a.parquet": DATA, "b.txt": b"b", "folder/c.txt": b"c", "folder/d.txt": b"d"})
    operations = [
        CommitOperationCopy("a.parquet", "copied.parquet"),
        CommitOperationCopy("b.txt", "copied.txt"),
        CommitOperationDelete("b.txt"),
        CommitOperationDelete("folder/"),
    ]
    api.create_commit(dataset, operations, commit_message="change", repo_type=KIND)
    assert set(hub.repositories[dataset].resolve("main").files) == {
        ".gitattributes",
        "a.parquet",
        "copied.parquet",
        "copied.txt",
    }


def test_a_commit_can_name_a_file_of_the_hub_to_copy(api: HfApi, dataset: str, hub: Hub) -> None:
    first = add(api, dataset, {"a.parquet": DATA})
    add(api, dataset, {"a.parquet": b"another"})
    copy = {"key": "copyFile", "value": {"path": "b.parquet", "srcPath": "a.parquet", "srcRevision": first}}
    lines = [{"key": "header", "value": {"summary": "copy"}}, copy]
    url = f"{hub.endpoint}/api/datasets/{dataset}/commit/main"
    body = "\n".join(json.dumps(line) for line in lines)
    assert httpx.post(url, content=body, headers={"Authorization": f"Bearer {hub.token}"}).json()["success"]
    assert hub.repositories[dataset].read("b.parquet") == DATA


def test_a_file_that_is_the_same_makes_no_commit(api: HfApi, dataset: str) -> None:
    sha = add(api, dataset, {"a.txt": b"a", "a.parquet": DATA})
    assert add(api, dataset, {"a.txt": b"a", "a.parquet": DATA}) == sha


def test_a_commit_on_a_parent_that_is_not_the_head_fails(api: HfApi, dataset: str) -> None:
    parent = api.dataset_info(dataset).sha
    add(api, dataset, {"a.txt": b"a"}, parent_commit=parent)
    for operation in (CommitOperationAdd("b.txt", b"b"), CommitOperationDelete("nowhere.txt")):
        with pytest.raises(HfHubHTTPError, match="A commit has happened since") as found:
            api.create_commit(dataset, [operation], commit_message="b", repo_type=KIND, parent_commit=parent)
        assert found.value.response.status_code == 412


def test_who_only_reads_may_open_a_pull_request(api: HfApi, dataset: str, hub: Hub) -> None:
    reader = HfApi(endpoint=hub.endpoint, token=hub.read_token)
    addition = CommitOperationAdd("a.parquet", DATA)
    made = reader.create_commit(dataset, [addition], commit_message="add", repo_type=KIND, create_pr=True)
    assert made.pr_revision == "refs/pr/1"
    assert [one.rfilename for one in api.dataset_info(dataset, revision="refs/pr/1").siblings][1:] == ["a.parquet"]
    assert len(api.dataset_info(dataset).siblings) == 1


def test_branches_and_tags_are_made_listed_and_deleted(api: HfApi, dataset: str) -> None:
    sha = add(api, dataset, {"a.txt": b"a"})
    api.create_tag(dataset, tag="v1.0.0", repo_type=KIND)
    api.create_branch(dataset, branch="a/draft", revision="v1.0.0", repo_type=KIND)
    add(api, dataset, {"b.txt": b"b"}, revision="a/draft")
    refs = api.list_repo_refs(dataset, repo_type=KIND)
    assert [one.name for one in refs.branches] == ["main", "a/draft"]
    assert [(one.name, one.target_commit) for one in refs.tags] == [("v1.0.0", sha)]
    for make in (partial(api.create_tag, tag="v1.0.0"), partial(api.create_branch, branch="a/draft")):
        with pytest.raises(HfHubHTTPError) as found:
            make(dataset, repo_type=KIND)
        assert found.value.response.status_code == 409
        make(dataset, repo_type=KIND, exist_ok=True)
    api.delete_tag(dataset, tag="v1.0.0", repo_type=KIND)
    api.delete_branch(dataset, branch="a/draft", repo_type=KIND)
    with pytest.raises(RevisionNotFoundError):
        api.dataset_info(dataset, revision="v1.0.0")


def test_the_history_is_listed_newest_first(api: HfApi, dataset: str, hub: Hub) -> None:
    hub.api.page_size = 2
    shas = [add(api, dataset, {"a.txt": bytes([number])}) for number in range(4)]
    listed = api.list_repo_commits(dataset, repo_type=KIND)
    assert [one.commit_id for one in listed[:4]] == shas[::-1]
    assert listed[4].title == "initial commit"
