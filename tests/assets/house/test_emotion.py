import json

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from corpusmith.assets.house import emotion, emotion_card
from corpusmith.emotions import EMOTIONS
from corpusmith.models import adapted_network, house
from corpusmith.models.text.classify import EKMAN, predict

SAID = {
    "joy": "i love this great day",
    "sadness": "i cry and miss my lost friend",
    "anger": "i hate this stupid angry fool",
    "fear": "i am scared of the dark",
    "surprise": "wow what a sudden shock",
    "disgust": "this rotten food is gross",
    "neutral": "the train leaves from platform four",
}
LABELS = [label for labels in EKMAN.values() for label in labels]


@pytest.fixture
def data(tmp_path):
    """A folder laid out as the real data, with comments that a child could label."""
    goemotions, posts = tmp_path / "data/goemotions/original", tmp_path / "data/reddit_top_posts/data"
    goemotions.mkdir(parents=True)
    posts.mkdir(parents=True)
    (goemotions / "labels.txt").write_text("\n".join(LABELS))
    draw = np.random.default_rng(0)
    for split, rows in (("train", 420), ("dev", 140)):
        lines = []
        for row in range(rows):
            name = EMOTIONS[row % 7]
            text = " ".join(draw.permutation(SAID[name].split())) + f" w{draw.integers(40)}"
            lines.append(f"{text}\t{LABELS.index(name)}\t{split}{row}")
        (goemotions / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    bodies = [" ".join(draw.permutation(" ".join(SAID.values()).split())) + ". And more of it!" for _ in range(60)]
    pl.DataFrame({"title": bodies, "selftext": [None, *bodies[1:]]}).write_csv(posts / "a.csv")
    return tmp_path / "data"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(emotion, "TEACHERS", 1)
    monkeypatch.setattr(emotion, "UNLABELLED", 50)
    monkeypatch.setattr(emotion, "BATCH", 16)
    monkeypatch.setattr(emotion, "VECTOR", 8)
    monkeypatch.setattr(emotion, "BUCKETS", 2**10)
    monkeypatch.setattr(emotion_card, "TIMED_ROWS", 500)
    monkeypatch.setattr(emotion_card, "RESAMPLES", 50)


def test_the_recipe_learns_and_writes_the_same_weights_again(tmp_path, data, quick):
    for run in ("one", "two"):
        emotion.train(tmp_path / run, data, seed=3)
    for name in ("emotion-judge", "emotion-guide"):
        one, two = tmp_path / "one" / name, tmp_path / "two" / name
        assert house.revision(one) == house.revision(two)
        assert [EMOTIONS[i] for i in predict(one, list(SAID.values())).argmax(axis=1)] == list(SAID)
        metrics = json.loads((one / "metrics.json").read_text())
        assert metrics["macro_f1"] > 0.9
        assert metrics["rows"] == 140
        card = (one / "README.md").read_text()
        assert f"**{metrics['macro_f1']:.3f}**" in card
        assert "CC BY 4.0" in card


class Contrary:
    """A slower judge that takes everything for grief."""

    def __init__(self):
        self.read = []

    def logits(self, texts):
        import torch

        self.read += texts.to_pylist()
        said = torch.zeros(len(texts), len(LABELS))
        said[:, LABELS.index("grief")] = 9
        return said


@pytest.fixture
def teacher(tmp_path, monkeypatch):
    """The folder of a judge, and the judge that is loaded from it."""

    folder, judge = tmp_path / "slower", Contrary()
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(adapted_network, "load", lambda of: judge)
    monkeypatch.setattr(emotion, "READ_AT_ONCE", 16)
    return folder, judge


def test_what_a_slower_teacher_said_is_kept_and_no_text_is_read_twice(tmp_path, teacher):
    folder, judge = teacher
    texts = pa.array([f"text {n}" for n in range(40)])
    first = emotion.read_by(folder, tmp_path / "work", texts.slice(0, 32))
    every = emotion.read_by(folder, tmp_path / "work", texts)
    assert judge.read == texts.to_pylist()
    np.testing.assert_array_equal(every[:32], first)
    assert every.shape == (40, len(LABELS))
    (folder / "config.json").write_text("another")
    emotion.read_by(folder, tmp_path / "work", texts.slice(0, 16))
    assert len(judge.read) == 56


def test_the_judge_learns_what_a_slower_teacher_says_of_the_texts_that_it_read(tmp_path, data, quick, teacher):
    folder, judge = teacher
    for run in ("one", "two"):
        emotion.train(tmp_path / run, data, 3, folder, tmp_path / "work", reads=100)
    assert house.revision(tmp_path / "one/emotion-judge") == house.revision(tmp_path / "two/emotion-judge")
    assert len(judge.read) == 150  # as many comments, and all of the sentences
    emotion.train(tmp_path / "alone", data, 3)
    others = [text for name, text in SAID.items() if name != "sadness"]
    taught, alone = (predict(tmp_path / run / "emotion-judge", others)[:, 1].min() for run in ("one", "alone"))
    assert taught > 10 * alone
    assert f"house/slower ({house.revision(folder)[:12]})" in (tmp_path / "one/emotion-judge/README.md").read_text()
    assert "house/slower" not in (tmp_path / "one/emotion-guide/README.md").read_text()


def test_posts_that_are_held_out_are_not_learned_from(tmp_path):
    for name in ("self", *emotion.HELD_OUT):
        pl.DataFrame({"title": [f"of {name}"], "selftext": [None]}, schema_overrides={"selftext": pl.String}).write_csv(
            tmp_path / f"{name}.csv"
        )
    assert emotion.posts(tmp_path) == ["of self"]


def test_rows_of_several_labels_count_in_parts(tmp_path):
    groups = tuple(EMOTIONS.index(next(e for e, labels in EKMAN.items() if label in labels)) for label in LABELS)
    both = [LABELS.index(label) for label in ("joy", "love", "grief")]
    (tmp_path / "rows.tsv").write_text(f"so\t{both[0]},{both[1]}\ta\nand so\t{both[1]},{both[2]}\tb\n")
    rows = emotion.examples(tmp_path / "rows.tsv", groups)
    assert rows.emotions[:, :2].tolist() == [[1, 0], [0.5, 0.5]]
    assert rows.fine.sum(axis=1).tolist() == [1, 1]
    assert rows.single.texts.to_pylist() == ["so"]


def test_dev_rows_are_those_of_the_published_grouping(shared_data):
    _, groups = emotion.fine_labels(shared_data)
    dev = emotion.examples(shared_data / "goemotions/original/dev.tsv", groups)
    published = (shared_data / "goemotions/ekman/dev.tsv").read_text().split("\n")
    assert len(dev.single.texts) == sum("," not in line.split("\t")[1] for line in published if line)


def test_sentences_are_cut_at_their_ends_and_kept_once():
    found = emotion.sentences(["This is the first one. And this the second!\nshort.", "This is the first one. No."])
    assert found == ["This is the first one.", "And this the second!"]


def test_words_of_like_company_get_like_vectors():
    texts = [f"{pet} eats {food} daily" for pet in ("cat", "dog") for food in ("fish", "meat")] * 8
    texts += [f"{car} burns {fuel} hourly" for car in ("truck", "bus") for fuel in ("diesel", "gas")] * 8
    hashes, vectors = emotion.word_vectors(texts, 4, seed=0)
    at = {
        word: int(np.flatnonzero(hashes == emotion.words(pa.array([word])).hashes[0])[0])
        for word in ("cat", "dog", "bus")
    }
    assert vectors[at["cat"]] @ vectors[at["dog"]] > 0.9 > vectors[at["cat"]] @ vectors[at["bus"]]


def test_metrics_are_those_of_the_field():
    from sklearn.metrics import confusion_matrix, f1_score

    draw = np.random.default_rng(0)
    truth, said = draw.integers(0, 7, 300), draw.integers(0, 7, 300)
    np.testing.assert_allclose(emotion_card.f1(truth, said), f1_score(truth, said, average=None))
    np.testing.assert_array_equal(emotion_card.confusion(truth, said), confusion_matrix(truth, said))


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    sure = np.tile(np.array([0.9, 0.1, 0, 0, 0, 0, 0], dtype=np.float32), (10, 1))
    assert emotion_card.calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0, abs=1e-6)
    assert emotion_card.calibration_error(sure, np.array([0] * 5 + [1] * 5)) == pytest.approx(0.4, abs=1e-6)
