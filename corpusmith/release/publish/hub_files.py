"""Read the files of a commit of a dataset repository on the Hugging Face Hub."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from corpusmith.errors import ReleaseError
from corpusmith.release.plain import SMALL
from corpusmith.release.publish.hub_errors import retried, told

if TYPE_CHECKING:
    from huggingface_hub import HfApi

AT_ONCE: Final = 8
CLIENTS: Final = ".cache"
"""Where the client keeps what it needs to go on with a download, in the folder that it writes to."""


@dataclass(frozen=True)
class HubFiles:
    """The files at a commit, which never change."""

    api: HfApi
    name: str
    commit: str

    def fetch(self, names: Mapping[str, int], folder: Path) -> None:
        """Download files, several at once, with the Hub's own client: it goes on where it was cut."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: self._fetch(name, folder), names))
        shutil.rmtree(folder / CLIENTS, ignore_errors=True)

    def _fetch(self, name: str, folder: Path) -> None:
        def download() -> None:
            with told(f"{self.name}/{name}"):
                self.api.hf_hub_download(
                    self.name, name, repo_type="dataset", revision=self.commit, local_dir=str(folder)
                )

        retried(download, self.name)

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Some bytes of a file, by a request for this range."""

        def get() -> bytes:
            with told(f"{self.name}/{name}"):
                return self._range(name, start, stop)

        return retried(get, self.name)

    def small(self, name: str) -> bytes:
        """All bytes of a small file. Raises ReleaseError: it is larger than SMALL; FileNotFoundError: there is none."""
        from huggingface_hub.errors import EntryNotFoundError

        def get() -> bytes | None:
            with told(self.name):
                try:
                    return self._range(name, 0, SMALL + 1, exactly=False)
                except EntryNotFoundError:
                    return None

        data = retried(get, self.name)
        if data is None:
            raise FileNotFoundError(name)
        if len(data) > SMALL:
            raise ReleaseError(f"hf://datasets/{self.name}/{name} is larger than {SMALL:,} bytes")
        return data

    def _range(self, name: str, start: int, stop: int, exactly: bool = True) -> bytes:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils._http import get_session, hf_raise_for_status

        url = hf_hub_url(self.name, name, repo_type="dataset", revision=self.commit, endpoint=self.api.endpoint)
        headers = {**self.api._build_hf_headers(), "range": f"bytes={start}-{stop - 1}"}
        response = get_session().get(url, headers=headers, follow_redirects=True)
        hf_raise_for_status(response)
        data = bytes(response.content)
        if response.status_code == 200:  # a server that knows no ranges
            data = data[start:stop]
        if exactly and len(data) != stop - start:
            raise OSError(f"{name}: {len(data):,} bytes, expected {stop - start:,}")
        return data
