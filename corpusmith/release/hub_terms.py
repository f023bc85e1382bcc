"""What the Hugging Face Hub calls things: licences and sizes of a dataset, and the pages of models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from corpusmith.models.catalog import Entry

HUB: Final = "https://huggingface.co"
SPDX: Final = "https://spdx.org/licenses"

LICENCES: Final = frozenset(
    (
        *("apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigcode-openrail-m"),
        *("bigscience-bloom-rail-1.0", "openrail++", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd", "bsd-2-clause"),
        *("bsd-3-clause", "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0"),
        *("cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0"),
        *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
        *("cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0"),
        *("etalab-2.0", "eupl-1.1", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0"),
        *("isc", "lppl-1.3c", "ms-pl", "mpl-2.0", "odc-by", "odbl", "osl-3.0", "postgresql", "ofl-1.1", "ncsa"),
        *("unlicense", "zlib", "pddl", "lgpl-lr", "deepfloyd-if-license", "llama2", "gemma", "unknown"),
    )
)
"""The identifiers that a card may name (docs/hub/repositories-licenses) but for ``other``; the Hub refuses any else."""

SIZES: Final = (
    *((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M")),
    *((10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"), (10**12, "100B<n<1T")),
)

_SPDX: Final = {
    "apache-2.0": "Apache-2.0",
    **{name: name.upper() for name in ("mit", "agpl-3.0", "cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0")},
}
_REPOSITORY: Final = re.compile(r"\w[\w.-]*/[\w.-]+")


def size(rows: int) -> str:
    """The size category of so many rows."""
    return next((name for bound, name in SIZES if rows < bound), "n>1T")


def page(model: str) -> str | None:
    """The address of a model's page, by its name or repository; None: a house model, or none that the catalog knows.

    The name alone does not tell a repository from a folder, so what the catalog does not have gets no address.
    """
    entry = _entry(model)
    if entry is None or entry.is_house or not _REPOSITORY.fullmatch(entry.repository):
        return None
    return f"{HUB}/{entry.repository}"


def licence_of(model: str) -> str | None:
    """The licence of a model by the catalog, which need not know it."""
    entry = _entry(model)
    return entry.licence if entry else None


def terms(licence: str | None) -> str | None:
    """The address of a licence's text at SPDX; None where it has none that we know."""
    return f"{SPDX}/{_SPDX[licence]}" if licence in _SPDX else None


def _entry(model: str) -> Entry | None:
    from corpusmith.models.catalog import catalog

    named = model.rpartition(":")[2]  # llm:<model>
    return next((entry for entry in catalog().values() if named in (entry.name, entry.repository)), None)
