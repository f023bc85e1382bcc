"""A judge on a language model's lower layers learns, goes on where it was stopped, and judges each text by itself."""

import json

import numpy as np
import pyarrow as pa
import pytest

from corpusmith.assets.house import adapted_judge, emotion, emotion_card
from corpusmith.assets.reddit import makers
from corpusmith.assets.registry import load as settings
from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ModelError
from corpusmith.models import adapted_network, house
from corpusmith.models.text.adapted_judge import AdaptedJudge
from corpusmith.models.text.classify import EKMAN, LABELS

SAID = {
    "joy": "love great day",
    "sadness": "cry lost friend",
    "anger": "hate stupid fool",
    "fear": "scared of dark",
    "surprise": "wow sudden shock",
    "disgust": "rotten gross food",
    "neutral": "train leaves platform",
}
NAMES = [label for labels in EKMAN.values() for label in labels]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A random Llama of three layers, with its tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("base")
    names = ["<start>", "<unknown>", *dict.fromkeys(" ".join(SAID.values()).split())]
    words = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="<unknown>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(names), tie_word_embeddings=True, **sizes)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<start>", unk_token="<unknown>").save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    goemotions = folder / "goemotions/original"
    goemotions.mkdir(parents=True)
    (goemotions / "labels.txt").write_text("\n".join(NAMES))
    draw = np.random.default_rng(0)
    for split, rows in (("train", 280), ("dev", 70)):
        lines = []
        for row in range(rows):
            name = EMOTIONS[row % 7]
            text = " ".join([*draw.permutation(SAID[name].split()), *["of"] * draw.integers(4)])
            lines.append(f"{text}\t{NAMES.index(name)}\t{split}{row}")
        (goemotions / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"TIMED_ROWS": 50, "ROWS_PER_STEP": 16, "POOL": 2, "RATE": 2e-2}.items():
            patch.setattr(adapted_judge, name, value)
        patch.setattr(emotion_card, "RESAMPLES", 20)
        yield


@pytest.fixture(scope="module")
def shipped(base, data, quick, tmp_path_factory):
    """A judge that was trained in one go."""
    folder = tmp_path_factory.mktemp("shipped")
    adapted_judge.make(data, folder / "work", folder / "judge", base=base, layers=2, steps=60)
    return folder / "judge"


def rows(texts: list[str]) -> pa.RecordBatch:
    return pa.record_batch(
        [pa.array(map(str, range(len(texts))), pa.string()), pa.array(texts, pa.string())], ["key", "text"]
    )


def test_it_learns_and_says_what_was_measured(shipped, base):
    judge = AdaptedJudge(str(shipped))
    said = judge.make(rows(list(SAID.values())))
    assert said.schema == LABELS
    assert said["emotion"].to_pylist() == list(SAID)
    metrics = json.loads((shipped / "metrics.json").read_text())
    assert metrics["macro_f1"] > 0.9
    assert f"**{metrics['macro_f1']:.3f}**" in (shipped / "README.md").read_text()
    assert judge.provenance["base"].startswith(f"{base}@")


def test_only_lora_and_head_are_shipped(shipped):
    from safetensors.torch import load_file

    names = set(load_file(shipped / "model.safetensors"))
    assert {"output.weight", "output.bias", "bias", "temperature"} < names
    assert all(".lora_" in name for name in names if name.startswith("body."))


def test_a_text_s_labels_do_not_depend_on_its_mates(shipped):
    texts = [*SAID.values(), "", "of", " ".join(["dark"] * 40), "unheard of"]
    judge = AdaptedJudge(str(shipped))
    together = np.array([judge.make(rows(texts))[f"p_{e}"].to_numpy() for e in EMOTIONS])
    alone = np.array([[judge.make(rows([text]))[f"p_{e}"][0].as_py() for text in texts] for e in EMOTIONS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together.sum(axis=0), 1, atol=1e-5)
    assert judge.make(rows([])).num_rows == 0


def test_a_training_that_was_stopped_ends_with_the_same_weights(shipped, base, data, quick, tmp_path, monkeypatch):

    stopped = adapted_judge.batches
    monkeypatch.setattr(adapted_judge, "SAVE_SECONDS", 0)

    def until_the_third_epoch(lengths, seed, epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        return stopped(lengths, seed, epoch)

    monkeypatch.setattr(adapted_judge, "batches", until_the_third_epoch)
    asked = {"base": base, "layers": 2, "steps": 60}
    with pytest.raises(KeyboardInterrupt):
        adapted_judge.make(data, tmp_path / "work", tmp_path / "judge", **asked)
    monkeypatch.setattr(adapted_judge, "batches", stopped)
    adapted_judge.make(data, tmp_path / "work", tmp_path / "judge", **asked)
    assert house.revision(tmp_path / "judge") == house.revision(shipped)
    assert adapted_network.load(tmp_path / "judge").predict(pa.array(["love"])).shape == (1, 7)


def test_every_row_is_dealt_once_an_epoch_beside_rows_of_its_length(monkeypatch):
    monkeypatch.setattr(adapted_judge, "POOL", 64)
    lengths = np.random.default_rng(0).integers(1, 100, 5000)
    dealt = adapted_judge.batches(lengths, 0, 3)
    assert sorted(np.concatenate(dealt)) == list(range(5000))
    filled = lengths.sum() / sum(lengths[part].max() * len(part) for part in dealt)
    assert filled > 0.9
    assert not np.array_equal(dealt[0], adapted_judge.batches(lengths, 0, 4)[0])


def test_a_base_that_is_not_here_says_how_to_get_it(shipped, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    config = json.loads((shipped / "config.json").read_text())
    config["base"] = adapted_judge.BASE
    (tmp_path / "config.json").write_text(json.dumps(config))
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    from corpusmith.models import loading

    loading.revision_of.cache_clear()
    with pytest.raises(ModelError, match="corpusmith models fetch smollm2-135m"):
        _ = AdaptedJudge(str(tmp_path)).fingerprint


def test_weights_that_do_not_fit_the_base_are_refused(shipped, tmp_path):

    for file in shipped.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((shipped / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"layers": 3}))
    with pytest.raises(ModelError, match="does not fit its base"):
        adapted_network.load(tmp_path)


def test_a_house_judge_of_this_kind_is_found_by_its_name(shipped, monkeypatch):
    monkeypatch.setattr(house, "HOUSE", shipped.parent)
    models = settings().reddit.models.model_copy(update={"second_judge": "house/judge"})
    judge = makers.second_judge(models)
    assert isinstance(judge, AdaptedJudge)
    assert judge.fingerprint.startswith("adapted-judge:house/judge@")


def test_the_recipe_calibrates_as_the_fast_judge_s_does(shipped):

    network = adapted_network.load(shipped)
    assert network.temperature.item() != 1
    assert network.bias.tolist() == pytest.approx([-emotion.EVENING * np.log(1 / 7)] * 7, abs=0.02)
