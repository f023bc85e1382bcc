"""Trains the house emotion classifiers, judge and guide: ``python -m corpusmith.assets.house.emotion --data …``.

They learn from GoEmotions, and the judge from what a slower one, where it is named, makes of the same comments and of
others that nobody has labelled. What they measure is written on their cards.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.assets.house.emotion_card import measure, write_card
from corpusmith.emotions import EMOTIONS
from corpusmith.models.house import HOUSE
from corpusmith.models.text.classify import EKMAN
from corpusmith.models.text.hashing import Hashes, buckets, words

if TYPE_CHECKING:
    from corpusmith.models.networks import EmotionNetwork, WordCNN, WordPairs

FOLDS = 40
WORK = Path("build/house-emotion")
VECTOR = 44  # length of a word's vector
BUCKETS = 2**15  # of the judge's words, and as many of its n-grams
SLICE = 800  # characters of a post that are read as one text
FEWEST = 4  # occurrences of a word that gets a vector of its own before training
CONTEXTS = 8_000  # most frequent words that count as context
WINDOW = 5
BATCH = 256
FINE_WEIGHT = 0.5  # of the loss on GoEmotions' 28 labels, beside that on the seven
EVENING = 0.3  # how far the judge's class frequencies are evened out, 0 not at all, 1 wholly
GUIDE_EVENING = 0.5  # the same of the guide's, by the weights of its rows
GUIDE_PENALTY = 1 / 2
KNOWN = 3  # occurrences among the labelled rows of a word that the judge knows
CAUTION = 2.0  # how far its temperature rises for a text of which it knows no word
TEACHERS = 4
LABEL_SHARE = 0.5  # of the labels in what the judge learns of a labelled row; the rest is its teachers'
UNLABELLED = 80_000  # sentences of posts that the judge learns from its teachers
READS = 20_000  # of these, and of the labelled rows, that a slower teacher reads as well, where there is one
SLOWER_SHARE = 0.5  # of what it says in what the teachers say together of a text that it read
READ_AT_ONCE = 1000  # texts, after which what it said is kept
HELD_OUT = ("confessions", "DoesAnybodyElse")  # subreddits whose posts nothing here is learned from


Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Examples:
    """Labelled texts: shares of the fine labels (n, 28) and of the emotions (n, 7), rows summing to one; folds (n,)."""

    texts: pa.Array
    fine: Floats
    emotions: Floats
    folds: np.ndarray[Any, np.dtype[np.int64]]

    def where(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Examples:
        """The chosen rows."""
        return Examples(
            self.texts.filter(pa.array(chosen)), self.fine[chosen], self.emotions[chosen], self.folds[chosen]
        )

    @property
    def single(self) -> Examples:
        """The rows with one emotion."""
        return self.where(self.emotions.max(axis=1) == 1)


Read = Callable[[pa.Array], Floats]
"""What a slower teacher makes of texts: logits of the fine labels, (texts, 28)."""


def train(
    out_dir: Path, data_dir: Path, seed: int = 0, teacher: Path | None = None, work: Path = WORK, reads: int = READS
) -> None:
    """Write emotion-judge/ and emotion-guide/ under ``out_dir``: weights, config.json, metrics.json and README.md.

    ``data_dir`` holds goemotions/original/ (labels.txt, train.tsv, dev.tsv) and reddit_top_posts/data/*.csv. The judge
    sees all of train but fold 0, the guide all but fold 1; those calibrate them. teacher: the folder of an adapted
    judge (adapted_judge.py), that reads ``reads`` labelled rows and as many sentences; what it said is kept in ``work``
    and not read again. One thread: the same seed, and what the same teacher said, give the same weights.
    """
    import torch

    from corpusmith.models.networks import save

    names, groups = fine_labels(data_dir)
    rows = examples(data_dir / "goemotions/original/train.tsv", groups)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seen, kept_back = rows.where(rows.folds != 0), rows.where(rows.folds == 0)
    read = None if teacher is None else functools.partial(read_by, teacher, work)
    judge = train_judge(seen, posts(data_dir / "reddit_top_posts/data"), names, groups, seed, read, reads)
    even_out(judge, seen.emotions.mean(axis=0))
    judge.knows(known_words(seen.texts), CAUTION)
    calibrate(judge, *_logits(judge, kept_back.single))
    save(judge, out_dir / "emotion-judge")
    seen, kept_back = rows.where(rows.folds != 1), rows.where(rows.folds == 1)
    guide = train_guide(seen)
    calibrate(guide, *_logits(guide, kept_back.single))
    save(guide, out_dir / "emotion-guide")
    describe(out_dir, data_dir, seed, teacher)
    torch.set_num_threads(threads)


def describe(out_dir: Path, data_dir: Path, seed: int = 0, teacher: Path | None = None) -> None:
    """Measure both models as they were written, on the rows of GoEmotions dev with one emotion; write their cards.

    teacher: the adapted judge that the judge learned from.
    """
    from corpusmith.models.networks import load

    _, groups = fine_labels(data_dir)
    folds = examples(data_dir / "goemotions/original/train.tsv", groups).folds
    dev = examples(data_dir / "goemotions/original/dev.tsv", groups).single
    for name, kept_back, taught_by in (("emotion-judge", 0, teacher), ("emotion-guide", 1, None)):
        metrics = measure(load(out_dir / name).predict, dev.texts, dev.emotions, seed)
        write_card(out_dir / name, metrics, trained_rows=int((folds != kept_back).sum()), teacher=taught_by)


def fine_labels(data_dir: Path) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names of GoEmotions' labels, in order, and the index in EMOTIONS of each."""
    names = tuple((data_dir / "goemotions/original/labels.txt").read_text().split())
    return names, tuple(EMOTIONS.index(next(e for e, labels in EKMAN.items() if name in labels)) for name in names)


def train_judge(
    rows: Examples,
    posts: list[str],
    names: tuple[str, ...],
    groups: tuple[int, ...],
    seed: int,
    slower: Read | None = None,
    reads: int = READS,
) -> WordCNN:
    """A convolution over words that learns from the labels and from TEACHERS of its own kind (Hinton et al. 2015).

    The teachers differ by their seeds; they also label sentences of the posts, which nobody has labelled. slower: a
    teacher of another kind, for the first ``reads`` rows and sentences.
    """
    vectors = word_vectors([*posts, *rows.texts.to_pylist()], VECTOR, seed)
    teachers = []
    for number in range(TEACHERS):
        teachers.append(_new_judge(names, groups, *vectors, seed + 1 + number))
        fit(teachers[-1], rows, epochs=5, rate=3e-3, seed=seed + 1 + number)
    draw = np.random.default_rng(seed)
    bare = pa.array(draw.permutation(np.array(sentences(posts), dtype=object))[:UNLABELLED], pa.string())
    judge = _new_judge(names, groups, *vectors, seed)
    fit(judge, _taught(rows, bare, teachers, slower, reads), epochs=6, rate=3e-3, seed=seed)
    return judge


def _new_judge(names: tuple[str, ...], groups: tuple[int, ...], hashes: Hashes, vectors: Floats, seed: int) -> WordCNN:
    """A judge whose words begin at their vectors, the commonest of those that share a bucket, and n-grams near zero."""
    import torch

    from corpusmith.models.networks import WordCNN

    torch.manual_seed(seed)
    network = WordCNN(names, groups, BUCKETS, BUCKETS, size=VECTOR, hidden=128, reach=2)
    network.dropped_words, network.dropped = 0.15, 0.4
    at = buckets(hashes, network.words.num_embeddings)[::-1].copy()
    table = torch.zeros_like(network.words.weight)
    table[torch.from_numpy(at)] = torch.from_numpy(2.0 * vectors[::-1].copy())
    network.words.weight.data = table
    torch.nn.init.normal_(network.grams.weight, std=0.06)
    torch.nn.init.zeros_(network.shouted.weight)
    return network


def _taught(rows: Examples, bare: pa.Array, teachers: list[WordCNN], slower: Read | None, reads: int) -> Examples:
    """The rows with labels mixed with the teachers' mean, and the bare texts with the teachers' mean alone."""
    texts = pa.concat_arrays([rows.texts.cast(pa.string()), bare])
    fine, emotions = (np.mean(part, axis=0) for part in zip(*(_believed(texts, t) for t in teachers), strict=True))
    labelled = len(rows.texts)
    if slower is not None:
        places = np.concatenate([np.arange(labelled)[:reads], labelled + np.arange(len(bare))[:reads]])
        for mean, said in zip((fine, emotions), _shares(teachers[0], slower(texts.take(places))), strict=True):
            mean[places] = (1 - SLOWER_SHARE) * mean[places] + SLOWER_SHARE * said
    fine[:labelled] = LABEL_SHARE * rows.fine + (1 - LABEL_SHARE) * fine[:labelled]
    emotions[:labelled] = LABEL_SHARE * rows.emotions + (1 - LABEL_SHARE) * emotions[:labelled]
    return Examples(texts, fine, emotions, np.zeros(len(texts), dtype=np.int64))


def _believed(texts: pa.Array, network: WordCNN) -> tuple[Floats, Floats]:
    """A network's probabilities of the fine labels and of the emotions, before calibration."""
    import torch

    with torch.inference_mode():
        parts = [
            network.fine(words(texts.slice(start, 4096), network.gram_sizes)) for start in range(0, len(texts), 4096)
        ]
        return _shares(network, torch.cat(parts).numpy())


def _shares(network: EmotionNetwork, logits: Floats) -> tuple[Floats, Floats]:
    """Logits of the fine labels as probabilities of these and of the emotions."""
    import torch

    fine = torch.from_numpy(logits)
    return fine.softmax(1).numpy(), network.emotions(fine).softmax(1).numpy()


def read_by(teacher: Path, work: Path, texts: pa.Array) -> Floats:
    """Logits of the fine labels by an adapted judge, (texts, 28); READ_AT_ONCE of them are kept in ``work`` at a time.

    What is there already was said by the same judge of the same texts, and is not read again.
    """
    from corpusmith.models import house
    from corpusmith.models.adapted_network import load

    network = functools.cache(lambda: load(teacher))
    work.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(texts), READ_AT_ONCE):
        part = texts.slice(start, READ_AT_ONCE)
        named = blake2b(house.revision(teacher).encode(), digest_size=16)
        for text in part.to_pylist():
            named.update(f"\0{text}".encode())
        file = work / f"{named.hexdigest()}.npy"
        if not file.exists():
            np.save(file.with_suffix(".part.npy"), network().logits(part).numpy())
            file.with_suffix(".part.npy").replace(file)
            print(f"read {start + len(part):,} of {len(texts):,}", flush=True)
        parts.append(np.load(file))
    return np.concatenate(parts)


def train_guide(rows: Examples) -> WordPairs:
    """A logistic regression on hashed words and pairs of words; a row with several emotions counts for each in part."""
    import torch
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    from corpusmith.models.networks import WordPairs

    guide = WordPairs(EMOTIONS, tuple(range(len(EMOTIONS))), buckets=2**16)
    texts, ids = guide.present(words(rows.texts))
    count = np.bincount(ids, minlength=len(guide.rarity))
    rarity = np.where(count, np.log((1 + len(rows.texts)) / (1 + count)) + 1, 0)
    lengths = np.sqrt(np.bincount(texts, rarity[ids] ** 2, minlength=len(rows.texts)))
    features = sparse.csr_matrix((rarity[ids] / lengths[texts], (texts, ids)), shape=(len(rows.texts), len(rarity)))
    row, emotion = np.nonzero(rows.emotions)
    prior = rows.emotions.mean(axis=0)
    weight = rows.emotions[row, emotion] * (prior.max() / prior[emotion]) ** GUIDE_EVENING
    fitted = LogisticRegression(C=1 / GUIDE_PENALTY, max_iter=300).fit(features[row], emotion, sample_weight=weight)
    guide.rarity.copy_(torch.from_numpy(rarity))
    guide.weights.weight.data = torch.from_numpy(fitted.coef_.T.copy()).float()
    guide.constant.data = torch.from_numpy(fitted.intercept_).float()
    return guide


def examples(path: Path, groups: tuple[int, ...]) -> Examples:
    """The rows of a GoEmotions TSV: text, comma-separated fine labels, comment id, whose hash decides the fold."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line]
    fine = np.zeros((len(lines), len(groups)), dtype=np.float32)
    for row, (_, labels, _) in enumerate(lines):
        fine[row, [int(label) for label in labels.split(",")]] = 1
    emotions = (fine @ np.eye(len(EMOTIONS), dtype=np.float32)[list(groups)] > 0).astype(np.float32)
    folds = [int.from_bytes(blake2b(comment.encode(), digest_size=4).digest()) % FOLDS for *_, comment in lines]
    shares = [labels / labels.sum(axis=1, keepdims=True) for labels in (fine, emotions)]
    return Examples(pa.array([text for text, *_ in lines]), *shares, np.array(folds))


def posts(folder: Path) -> list[str]:
    """Titles and bodies of the posts in a folder of CSV files, bodies in slices of SLICE characters, eight at most.

    Those of HELD_OUT are not among them.
    """
    texts: list[str] = []
    for file in sorted(file for file in folder.glob("*.csv") if file.stem not in HELD_OUT):
        rows = pl.read_csv(file, infer_schema=False).select("title", pl.col("selftext").fill_null(""))
        for title, body in rows.iter_rows():
            texts += [title, *(body[start : start + SLICE] for start in range(0, min(len(body), 8 * SLICE), SLICE))]
    return texts


def sentences(texts: list[str]) -> list[str]:
    """The distinct sentences of 15 to 200 characters, in order."""
    parts = pl.Series(texts).str.replace_all(r"([.!?]+)\s+", "$1\n").str.split("\n").explode().str.strip_chars()
    fit = parts.filter(parts.str.len_chars().is_between(15, 200))
    return fit.unique(maintain_order=True).to_list()


def word_vectors(texts: list[str], size: int, seed: int) -> tuple[np.ndarray[Any, np.dtype[np.uint64]], Floats]:
    """Hashes of the words that occur often enough, most frequent first, and a unit vector for each, (words, size).

    The vectors are the left singular vectors, times the root of the singular values, of the positive pointwise mutual
    information of words and contexts, with contexts' frequencies smoothed (Levy, Goldberg & Dagan 2015, section 3).
    """
    from scipy import sparse
    from sklearn.utils.extmath import randomized_svd

    batch = words(pa.array(texts))
    counts = np.bincount(batch.ids)
    frequent = np.argsort(-counts, kind="stable")[: int((counts >= FEWEST).sum())]
    rank = np.full(len(counts), -1)
    rank[frequent] = np.arange(len(frequent))
    places = rank[batch.ids]
    ids, rows = places[places >= 0], batch.rows[places >= 0]
    seen = sparse.csr_matrix((len(frequent), len(frequent)), dtype=np.float64)
    for step in range(1, WINDOW + 1):
        near = rows[step:] == rows[:-step]
        left, right = ids[:-step][near], ids[step:][near]
        weight = np.full(len(left), 1 / step)
        seen += sparse.coo_matrix((weight, (left, right)), shape=seen.shape).tocsr()
    seen = (seen + seen.T).tocsc()[:, :CONTEXTS].tocoo()
    words_seen = np.bincount(seen.row, seen.data, minlength=seen.shape[0])
    contexts_seen = np.bincount(seen.col, seen.data, minlength=seen.shape[1]) ** 0.75
    information = np.log(seen.data / (words_seen[seen.row] * (contexts_seen / contexts_seen.sum())[seen.col]))
    kept = information > 0
    table = sparse.csr_matrix((information[kept], (seen.row[kept], seen.col[kept])), shape=seen.shape)
    left, values, _ = randomized_svd(table, size, random_state=seed)
    vectors = left * np.sqrt(values)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return batch.hashes[frequent], (vectors / np.maximum(norms, 1e-9)).astype(np.float32)


def fit(network: WordCNN | WordPairs, rows: Examples, *, epochs: int, rate: float, seed: int) -> None:
    """Train by AdamW with a one-cycle rate on the cross-entropy of the emotions and, in part, of the fine labels."""
    import torch

    draw = np.random.default_rng(seed)
    steps = epochs * -(-len(rows.texts) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    network.train()
    for _ in range(epochs):
        order = draw.permutation(len(rows.texts))
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            fine = network.fine(words(rows.texts.take(pa.array(part)), network.gram_sizes))
            loss = loss_of(network, fine, rows.emotions[part], rows.fine[part])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()


def loss_of(network: EmotionNetwork, fine: Any, emotions: Floats, labels: Floats) -> Any:
    """The cross-entropy of logits (n, labels) with shares of the emotions and, in part, with those of the labels."""
    return cross_entropy(network.emotions(fine), emotions) + FINE_WEIGHT * cross_entropy(fine, labels)


def cross_entropy(logits: Any, shares: Floats) -> Any:
    """The mean over rows; ``shares`` sum to one in each."""
    import torch

    return torch.nn.functional.cross_entropy(logits, torch.from_numpy(shares))


def even_out(network: EmotionNetwork, prior: Floats) -> None:
    """Lower each emotion's logit by EVENING * log(prior), the logit adjustment of Menon et al. 2021, equation 9."""
    import torch

    network.bias.copy_(torch.from_numpy(-EVENING * np.log(prior)))


def known_words(texts: pa.Array) -> Hashes:
    """The hashes of the words that occur KNOWN times or more."""
    batch = words(texts)
    return batch.hashes[np.bincount(batch.ids) >= KNOWN]


def _logits(network: WordCNN | WordPairs, rows: Examples) -> tuple[Any, Floats, Any]:
    """A network's logits of the fine labels, which emotions they should be, and what it does not know."""
    import torch

    batch = words(rows.texts, network.gram_sizes)
    with torch.inference_mode():
        return network.fine(batch), rows.emotions, network.unknown(batch)


def calibrate(network: EmotionNetwork, fine: Any, emotions: Floats, unknown: Any = 0.0) -> None:
    """Fit the temperature to logits (n, labels) of rows that were not trained on: the least cross-entropy."""
    import torch

    with torch.inference_mode():
        logits = network.emotions(fine)
        losses = {}
        for temperature in np.arange(0.5, 3.0, 0.01):
            network.temperature.fill_(float(temperature))
            losses[float(temperature)] = float(cross_entropy(network.calibrated(logits, unknown), emotions))
    network.temperature.fill_(min(losses, key=losses.__getitem__))


def main() -> None:
    """The recipe as a command, to run unattended."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--data", type=Path, required=True, help="folder with goemotions/original/ and reddit_top_posts/")
    ask.add_argument("--out", type=Path, default=HOUSE, help="where emotion-judge/ and emotion-guide/ go")
    ask.add_argument("--teacher", type=Path, help="the folder of an adapted judge that the judge learns from as well")
    ask.add_argument("--reads", type=int, default=READS, help="comments, and sentences, that the teacher reads")
    ask.add_argument("--work", type=Path, default=WORK, help="where what the teacher said is kept")
    ask.add_argument("--seed", type=int, default=0)
    asked = ask.parse_args()
    train(asked.out, asked.data, asked.seed, asked.teacher, asked.work, asked.reads)


if __name__ == "__main__":
    main()
