"""How right and how sure the judges of emotion are: on GoEmotions dev, on tweets that others rated, on unread posts.

The tweets are those of Hutto & Gilbert 2014, 4,200 of them, whose valence 20 people rated from -4 to 4 (MIT licence);
pip fetches them in the source archive of vaderSentiment. They have no emotions, so a judge is held to their polarity.
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.tables import CHECKOUT, Measured, show
from corpusmith.assets.house import emotion, emotion_card
from corpusmith.curate.text import Rules, clean
from corpusmith.emotions import EMOTIONS, POLARITY
from corpusmith.ingest import read
from corpusmith.models import house
from corpusmith.models.text.adapted_judge import AdaptedJudge, is_adapted
from corpusmith.models.text.classify import predict
from corpusmith.score.agreement import of_two

SHARED = CHECKOUT.parent / "shared" / "data"
ARCHIVE = "vaderSentiment==3.3.2"
RATED = "additional_resources/hutto_ICWSM_2014.tar.gz"
TWEETS = "hutto_ICWSM_2014/tweets_GroundTruth.txt"
CLEAR = 0.5  # a mean rating nearer to 0 is neither positive nor negative
POLARITIES = ("positive", "negative", "neutral")
SURE = 0.4  # reddit.labelled.min_confidence

Predict = Callable[[pa.Array], np.ndarray[Any, np.dtype[np.float32]]]


def tweets() -> tuple[pa.Array, np.ndarray[Any, np.dtype[np.int64]]]:
    """Texts and, of each, its place in POLARITIES, as people rated it."""
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest"]
        subprocess.run([*pip, scratch, ARCHIVE], check=True)
        with tarfile.open(next(Path(scratch).glob("*.tar.gz"))) as package:
            inner = next(member for member in package.getmembers() if member.name.endswith(RATED))
            with tarfile.open(fileobj=package.extractfile(inner)) as rated:
                said = rated.extractfile(TWEETS)
                assert said is not None
                lines = [line.split("\t") for line in said.read().decode("utf-8", "replace").splitlines() if line]
    ratings = np.array([float(rating) for _, rating, _ in lines])
    texts = [text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">") for *_, text in lines]
    return pa.array(texts), np.where(ratings >= CLEAR, 0, np.where(ratings <= -CLEAR, 1, 2))


def by_polarity(probabilities: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Probabilities of POLARITIES, (texts, 3): surprise, which may be either, is neither."""
    of = [POLARITIES.index(POLARITY[e]) if POLARITY[e] in POLARITIES else 2 for e in EMOTIONS]
    return probabilities @ np.eye(len(POLARITIES), dtype=np.float32)[of]


def comments(rows: int) -> pa.Array:
    """The first fit comments of a dump of January 2006."""
    found: list[str] = []
    for batch in read(str(SHARED / "pushshift_dumps/RC_2006-01.zst")):
        kept = clean(batch, Rules(3, 4000, False, None), "benchmark").filter(verdict="kept")
        found += kept["text"].to_list()
        if len(found) >= rows:
            break
    return pa.array(found[:rows])


def held_out(rows: int) -> pa.Array:
    """Sentences of the subreddits that no house judge learned from, drawn at random."""
    texts: list[str] = []
    for name in emotion.HELD_OUT:
        posts = pl.read_csv(SHARED / f"reddit_top_posts/data/{name}.csv", infer_schema=False)
        texts += posts["title"].drop_nulls().to_list() + posts["selftext"].drop_nulls().to_list()
    drawn = np.random.default_rng(0).permutation(np.array(emotion.sentences(texts), dtype=object))
    return pa.array(drawn[:rows], pa.string())


def tf_idf(rows: emotion.Examples) -> Predict:
    """TF-IDF of words and pairs with logistic regression, on the same rows, as in benchmarks.classify."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"[\w']+|[^\w\s]")
    model = make_pipeline(words, LogisticRegression(C=6, max_iter=300))
    model.fit(rows.texts.to_pylist(), rows.emotions.argmax(axis=1))
    return lambda texts: model.predict_proba(texts.to_pylist()).astype(np.float32)


def judges(names: list[str]) -> dict[str, Predict]:
    found: dict[str, Predict] = {}
    for name in names:
        folder = house.folder(name) if name.startswith(house.PREFIX) else Path(name)
        adapted = is_adapted(folder)
        found[name] = functools.partial(_adapted, AdaptedJudge(name)) if adapted else functools.partial(predict, folder)
    return found


def _adapted(judge: AdaptedJudge, texts: pa.Array) -> np.ndarray[Any, np.dtype[np.float32]]:
    made = judge.make(pa.record_batch([texts.cast(pa.string())], ["text"]))
    return np.stack([made[f"p_{e}"].to_numpy() for e in EMOTIONS], axis=1)


def alpha(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float(of_two(emotion_card.confusion(one.argmax(axis=1), other.argmax(axis=1))))


def parser() -> argparse.ArgumentParser:
    ask = argparse.ArgumentParser(description=__doc__)
    shipped = [name for name in ("house/emotion-judge", "house/adapted-judge") if name in house.names()]
    ask.add_argument("--judges", nargs="+", default=shipped, help="house models or folders; the last is compared with")
    ask.add_argument("--unlabelled", type=int, default=1000, help="sentences and comments that judges are compared on")
    return ask


def measure(asked: argparse.Namespace) -> Iterator[Measured]:
    _, groups = emotion.fine_labels(SHARED)
    dev = emotion.examples(SHARED / "goemotions/original/dev.tsv", groups).single
    train = emotion.examples(SHARED / "goemotions/original/train.tsv", groups).single
    rated, polarity = tweets()
    unread = {"held-out posts": held_out(asked.unlabelled), "RC_2006-01": comments(asked.unlabelled)}
    every = {**judges(asked.judges), "TF-IDF and logistic regression": tf_idf(train)}
    last = asked.judges[-1]
    slower = {where: every[last](texts) for where, texts in unread.items()}
    rows = []
    for name, judge in every.items():
        seen, outside = judge(dev.texts), by_polarity(judge(rated))
        truth = dev.emotions.argmax(axis=1)
        scores = emotion_card.f1(truth, seen.argmax(axis=1))
        rows.append(
            (
                name,
                f"{scores.mean():.3f}",
                f"{emotion_card.calibration_error(seen, truth):.3f}",
                f"{float((seen.max(axis=1) >= SURE).mean()):.1%}",
                f"{polarity_f1(polarity, outside.argmax(axis=1)):.3f}",
                f"{emotion_card.calibration_error(outside, polarity):.3f}",
                *(None if name == last else f"{alpha(judge(of), slower[where]):.3f}" for where, of in unread.items()),
            )
        )
    yield Measured(
        "judges",
        f"{len(dev.texts):,} comments of dev, {len(rated):,} tweets, {asked.unlabelled:,} of each other text",
        (
            "judge",
            "dev macro-F1",
            "dev ECE",
            f"dev, sure ({SURE})",
            "tweets, polarity macro-F1",
            "tweets ECE",
            *(f"{where}, alpha with {last}" for where in unread),
        ),
        rows,
    )


def polarity_f1(truth: np.ndarray[Any, Any], said: np.ndarray[Any, Any]) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(truth, said, average="macro"))


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
