"""Who may do what: the accounts behind the tokens, and the errors that the Hub answers everybody else with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from hub_http import HubError, Request
from hub_repository import Commit, Key, Repositories, Repository, UnknownRevisionError


@dataclass(frozen=True)
class Account:
    """``member``: it sees what is private and gated; ``writes``: it may change and create repositories."""

    name: str
    token: str
    member: bool
    writes: bool


def accounts() -> dict[str, Account]:
    """The three accounts of a new hub: one that writes, one that reads all, and one of another organisation."""
    return {
        name: Account(name, f"hf_{name}{secrets.token_hex(10)}", member, writes)
        for name, member, writes in (("writer", True, True), ("reader", True, False), ("stranger", False, False))
    }


class Access:
    """Finds what a request names, as far as its token may see it; raises HubError with the Hub's own errors."""

    def __init__(self, repositories: Repositories, people: dict[str, Account]) -> None:
        self.repositories = repositories
        self._accounts = {one.token: one for one in people.values()}

    def account(self, request: Request) -> Account | None:
        if request.token is None:
            return None
        if request.token not in self._accounts:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self._accounts[request.token]

    def signed_in(self, request: Request, *, writes: bool = False) -> Account:
        account = self.account(request)
        if account is None:
            raise HubError(401, "Invalid username or password.")
        if writes and not account.writes:
            raise HubError(403, "Forbidden: you must use a write token to upload to a repository.")
        return account

    def repository(self, request: Request, key: Key, *, writes: bool = False) -> Repository:
        """The repository, where the token may read it, or ``writes``."""
        account = self.account(request)
        found = self.repositories.find(key)
        if found is None or (found.private and not (account and account.member)):
            # The real Hub leaves the code out for who is not signed in; its client adds it, but for https:// alone.
            status, message = (404, "Repository not found") if account else (401, "Invalid username or password.")
            raise HubError(status, message, "RepoNotFound")
        if writes:
            self.signed_in(request, writes=True)
        return found

    def content(self, request: Request, key: Key) -> Repository:
        """The repository, where the token may read its files: a gated one shows all but those to everybody."""
        found = self.repository(request, key)
        account = self.account(request)
        if found.gated and not (account and account.member):
            message = f"Access to dataset {key.id} is restricted and you are not in the authorized list."
            raise HubError(403 if account else 401, message, "GatedRepo")
        return found


def revision(repository: Repository, name: str) -> Commit:
    """The commit that a request's revision names."""
    try:
        return repository.resolve(name)
    except UnknownRevisionError:
        raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound") from None
