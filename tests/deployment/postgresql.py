"""A PostgreSQL server of one's own, from Debian's package, for as long as a test needs it."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
from processes import free_port, running, until

ACCOUNT = {"POSTGRES_USER": "dagster", "POSTGRES_PASSWORD": "a pass/word: of @ones own", "POSTGRES_DB": "dagster"}


@contextlib.contextmanager
def server(programs: Path) -> Iterator[dict[str, str]]:
    """What dagster.yaml wants to know of a server that runs meanwhile; ``programs``: where initdb and postgres are."""
    folder = Path(tempfile.mkdtemp(prefix="corpusmith-postgres-"))
    try:
        (folder / "password").write_text(ACCOUNT["POSTGRES_PASSWORD"])
        as_user = _as_somebody_else(folder)
        account = ["--username", ACCOUNT["POSTGRES_USER"], "--pwfile", folder / "password", "--auth", "scram-sha-256"]
        line = [*as_user, programs / "initdb", *account, "--no-sync", "--pgdata", folder / "data"]
        done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        port = free_port()
        options = ["-p", port, "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with running([*as_user, programs / "postgres", "-D", folder / "data", *options], folder / "log", os.environ):
            until(lambda: _database_made(port), f"PostgreSQL answers; {folder / 'log'}")
            yield {**ACCOUNT, "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(port)}
    finally:
        shutil.rmtree(folder)


def installed() -> Path | None:
    """Where initdb and postgres are; Debian keeps them off the PATH."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    on_path = shutil.which("initdb")
    newest = max(found, key=lambda path: int(path.parent.name), default=None)
    return newest or (Path(on_path).resolve().parent if on_path else None)


def _as_somebody_else(folder: Path) -> list[str]:
    """How a command is started that refuses to be root's, as the owner of ``folder``, which it becomes."""
    if os.geteuid() != 0:
        return []
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    for path in (folder, *folder.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _database_made(port: int) -> bool:
    """Whether the server took a connection, in which the database was made."""
    user, password, name = ACCOUNT.values()
    try:
        made = psycopg2.connect(host="127.0.0.1", port=port, user=user, password=password, dbname="postgres")
    except psycopg2.OperationalError:
        return False
    with contextlib.closing(made) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
    return True
