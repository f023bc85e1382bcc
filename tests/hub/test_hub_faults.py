"""What goes wrong on demand goes wrong as on the real Hub, seen from its real client."""

from __future__ import annotations

import io
import random
import time
from pathlib import Path

import httpx
import pytest
from hub_client import add
from hub_faults import Fault
from hub_server import Hub
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

DATA = random.Random(0).randbytes(400_000)
KIND = "dataset"


@pytest.mark.parametrize("status", [401, 403, 409, 412, 500, 503])
def test_a_status_is_answered_as_often_as_asked(api: HfApi, dataset: str, hub: Hub, status: int) -> None:
    hub.faults.add(Fault(method="POST", path=r"/commit/", status=status, times=1))
    with pytest.raises(HfHubHTTPError) as found:
        add(api, dataset, {"a.txt": b"a"})
    assert found.value.response.status_code == status
    add(api, dataset, {"a.txt": b"a"})
    assert [one.status for one in hub.requests.matching("/commit/")] == [status, 200]


def test_a_fault_waits_for_its_turn(api: HfApi, dataset: str, hub: Hub) -> None:
    fault = hub.faults.add(Fault(path=r"/commit/", status=412, after=2, times=None))
    add(api, dataset, {"a.txt": b"a"})
    add(api, dataset, {"b.txt": b"b"})
    for _ in range(2):
        with pytest.raises(HfHubHTTPError):
            add(api, dataset, {"c.txt": b"c"})
    assert (fault.seen, fault.struck) == (4, 2)
    hub.faults.clear()
    add(api, dataset, {"c.txt": b"c"})


def test_the_client_waits_as_long_as_a_busy_hub_says(api: HfApi, dataset: str, hub: Hub) -> None:
    hub.faults.add(Fault(path=r"/tree/", status=429, headers={"Retry-After": "1"}))
    begun = time.monotonic()
    assert [one.path for one in api.list_repo_tree(dataset, repo_type=KIND)] == [".gitattributes"]
    assert time.monotonic() - begun >= 1
    assert [one.status for one in hub.requests.matching("/tree/")] == [429, 200]


@pytest.mark.parametrize("redirect", [True, False])
def test_a_download_that_is_cut_goes_on_where_it_was(
    api: HfApi, dataset: str, hub: Hub, tmp_path: Path, redirect: bool
) -> None:
    hub.files.redirect = redirect
    block = 10 << 20  # what the client writes at once; it goes on after the last whole one
    hub.repositories[dataset].commit({"a.parquet": (content := DATA * 40)})
    hub.faults.add(Fault(method="GET", path=r"^/cdn/" if redirect else "/resolve/", cut_download=block + 1000))
    path = api.hf_hub_download(dataset, "a.parquet", repo_type=KIND, cache_dir=tmp_path / "cache")
    assert Path(path).read_bytes() == content
    got = hub.requests.matching("^/cdn/|/resolve/", "GET")
    assert [(one.status, one.bytes_out) for one in got] == [(200, block + 1000), (206, len(content) - block)]


def test_an_upload_that_is_cut_is_sent_again(api: HfApi, dataset: str, hub: Hub) -> None:
    hub.faults.add(Fault(method="PUT", path="^/lfs/", cut_upload=100_000))
    add(api, dataset, {"a.parquet": io.BytesIO(DATA)})
    assert [one.status for one in hub.requests.matching("^/lfs/", "PUT")] == [None, 200]
    assert hub.requests.matching("^/lfs/", "PUT")[0].bytes_in == 100_000
    assert hub.repositories[dataset].read("a.parquet") == DATA


def test_an_upload_by_xet_that_is_cut_is_sent_again(api: HfApi, dataset: str, hub: Hub) -> None:
    hub.faults.add(Fault(path="/xorbs/", cut_upload=100_000))
    add(api, dataset, {"a.parquet": DATA})
    assert [one.status for one in hub.requests.matching("/xorbs/")] == [None, 200]
    assert hub.repositories[dataset].read("a.parquet") == DATA


def test_bytes_that_are_damaged_on_the_way_are_refused(api: HfApi, dataset: str, hub: Hub) -> None:
    oid = "0" * 64
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": 3}]}
    who = {"Authorization": f"Bearer {hub.token}"}
    said = httpx.post(f"{hub.endpoint}/datasets/{dataset}.git/info/lfs/objects/batch", json=batch, headers=who).json()
    href = said["objects"][0]["actions"]["upload"]["href"]
    assert httpx.put(href, content=b"abc").status_code == 400
    assert httpx.put(href.partition("?")[0], content=b"abc").status_code == 403  # not signed
    assert not hub.repositories[dataset].lfs


def test_a_slow_hub_takes_its_time(api: HfApi, dataset: str, hub: Hub, tmp_path: Path) -> None:
    add(api, dataset, {"a.parquet": DATA})
    hub.faults.add(Fault(path="^/cdn/", bytes_per_second=800_000))
    hub.faults.add(Fault(path="/resolve/", delay=0.2))
    begun = time.monotonic()
    path = api.hf_hub_download(dataset, "a.parquet", repo_type=KIND, cache_dir=tmp_path / "cache")
    assert time.monotonic() - begun >= 0.7
    assert Path(path).read_bytes() == DATA


def test_somebody_else_commits_in_between(api: HfApi, dataset: str, hub: Hub) -> None:
    def theirs() -> None:
        hub.repositories[dataset].commit({"theirs.txt": b"theirs"})

    hub.faults.add(Fault(path="/commit/", before=theirs))
    parent = api.dataset_info(dataset).sha
    with pytest.raises(HfHubHTTPError, match="A commit has happened since"):
        add(api, dataset, {"a.txt": b"a"}, parent_commit=parent)
    add(api, dataset, {"a.txt": b"a"}, parent_commit=api.dataset_info(dataset).sha)
    assert set(hub.repositories[dataset].resolve("main").files) == {".gitattributes", "a.txt", "theirs.txt"}


def test_a_commit_whose_answer_is_lost_was_made(api: HfApi, dataset: str, hub: Hub) -> None:
    hub.faults.add(Fault(path="/commit/", lose_response=True))
    with pytest.raises(Exception, match="disconnected"):
        add(api, dataset, {"a.txt": b"a"})
    assert hub.repositories[dataset].read("a.txt") == b"a"
    assert [one.status for one in hub.requests.matching("/commit/")] == [None]


@pytest.mark.parametrize(
    ("headers", "status", "content"),
    [
        ({"Range": "bytes=10-19"}, 206, DATA[10:20]),
        ({"Range": "bytes=399990-"}, 206, DATA[-10:]),
        ({"Range": "bytes=-10"}, 206, DATA[-10:]),
        ({"Range": "bytes=10-19", "If-Range": '"another"'}, 200, DATA),
        ({"Range": "bytes=400000-"}, 416, b""),
    ],
)
def test_ranges_are_those_of_http(
    api: HfApi, dataset: str, hub: Hub, headers: dict[str, str], status: int, content: bytes
) -> None:
    hub.repositories[dataset].commit({"a.parquet": DATA})
    url = f"{hub.endpoint}/datasets/{dataset}/resolve/main/a.parquet"
    got = httpx.get(url, headers=headers, follow_redirects=True)
    assert (got.status_code, got.content) == (status, content)
    if status != 200:
        assert got.headers["Content-Range"].endswith("/400000")
