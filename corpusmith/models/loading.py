"""Where models come from: house folders, folders on disk and the Hub, each at a revision that is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from functools import cache
from pathlib import Path
from typing import Any, Final

from corpusmith.errors import ModelError
from corpusmith.models import house

READ: Final = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]  # of a repository: no code, no pickles

BF16_FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16"})
ORIGIN: Final = "corpusmith_origin.json"
"""Beside weights in the Hub's cache that did not come from the Hub: where they came from."""


@cache
def hardware() -> dict[str, str]:
    """Where a model runs here: ``device`` and ``dtype``; torch is not imported where there is no driver."""
    if find_library("cuda") is None:
        return {"device": "cpu", "dtype": "float32"}
    import torch

    if not torch.cuda.is_available():
        return {"device": "cpu", "dtype": "float32"}
    return {"device": "cuda", "dtype": "bfloat16" if torch.cuda.is_bf16_supported() else "float16"}


def language_hardware(name: str) -> dict[str, str]:
    """The same for a language model: one of the Hub runs in bfloat16 on a CPU that computes in it, twice as fast."""
    found = hardware()
    if found["device"] == "cpu" and folder_of(base_of(name)) is None and BF16_FLAGS & _cpu_flags():
        return {**found, "dtype": "bfloat16"}
    return found


@cache
def _cpu_flags() -> set[str]:
    """What the processor can do, as Linux says it; elsewhere unknown."""
    try:
        said = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    return set(next((line for line in said.splitlines() if line.startswith("flags")), "").split())


@cache
def revision_of(name: str, revision: str | None = None, variant: str | None = None) -> str:
    """The commit that a name stands for: of a folder, the hash of its files (40 hex digits); on the Hub, the resolved.

    Of adapters, the hash of their files and of the commit that their base stands for.
    variant: which of a folder's weights count (``model.<variant>.safetensors``). Loads no weights; asks the Hub, or
    where that is out of reach, the local cache. Raises ModelError.
    """
    folder = folder_of(name)
    if folder is not None:
        own, base = house.revision(folder, variant), base_of(name)
        return own if base == name else hashlib.sha256(f"{own}{revision_of(base)}".encode()).hexdigest()[: len(own)]
    with explained(name):
        told = hub_info(name, revision)
        return str(told.sha) if told is not None else in_cache(name, revision).name


def folder_of(name: str) -> Path | None:
    """The folder of a house model or of a path on disk; None where the name is one of the Hub's. Raises ModelError."""
    if name.startswith(house.PREFIX):
        return house.folder(name)
    folder = Path(name).expanduser()
    if name.startswith((".", "/", "~")) or folder.is_dir():
        if not house.is_model(folder):
            raise ModelError(f"{name} is no model folder: it has no {' or '.join(house.INDICES)}")
        return folder
    return None


def base_of(name: str) -> str:
    """The model over which the adapters of a folder are laid; the name itself where it is a whole model."""
    folder = folder_of(name)
    if folder is None or not (folder / house.ADAPTER).is_file():
        return name
    stated = json.loads((folder / house.ADAPTER).read_text("utf-8")).get("base_model_name_or_path")
    if not stated:
        raise ModelError(f"{folder / house.ADAPTER} names no base_model_name_or_path")
    return str(stated)


def cached(name: str, revision: str | None) -> Path | None:
    """The snapshot of a repository in the local Hub cache, a folder named by its commit; None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(name, index, revision=revision) for index in house.INDICES)
    return next((Path(file).parent for file in found if isinstance(file, str)), None)


def hub_info(name: str, revision: str | None) -> Any:
    """What the Hub says of a repository (its ModelInfo); None where the Hub is out of reach or not to be asked.

    Raises the Hub's own errors where it answers and says no: ``explained`` turns them into a ModelError.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        return HfApi().model_info(name, revision=revision)
    except (OfflineModeIsEnabled, OSError, _http_error()) as error:
        if getattr(error, "response", None) is not None:
            raise
        return None


def in_cache(name: str, revision: str | None) -> Path:
    """The same, as a must. Raises ModelError."""
    snapshot = cached(name, revision)
    if snapshot is None:
        raise ModelError(f"{name} is not in the local cache and the Hub is out of reach; {_had(name)}")
    return snapshot


def downloaded(name: str, commit: str, revision: str | None) -> Path:
    """The folder of a transformers model of the Hub, fetched where it is not in the local cache yet."""
    from huggingface_hub import snapshot_download

    name_in_cache(name, revision, "config.json")
    return Path(snapshot_download(name, revision=commit, allow_patterns=READ))


def origin(name: str, commit: str) -> dict[str, str]:
    """``weights``: where those of a cached model, or of an adapter's base, are from if not the Hub; else empty."""
    base = base_of(name)
    snapshot = cached(base, commit if base == name else None) if folder_of(base) is None else None
    if snapshot is None or not (snapshot / ORIGIN).is_file():
        return {}
    said: dict[str, str] = json.loads((snapshot / ORIGIN).read_text("utf-8"))
    return {"weights": "{package} {version}, {file}, SHA-256 {sha256}".format(**said)}


def _had(name: str) -> str:
    """How a model is had that is not here."""
    from corpusmith.models.catalog import carried

    entry = carried(name)
    return f"corpusmith models fetch {entry.name}" if entry else "go online once, or use a house model"


def _http_error() -> type[Exception]:
    """The error of whichever HTTP library huggingface_hub uses: its own errors derive from it."""
    from huggingface_hub.errors import HfHubHTTPError

    return next(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")


def name_in_cache(name: str, revision: str | None, index: str) -> None:
    """Let the cache know which commit a branch is, so that it is found offline: a download by commit does not."""
    from huggingface_hub import hf_hub_download

    hf_hub_download(name, index, revision=revision)


@contextmanager
def explained(name: str, kind: str = "a causal language model that transformers knows") -> Iterator[None]:
    """The ways in which a model cannot be had, as one ModelError that says what to do; ``kind``: what was expected."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from safetensors import SafetensorError

    try:
        yield
    except ModelError:
        raise
    except GatedRepoError as error:
        raise ModelError(
            f"{name} is gated: accept its terms at https://huggingface.co/{name} and set HF_TOKEN to a token of yours"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{name} has no such revision: {brief(error)}") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"{name} is neither a house model, a folder, nor a repository of the Hub that you may read "
            "(private ones need HF_TOKEN)"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(f"{name} is not in the local cache and the Hub is out of reach; {_had(name)}") from error
    except OSError as error:
        raise ModelError(f"{name} cannot be loaded: {brief(error)}") from error
    except SafetensorError as error:
        raise ModelError(f"{name}: its weights are damaged ({brief(error)}); fetch or copy them again") from error
    except (ValueError, KeyError) as error:
        raise ModelError(f"{name} is not {kind}: {brief(error)}") from error
    except Exception as error:
        if not isinstance(error, _http_error()):
            raise
        raise ModelError(
            f"{name}: the Hub is out of reach ({brief(error)}) and the model is not in the local cache"
        ) from error


def brief(error: Exception) -> str:
    """What an error says, on one line of 300 characters at most."""
    return " ".join(str(error).split())[:300] or type(error).__name__
