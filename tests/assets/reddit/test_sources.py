"""Which files a corpus is built from."""

import http.server
import json
import threading
from pathlib import Path

import pytest
from huggingface_hub import constants

from corpusmith.assets.reddit.sources import digest, in_inbox, is_demo, sources, token
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.errors import SourceError
from corpusmith.ingest import sources as reading


def workshop(home, *source):
    return Workshop(home, load(profile="smoke", source=("reddit", source)))


def test_with_nothing_given_the_demo_dump_is_written_once(tmp_path):
    [first] = sources(workshop(tmp_path)).values()
    written = Path(first).read_bytes()
    assert is_demo(workshop(tmp_path))
    assert list(sources(workshop(tmp_path)).values()) == [first]
    assert Path(first).read_bytes() == written


def test_what_is_in_the_inbox_comes_before_the_demo(tmp_path):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "RC_2020-02.zst").write_text("")
    (tmp_path / "inbox" / "RC_2020-03.zst.part").write_text("")
    (tmp_path / "inbox" / ".hidden").write_text("")
    assert [path.rpartition("/")[2] for path in sources(workshop(tmp_path)).values()] == ["RC_2020-02.zst"]
    assert sources(workshop(tmp_path)) == in_inbox(workshop(tmp_path))
    assert not is_demo(workshop(tmp_path))


def test_a_folder_stands_for_its_files_in_name_order(tmp_path):
    for name in ("b.zst", "a.csv", "deep/c.parquet", "README.md"):
        (tmp_path / "dumps" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dumps" / name).write_text("")
    found = sources(workshop(tmp_path, str(tmp_path / "dumps"))).values()
    assert [path.rpartition("/")[2] for path in found] == ["a.csv", "b.zst", "c.parquet"]


def test_a_hub_id_is_taken_as_it_is_and_a_wrong_path_is_named(tmp_path):
    assert list(sources(workshop(tmp_path, "owner/name")).values()) == ["owner/name"]
    with pytest.raises(SourceError, match=r"nowhere\.zst"):
        sources(workshop(tmp_path, "nowhere.zst"))


def test_two_files_of_one_name_are_refused_since_a_row_is_known_by_its_file_s_name(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "RC.ndjson").write_text('{"body": "one comment more"}\n')
    with pytest.raises(SourceError, match="two sources have one name"):
        sources(workshop(tmp_path, str(tmp_path / "a"), str(tmp_path / "b")))


def test_hidden_folders_and_homes_of_a_folder_are_no_sources_and_it_is_said(tmp_path, caplog):
    for name in ("a.csv", ".git/b.csv", "_old/c.csv", ".corpusmith/l.parquet", "data/reddit/d.parquet", "deep/e.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for name in ("other/.corpusmith/f.csv", "other/data/g.parquet", "other/h.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = sources(workshop(tmp_path, str(tmp_path))).values()
    assert [path.rpartition("/")[2] for path in found] == ["a.csv", "e.csv"]
    assert sources(workshop(tmp_path, str(tmp_path)))
    assert caplog.text.count("left out of the source") == 1
    for name in ("data", "other", ".git"):
        assert str(tmp_path / name) in caplog.text


def test_a_name_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "inbox").mkdir()
    Path(f"{tmp_path}/inbox/bad\udcff.zst").write_text("")
    with pytest.raises(SourceError, match=r"bad\\xff\.zst cannot be read as text"):
        sources(workshop(tmp_path))


@pytest.fixture
def hub(monkeypatch):
    """A Hub that knows one dataset, at the commit that it is told."""
    commit = {"sha": "a" * 40}

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path.startswith("/api/datasets/owner/name")
            said = json.dumps({"id": "owner/name", **commit} if known else {"error": "Repository not found"}).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *said):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        reading._commit_once.cache_clear()
        yield commit
        server.shutdown()
    reading._commit_once.cache_clear()


def test_a_dataset_of_the_hub_is_another_source_once_its_commit_is(hub):
    before = digest("owner/name"), token("owner/name"), reading.pinned("owner/name")
    assert before[2] == f"owner/name@{'a' * 40}"
    hub["sha"] = "b" * 40
    assert token("owner/name") == "b" * 40
    assert digest("owner/name") == before[0]  # what a run began with it ends with
    reading._commit_once.cache_clear()
    assert digest("owner/name") != before[0]
    assert reading.pinned(f"owner/name@{'c' * 40}") == f"owner/name@{'c' * 40}"


def test_a_dataset_whose_commit_nobody_says_is_one_line(hub):
    with pytest.raises(SourceError, match=r"which commit of 'owner/other' is current.*owner/other@<40 digits>"):
        digest("owner/other")
