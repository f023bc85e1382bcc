"""A dataset repository of the Hugging Face Hub: a version is one commit and a tag, ``v1.2.0``.

Large files are uploaded first, where nobody sees them; then one commit on top of the one that was looked at changes
everything at once, so that a reader has a version whole or not at all.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import manifest
from corpusmith.release.plain import shown
from corpusmith.release.publish.folders import check_same
from corpusmith.release.publish.hub_errors import MovedError, retried, told
from corpusmith.release.publish.hub_files import HubFiles
from corpusmith.release.publish.places import PLAIN, Options, Planned, Published, described
from corpusmith.release.semver import VERSION, numbers

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

MAIN: Final = "main"
KIND: Final = "dataset"
AT_ONCE: Final = 8
LOOKED_BACK: Final = 20
"""Commits before the head among which one of an earlier try is looked for, that has no tag yet; and pull requests."""
NOTHING_IGNORED: Final = "# every file of a release belongs to it\n"
"""Instead of the .gitignore of the repository, by which the client would leave files out without a word."""
_ADDRESS = re.compile(r"hf://datasets/([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)/?", re.ASCII)


def repository_of(address: str, options: Options = PLAIN) -> Repository:
    """The repository of an address. Raises UserError: it is none, or two things are asked for that exclude each other.

    Endpoint and token are those of huggingface_hub: HF_ENDPOINT, and HF_TOKEN or what `hf auth login` keeps.
    """
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise UserError(f"{shown(address)} is no dataset repository of the Hub: expected hf://datasets/ORG/NAME")
    if options.branch and options.pull_request:
        raise UserError("--branch and --pull-request exclude each other: choose one")
    from huggingface_hub import HfApi

    return Repository(HfApi(library_name="corpusmith"), found[1], options)


class Refs(NamedTuple):
    """The commits of the branches, of the tags of versions, and of the pull requests by their number."""

    branches: Mapping[str, str]
    tags: Mapping[str, str]
    proposed: Mapping[int, str]


@dataclass(frozen=True)
class Head:
    """What a branch shows: its commit, git's digest of each file by its path, and the manifest of the release in it."""

    commit: str
    files: Mapping[str, str] = field(default_factory=dict)
    said: manifest.Manifest | None = None


@dataclass(frozen=True)
class Repository:
    """A dataset repository, and how a version gets into it."""

    api: HfApi
    name: str
    options: Options = PLAIN

    @property
    def address(self) -> str:
        """Its address."""
        return f"hf://datasets/{self.name}"

    @property
    def branch(self) -> str:
        """The branch that is committed to."""
        return self.options.branch or MAIN

    def versions(self, corpus: str) -> list[str]:
        """The versions that have a tag, unless they are another corpus's: a repository holds one.

        Raises ReleaseError: the repository is not there, or may not be seen.
        """
        tags = self._there().tags
        found = sorted((tag.removeprefix("v") for tag in tags), key=numbers)
        newest = self._manifest(tags[f"v{found[-1]}"]) if found else None
        return [] if newest and newest.corpus != corpus else found

    def open(self, corpus: str, version: str) -> HubFiles:
        """The files of a version."""
        tags = self._there().tags
        if f"v{version}" not in tags:
            raise ReleaseError(f"{self.address} has no tag v{version}")
        return HubFiles(self.api, self.name, tags[f"v{version}"])

    def plan(self, release: Path, said: manifest.Manifest) -> Planned:
        """Which files differ from those that the branch shows, and which of those would go."""
        files = {**described(said.files, said.files), manifest.NAME: (release / manifest.NAME).stat().st_size}
        place, refs = self._place(said), self._refs()
        if refs is None:
            return Planned(place, False, files, {}, ())
        if self._exists(said, refs.tags):
            return Planned(place, True, {}, files, ())
        head = self._head(refs)
        if self._committed(said, head):
            return Planned(place, False, {}, files, ())
        self._check_next(said, head)
        same = _unchanged(said, head)
        upload = {name: size for name, size in files.items() if name not in same}
        return Planned(place, False, upload, {name: files[name] for name in same}, self._stale(said, head))

    def publish(self, release: Path, said: manifest.Manifest) -> Published:
        """One commit, and the tag; killed or refused at any moment, the same call completes.

        Raises ReleaseError for a version that is there with other content, for one that is older than what main shows,
        where main shows another corpus, and where somebody else has changed the release's files since they were looked
        at.
        """
        done = retried(lambda: self._put(release, said), self.name)
        if isinstance(done, Published):
            return done
        retried(lambda: self._tag(said, done), self.name)
        return Published(self._place(said), new=True)

    def _put(self, release: Path, said: manifest.Manifest) -> Published | str:
        """The commit that is to be tagged; or what is to be said where none is."""
        refs = self._refs() or self._created()
        if self._exists(said, refs.tags):
            return Published(self._place(said), new=False)
        head = self._head(refs)
        commit = self._committed(said, head)
        if not commit:
            self._check_next(said, head)
            if self.options.pull_request:
                return self._proposed(said, refs) or Published(self._commit(release, said, head), new=True)
            if self.branch not in refs.branches:
                with told(self.name):
                    self.api.create_branch(
                        self.name, branch=self.branch, revision=head.commit, repo_type=KIND, exist_ok=True
                    )
            commit = self._commit(release, said, head)
        return commit

    def _created(self) -> Refs:
        """The new repository."""
        with told(self.name):
            self.api.create_repo(self.name, repo_type=KIND, private=not self.options.public, exist_ok=True)
        return self._there()

    def _commit(self, release: Path, said: manifest.Manifest, head: Head) -> str:
        """Upload what the repository lacks, then commit on top of the head; the commit, or the pull request's URL."""
        from huggingface_hub import CommitOperationDelete

        additions = _additions(release, said)
        where: dict[str, Any] = {"repo_type": KIND, "revision": self.branch, "create_pr": self.options.pull_request}
        with told(self.name):
            self.api.preupload_lfs_files(
                self.name, additions, num_threads=AT_ONCE, free_memory=False, gitignore_content=NOTHING_IGNORED, **where
            )
            try:
                done = self.api.create_commit(
                    self.name,
                    [*additions, *(CommitOperationDelete(name) for name in self._stale(said, head))],
                    commit_message=_title(said),
                    commit_description=_description(said),
                    parent_commit=head.commit,
                    **where,
                )
            except Exception as error:
                if MovedError.is_(error):
                    self._check_moved(said, head)
                    raise MovedError(self.name) from error
                raise
        return str(done.pr_url if self.options.pull_request else done.oid)

    def _tag(self, said: manifest.Manifest, commit: str) -> None:
        """Tag the commit. Raises ReleaseError: somebody else was quicker, with other content."""
        with told(self.name):
            self.api.create_tag(self.name, tag=f"v{said.version}", revision=commit, repo_type=KIND, exist_ok=True)
        self._exists(said, self._there().tags)

    def _check_next(self, said: manifest.Manifest, head: Head) -> None:
        """Raises ReleaseError where a version may not follow on what the branch shows."""
        if head.said and head.said.corpus != said.corpus:
            raise ReleaseError(
                f"{self.address} holds {head.said.corpus}: a repository of the Hub holds one corpus; publish "
                f"{said.corpus} to another one"
            )
        if head.said and head.said.version == said.version:
            check_same(said, head.said, f"{self.address}@{self.branch}")
        is_older = head.said and numbers(head.said.version) > numbers(said.version)
        if head.said and is_older and self.branch == MAIN and not self.options.pull_request:
            raise ReleaseError(
                f"{self.address} shows {head.said.version} already: an older version goes to a branch (--branch NAME), "
                "so that readers of main keep the newest"
            )

    def _check_moved(self, said: manifest.Manifest, before: Head) -> None:
        """Raises ReleaseError where somebody else has written files of the release since the head was looked at."""
        now = self._head(self._there())
        changed = [name for name in (manifest.NAME, *said.files) if now.files.get(name) != before.files.get(name)]
        if changed and not _same(now.said, said):
            raise ReleaseError(
                f"{self.address}: somebody else has changed {', '.join(map(shown, sorted(changed)[:5]))} just now "
                f"(commit {now.commit[:12]}): nothing was published; look at that, and run the same command again to "
                "go on from there"
            )

    def _committed(self, said: manifest.Manifest, head: Head) -> str | None:
        """The commit of an earlier try, which was killed before the tag or never heard that it was done, or of a pull
        request that was merged.
        """
        with told(self.name):
            commits = self.api.list_repo_commits(self.name, repo_type=KIND, revision=head.commit)
        for commit in commits[:LOOKED_BACK]:
            if commit.title.startswith(_title(said)) and _same(self._manifest(commit.commit_id), said):
                return commit.commit_id
        return head.commit if _same(head.said, said) else None

    def _proposed(self, said: manifest.Manifest, refs: Refs) -> Published | None:
        """The pull request of an earlier try."""
        for number in sorted(refs.proposed, reverse=True)[:LOOKED_BACK]:
            if _same(self._manifest(refs.proposed[number]), said):
                return Published(f"{self.api.endpoint}/datasets/{self.name}/discussions/{number}", new=False)
        return None

    def _exists(self, said: manifest.Manifest, tags: Mapping[str, str]) -> bool:
        """Whether the version is published. Raises ReleaseError: it is, with other content."""
        commit = tags.get(f"v{said.version}")
        if not commit:
            return False
        there = self._manifest(commit)
        if not there:
            raise ReleaseError(f"{self.address} has a tag v{said.version} without a release: take it away first")
        check_same(said, there, self._place(said))
        return True

    def _there(self) -> Refs:
        refs = self._refs()
        if refs is None:
            raise ReleaseError(
                f"{self.address} is not there, or not for you: see its name, and HF_TOKEN or hf auth login"
            )
        return refs

    def _refs(self) -> Refs | None:
        """None: the repository is not there, or may not be seen."""
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

        with told(self.name):
            try:
                refs = self.api.list_repo_refs(
                    self.name, repo_type=KIND, include_pull_requests=self.options.pull_request
                )
            except RepositoryNotFoundError as error:
                if isinstance(error, GatedRepoError) or error.response.status_code == 401:
                    raise
                return None
        tags = {tag.name: tag.target_commit for tag in refs.tags}
        return Refs(
            {branch.name: branch.target_commit for branch in refs.branches},
            {tag: commit for tag, commit in tags.items() if tag[:1] == "v" and VERSION.fullmatch(tag[1:])},
            {int(one.ref.rpartition("/")[2]): one.target_commit for one in refs.pull_requests or ()},
        )

    def _head(self, refs: Refs) -> Head:
        from huggingface_hub import RepoFile

        commit = refs.branches.get(self.branch) or refs.branches[MAIN]
        with told(self.name):
            tree = self.api.list_repo_tree(self.name, repo_type=KIND, revision=commit, recursive=True)
            files = {entry.path: entry.blob_id for entry in tree if isinstance(entry, RepoFile)}
        return Head(commit, files, self._manifest(commit) if manifest.NAME in files else None)

    def _manifest(self, commit: str) -> manifest.Manifest | None:
        """The manifest of the release at a commit; None: it has none that can be read."""
        with contextlib.suppress(FileNotFoundError):
            data = HubFiles(self.api, self.name, commit).small(manifest.NAME)
            with contextlib.suppress(ReleaseError):
                return manifest.parsed(data, manifest.NAME)
        return None

    def _stale(self, said: manifest.Manifest, head: Head) -> tuple[str, ...]:
        """Files at the head that a reader of the release would take in, and that are none of it: of an earlier one."""
        ours = {manifest.NAME, *said.files}
        before = set(head.said.files) if head.said else set()
        folders = {name.partition("/")[0] for name in ours if "/" in name}
        return tuple(
            sorted(
                name
                for name in head.files
                if name not in ours and (name in before or ("/" in name and name.partition("/")[0] in folders))
            )
        )

    def _place(self, said: manifest.Manifest) -> str:
        return f"{self.address}@v{said.version}"


def _additions(release: Path, said: manifest.Manifest) -> list[CommitOperationAdd]:
    """Every file of the release; the digests are those of its manifest, against which they were checked."""
    from huggingface_hub import CommitOperationAdd

    found = [CommitOperationAdd(name, release / name) for name in (manifest.NAME, *said.files)]
    for each in found[1:]:
        each.upload_info.sha256 = bytes.fromhex(said.files[each.path_in_repo]["sha256"])
    return found


def _unchanged(said: manifest.Manifest, head: Head) -> list[str]:
    """The files that the head has already, by the digests of the release in it."""
    there = head.said.files if head.said else {}
    return [
        name
        for name, file in said.files.items()
        if name in head.files and there.get(name, {}).get("sha256") == file["sha256"]
    ]


def _same(there: manifest.Manifest | None, said: manifest.Manifest) -> bool:
    """Whether a manifest is of the same version with the same content; other code may have written it."""
    return there is not None and (there.corpus, there.version, there.content) == (
        said.corpus,
        said.version,
        said.content,
    )


def _title(said: manifest.Manifest) -> str:
    return f"{said.corpus} {said.version}"


def _description(said: manifest.Manifest) -> str:
    commit = said.code.get("commit") or "unknown"
    made_by = f"Made by corpusmith {said.code['corpusmith']} ({commit})."
    return f"{said.counts['rows']:,} rows. Content {said.content}. {made_by}"
