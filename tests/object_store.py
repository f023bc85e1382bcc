"""A real S3-compatible server on a free port of this machine, moto's, in a process of its own, for tests of remotes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import s3fs
    from pyarrow.fs import S3FileSystem

KEY, SECRET, REGION = "test", "testtest", "eu-central-1"
NOWHERE = "/dev/null/none"  # no file of the user's; one that is there must be regular, which /dev/null is not
SERVER = """
import sys
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
sys.stdin.read()  # ends when the tests do, however they do
"""


@dataclass(frozen=True)
class ObjectStore:
    """``endpoint``: http://host:port. ``bucket``: the name of an empty bucket on it."""

    endpoint: str
    bucket: str = "corpora"

    def environment(self) -> dict[str, str]:
        """What tells s3fs, pyarrow, boto, DVC and corpusmith of another process where the server is and who asks."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": NOWHERE,
            "AWS_SHARED_CREDENTIALS_FILE": NOWHERE,
        }

    def filesystem(self) -> s3fs.S3FileSystem:
        """The server through s3fs, a new one at each call; every listing asks the server."""
        import s3fs

        return s3fs.S3FileSystem(
            key=KEY,
            secret=SECRET,
            endpoint_url=self.endpoint,
            client_kwargs={"region_name": REGION},
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def arrow(self) -> S3FileSystem:
        """The server through pyarrow."""
        from pyarrow.fs import S3FileSystem

        return S3FileSystem(access_key=KEY, secret_key=SECRET, region=REGION, endpoint_override=self.endpoint)


@contextlib.contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A server with one empty bucket, until the block ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", SERVER], text=True, **pipes) as server:
        try:
            assert server.stdout is not None
            host, port = server.stdout.readline().split()
            store = ObjectStore(f"http://{host}:{port}")
            store.filesystem().mkdir(store.bucket)
            yield store
        finally:
            server.kill()
