"""What several tests of the hub ask of its real client."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi


def add(api: HfApi, repo: str, files: dict[str, bytes | io.BytesIO | Path], **more: Any) -> str:
    """The commit that adds files; bytes and paths go the way of Xet, a BytesIO by LFS."""
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    made: CommitInfo = api.create_commit(repo, operations, commit_message="add", repo_type="dataset", **more)
    return made.oid
