"""Whether an image shows what was asked for: names find their labels, and what is not known is said to be."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from corpusmith.drawings import objects
from corpusmith.models.images import png
from corpusmith.models.perceivers import Recognizer, TextSimilarity
from corpusmith.models.perceivers.objects import RECOGNIZED, matched
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce, shelf_of

LABELS = Path(__file__).parents[4] / "shared" / "data" / "imagenet_labels"
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def coloured(colour: tuple[int, int, int]) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(sink, "PNG")
    return sink.getvalue()


def rows_of(images: list[bytes], **columns: list[str | None]) -> pa.RecordBatch:
    encoded = pa.array([{"bytes": image, "path": "a.png"} for image in images], STRUCT)
    return pa.record_batch({"image": encoded, **{name: pa.array(of, pa.string()) for name, of in columns.items()}})


@pytest.fixture
def classifier(tmp_path):
    """A ViT that says the same logits of every image."""

    def made(labels: list[str], logits: list[float], kind: str | None = None) -> str:
        import torch
        from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

        sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
        ids = {"id2label": dict(enumerate(labels)), "label2id": {name: place for place, name in enumerate(labels)}}
        model = ViTForImageClassification(ViTConfig(image_size=16, patch_size=8, problem_type=kind, **sizes, **ids))
        model.classifier.weight.data.zero_()
        model.classifier.bias.data = torch.tensor(logits)
        model.save_pretrained(tmp_path / "model")
        ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "model")
        return str(tmp_path / "model")

    return made


def said(recognizer: Recognizer, *asked: str | None) -> pl.DataFrame:
    made = recognizer.make(rows_of([coloured((n, 0, 0)) for n in range(len(asked))], asked=list(asked)))
    assert made.schema == RECOGNIZED
    return pl.DataFrame(made)


def test_probabilities_are_over_the_classes_that_are_known(classifier):
    recognizer = Recognizer(
        classifier(["cat", "dog, domestic dog", "car"], [0.0, 1.0, 9.0]), None, ["Dog", "cat", "elk"]
    )
    assert recognizer.knows == {"Dog", "cat"}
    frame = said(recognizer, "cat", "Dog", "elk", None)
    assert frame["recognized"].to_list() == pytest.approx([0.2689, 0.7311, None, None], abs=1e-4)
    assert frame["seen"].to_list() == ["Dog"] * 4
    assert frame["seen_probability"].to_list() == pytest.approx([0.7311] * 4, abs=1e-4)


@pytest.mark.parametrize("shift", [0.0, -200.0])
def test_of_a_multi_label_model_they_are_shares_however_little_it_sees(classifier, shift):
    logits = [shift, shift + 1, 9.0]
    recognizer = Recognizer(
        classifier(["cat", "dog", "car"], logits, "multi_label_classification"), None, ["cat", "dog"]
    )
    both = 1 / (1 + np.exp(-np.array(logits[:2])))
    assert said(recognizer, "cat")["recognized"].to_list() == pytest.approx([both[0] / both.sum()], abs=1e-5)


@pytest.mark.parametrize("names", [["elk", "moose"], ["cat", "elk"]])
def test_a_model_that_knows_fewer_than_two_of_the_names_says_nothing(classifier, names):
    recognizer = Recognizer(classifier(["cat", "dog"], [0.0, 1.0]), None, names)
    recognizer.ready()
    assert recognizer.knows == frozenset()
    assert said(recognizer, *names).null_count().row(0) == (2, 2, 2)


def test_a_row_that_asks_for_no_name_fails_alone(classifier, tmp_path):
    recognizer = Recognizer(classifier(["cat", "dog"], [0.0, 1.0]), None, ["cat", "dog"])
    plan = pl.LazyFrame(
        {
            "image_sha256": ["a", "b", "c"],
            "asked": ["cat", "cow", "dog"],
            "image": [{"bytes": coloured((n, 0, 0)), "path": "a.png"} for n in range(3)],
        }
    )
    made = produce(plan, recognizer, Ledger(tmp_path / "ledger"), max_failure_rate=1.0).collect()
    assert made["asked"].to_list() == ["cat", "dog"]
    failure = shelf_of(recognizer, Ledger(tmp_path / "ledger")).failures()["message"][0]
    assert failure == "['cow'] is asked for, which is none of the 2 names"


def test_the_names_that_may_be_asked_decide_the_fingerprint(classifier):
    model = classifier(["cat", "dog"], [0.0, 1.0])
    assert Recognizer(model, None, ["cat", "dog"]).fingerprint != Recognizer(model, None, ["cat"]).fingerprint


def test_drawings_are_recognised_by_the_house_judge():
    table = objects.traits(40, 77)
    images = [png(np.asarray(objects.draw(row))) for row in table.iter_rows(named=True)]
    recognizer = Recognizer("house/object", None, objects.classes())
    assert recognizer.knows == set(objects.classes())
    frame = pl.DataFrame(recognizer.make(rows_of(images, asked=table["name"].to_list())))
    assert (frame["seen"] == table["name"]).mean() > 0.95
    assert frame["recognized"].mean() > 0.8


CRANES = ["crane", "ostrich", "crane", "tench, Tinca tinca"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["ostrich", "TENCH"], {"ostrich": 1, "TENCH": 3}),
        (["crane", "ostrich"], {"ostrich": 1}),  # which of the two is not known
        (["crane bird", "ostrich", "construction crane", "tench"], {"ostrich": 1, "tench": 3}),
        (["tench", "tinca tinca", "ostrich"], {"ostrich": 1}),  # two names of one label
        (["tench", "tench", "ostrich"], {"ostrich": 1}),
    ],
)
def test_an_ambiguous_name_is_not_matched_by_name(names, found):
    assert matched(names, [*CRANES, "goldfish"]) == found


def test_the_same_classes_in_the_same_order_are_known_by_their_place():
    others = [f"thing {n}" for n in range(100)]
    names, labels = ["crane bird", "ostrich", "construction crane", "tench", *others], [*CRANES, *others]
    assert matched(names, labels) == {name: place for place, name in enumerate(names)}
    backwards = matched(names, labels[::-1])
    assert set(backwards) == {*others, "ostrich", "tench"}
    assert backwards["ostrich"] == labels[::-1].index("ostrich")


def test_few_names_that_match_by_half_may_be_others():
    assert matched(["cat", "elk"], ["cat", "dog"]) == {"cat": 0}


@given(st.permutations(range(6)))
def test_a_name_is_never_taken_for_another_whatever_the_order(order):
    names = [f"thing {n}" for n in range(6)]
    labels = [names[n] for n in order]
    assert all(labels[place] == name for name, place in matched(names, labels).items())


@pytest.mark.skipif(not LABELS.is_dir(), reason="ImageNet's lists of labels are not here")
@pytest.mark.parametrize("names", ["clip_imagenet_classes.json", "imagenet-simple-labels.json"])
def test_the_names_of_imagenet_find_the_labels_of_its_classifiers(names):
    lines = (LABELS / "LOC_synset_mapping.txt").read_text().splitlines()
    labels = [line.partition(" ")[2] for line in lines]
    asked = json.loads((LABELS / names).read_text())
    found = matched(asked, labels)
    assert len(found) >= 996  # all but those that are spelt alike
    assert all(asked[place] == name for name, place in found.items())
    mixed = np.random.default_rng(0).permutation(1000)
    assert all(asked[mixed[at]] == name for name, at in matched(asked, [labels[n] for n in mixed]).items())


def test_an_image_is_nearer_to_its_own_caption_than_to_anothers():
    table = objects.traits(12, 3)
    images = [png(np.asarray(objects.draw(row))) for row in table.iter_rows(named=True)]
    near = TextSimilarity("house/clip")
    own, other = (
        near.make(rows_of(images, prompt=list(said)))["text_similarity"].to_numpy()
        for said in (table["prompt"], table["prompt"].reverse())
    )
    assert (own > other).mean() > 0.8
    assert (np.abs(own) <= 1).all()


def test_a_similarity_does_not_depend_on_its_mates_and_is_null_without_a_text():
    near = TextSimilarity("house/clip")
    images, prompts = [coloured((n, 90, 9)) for n in range(70)], ["A red balloon", None] * 35
    together = near.make(rows_of(images, prompt=prompts))["text_similarity"].to_pylist()
    assert together[1::2] == [None] * 35
    [alone] = near.make(rows_of(images[66:67], prompt=prompts[66:67]))["text_similarity"].to_pylist()
    assert alone == pytest.approx(together[66], abs=1e-5)
