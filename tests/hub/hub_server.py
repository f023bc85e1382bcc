"""A Hugging Face Hub on this machine, for real clients: over HTTP, with what goes wrong on demand.

``with serve(folder) as hub`` in tests; ``python tests/hub/hub_server.py --port 8000 --folder DIR`` by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from hub_access import Access, Account, accounts
from hub_api import Api
from hub_faults import Faults
from hub_files import Files
from hub_http import HubError, Listener, Request, Requests, Response, answer
from hub_repository import Key, Repositories
from hub_xet import Xet

_STATE = "hub.json"


class Hub:
    """A hub that serves a folder; what it is to do otherwise is set on ``faults``, ``files`` and ``api``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.name, self.secret, people = _state(folder)
        self.token, self.read_token, self.stranger_token = (
            people[one].token for one in ("writer", "reader", "stranger")
        )
        self.faults, self.requests = Faults(), Requests()
        self.repositories = Repositories(folder)
        self.access = Access(self.repositories, people)
        self.api = Api(self.access)
        self.files = Files(folder, self.access, self.secret)
        self.xet = Xet(folder, self.repositories)
        self.endpoint = self.cdn = ""

    def environment(self, home: Path | None = None) -> dict[str, str]:
        """The environment in which a process works against this hub as its writer, with caches of its own."""
        home = home or self.folder / "home"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        caches = {"HF_HOME": str(home), "HF_XET_CACHE": str(home / "xet"), "HF_DATASETS_CACHE": str(home / "datasets")}
        return kept | caches | {"HF_ENDPOINT": self.endpoint, "HF_TOKEN": self.token}

    @contextmanager
    def serving(self, host: str, port: int) -> Iterator[None]:
        """Answer on two ports: the Hub, and its CDN, whose origin must be another as the real one's is."""
        main = Listener((host, port), self.route, self.faults, self.requests)
        cdn = Listener((host, 0), self.route_cdn, self.faults, self.requests)
        self.endpoint, self.cdn = (f"http://{host}:{one.server_address[1]}" for one in (main, cdn))
        self.api.endpoint = self.files.endpoint = self.endpoint
        self.files.cdn = self.cdn
        with main.serving(), cdn.serving():
            yield

    def route_cdn(self, request: Request) -> Response:
        """Signed addresses of objects, for reading and writing, and Xet's store."""
        match request.method, *request.segments:
            case "GET" | "HEAD", "cdn", sha256, name:
                return self.files.served(request, sha256, name)
            case "PUT", "lfs", kind, owner, name, oid:
                return self.files.receive(request, Key(kind, f"{owner}/{name}"), oid)
            case "PUT", "lfs", _, _, _, oid, number:
                return self.files.receive_part(request, oid, int(number))
            case _, "cas", self.name, *_:
                return self.xet.route(request)
            case "POST", "v1", "telemetry":
                return answer({})
        raise HubError(404, "not found")

    def route(self, request: Request) -> Response:
        api = self.api
        match request.method, *request.segments:
            case "GET", "api", "whoami-v2":
                return api.whoami(request)
            case "POST", "api", "validate-yaml":
                return api.validate_yaml(request)
            case "POST", "api", "repos", "create":
                return api.create(request)
            case "DELETE", "api", "repos", "delete":
                return api.delete(request)
            case "POST", "api", "repos", "move":
                return api.move(request)
            case "POST", "api", "complete_multipart", kind, owner, name, oid:
                return self.files.complete(request, Key(kind, f"{owner}/{name}"), oid)
            case method, "api", ("datasets" | "models" | "spaces") as kind, owner, name, *rest:
                return self._moved(request, Key(kind, f"{owner}/{name}")) or self._on(
                    request, method, Key(kind, f"{owner}/{name}"), rest
                )
        return self._outside_the_api(request)

    def _outside_the_api(self, request: Request) -> Response:
        segments = list(request.segments)
        kind = segments.pop(0) if segments[0] in ("datasets", "spaces") else "models"
        match request.method, *segments:
            case "GET" | "HEAD", owner, name, "resolve" | "raw", *rest if len(rest) > 1:
                key = Key(kind, f"{owner}/{name}")
                revision, *path = _revision_first(rest)
                return self._moved(request, key) or self.files.resolve(request, key, revision, "/".join(path))
            case "POST", owner, name, "info", "lfs", "objects", ("batch" | "verify") as action:
                key = Key(kind, f"{owner}/{name.removesuffix('.git')}")
                return self.files.batch(request, key) if action == "batch" else self.files.verify(request, key)
        raise HubError(404, "Sorry, we can't find the page you are looking for.")

    def _on(self, request: Request, method: str, key: Key, rest: list[str]) -> Response:
        """What is asked of one repository."""
        api = self.api
        proposes = "create_pr" in request.query  # who may read may open a pull request
        reads = method == "GET" or rest[:1] == ["paths-info"]
        changes = rest[:1] == ["xet-write-token"] or not (reads or proposes)
        if proposes:
            self.access.signed_in(request)
        repository = self.access.repository(request, key, writes=changes and not proposes)
        match method, *_revision_second(rest):
            case "GET", "auth-check", *write:
                self.access.content(request, key)
                if write:
                    self.access.signed_in(request, writes=True)
                return answer({})
            case "GET", "xet-write-token", _:
                return self.xet.token(key, f"{self.cdn}/cas/{self.name}")
            case ("GET",):
                return api.info(request, repository)
            case "GET", "revision", revision:
                return api.info(request, repository, revision)
            case "GET", "tree", revision, *path:
                return api.tree(request, repository, revision, "/".join(path))
            case "POST", "paths-info", revision:
                return api.paths_info(request, repository, revision)
            case "POST", "preupload", revision:
                return api.preupload(request, repository, revision)
            case "POST", "commit", revision:
                return api.commit(request, repository, revision)
            case "GET", "refs":
                return api.refs(request, repository)
            case "GET", "commits", revision:
                return api.commits(request, repository, revision)
            case "POST", "branch", branch:
                return api.create_branch(request, repository, branch)
            case "DELETE", "branch", branch:
                return api.delete_ref(repository, repository.branches, branch)
            case "POST", "tag", revision:
                return api.create_tag(request, repository, revision)
            case "DELETE", "tag", tag:
                return api.delete_ref(repository, repository.tags, tag)
            case "PUT", "settings":
                return api.settings(request, repository)
        raise HubError(404, "not found")

    def _moved(self, request: Request, key: Key) -> Response | None:
        """The redirect that a repository leaves behind under its old name."""
        if key not in self.repositories.moved:
            return None
        new = self.repositories.moved[key]
        where = "/".join(request.segments).replace(key.id, new.id, 1)
        return Response(status=307, headers={"Location": f"{self.endpoint}/{where}"})


@contextmanager
def serve(folder: Path, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Hub]:
    """A hub that answers while the context is open; what it was sent is kept in ``folder`` for the next one."""
    hub = Hub(folder)
    with hub.serving(host, port):
        yield hub


def _state(folder: Path) -> tuple[str, str, dict[str, Account]]:
    """The hub's name, secret and accounts: a folder's are made once, so that tokens hold after a restart."""
    path = folder / _STATE
    if not path.exists():
        people = {name: asdict(one) for name, one in accounts().items()}
        path.write_text(json.dumps({"name": secrets.token_hex(8), "secret": secrets.token_hex(16), "accounts": people}))
    said = json.loads(path.read_text())
    return said["name"], said["secret"], {name: Account(**one) for name, one in said["accounts"].items()}


def _revision_first(parts: list[str]) -> list[str]:
    """The parts of an address after ``resolve``; a revision such as refs/pr/1 may come unquoted, as three of them."""
    return ["/".join(parts[:3]), *parts[3:]] if parts[0] == "refs" and len(parts) > 3 else parts


def _revision_second(parts: list[str]) -> list[str]:
    return [parts[0], *_revision_first(parts[1:])] if len(parts) > 1 else parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="what the hub keeps; made when it is not there")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    with serve(given.folder, port=given.port) as hub:
        print(f"export HF_ENDPOINT={hub.endpoint}\nexport HF_TOKEN={hub.token}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
