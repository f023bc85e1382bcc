"""A version on the Hub is one commit and a tag, whole or not there; whatever goes wrong, the same call completes."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hub_faults import Fault
from hub_repository import Key
from hub_server import Hub

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest
from corpusmith.release.publish.hub import Repository

Of = Callable[..., Repository]
PUBLISH = """
import sys
from pathlib import Path
from corpusmith.release.publish.put import publish
print(publish(Path(sys.argv[1]), sys.argv[2]))
"""
OTHERS = {".gitattributes"}


def publish(repository: Repository, release: Path) -> tuple[str, bool]:
    return tuple(repository.publish(release, manifest.check(release)))


def files(release: Path) -> set[str]:
    return {manifest.NAME, *manifest.read(release).files}


def shows(hub: Hub, repo: str, revision: str = "main") -> set[str]:
    """The files that a reader finds."""
    return set(hub.repositories[repo].resolve(revision).files) - OTHERS


def tags(hub: Hub, repo: str) -> Mapping[str, str]:
    return hub.repositories[repo].tags if hub.repositories.find(Key("datasets", repo)) else {}


def titles(hub: Hub, repo: str) -> list[str]:
    held = hub.repositories[repo]
    return [commit.title for commit in held.history(held.resolve("main"))][:-1]


def is_whole(hub: Hub, repo: str, release: Path, revision: str = "main") -> bool:
    """Every file of a release, byte for byte, and no other."""
    held = hub.repositories[repo]
    return shows(hub, repo, revision) == files(release) and all(
        held.read(name, revision) == (release / name).read_bytes() for name in files(release)
    )


def test_a_version_is_one_commit_and_one_tag(hub: Hub, repo: str, repository: Of, first: Path) -> None:
    assert publish(repository(), first) == (f"hf://datasets/{repo}@v1.0.0", True)
    assert titles(hub, repo) == ["reddit 1.0.0"]
    assert tags(hub, repo) == {"v1.0.0": hub.repositories[repo].branches["main"]}
    assert is_whole(hub, repo, first)
    assert len(hub.requests.matching("/refs")) == 3  # before, of the new repository, and whose tag it is


def test_the_same_version_again_uploads_nothing_and_says_so(hub: Hub, repo: str, repository: Of, first: Path) -> None:
    publish(repository(), first)
    before = hub.repositories[repo].branches["main"]
    hub.requests.clear()
    assert publish(repository(), first) == (f"hf://datasets/{repo}@v1.0.0", False)
    assert [(one.method, one.bytes_in) for one in hub.requests] == [("GET", 0), ("GET", 0)]
    assert hub.repositories[repo].branches["main"] == before


def test_the_next_version_uploads_what_changed_and_takes_away_what_went(
    hub: Hub, repo: str, repository: Of, first: Path, second: Path
) -> None:
    publish(repository(), first)
    hub.requests.clear()
    said = manifest.check(second)
    planned = repository().plan(second, said)
    assert "data/test-00000-of-00001.parquet" in planned.delete
    assert set(planned.upload) | set(planned.there) == files(second)
    assert not [one for one in hub.requests if one.method != "GET"]
    publish(repository(), second)
    assert len(hub.requests.matching("/commit/")) == 1
    assert is_whole(hub, repo, second)
    assert is_whole(hub, repo, first, "v1.0.0")


@pytest.mark.parametrize(
    "answer", [{"status": 503}, {"status": 429, "headers": {"Retry-After": "0"}}], ids=["503", "429"]
)
@pytest.mark.parametrize(
    "path", ["/refs", "/repos/create", "/tree/", "/commits/", "/preupload/", "/xorbs/", "/commit/main", "/tag/"]
)
def test_a_busy_hub_is_asked_again(
    hub: Hub, repo: str, repository: Of, fresh: Path, path: str, answer: dict[str, object]
) -> None:
    fault = hub.faults.add(Fault(path=path, **answer))
    assert publish(repository(), fresh)[1]
    assert fault.struck == 1
    assert titles(hub, repo) == ["reddit 1.0.0"]
    assert is_whole(hub, repo, fresh, "v1.0.0")


def test_by_lfs_a_busy_hub_is_asked_again_too(
    hub: Hub, repo: str, repository: Of, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    fault = hub.faults.add(Fault(method="PUT", path="^/lfs/", status=503))
    cut = hub.faults.add(Fault(method="PUT", path="^/lfs/", after=1, cut_upload=1000))
    publish(repository(), fresh)
    assert (fault.struck, cut.struck) == (1, 1)
    assert is_whole(hub, repo, fresh, "v1.0.0")


@pytest.mark.parametrize("path", ["/commit/", "/tag/"])
def test_a_hub_that_stays_busy_is_told_of_in_a_line_and_the_same_call_completes(
    hub: Hub, repo: str, repository: Of, first: Path, path: str
) -> None:
    hub.faults.add(Fault(path=path, status=503, message="over capacity", times=None))
    with pytest.raises(
        ReleaseError, match=rf"hf://datasets/{repo}.*over capacity.*run the same command again"
    ) as found:
        publish(repository(), first)
    assert "\n" not in str(found.value)
    assert not tags(hub, repo)
    assert shows(hub, repo) == (files(first) if path == "/tag/" else set())
    hub.faults.clear()
    assert publish(repository(), first)[1]
    assert titles(hub, repo) == ["reddit 1.0.0"]
    assert is_whole(hub, repo, first, "v1.0.0")


@pytest.mark.parametrize("path", ["/commit/main", "/tag/", "/repos/create"])
def test_an_answer_that_is_lost_does_no_harm(hub: Hub, repo: str, repository: Of, first: Path, path: str) -> None:
    lost = hub.faults.add(Fault(path=path, lose_response=True))
    assert publish(repository(), first)[1]
    assert lost.struck == 1
    assert titles(hub, repo) == ["reddit 1.0.0"]
    assert is_whole(hub, repo, first, "v1.0.0")


@pytest.mark.parametrize("fault", [{"cut_upload": 5000}, {"delay": 0.5}, {"bytes_per_second": 100_000}], ids=str)
def test_a_line_that_is_cut_or_slow_does_no_harm(
    hub: Hub, repo: str, repository: Of, fresh: Path, fault: dict[str, float]
) -> None:
    struck = [hub.faults.add(Fault(path=path, **fault)) for path in ("/xorbs/", "/commit/main")]
    publish(repository(), fresh)
    assert [one.struck for one in struck] == [1, 1]
    assert is_whole(hub, repo, fresh, "v1.0.0")


@pytest.mark.parametrize("moment", ["/xorbs/", "/commit/main", "/tag/"])
def test_a_killed_publish_is_completed_by_the_same_command(
    hub: Hub, repo: str, repository: Of, fresh: Path, elsewhere: dict[str, str], moment: str
) -> None:
    command = [sys.executable, "-c", PUBLISH, str(fresh), f"hf://datasets/{repo}"]
    started: list[subprocess.Popen[str]] = []
    hub.faults.add(Fault(path=moment, status=503, times=None, before=lambda: started[0].kill()))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started.append(subprocess.Popen(command, env=elsewhere, text=True, **pipes))
    out, err = started[0].communicate()
    assert started[0].returncode == -9, out + err
    assert shows(hub, repo) == (files(fresh) if moment == "/tag/" else set())
    assert not tags(hub, repo)
    hub.faults.clear()
    publish(repository(), fresh)
    assert titles(hub, repo) == ["reddit 1.0.0"]
    assert is_whole(hub, repo, fresh, "v1.0.0")


def test_what_was_uploaded_before_a_kill_is_not_uploaded_again(
    hub: Hub, repo: str, repository: Of, fresh: Path
) -> None:
    hub.faults.add(Fault(path="/commit/", status=400, message="no"))
    with pytest.raises(ReleaseError):
        publish(repository(), fresh)
    hub.requests.clear()
    publish(repository(), fresh)
    assert not hub.requests.matching("/xorbs/|^/lfs/", "PUT") + hub.requests.matching("/xorbs/", "POST")


@pytest.mark.parametrize("again", [False, True], ids=["objects lost", "repository made anew"])
def test_content_that_the_hub_has_lost_is_uploaded_again(
    hub: Hub, repo: str, repository: Of, first: Path, again: bool
) -> None:
    def lose() -> None:
        if again:
            hub.repositories.delete(Key("datasets", repo))
            hub.repositories.create(Key("datasets", repo))
        hub.repositories[repo].lfs.clear()

    hub.faults.add(Fault(path="/commit/main", before=lose))
    publish(repository(), first)
    assert is_whole(hub, repo, first, "v1.0.0")


def test_somebody_elses_commit_in_between_is_kept(hub: Hub, repo: str, repository: Of, first: Path) -> None:
    hub.faults.add(Fault(path="/commit/main", before=lambda: hub.repositories[repo].commit({"theirs.txt": b"theirs"})))
    assert publish(repository(), first)[1]
    assert shows(hub, repo) == {"theirs.txt", *files(first)}
    assert hub.repositories[repo].read("theirs.txt") == b"theirs"


def test_a_file_of_ours_that_somebody_else_changed_is_named_and_not_overwritten(
    hub: Hub, repo: str, repository: Of, first: Path, second: Path
) -> None:
    publish(repository(), first)
    hub.faults.add(Fault(path="/commit/main", before=lambda: hub.repositories[repo].commit({"README.md": b"theirs"})))
    with pytest.raises(
        ReleaseError, match=r"somebody else has changed README\.md just now.*run the same command again"
    ):
        publish(repository(), second)
    assert hub.repositories[repo].read("README.md") == b"theirs"
    assert list(tags(hub, repo)) == ["v1.0.0"]
    publish(repository(), second)
    assert is_whole(hub, repo, second, "v1.1.0")


def test_a_card_that_was_edited_between_commit_and_tag_is_not_what_is_tagged(
    hub: Hub, repo: str, repository: Of, first: Path
) -> None:
    hub.faults.add(Fault(path="/tag/", status=400, message="no"))
    with pytest.raises(ReleaseError, match="no"):
        publish(repository(), first)
    hub.repositories[repo].commit({"README.md": b"theirs"})
    publish(repository(), first)
    assert is_whole(hub, repo, first, "v1.0.0")
    assert hub.repositories[repo].read("README.md") == b"theirs"


def test_a_published_version_never_changes(hub: Hub, repo: str, repository: Of, releases: dict[str, Path]) -> None:
    publish(repository(), releases["first"])
    before = hub.repositories[repo].branches["main"]
    for act in (repository().plan, repository().publish):
        with pytest.raises(ReleaseError, match=r"published already, with other content.*--bump minor"):
            act(releases["other"], manifest.check(releases["other"]))
    assert hub.repositories[repo].branches["main"] == before


def test_of_two_that_publish_a_version_with_other_content_one_is_refused(
    hub: Hub, repo: str, repository: Of, releases: dict[str, Path]
) -> None:
    hub.faults.add(Fault(path="/tag/", before=lambda: told.append(quicker()), times=1))
    told: list[str] = []

    def quicker() -> str:
        with pytest.raises(ReleaseError) as found:
            publish(repository(), releases["other"])
        return str(found.value)

    publish(repository(), releases["first"])
    assert "published already, with other content" in told[0]
    assert is_whole(hub, repo, releases["first"])


def test_an_older_version_goes_to_a_branch(hub: Hub, repo: str, repository: Of, first: Path, second: Path) -> None:
    publish(repository(), second)
    with pytest.raises(ReleaseError, match=r"shows 1\.1\.0 already.*--branch"):
        publish(repository(), first)
    publish(repository(branch="old"), first)
    assert is_whole(hub, repo, second)
    assert is_whole(hub, repo, first, "old")
    assert is_whole(hub, repo, first, "v1.0.0")
    assert publish(repository(branch="old"), first) == (f"hf://datasets/{repo}@v1.0.0", False)


def test_a_pull_request_is_opened_once_and_tagged_when_it_is_merged(
    hub: Hub, repo: str, repository: Of, first: Path
) -> None:
    lost = hub.faults.add(Fault(path="/commit/main", lose_response=True))
    url = f"{hub.endpoint}/datasets/{repo}/discussions/1"
    assert publish(repository(pull_request=True), first) == (url, False)
    assert publish(repository(pull_request=True), first) == (url, False)
    held = hub.repositories[repo]
    assert lost.struck == 1
    assert list(held.pull_requests) == ["refs/pr/1"]
    assert (shows(hub, repo), tags(hub, repo)) == (set(), {})
    proposed = held.resolve("refs/pr/1").files
    held.commit(dict(proposed), "reddit 1.0.0 (#1)")
    hub.requests.clear()
    assert publish(repository(pull_request=True), first)[1]
    assert not hub.requests.matching("/commit/|/preupload/")
    assert is_whole(hub, repo, first, "v1.0.0")


@pytest.mark.parametrize("public", [False, True])
def test_a_new_repository_is_private_unless_it_is_asked_to_be_public(
    hub: Hub, repo: str, repository: Of, first: Path, public: bool
) -> None:
    publish(repository(public=public), first)
    assert hub.repositories[repo].private is not public


def test_a_repository_holds_one_corpus(hub: Hub, repo: str, repository: Of, first: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    publish(repository(), first)
    other = replace(manifest.check(first), corpus="portraits", version="2.0.0")
    with pytest.raises(ReleaseError, match="holds reddit: a repository of the Hub holds one corpus"):
        repository().publish(first, other)


def test_the_gitignore_of_a_repository_leaves_no_file_out(hub: Hub, repo: str, repository: Of, first: Path) -> None:
    hub.repositories.create(Key("datasets", repo)).commit({".gitignore": b"*.parquet\n"})
    publish(repository(), first)
    assert shows(hub, repo, "v1.0.0") == {".gitignore", *files(first)}


def test_without_a_token_that_may_write_nothing_is_published(hub: Hub, repo: str, repository: Of, first: Path) -> None:
    for token, said in ((False, "HF_TOKEN"), ("hf_nobodys", "HF_TOKEN"), (hub.read_token, "may not do that")):
        with pytest.raises(ReleaseError, match=said) as found:
            publish(repository(token=token), first)
        assert str(token) not in str(found.value)
    assert hub.repositories.find(Key("datasets", repo)) is None
    publish(repository(), first)
    with pytest.raises(ReleaseError, match="not for you"):
        repository(token=hub.stranger_token).versions("reddit")
    with pytest.raises(ReleaseError, match="may not do that"):
        publish(repository(token=hub.read_token, branch="b"), first.parents[2] / "second" / "data" / "reddit")
