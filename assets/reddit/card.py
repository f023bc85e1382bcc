"""What the Reddit corpus says about itself: words for its card, report and metadata; every number is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from corpusmith.assets.reddit.published import BY, PUBLISHED
from corpusmith.curate.balance import ORIGINS
from corpusmith.curate.verdicts import REASONS
from corpusmith.emotions import EMOTIONS
from corpusmith.release.inputs import Board, CardText, Stage
from corpusmith.score import opinions, scores
from corpusmith.score.naturalness import METRICS
from corpusmith.validation.schema import REJECTED, RELEASE

WRITTEN: Final = ("rewritten", "synthetic")

STAGES: Final = (
    Stage(
        "comments",
        "Each line of the source is decoded, normalised and scrubbed of personal data; what is unfit is rejected.",
        ("natural",),
        ("broken_line", "deleted", "bot", "boilerplate", "nsfw", "too_short", "too_long", "non_english"),
    ),
    Stage(
        "duplicates",
        "What repeats an earlier comment, or nearly does (Jaccard of word shingles), is rejected.",
        ("natural",),
        ("exact_duplicate", "near_duplicate"),
    ),
    Stage(
        "labelled",
        "The judge gives each comment a probability for each emotion; what it is unsure of is rejected.",
        ("natural",),
        ("not_judged", "low_confidence", "judges_disagree"),
    ),
    Stage(
        "rewritten",
        "Neutral comments are put into the emotions that are short, their facts kept, and judged again.",
        ("rewritten",),
        (
            "not_made",
            "cut_off",
            "wrong_emotion",
            "not_judged",
            "low_confidence",
            "judges_disagree",
            "content_lost",
            "copies_source",
            "too_short",
            "personal_data",
        ),
    ),
    Stage(
        "synthesized",
        "New comments are written for the emotions that are still short, judged, and compared with all earlier text.",
        ("synthetic",),
        (
            "not_made",
            "cut_off",
            "wrong_emotion",
            "not_judged",
            "low_confidence",
            "judges_disagree",
            "too_short",
            "near_duplicate",
            "memorised",
            "personal_data",
        ),
    ),
    Stage(
        "balanced",
        "As many rows of each emotion are taken: natural before rewritten before synthetic.",
        ORIGINS,
        ("surplus",),
    ),
)

SCORES: Final = scores.SENTENCES | {
    "task": "probe, zero-shot, steering, persistence, baseline, naturalness or agreement.",
    "form": (
        "How the model was shown a text; of steering the system prompt, of persistence how many tokens into the reply; "
        "null where it is no language model."
    ),
    "layer": "The layer that was probed; 0 is the embeddings.",
    "depth": "The layer as a share of all layers.",
    "metric": (
        "accuracy, macro_f1, coverage, precision, recall, f1, count (a cell of the confusion matrix), or reply_tokens "
        "(the mean length of the replies); "
        f"of naturalness {', '.join(METRICS)}; of agreement {', '.join(opinions.METRICS)}."
    ),
    "label": "The emotion that a per-class metric is of.",
    "degree": "The asked intensity that a score is of; null here.",
    "other": "Of a comparison: what the subject is held against; null here.",
}

STEERING: Final = {
    "accuracy": "How often the judge sees the comment's emotion in the reply to it, of the replies that it can judge",
    "recall": "Of the comments of an emotion, the share whose reply shows it",
    "precision": "Of the replies that show an emotion, the share that answers a comment of it",
}
PERSISTENCE: Final = {
    "accuracy": "How often the probe names the comment's emotion; 1 in 7 by chance",
    "recall": "The same of the comments of one emotion",
}
"""Every metric that the report draws, with what it says."""

CARD: Final = CardText(
    title="Emotion-balanced Reddit text",
    tagline="English Reddit comments, as many of each of seven emotions, with the plan, maker and judge of every row.",
    description=(
        "Comments carry seven emotions very unevenly: most are neutral, few show fear or disgust. This corpus holds "
        "equally many of each, so that a model's sense of emotion can be measured and probed without the majority "
        "class deciding the result. Natural comments come first; where they do not suffice, neutral ones were "
        "rewritten into the emotion, and the rest was synthesized. The `emotion` of every row is what a judge saw in "
        "the final text, never what a writer was merely asked for; the judge is not the writer. The recipe follows "
        "*Decoding Emotion in the Deep* (arXiv 2510.04064), except that this corpus is balanced as published, and "
        "that rewrites which missed their emotion are rejected."
    ),
    licence="other",
    licence_short="Labels, rewrites, synthetic rows and metadata: Apache-2.0. Natural comments: as their source.",
    licence_text=(
        "What this project made (labels, rewrites, synthetic rows, metadata) is under Apache-2.0. A natural comment, "
        "and the source text of a rewrite, stay under the terms of the source that they were read from, which is "
        "named above: the demo dump is the project's own writing (Apache-2.0); Reddit dumps are user content, for "
        "which most publishers state no licence, so check that you may use and share them where you are."
    ),
    personal_data=(
        "User names and handles, e-mail addresses, phone numbers, IP addresses, card and bank account numbers (IBAN), "
        "national identity numbers of eleven countries and of others where the text names them, and URLs are replaced "
        "by typed tokens, in kept and rejected rows alike; authors are salted hashes. That is done by rules, which do "
        "not look for names of people, street addresses, dates of birth, and numbers of passports, licences or plates "
        "that no word before them names. A quotation can be searched for. Do not use the corpus to identify anyone or "
        "to judge a person. Raw text never leaves the machine that built the release."
    ),
    language=("en",),
    task_categories=("text-classification",),
    tags=("emotion", "reddit", "synthetic", "balanced", "probing", "corpusmith"),
    label="emotion",
    labels=EMOTIONS,
    label_columns={"target": EMOTIONS},
    origins=ORIGINS,
    order=(pl.col("plan").str.json_path_match("$.source"), "origin", "emotion"),  # a dump comes in as a whole
    stages=STAGES,
    columns={name: column.sentence for name, column in {**REJECTED, **RELEASE}.items()} | SCORES,
    reasons=REASONS,
    limits=(
        "English only, and seven emotions of which one is assigned to each text; mixed feelings are not represented.",
        "Labels are a model's, not people's. Its own errors, measured on its model card, are in every row, and rows "
        "that it was unsure of are missing, so the corpus is easier than comments at large.",
        "Rewritten and synthetic rows have a style of their own. Report results on natural rows apart (`origin`).",
        "`valence` is VADER's: words' ratings by people, with rules. `arousal` and `dominance` are empty: the lexicon "
        "that is known for them (NRC VAD) is not licensed for it, and no rated text of them is among this project's "
        "inputs, so nothing here may label them.",
        "The judge read each text alone, without its thread; sarcasm and in-jokes are lost on it.",
        "The house language model was trained on GoEmotions and on the project's phrases, in the very prompt of the "
        "zero-shot baseline: its scores are in-domain and flatter it.",
    ),
    boards=(
        Board(
            "agreement",
            "Agreement of the judges",
            "Two judges of different kinds, on the rows that both read: rows that could be released, those in which "
            "they do not agree among them.",
            opinions.METRICS,
            by_label=("agreed",),
            ranked=False,
        ),
        Board(
            "naturalness",
            "Naturalness",
            "What was written beside natural rows of the same emotion: how far a model can tell them apart, and what "
            "they repeat.",
            METRICS,
            by_label=("detectability", "detectability_network"),
            ranked=False,
        ),
        Board(
            "steering",
            "Steering",
            "Test comments answered under three system prompts (arXiv 2510.04064): none, *You are very emotional.* and "
            "*You always remain calm and composed.* Each reply is judged by a model that did not write it. Without a "
            "prompt, a chat template may put in its own (SmolLM2's, Qwen2.5's): that is the model as it comes.",
            STEERING,
            by_label=("recall", "precision"),
            ranked=False,
        ),
        Board(
            "persistence",
            "Persistence",
            "A probe on the state so many tokens into the reply to a comment, without a system prompt, and a learned "
            "embedding of that offset (arXiv 2510.04064), at the layer that told most of the comment itself on the "
            "validation rows. A reply that ended before an offset is not counted there, so the rows change along it. "
            "The curve ends where fewer than a tenth of them are left.",
            PERSISTENCE,
            by_offset="recall",
            ranked=False,
        ),
    ),
    published=PUBLISHED,
    published_by=BY,
)

PEOPLE_LOOKED_FOR: Final = (
    " Names of people and street addresses were looked for in natural comments as well, by Presidio with the spaCy "
    "model {}, and replaced by [PERSON] and [ADDRESS]; what that model misses is still there."
)
"""Added to what a card says of personal data where reddit.comments.people names a model."""

DEMO: Final = replace(
    CARD,
    title=f"{CARD.title} (demo)",
    tagline=(
        "Comments that corpusmith wrote itself, in Reddit's format: as many of each of seven emotions, with the plan, "
        "maker and judge of every row."
    ),
    description=(
        "**This is the demo release. Nothing in it comes from Reddit:** its natural comments were put together from "
        "phrases that the project wrote, so scores on it say how the factory works, not how models do on people's "
        f"comments. {CARD.description}"
    ),
    licence="apache-2.0",
    licence_short="Apache-2.0: all of it is the project's own writing.",
    licence_text="All of it is the project's own writing or its models' work, under Apache-2.0.",
)
"""The same for a release of the demo dump."""
