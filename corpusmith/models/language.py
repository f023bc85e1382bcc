"""Causal language models, from the project's own folder, a folder on disk or the Hub, all through one loader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from corpusmith.errors import ModelError
from corpusmith.models import house

READ: Final = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]  # of a repository: no code, no pickles


@dataclass(frozen=True)
class Language:
    """A loaded causal LM: ``model`` in evaluation mode, its ``tokenizer`` (padding left), and where it came from."""

    name: str
    revision: str
    model: Any
    tokenizer: Any
    device: str
    dtype: str

    @property
    def provenance(self) -> dict[str, str]:
        """Model, resolved revision, device and dtype, for a manifest."""
        return {"model": self.name, "revision": self.revision, "device": self.device, "dtype": self.dtype}


def load(name: str, revision: str | None = None) -> Language:
    """The causal LM ``name``: ``house/<name>``, a folder, or a Hub repository at a revision (branch, tag or commit).

    Weights are safetensors only, no remote code is run; bfloat16 on a GPU that has it (else float16), float32 on a CPU.
    Raises ModelError: unknown, gated, unreachable, without safetensors, or not a causal LM.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    commit = revision_of(name, revision)
    runs_on = hardware()
    with _explained(name):
        folder = _folder(name) or _downloaded(name, commit)
        if not any(folder.glob("*.safetensors")):
            raise ModelError(f"{name}: {folder} has no *.safetensors; pickled weights are not loaded, convert them")
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, runs_on["dtype"]), use_safetensors=True, trust_remote_code=False
        )
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Language(name, commit, model.to(runs_on["device"]).eval(), tokenizer, **runs_on)


@cache
def hardware() -> dict[str, str]:
    """Where a language model runs here: ``device`` and ``dtype``; torch is not imported where there is no driver."""
    if find_library("cuda") is None:
        return {"device": "cpu", "dtype": "float32"}
    import torch

    if not torch.cuda.is_available():
        return {"device": "cpu", "dtype": "float32"}
    return {"device": "cuda", "dtype": "bfloat16" if torch.cuda.is_bf16_supported() else "float16"}


@cache
def revision_of(name: str, revision: str | None = None) -> str:
    """The commit that a name stands for: of a folder, the hash of its files (40 hex digits); on the Hub, the resolved.

    Loads no weights; asks the Hub, or where that is out of reach, the local cache. Raises ModelError.
    """
    folder = _folder(name)
    if folder is not None:
        return house.revision(folder)
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    with _explained(name):
        try:
            commit = HfApi().model_info(name, revision=revision).sha
        except (OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
            if getattr(error, "response", None) is not None:  # the Hub answered, and said no
                raise
            commit = _cached(name, revision)
            if commit is None:
                raise
    return str(commit)


def _folder(name: str) -> Path | None:
    """The folder of a house model or of a path on disk; None where the name is one of the Hub's."""
    if name.startswith(house.PREFIX):
        return house.folder(name)
    folder = Path(name).expanduser()
    if name.startswith((".", "/", "~")) or folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"{name} is no model folder: it has no config.json")
        return folder
    return None


def _downloaded(name: str, commit: str) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, revision=commit, allow_patterns=READ))


def _cached(name: str, revision: str | None) -> str | None:
    """The commit in the local Hub cache, taken from the snapshot's folder name."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json", revision=revision)
    return Path(config).parent.name if isinstance(config, str) else None


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """The ways in which a model cannot be had, as one ModelError that says what to do."""
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
        raise ModelError(f"{name} has no such revision: {_brief(error)}") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"{name} is neither a house model, a folder, nor a repository of the Hub that you may read "
            "(private ones need HF_TOKEN)"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            f"{name} is not in the local cache and the Hub is out of reach; go online once, or use house/language"
        ) from error
    except OSError as error:
        raise ModelError(f"{name} cannot be loaded: {_brief(error)}") from error
    except SafetensorError as error:
        raise ModelError(f"{name}: its weights are damaged ({_brief(error)}); fetch or copy them again") from error
    except (ValueError, KeyError) as error:
        raise ModelError(f"{name} is not a causal language model that transformers knows: {_brief(error)}") from error
    except Exception as error:
        import httpx

        if not isinstance(error, httpx.HTTPError):
            raise
        raise ModelError(
            f"{name}: the Hub is out of reach ({_brief(error)}) and the model is not in the local cache"
        ) from error


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
