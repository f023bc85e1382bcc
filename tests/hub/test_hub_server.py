"""What the real huggingface_hub may expect of a Hub holds of the one in this folder."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hub_client import add
from hub_server import Hub, serve
from huggingface_hub import (
    HfApi,
    HfFileSystem,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

DATA = random.Random(0).randbytes(300_000) + b"abcdef" * 20_000  # some that compresses, and some that does not
KIND = "dataset"


# --- repositories


def test_a_repository_is_made_once(api: HfApi, dataset: str, hub: Hub) -> None:
    assert api.create_repo(dataset, repo_type=KIND, exist_ok=True) == f"{hub.endpoint}/datasets/org/name"
    with pytest.raises(HfHubHTTPError, match="already created"):
        api.create_repo(dataset, repo_type=KIND)


def test_the_info_of_a_dataset_has_its_card_and_its_files(api: HfApi, dataset: str) -> None:
    sha = add(api, dataset, {"README.md": b"---\nlicense: mit\n---\n# Hello\n", "data/a.parquet": DATA})
    info = api.dataset_info(dataset, files_metadata=True)
    assert (info.sha, info.private, info.card_data.license) == (sha, False, "mit")
    assert "license:mit" in info.tags
    sizes = {one.rfilename: one.lfs and (one.lfs.size, one.lfs.sha256) for one in info.siblings}
    assert sizes == {
        ".gitattributes": None,
        "README.md": None,
        "data/a.parquet": (len(DATA), hashlib.sha256(DATA).hexdigest()),
    }


def test_a_card_that_is_no_yaml_is_refused(api: HfApi, dataset: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md"):
        add(api, dataset, {"README.md": b"---\na: [\n---\n"})


def test_a_deleted_repository_is_gone_and_one_made_anew_has_no_objects(api: HfApi, dataset: str, hub: Hub) -> None:
    add(api, dataset, {"a.parquet": DATA})
    api.delete_repo(dataset, repo_type=KIND)
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info(dataset)
    api.create_repo(dataset, repo_type=KIND)
    assert not hub.repositories[dataset].lfs
    add(api, dataset, {"a.parquet": DATA})  # though hf_xet remembers that it sent these chunks
    assert hub.repositories[dataset].read("a.parquet") == DATA


def test_a_moved_repository_answers_under_its_old_name(api: HfApi, dataset: str) -> None:
    add(api, dataset, {"a.txt": b"a"})
    api.move_repo(dataset, "org/other", repo_type=KIND)
    assert api.dataset_info(dataset).id == "org/other"


def test_what_was_sent_is_there_after_a_restart(tmp_path: Path) -> None:
    with serve(tmp_path) as hub:
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        api.create_repo("org/name", repo_type=KIND, private=True)
        sha = add(api, "org/name", {"a.parquet": DATA, "b.txt": b"b"})
        api.create_tag("org/name", tag="v1", repo_type=KIND)
    with serve(tmp_path) as again:
        assert again.token == hub.token
        assert again.repositories["org/name"].private
        assert again.repositories["org/name"].resolve("v1").oid == sha
        assert again.repositories["org/name"].read("a.parquet", "v1") == DATA


# --- who may do what


def test_who_is_asking_is_known_by_the_token(hub: Hub) -> None:
    roles = [
        HfApi(endpoint=hub.endpoint, token=token).whoami()["auth"]["accessToken"]["role"]
        for token in (hub.token, hub.read_token)
    ]
    assert roles == ["write", "read"]
    assert [one.token for one in hub.requests] == [hub.token, hub.read_token]


def test_a_private_repository_is_not_found_by_who_may_not_see_it(api: HfApi, hub: Hub) -> None:
    api.create_repo("org/secret", repo_type=KIND, private=True)
    statuses = []
    for token in (False, hub.stranger_token):
        with pytest.raises(RepositoryNotFoundError) as found:
            api.dataset_info("org/secret", token=token)
        statuses.append(found.value.response.status_code)
    assert statuses == [401, 404]
    assert api.dataset_info("org/secret", token=hub.read_token).private


def test_a_token_that_may_not_write_is_forbidden_to(api: HfApi, dataset: str, hub: Hub) -> None:
    reader = HfApi(endpoint=hub.endpoint, token=hub.read_token)
    for call in (
        partial(add, reader, dataset, {"a.txt": b"a"}),
        partial(reader.create_tag, dataset, tag="v1", repo_type=KIND),
        partial(reader.create_repo, "org/new", repo_type=KIND),
        partial(reader.auth_check, dataset, repo_type=KIND, write=True),
    ):
        with pytest.raises(HfHubHTTPError) as found:
            call()
        assert found.value.response.status_code == 403
    reader.auth_check(dataset, repo_type=KIND)
    api.auth_check(dataset, repo_type=KIND, write=True)


def test_a_token_that_is_unknown_is_no_missing_repository(dataset: str, hub: Hub) -> None:
    with pytest.raises(HfHubHTTPError, match="Invalid credentials") as found:
        HfApi(endpoint=hub.endpoint, token="hf_wrong").dataset_info(dataset)
    assert not isinstance(found.value, RepositoryNotFoundError)


def test_a_gated_dataset_shows_its_card_but_not_its_files(api: HfApi, dataset: str, hub: Hub, tmp_path: Path) -> None:
    add(api, dataset, {"a.txt": b"a"})
    api.update_repo_settings(dataset, gated="auto", repo_type=KIND)
    assert api.dataset_info(dataset, token=hub.stranger_token).gated == "auto"
    with pytest.raises(GatedRepoError):
        HfApi(endpoint=hub.endpoint, token=hub.stranger_token).hf_hub_download(
            dataset, "a.txt", repo_type=KIND, cache_dir=tmp_path
        )


# --- reading


def test_a_tree_is_listed_page_by_page(api: HfApi, dataset: str, hub: Hub) -> None:
    add(api, dataset, {f"data/{number}/a.parquet": b"%d" % number for number in range(5)})
    last = add(api, dataset, {"data/3/b.txt": b"b"})
    hub.api.page_size = 3
    whole = [one.path for one in api.list_repo_tree(dataset, repo_type=KIND, recursive=True)]
    assert whole == sorted(
        [".gitattributes", "data", "data/3/b.txt"] + [f"data/{i}{n}" for i in range(5) for n in ("", "/a.parquet")]
    )
    found = {one.path: one for one in api.list_repo_tree(dataset, "data/3", repo_type=KIND, expand=True)}
    assert set(found) == {"data/3/a.parquet", "data/3/b.txt"}
    assert found["data/3/b.txt"].last_commit.oid == last != found["data/3/a.parquet"].last_commit.oid
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(dataset, "nowhere", repo_type=KIND))


def test_paths_that_are_not_there_are_left_out(api: HfApi, dataset: str) -> None:
    add(api, dataset, {"data/a.parquet": DATA})
    found = api.get_paths_info(dataset, ["data/a.parquet", "data", "nowhere"], repo_type=KIND)
    assert {one.path for one in found} == {"data/a.parquet", "data"}
    assert next(one for one in found if one.path != "data").lfs.sha256 == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("redirect", [True, False])
def test_files_are_downloaded(api: HfApi, dataset: str, hub: Hub, tmp_path: Path, redirect: bool) -> None:
    hub.files.redirect = redirect
    add(api, dataset, {"a.parquet": DATA, "b.txt": b"b"})
    for name, content in (("a.parquet", DATA), ("b.txt", b"b")):
        path = hf_hub_download(
            dataset, name, repo_type=KIND, endpoint=hub.endpoint, token=hub.token, cache_dir=tmp_path / "cache"
        )
        assert Path(path).read_bytes() == content
    assert [one.token for one in hub.requests.matching("^/cdn/", "GET")] == [None] * redirect


def test_a_file_that_is_missing_says_so(api: HfApi, dataset: str, tmp_path: Path) -> None:
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(dataset, "nowhere", repo_type=KIND, cache_dir=tmp_path)
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(dataset, "nowhere", revision="v9", repo_type=KIND, cache_dir=tmp_path)


def test_a_snapshot_is_one_revision(api: HfApi, dataset: str, hub: Hub, tmp_path: Path) -> None:
    add(api, dataset, {"data/a.parquet": DATA})
    api.create_tag(dataset, tag="v1.0.0", repo_type=KIND)
    add(api, dataset, {"data/a.parquet": b"another"})
    folder = snapshot_download(
        dataset, repo_type=KIND, revision="v1.0.0", endpoint=hub.endpoint, token=hub.token, cache_dir=tmp_path
    )
    assert (Path(folder) / "data/a.parquet").read_bytes() == DATA


def test_a_part_of_a_file_is_read_without_the_rest(api: HfApi, dataset: str, hub: Hub) -> None:
    add(api, dataset, {"data/a.parquet": DATA})
    files = HfFileSystem(endpoint=hub.endpoint, token=hub.token, skip_instance_cache=True)
    assert files.glob(f"datasets/{dataset}/data/*.parquet") == [f"datasets/{dataset}/data/a.parquet"]
    with files.open(f"datasets/{dataset}/data/a.parquet", block_size=1000) as file:
        file.seek(200_000)
        assert file.read(10) == DATA[200_000:200_010]
    assert [one.status for one in hub.requests.matching("^/cdn/")] == [206]
    assert sum(one.bytes_out for one in hub.requests.matching("^/cdn/")) < 5000


def test_datasets_and_polars_load_what_is_there(api: HfApi, dataset: str, hub: Hub, tmp_path: Path) -> None:
    table = io.BytesIO()
    pl.DataFrame({"number": range(10)}).write_parquet(table)
    add(api, dataset, {"data/train-00000-of-00001.parquet": table.getvalue(), "README.md": b"---\nlicense: mit\n---\n"})
    api.create_tag(dataset, tag="v1.0.0", repo_type=KIND)
    add(api, dataset, {"data/train-00000-of-00001.parquet": b"damaged"})
    program = """
import sys, datasets, huggingface_hub, polars
whole = datasets.load_dataset("org/name", revision="v1.0.0", split="train")
streamed = datasets.load_dataset("org/name", revision="v1.0.0", split="train", streaming=True)
with huggingface_hub.HfFileSystem().open("datasets/org/name@v1.0.0/data/train-00000-of-00001.parquet") as file:
    opened = polars.read_parquet(file)["number"]
address = f"{huggingface_hub.constants.ENDPOINT}/datasets/org/name/resolve/v1.0.0/data/train-00000-of-00001.parquet"
scanned = polars.scan_parquet(address).filter(polars.col("number") > 7).collect()["number"]
print(sum(whole["number"]), sum(row["number"] for row in streamed), opened.sum(), scanned.sum())
"""
    environment = hub.environment(tmp_path / "home") | {"USE_TORCH": "0"}  # streaming would take seconds to import it
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["45", "45", "45", "17"], done.stderr
