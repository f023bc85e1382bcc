"""What "Decoding Emotion in the Deep" (arXiv 2510.04064) reports, to be laid beside our scores of the same models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from corpusmith.assets.reddit.scores import PAPER
from corpusmith.release.inputs import Published
from corpusmith.score.steering import SYSTEMS

BY: Final = (
    "Published are the figures of Decoding Emotion in the Deep (arXiv 2510.04064), where it scored a model of the same "
    "name: on its own corpus and test rows, with its own judge, so that a difference is not of the models alone. The "
    "probes of its table 2 agree with the last layer in its table 3 within its run noise (about .001), so that ours of "
    "the last layer stand beside them."
)

TABLE_2: Final[Mapping[str, tuple[float, ...]]] = {
    "Qwen/Qwen3-0.6B": (0.5096, 0.9969, 0.6908, 0.7037, 0.7170),
    "Qwen/Qwen3-1.7B": (0.6195, 0.9991, 0.7313, 0.7337, 0.7507),
    "Qwen/Qwen3-4B": (0.7643, 0.9983, 0.7389, 0.7512, 0.7868),
    "Qwen/Qwen3-8B": (0.7872, 0.9920, 0.7573, 0.7651, 0.8058),
    "meta-llama/Llama-3.2-1B": (0.5809, 0.9854, 0.7347, 0.7168, 0.7397),
    "meta-llama/Llama-3.2-3B": (0.7578, 0.9617, 0.7553, 0.7145, 0.7668),
    "meta-llama/Llama-3.1-8B": (0.7684, 0.9364, 0.7613, 0.7367, 0.7722),
}
"""Zero-shot accuracy and coverage, then the probe's accuracy: pre-trained, raw, in the template."""
TABLE_3: Final[Mapping[str, tuple[float, ...]]] = {
    "Qwen/Qwen3-4B": (0.1432, 0.6359, 0.7214, 0.7983, 0.7877),
    "meta-llama/Llama-3.2-3B": (0.1436, 0.7358, 0.7758, 0.7704, 0.7674),
}
"""The probe's accuracy at the depths DEPTHS; its last is that of table 2 in the template, within the run noise."""
DEPTHS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
TABLE_4: Final[Mapping[str, tuple[float, ...]]] = {"Qwen/Qwen3-4B": (0.5859, 0.3177, 0.5428)}
"""How often a judge saw the comment's emotion in the reply, under each of SYSTEMS."""


def _probe(subject: str, form: str, value: float, depth: float, where: str) -> Published:
    return Published("probe", subject, "accuracy", value, where, form, depth)


def _table_2(subject: str, asked: float, read: float, *probed: float) -> list[Published]:
    return [
        Published("zero-shot", subject, "accuracy", asked, "table 2", "template"),
        Published("zero-shot", subject, "coverage", read, "table 2", "template"),
        *(
            _probe(subject, form, value, 1.0, "table 2")
            for form, value in zip(("pre-trained", "raw", "template"), probed, strict=True)
        ),
    ]


PUBLISHED: Final = (
    *(figure for subject in PAPER for figure in _table_2(subject, *TABLE_2[subject])),
    *(
        _probe(subject, "template", value, depth, "table 3")
        for subject, values in TABLE_3.items()
        for depth, value in zip(DEPTHS, values, strict=True)
    ),
    *(
        Published("steering", subject, "accuracy", value, "table 4", form)
        for subject, values in TABLE_4.items()
        for form, value in zip(SYSTEMS, values, strict=True)
    ),
)
