"""What the tables of each corpus's release hold: each column's type, what it says, and which rows must have it."""

from __future__ import annotations

from typing import Final, NamedTuple

import polars as pl

from corpusmith.curate.balance import ORIGINS
from corpusmith.drawings.captions import ATTRIBUTES
from corpusmith.emotions import EMOTIONS

EVERY: Final = ORIGINS
WRITTEN: Final = ("rewritten", "synthetic")


class Column(NamedTuple):
    """One column: its type, a sentence about it, and the origins whose rows may not lack it."""

    dtype: pl.DataType
    sentence: str
    required: tuple[str, ...] = ()


TEXT, NUMBER, PROBABILITY = pl.String(), pl.Int64(), pl.Float32()

PROBABILITIES: Final = tuple(f"p_{emotion}" for emotion in EMOTIONS)

SAMPLE: Final[dict[str, Column]] = {
    "key": Column(TEXT, "The row's identity: a hash of its plan and of the fingerprint of what made it.", EVERY),
    "text": Column(TEXT, "The comment, normalised; personal data is replaced by typed tokens.", EVERY),
    "emotion": Column(TEXT, "The emotion that the judge sees in the text.", EVERY),
    "confidence": Column(PROBABILITY, "The judge's probability of that emotion.", EVERY),
    **{f"p_{e}": Column(PROBABILITY, f"The judge's probability of {e}.", EVERY) for e in EMOTIONS},
    "second_emotion": Column(TEXT, "The emotion that a second judge sees in the text; null: nobody was asked."),
    "second_confidence": Column(PROBABILITY, "The second judge's probability of that emotion."),
    "origin": Column(TEXT, "natural (a person's comment), rewritten (from a neutral one) or synthetic.", EVERY),
    "target": Column(TEXT, "The emotion that the writer was asked for.", WRITTEN),
    "source_key": Column(TEXT, "The key of the comment that was rewritten.", ("rewritten",)),
    "source_text": Column(TEXT, "The text of the comment that was rewritten.", ("rewritten",)),
    "thread": Column(TEXT, "The thread that the comment, or the rewritten one, stood in, where the source says so."),
    "subreddit": Column(TEXT, "The subreddit it stood in, where the source says so."),
    "created_utc": Column(NUMBER, "When it was posted, in seconds since 1970 (UTC), where the source says so."),
    "author": Column(TEXT, "A salted hash of its author's name; the same author has the same hash."),
    "language": Column(TEXT, "The language of the text, as an ISO 639-1 code.", EVERY),
    "writer": Column(TEXT, "The model that wrote the text, as model@revision.", WRITTEN),
    "judge": Column(TEXT, "The model that judged the text, as model@revision.", EVERY),
    "second_judge": Column(TEXT, "The model that judged it a second time, as model@revision."),
    "seed": Column(NUMBER, "The seed that the writer drew with; it comes from the key.", WRITTEN),
    "plan": Column(TEXT, "What the maker was given, as JSON; it and the fingerprint decide the key.", EVERY),
    "fingerprint": Column(TEXT, "What made the row, as name:model@revision+settings.", EVERY),
}

DIMENSIONS: Final[dict[str, Column]] = {
    "valence": Column(
        PROBABILITY, "How pleasant the text is, from -1 to 1: the compound score of VADER, a lexicon with rules.", EVERY
    ),
    "arousal": Column(PROBABILITY, "How stirred it is; null: no source that may be used here says it."),
    "dominance": Column(PROBABILITY, "How much in control it is; null: no source that may be used here says it."),
}

RELEASE: Final[dict[str, Column]] = {
    **SAMPLE,
    **DIMENSIONS,
    "group": Column(TEXT, "What belongs together (source, thread, near-duplicates); no split parts it.", EVERY),
    "split": Column(TEXT, "train, validation or test.", EVERY),
}

REJECTED: Final[dict[str, Column]] = {
    **{name: column._replace(required=()) for name, column in SAMPLE.items()},
    "key": SAMPLE["key"],
    "origin": SAMPLE["origin"],
    "plan": SAMPLE["plan"]._replace(sentence="What the maker was given; of a comment: its source and line in it."),
    "fingerprint": SAMPLE["fingerprint"],
    "reasons": Column(pl.List(pl.String()), "Why the row was rejected, as codes.", EVERY),
    "duplicate_of": Column(TEXT, "The key of the row that it repeats."),
}


GENERATED: Final = ("generated",)
"""Where every row of a corpus was made by a model, this stands for all of them."""

IMAGE, COUNT, WHOLE = pl.Struct({"bytes": pl.Binary(), "path": pl.String()}), pl.Int8(), pl.Int32()

SAID: Final = pl.Struct(
    {
        "annotator": TEXT,
        "emotion": TEXT,
        **dict.fromkeys(PROBABILITIES, PROBABILITY),
        "intensity": PROBABILITY,
        "quality": PROBABILITY,
        "human": pl.Boolean(),
    }
)
"""What one annotator said of an image; null: it does not say."""

PROMPT: Final[dict[str, Column]] = {
    "prompt_id": Column(TEXT, "Which prompt it is; the same for every generator.", GENERATED),
    "prompt": Column(TEXT, "What the generator was asked for.", GENERATED),
    "emotion": Column(TEXT, "The emotion that was asked for, in the words of the corpus's vocabulary.", GENERATED),
    "ekman": Column(TEXT, "The same in Ekman's words, in which annotators and perceivers answer.", GENERATED),
    "polarity": Column(TEXT, "positive, negative, ambiguous (surprise) or neutral.", GENERATED),
    "degree": Column(COUNT, "How strongly it was asked to show: 1 to 3; 0 for neutral.", GENERATED),
    "asked_intensity": Column(PROBABILITY, "The same from 0 to 1.", GENERATED),
    "shown": Column(COUNT, "Which of the emotion's two ways to show in a face was asked for.", GENERATED),
    "word": Column(COUNT, "Which of the emotion's two words the prompt has.", GENERATED),
    **{
        name: Column(TEXT, f"Asked for in the prompt: {said}.")
        for name, said in zip(
            ATTRIBUTES,
            (
                "who is shown",
                "the age",
                "the skin",
                "the hair",
                "its colour; null for a bald head",
                "glasses, or none",
                "the place",
                "the light",
                "how much of the person is seen",
                "where the head is turned",
            ),
            strict=True,
        )
    },
}

DRAWN: Final[dict[str, Column]] = {
    "image": Column(IMAGE, "The image: its encoded bytes, and a file name.", GENERATED),
    "image_sha256": Column(TEXT, "SHA-256 of the bytes.", GENERATED),
    "width": Column(WHOLE, "Width in pixels.", GENERATED),
    "height": Column(WHOLE, "Height in pixels.", GENERATED),
    "mode": Column(TEXT, "How a pixel is stored: RGB.", GENERATED),
    "generator": Column(TEXT, "Who drew it, by its name in the catalog of models.", GENERATED),
    "model": Column(TEXT, "The generator's checkpoint.", GENERATED),
    "revision": Column(TEXT, "Its resolved revision.", GENERATED),
    "seed": Column(NUMBER, "The seed that the generator drew with; it comes from the key.", GENERATED),
    "steps": Column(WHOLE, "Steps of the sampler.", GENERATED),
    "guidance": Column(PROBABILITY, "Scale of the classifier-free guidance; null: none."),
    "scheduler": Column(TEXT, "The sampler; null: the checkpoint's own."),
    "batch": Column(WHOLE, "Images drawn in one pass with it, itself too: the last bit may depend on it.", GENERATED),
    "made_on": Column(TEXT, "The device and card that drew it, the number type, and the version of torch.", GENERATED),
    "plan": Column(TEXT, "What the generator was given, as JSON; it and the fingerprint decide the key.", GENERATED),
    "fingerprint": Column(TEXT, "What made the row, as name:model@revision+settings.", GENERATED),
}

MEASURED: Final[dict[str, Column]] = {
    "sharpness": Column(PROBABILITY, "Variance of the Laplacian, in squared grey levels.", GENERATED),
    "brightness": Column(PROBABILITY, "Mean grey level, 0 to 1.", GENERATED),
    "contrast": Column(PROBABILITY, "Standard deviation of the grey levels, 0 to 1.", GENERATED),
    "colourfulness": Column(PROBABILITY, "Hasler and Süsstrunk's colourfulness, 0 to 1.", GENERATED),
    "entropy": Column(PROBABILITY, "Of the grey levels, in bits.", GENERATED),
    "brightness_bin": Column(COUNT, "Brightness in tenths, as EmoSet has it.", GENERATED),
    "colourfulness_bin": Column(COUNT, "Colourfulness in tenths, as EmoSet has it.", GENERATED),
    "phash": Column(pl.UInt64(), "A perceptual hash: images that look alike differ in a few bits.", GENERATED),
    "faces": Column(COUNT, "Faces that a classifier sees: 0, 1, or 2 for several; null: it cannot tell."),
    "safety": Column(PROBABILITY, "Probability that the image is safe to show; null: nobody was asked."),
}

SEEN: Final[dict[str, Column]] = {
    "emotion_seen": Column(TEXT, "The likeliest emotion by the mean of the annotators; null: several are."),
    **{f"p_{e}": Column(PROBABILITY, f"The annotators' mean probability of {e}.") for e in EMOTIONS},
    "intensity": Column(PROBABILITY, "How strongly it is seen, 0 to 1; the annotators' mean."),
    "quality": Column(PROBABILITY, "How good the picture is, 0 to 1; the annotators' mean."),
    "annotators": Column(WHOLE, "How many annotators were asked for the emotion: people, or else models.", GENERATED),
    "human": Column(
        pl.Boolean(), "Whether people say which emotion it is; models count for what no person said.", GENERATED
    ),
    "annotations": Column(pl.List(SAID), "What each annotator, machine or person, said.", GENERATED),
}

KEY: Final = {"key": SAMPLE["key"]}

PORTRAITS: Final[dict[str, Column]] = {
    **KEY,
    **DRAWN,
    **PROMPT,
    **MEASURED,
    **SEEN,
    "split": Column(TEXT, "train, validation or test; all images of a prompt are in one.", GENERATED),
}

PORTRAITS_REJECTED: Final[dict[str, Column]] = {
    **KEY,
    **{name: column._replace(required=()) for name, column in DRAWN.items() if name != "image"},
    **PROMPT,
    **{name: column._replace(required=()) for name, column in MEASURED.items()},
    "generator": DRAWN["generator"],
    "plan": DRAWN["plan"],
    "fingerprint": DRAWN["fingerprint"],
    "reasons": Column(pl.List(TEXT), "Why the image was rejected, as codes.", GENERATED),
    "duplicate_of": Column(TEXT, "The key of the image that it repeats."),
}
"""Images of rejected rows stay in the ledger unless the release asks for them."""


TURN: Final = pl.Struct(
    {
        "key": TEXT,
        "image": IMAGE,
        "image_sha256": TEXT,
        "mask": IMAGE,
        "operation": TEXT,
        "prompt": TEXT,
        "name": TEXT,
        "thing": TEXT,
        "colour": TEXT,
        "editor": TEXT,
        "model": TEXT,
        "revision": TEXT,
        "seed": NUMBER,
        "strength": pl.Float64(),
        "steps": WHOLE,
        "guidance": PROBABILITY,
        "batch": WHOLE,
        "made_on": TEXT,
        "area": PROBABILITY,
        "leak": PROBABILITY,
        "change": PROBABILITY,
        "distance": PROBABILITY,
        "match": PROBABILITY,
        "nearer": PROBABILITY,
        "plan": TEXT,
        "fingerprint": TEXT,
    }
)
"""One edit: the image after it, its region, what was asked of whom, and what the judge saw. name: what was there;
thing, colour: what is asked for; area: share of the image; leak, change: grey levels (corpusmith.models.editor)."""

DROPPED: Final = pl.Struct(
    {"key": TEXT, "operation": TEXT, "prompt": TEXT, "editor": TEXT, "area": PROBABILITY, "reasons": pl.List(TEXT)}
)

CHAIN: Final[dict[str, Column]] = {
    **KEY,
    "kind": Column(TEXT, "What was edited: real (a photograph), drawn, or generated.", GENERATED),
    "editor": Column(TEXT, "Who made the last edit, by its name in the catalog of models.", GENERATED),
    "operation": Column(TEXT, "What the last edit did: add, remove or change.", GENERATED),
    "scene": Column(TEXT, "Which image was edited; chains of one scene are in one split.", GENERATED),
    "caption": Column(TEXT, "What the scene is said to show, where something says it."),
    "source": Column(TEXT, "Where a photograph comes from."),
    "licence": Column(TEXT, "The licence of the scene, where its source has one."),
    "width": Column(WHOLE, "Width of all images and masks of the row, in pixels.", GENERATED),
    "height": Column(WHOLE, "Their height.", GENERATED),
    "plan": Column(TEXT, "What the last editor was given, as JSON; it and the fingerprint decide the key.", GENERATED),
    "fingerprint": Column(TEXT, "What made the last edit, as name:model@revision+settings.", GENERATED),
    "split": Column(TEXT, "train, validation or test; bases that look alike are in one.", GENERATED),
}

EDITS: Final[dict[str, Column]] = {
    **CHAIN,
    "image": Column(IMAGE, "The image after the last edit.", GENERATED),
    "image_sha256": Column(TEXT, "SHA-256 of its bytes.", GENERATED),
    "mask": Column(
        IMAGE, "Who made each pixel: 0 nobody, else the number of the editor; later over earlier.", GENERATED
    ),
    "mask_sha256": Column(TEXT, "SHA-256 of its bytes.", GENERATED),
    "base": Column(IMAGE, "The image before the first edit.", GENERATED),
    "base_sha256": Column(TEXT, "SHA-256 of its bytes.", GENERATED),
    "turn_count": Column(COUNT, "How many edits were made, one after the other.", GENERATED),
    "editors": Column(pl.List(TEXT), "Who made the edits, in their order.", GENERATED),
    "operations": Column(pl.List(TEXT), "What the edits did, in their order.", GENERATED),
    "leak": Column(
        PROBABILITY, "The most that an editor changed outside its region, in grey levels; put back.", GENERATED
    ),
    "turns": Column(
        pl.List(TURN), "The edits: image after each, region, prompt, editor, settings, verdict.", GENERATED
    ),
    "dropped": Column(pl.List(DROPPED), "Later edits of the chain that were not fit, with reasons.", GENERATED),
}

EDITS_REJECTED: Final[dict[str, Column]] = {
    **{name: column._replace(required=()) for name, column in CHAIN.items() if name != "split"},
    **KEY,
    "kind": CHAIN["kind"],
    "scene": CHAIN["scene"],
    "plan": CHAIN["plan"],
    "fingerprint": CHAIN["fingerprint"],
    "turn": Column(COUNT, "Which edit of its chain it is; null: the scene itself."),
    "prompt": Column(TEXT, "What its editor was asked for."),
    **{
        name: Column(PROBABILITY, sentence)
        for name, sentence in {
            "area": "Of its region, as a share of the image.",
            "leak": "What the editor changed outside its region, in grey levels.",
            "change": "Mean absolute difference within the region, in grey levels.",
            "distance": "Cosine distance of what the embedder sees before and after.",
            "match": "Probability, by the judge, that what was asked for is there.",
            "nearer": "By how much closer to its prompt the embedder sees the image than before.",
        }.items()
    },
    "image_sha256": Column(TEXT, "SHA-256 of the image that was rejected, where there is one."),
    "reasons": Column(pl.List(TEXT), "Why the edit was rejected, as codes.", GENERATED),
    "dropped": EDITS["dropped"],
}
"""A row for each scene of which no edit is fit: the first unfit edit, or the scene itself, where there is none."""


FROM_TEXT: Final = ("label", "template", "caption")
FROM_IMAGE: Final = ("image", "image_label")
STRATEGIES: Final = (*FROM_TEXT, *FROM_IMAGE)
"""How generated images of ImageNet's classes are asked for: the origins of that corpus's rows."""

CLASS_TEST: Final = pl.Struct({"test": TEXT, "value": PROBABILITY, "threshold": PROBABILITY, "passed": pl.Boolean()})
"""What one test says of an image and its class; threshold null: it could not be set, and the test does not count."""

PAIRED: Final[dict[str, Column]] = {
    "wnid": Column(TEXT, "The class as WordNet numbers it.", STRATEGIES),
    "label": Column(TEXT, "The class by its name.", STRATEGIES),
    "strategy": Column(
        TEXT,
        "What it was drawn from: label (the class's name), template (one of CLIP's with that name), caption, image (a "
        "real image alone), image_label (a real image and a template).",
        STRATEGIES,
    ),
    "prompt": Column(TEXT, "What the generator was asked for; null: from an image alone.", (*FROM_TEXT, "image_label")),
    "template": Column(TEXT, "What the prompt fills with the class's name.", ("label", "template", "image_label")),
    "source": Column(TEXT, "The real image that it is paired with: its path in the source.", STRATEGIES),
    "source_sha256": Column(
        TEXT, "SHA-256 of that image as it was used; null: there is none, but its place.", FROM_IMAGE
    ),
    "licence": Column(TEXT, "The licence of that image, where its source says one."),
    "strength": Column(PROBABILITY, "How far it may go from the real image: 1 is all the way; null: not from one."),
    "finetuned": Column(pl.Boolean(), "Whether its generator was adapted to the real train split.", STRATEGIES),
}

OF_CLASS: Final[dict[str, Column]] = {
    "recognized": Column(
        PROBABILITY, "The recognizer's probability of the class; null: it does not know it, nor see it in real images."
    ),
    "seen": Column(TEXT, "The class that the recognizer holds for the likeliest; null: of this one it says nothing."),
    "seen_probability": Column(PROBABILITY, "Its probability of that."),
    "tests": Column(pl.List(CLASS_TEST), "What each test of the class says.", STRATEGIES),
    "tests_applied": Column(COUNT, "How many of the tests could be applied.", STRATEGIES),
    "tests_passed": Column(COUNT, "How many of them it passed.", STRATEGIES),
    "nearest_real": Column(TEXT, "The real image that it is most like, to the embedder: its path in the source."),
    "nearest_similarity": Column(PROBABILITY, "Cosine of the two embeddings."),
    "nearest_bits": Column(COUNT, "Bits by which the two perceptual hashes differ."),
}

_PICTURE: Final = {
    name: column._replace(required=STRATEGIES if column.required else ())
    for name, column in {**DRAWN, **MEASURED}.items()
    if name != "faces"
}

IMAGENET: Final[dict[str, Column]] = {
    **KEY,
    **_PICTURE,
    **PAIRED,
    **OF_CLASS,
    "source_image": Column(IMAGE, "The real image that it is paired with, where it may be passed on."),
    "source_image_sha256": Column(TEXT, "SHA-256 of its bytes, where it is there."),
    "split": Column(TEXT, "train, validation or test: that of the real image.", STRATEGIES),
}

IMAGENET_REJECTED: Final[dict[str, Column]] = {
    **{
        name: column._replace(required=())
        for name, column in IMAGENET.items()
        if name not in ("image", "source_image", "source_image_sha256", "split")
    },
    **{
        name: column
        for name, column in {**KEY, **PAIRED}.items()
        if name in ("key", "wnid", "label", "strategy", "source")
    },
    "generator": _PICTURE["generator"],
    "plan": _PICTURE["plan"],
    "fingerprint": _PICTURE["fingerprint"],
    "reasons": Column(pl.List(TEXT), "Why the image was rejected, as codes.", STRATEGIES),
    "duplicate_of": Column(TEXT, "The key of the image that it repeats."),
}


def schema(columns: dict[str, Column]) -> pl.Schema:
    """The polars schema of a table."""
    return pl.Schema({name: column.dtype for name, column in columns.items()})
