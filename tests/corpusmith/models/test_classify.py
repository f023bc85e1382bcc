import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ModelError
from corpusmith.models import house
from corpusmith.models.text import classify
from corpusmith.models.text.classify import EKMAN, HouseClassifier, HubClassifier, emotions_of, predict
from corpusmith.models.text.hashing import words
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

MODELS = ["house/emotion-judge", "house/emotion-guide"]
PLAIN = {
    "joy": "I love this, thank you so much!",
    "sadness": "I am so sad, I miss him and I cry every night",
    "anger": "I hate you, you stupid idiot, this makes me so angry",
    "fear": "I am scared, this is terrifying",
    "surprise": "Wow, I am so surprised, what a shock!",
    "disgust": "That is disgusting and gross",
    "neutral": "The game starts at 8 on channel 4.",
}


@pytest.mark.parametrize("model", MODELS)
def test_plain_words_of_an_emotion_are_judged_as_that_emotion(model):
    probabilities = predict(model, list(PLAIN.values()))
    assert [EMOTIONS[i] for i in probabilities.argmax(axis=1)] == list(PLAIN)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
@given(texts=st.lists(st.text(max_size=60), max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_text_is_judged_the_same_alone_and_among_others(model, texts):
    together = predict(model, texts)
    alone = [predict(model, [text])[0] for text in texts]
    np.testing.assert_allclose(together, np.array(alone).reshape(-1, 7), atol=2e-5)
    assert np.isfinite(together).all()


@pytest.mark.parametrize("model", MODELS)
def test_lists_arrays_slices_and_chunks_are_read_alike(model, monkeypatch):
    texts = list(PLAIN.values())
    expected = predict(model, texts)
    array = pa.array(["left out", *texts])
    monkeypatch.setattr(classify, "SLICE_ROWS", 2)
    for column in (array.slice(1), pa.array(texts, pa.large_string()), pa.chunked_array([texts[:3], [], texts[3:]])):
        np.testing.assert_allclose(predict(model, column), expected, atol=2e-5)
    assert predict(model, []).shape == (0, 7)


def test_a_judge_is_the_less_sure_of_a_text_the_more_of_its_words_it_does_not_know(tmp_path):
    from corpusmith.models.networks import load, save

    network = load(house.folder("house/emotion-judge"))
    texts = pa.array(["i love this", "i love zzyzx", "zzyzx qwrtz", ""])
    before = network.predict(texts)
    network.knows(words(pa.array(["i love this"])).hashes, caution=2.0)
    shares = network.unknown(words(texts)).squeeze().tolist()
    assert shares == pytest.approx([0, 2 / 3, 2, 0])
    after = network.predict(texts)
    np.testing.assert_allclose(after[[0, 3]], before[[0, 3]], atol=1e-6)
    assert (after[1:3].max(axis=1) < before[1:3].max(axis=1)).all()
    save(network, tmp_path)
    np.testing.assert_allclose(load(tmp_path).predict(texts), after, atol=1e-3)


def test_personal_data_left_by_the_scrubber_does_not_sway_the_judge():
    plain = predict("house/emotion-judge", ["thanks for the link, it helps a lot"])
    scrubbed = predict("house/emotion-judge", ["thanks for the link [URL], it helps a lot [PHONE][CARD]"])
    np.testing.assert_allclose(plain, scrubbed, atol=1e-6)
    one, other = predict("house/emotion-judge", ["[USER] is a liar", "[NAME] is a liar"])
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_words_are_lower_case_runs_marks_and_single_emoji():
    found = words(pa.array(["SOOOO good!!!!! 😂😂 don’t", "soo GOOD!!", ""]), (3,))
    first, second = (found.ids[found.rows == row].tolist() for row in (0, 1))
    assert second == first[:3]
    assert len(first) == 6
    assert first[3] == first[4]
    assert found.shouted[found.rows == 0].tolist()[:2] == [True, False]
    assert found.texts == 3


@given(texts=st.lists(st.text(alphabet="ab !'é😂\n", max_size=12), min_size=1, max_size=6))
def test_no_word_or_gram_reaches_over_the_border_of_a_text(texts):
    together = words(pa.array(texts), (3, 4))
    for row, text in enumerate(texts):
        alone = words(pa.array([text]), (3, 4))
        places = together.ids[together.rows == row]
        assert together.hashes[places].tolist() == alone.hashes[alone.ids].tolist()
        assert [_grams_of(together, i) for i in places] == [_grams_of(alone, i) for i in alone.ids]


def _grams_of(found, word):
    ends = np.append(found.gram_starts[1:], len(found.grams))
    return found.grams[found.gram_starts[word] : ends[word]].tolist()


def test_a_null_text_fails_alone(tmp_path):
    plan = pl.LazyFrame({"text": [*PLAIN.values(), None]})
    ledger = Ledger(tmp_path)
    made = produce(plan, HouseClassifier(), ledger, max_failure_rate=0.5).collect()
    assert made["emotion"].to_list() == list(PLAIN)


def test_the_maker_labels_with_the_likeliest_emotion(tmp_path):
    made = produce(
        pl.LazyFrame({"text": list(PLAIN.values())}), HouseClassifier(batch_rows=3), Ledger(tmp_path)
    ).collect()
    shares = made.select(pl.col(f"p_{emotion}") for emotion in EMOTIONS)
    assert made["confidence"].to_list() == shares.max_horizontal().to_list()
    assert made["emotion"].to_list() == [EMOTIONS[i] for i in shares.to_numpy().argmax(axis=1)]


def test_the_maker_is_known_before_any_weight_is_loaded():
    asks = (
        "import sys; from corpusmith.models.text.classify import HouseClassifier, HubClassifier; "
        "m = HouseClassifier(); "
        "assert m.fingerprint and m.provenance; HubClassifier('some/model', device='cpu'); "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", asks], check=True)


def test_the_judge_and_the_guide_are_different_models():
    judge, guide = (json.loads((house.folder(model) / "config.json").read_text()) for model in MODELS)
    assert judge["architecture"] != guide["architecture"]
    assert HouseClassifier(MODELS[0]).fingerprint != HouseClassifier(MODELS[1]).fingerprint


@pytest.mark.parametrize(("model", "megabytes"), zip(MODELS, (6, 1.5), strict=True))
def test_what_ships_is_small_and_holds_no_pickle(model, megabytes):
    files = [file for file in house.folder(model).iterdir() if file.is_file()]
    assert sorted(file.name for file in files) == ["README.md", "config.json", "metrics.json", "model.safetensors"]
    assert sum(file.stat().st_size for file in files) < megabytes * 1e6


@pytest.mark.parametrize("model", MODELS)
def test_the_card_says_what_dev_says(model, shared_data):
    rows = [line.split("\t") for line in (shared_data / "goemotions/ekman/dev.tsv").read_text().split("\n") if line]
    names = (shared_data / "goemotions/ekman/labels.txt").read_text().split()
    single = [(text, names[int(labels)]) for text, labels, _ in rows if "," not in labels]
    said = predict(model, [text for text, _ in single]).argmax(axis=1)
    truth = np.array([EMOTIONS.index({"surpris": "surprise"}.get(emotion, emotion)) for _, emotion in single])
    metrics = json.loads((house.folder(model) / "metrics.json").read_text())
    from sklearn.metrics import f1_score

    assert len(single) == metrics["rows"]
    assert f1_score(truth, said, average="macro") == pytest.approx(metrics["macro_f1"], abs=0.002)
    assert f"**{metrics['macro_f1']:.3f}**" in (house.folder(model) / "README.md").read_text()


def test_a_revision_follows_the_weights_and_not_the_card(tmp_path):
    copy = shutil.copytree(house.folder(MODELS[1]), tmp_path / "guide")
    before = house.revision(copy)
    (copy / "README.md").write_text("better words")
    assert house.revision(copy) == before
    (copy / "config.json").write_text("{}")
    assert house.revision(copy) != before


def test_an_unknown_house_model_is_named_with_those_there_are():
    with pytest.raises(ModelError, match=r"emotion-jury is no house model.*house/emotion-judge"):
        HouseClassifier("house/emotion-jury")


@pytest.mark.parametrize("content", ["{}", "not json", '{"architecture": "transformer"}'])
def test_a_folder_that_is_no_house_classifier_is_refused(tmp_path, content):
    copy = Path(shutil.copytree(house.folder(MODELS[1]), tmp_path / "guide"))
    (copy / "config.json").write_text(content)
    with pytest.raises(ModelError, match="no house emotion classifier"):
        predict(copy, ["text"])


# ---- any sequence classifier ----


def checkpoint(folder: Path, labels: list[str], **config) -> Path:
    """A tiny random DistilBERT classifier with a word-level tokenizer, as files."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedTokenizerFast

    vocabulary = sorted({"[PAD]", "[UNK]", *(word for text in TEXTS[:3] for word in text.split())})
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"vocab_size": len(vocabulary), "dim": 16, "hidden_dim": 32, "n_layers": 1, "n_heads": 2}
    named = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    DistilBertForSequenceClassification(DistilBertConfig(**sizes, **named, **config)).save_pretrained(folder)
    return folder


def judged(maker, texts):
    rows = pa.record_batch({"key": [str(i) for i in range(len(texts))], "text": texts})
    return pl.DataFrame(pl.from_arrow(maker.make(rows)))


TEXTS = ["i love this", "i hate it so much and the train is late again", "the game", "unseen words", "i love it"]


def test_any_sequence_classifier_labels_and_its_batches_do_not_matter(tmp_path):
    folder = str(checkpoint(tmp_path, list(EMOTIONS)))
    together = judged(HubClassifier(folder, device="cpu", pass_rows=5), TEXTS)
    assert together.columns == list(HubClassifier.schema.names)
    for row, text in enumerate(TEXTS):
        alone = judged(HubClassifier(folder, device="cpu"), [text])
        assert alone["emotion"][0] == together["emotion"][row]
        np.testing.assert_allclose(alone.drop("emotion").row(0), together.drop("emotion").row(row), atol=1e-5)


@pytest.mark.parametrize("kind", ["single_label_classification", "multi_label_classification"])
def test_finer_labels_are_summed_by_emotion(tmp_path, kind):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    fine = [label for labels in EKMAN.values() for label in labels]
    folder = checkpoint(tmp_path, fine, problem_type=kind)
    made = judged(HubClassifier(str(folder), device="cpu"), TEXTS[:1])
    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS[:1], return_tensors="pt")
    logits = AutoModelForSequenceClassification.from_pretrained(folder)(tokens["input_ids"]).logits[0].detach()
    scores = logits.sigmoid() if kind.startswith("multi") else logits.softmax(0)
    sums = [sum(scores[fine.index(label)] for label in EKMAN[emotion]) for emotion in EMOTIONS]
    expected = np.array(sums) / np.sum(sums)
    np.testing.assert_allclose([made[f"p_{emotion}"][0] for emotion in EMOTIONS], expected, atol=1e-5)


def test_the_grouping_is_the_published_one(shared_data):
    published = json.loads((shared_data / "goemotions/ekman_mapping.json").read_text())
    assert {emotion: set(labels) for emotion, labels in published.items()} == {
        emotion: set(labels) for emotion, labels in EKMAN.items() if emotion != "neutral"
    }


def test_labels_that_are_no_emotion_are_named(tmp_path):
    folder = str(checkpoint(tmp_path, ["POSITIVE", "NEGATIVE"]))
    with pytest.raises(ModelError, match=r"\['POSITIVE', 'NEGATIVE'\] are none of the emotions. Give label_map"):
        judged(HubClassifier(folder, device="cpu"), TEXTS)


def test_an_emotion_without_a_label_is_named():
    with pytest.raises(ModelError, match=r"no label stands for \['disgust', 'neutral'\]"):
        emotions_of(["sadness", "joy", "love", "anger", "fear", "surprise"], {}, "some/model")


def test_a_label_map_names_what_the_model_does_not(tmp_path):
    label_map = {f"LABEL_{i}": emotion for i, emotion in enumerate(reversed(EMOTIONS))}
    maker = HubClassifier(str(checkpoint(tmp_path, list(label_map))), device="cpu", label_map=label_map)
    mapped = judged(maker, TEXTS)
    plain = judged(HubClassifier(str(checkpoint(tmp_path, list(reversed(EMOTIONS)))), device="cpu"), TEXTS)
    assert mapped.equals(plain)


def test_pickled_weights_are_refused(tmp_path):
    import torch

    folder = checkpoint(tmp_path, list(EMOTIONS))
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="safetensors"):
        judged(HubClassifier(str(folder), device="cpu"), TEXTS)


def test_what_decides_a_hub_label_is_in_the_fingerprint(tmp_path):
    folder = str(checkpoint(tmp_path, list(EMOTIONS)))
    plain = HubClassifier(folder, device="cpu")
    assert plain.provenance["revision"] == plain.revision
    assert HubClassifier(folder, device="cpu").fingerprint == plain.fingerprint
    others = [{"dtype": "bfloat16"}, {"label_map": {"joy": "anger"}}, {"max_tokens": 8}]
    assert plain.fingerprint not in {HubClassifier(folder, device="cpu", **other).fingerprint for other in others}
