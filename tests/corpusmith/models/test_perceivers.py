"""Image classifiers and CLIP-style models as perceivers: tiny ones with known weights, in the formats of the Hub."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ModelError
from corpusmith.models.perceivers import READING, Classifier, Embedder, Safety, Tagger, ZeroShot
from corpusmith.models.perceivers.clip import ensembles
from corpusmith.models.perceivers.readings import by_degree
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

GROUPED = [f"{emotion}/{degree}" for emotion in EMOTIONS[:-1] for degree in (1, 2, 3)] + ["neutral/0"]
HOUSE_LABELS = [*GROUPED, "faces/0", "faces/1", "faces/2", "quality"]
FER = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def png(colour: tuple[int, int, int], side: int = 20) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


def plan_of(*images: bytes | None, path: str = "a.png") -> pl.LazyFrame:
    schema = {"image": pl.Struct({"bytes": pl.Binary, "path": pl.String})}
    rows = pl.LazyFrame({"image": [{"bytes": image, "path": path} for image in images]}, schema=schema)
    return rows.with_columns(image_sha256=pl.Series([hashlib.sha256(image or b"").hexdigest() for image in images]))


def rows_of(*images: bytes) -> pa.RecordBatch:
    table = plan_of(*images).collect().to_arrow(compat_level=pl.CompatLevel.oldest())
    return table.combine_chunks().to_batches()[0]


def classifier(folder: Path, labels: Sequence[str], logits: dict[str, float], **shape: Any) -> str:
    """A ViT that says the same of every picture: ``logits``, 0 for labels that are not named."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    torch.manual_seed(0)
    config = ViTConfig(
        image_size=16,
        patch_size=8,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
    )
    model = ViTForImageClassification(config)
    model.classifier.weight.data.zero_()
    model.classifier.bias.data = torch.tensor([logits.get(label, 0.0) for label in labels])
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CLIP of random weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    words = sorted({word for prompts in ensembles().values() for prompt in prompts for word in prompt.split()})
    names = ["<pad>", "<unk>", "<end>", *words]
    tokens = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="<unk>"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokens, pad_token="<pad>", unk_token="<unk>").save_pretrained(folder)
    layers = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    texts = {**layers, "vocab_size": len(names), "max_position_embeddings": 16, "eos_token_id": 2, "pad_token_id": 0}
    images = {**layers, "image_size": 16, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=texts, vision_config=images, projection_dim=12)).save_pretrained(folder)
    size = {"height": 16, "width": 16}
    CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=size).save_pretrained(folder)
    return str(folder)


def test_labels_in_groups_give_emotion_intensity_quality_and_faces(tmp_path: Path) -> None:
    said = {"anger/3": 50.0, "anger/1": 50.0, "faces/2": 9.0, "quality": 2.0}
    reader = Classifier(classifier(tmp_path, HOUSE_LABELS, said))
    row = pl.DataFrame(pl.from_arrow(reader.make(rows_of(png((1, 2, 3)))))).row(0, named=True)
    assert (row["emotion"], row["faces"]) == ("anger", 2)
    assert row["p_anger"] == pytest.approx(1)
    assert row["intensity"] == pytest.approx(2 / 3)
    assert row["quality"] == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-5)


def test_a_classifier_of_the_hub_is_read_by_its_labels_and_claims_nothing_more(tmp_path: Path) -> None:
    reader = Classifier(classifier(tmp_path, FER, {"happy": 3.0}))
    row = pl.DataFrame(pl.from_arrow(reader.make(rows_of(png((1, 2, 3)))))).row(0, named=True)
    assert row["emotion"] == "joy"
    assert row["p_joy"] == pytest.approx(np.exp(3) / (np.exp(3) + 6), rel=1e-4)
    assert [row["intensity"], row["quality"], row["faces"]] == [None, None, None]


def test_contempt_counts_as_disgust_and_a_map_of_labels_goes_first(tmp_path: Path) -> None:
    labels = ["Anger", "Contempt", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"]
    path = classifier(tmp_path, labels, {"Contempt": 30.0})
    assert Classifier(path).make(rows_of(png((0, 0, 0))))["emotion"].to_pylist() == ["disgust"]
    mapped = Classifier(path, label_map={"Contempt": "anger"})
    assert mapped.make(rows_of(png((0, 0, 0))))["emotion"].to_pylist() == ["anger"]
    assert mapped.fingerprint != Classifier(path).fingerprint


@pytest.mark.parametrize(
    ("labels", "named"),
    [([*FER, "ahegao"], "ahegao"), (FER[1:], "anger"), ([*HOUSE_LABELS, "age"], "age"), (HOUSE_LABELS[3:], "joy")],
)
def test_unknown_or_absent_labels_are_listed(tmp_path: Path, labels: list[str], named: str) -> None:
    with pytest.raises(ModelError, match=named):
        _ = Classifier(classifier(tmp_path, labels, {})).labels


def test_an_image_is_read_once_whatever_it_is_called(tmp_path: Path) -> None:
    seen: list[int] = []

    class Counting(Classifier):
        def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
            seen.append(rows.num_rows)
            return super().make(rows)

    reader = Counting(classifier(tmp_path / "model", FER, {}), batch_rows=2)
    images = [png((shade, 0, 0)) for shade in (1, 2, 3)]
    made = produce(plan_of(*images, images[0]), reader, Ledger(tmp_path / "ledger")).collect()
    assert made.height == 4
    assert made.schema["image"] == pl.Struct({"bytes": pl.Binary, "path": pl.String})
    renamed = produce(plan_of(*images, path="b.png"), reader, Ledger(tmp_path / "ledger")).collect()
    assert renamed.height == 3
    assert sum(seen) == 3


def test_an_image_that_cannot_be_opened_fails_alone(tmp_path: Path) -> None:
    reader = Classifier(classifier(tmp_path / "model", FER, {}))
    good = png((9, 9, 9))
    plan = plan_of(good, None, good[:40], b"no image", png((8, 8, 8)))
    made = produce(plan, reader, Ledger(tmp_path / "ledger"), max_failure_rate=1.0).collect()
    assert made["image"].struct["bytes"].to_list() == [good, png((8, 8, 8))]


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    path = Path(classifier(tmp_path, FER, {}))
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        Classifier(str(path)).make(rows_of(png((0, 0, 0))))


def test_safety_is_read_from_its_labels_and_others_are_refused(tmp_path: Path) -> None:
    sure = Safety(classifier(tmp_path / "a", ["normal", "nsfw"], {"nsfw": 2.0}))
    assert sure.make(rows_of(png((0, 0, 0))))["safety"].to_pylist() == [pytest.approx(1 / (1 + np.exp(2)), rel=1e-5)]
    for labels in (["cat", "nsfw"], ["normal", "sfw"], ["porn", "hentai"]):
        with pytest.raises(ModelError, match=labels[0]):
            _ = Safety(classifier(tmp_path / labels[0], labels, {})).safe


def test_a_clip_compares_every_picture_with_every_emotion_and_degree(clip: str) -> None:
    assert [degree for emotion, degree in ensembles() if emotion == "neutral"] == [0]
    assert len(ensembles()) == 19
    made = ZeroShot(clip).make(rows_of(png((200, 10, 10)), png((0, 90, 0))))
    assert made.schema == READING
    chances = np.stack([made[f"p_{emotion}"] for emotion in EMOTIONS])
    np.testing.assert_allclose(chances.sum(axis=0), 1, atol=1e-5)
    assert made["quality"].null_count == 2


def test_embeddings_have_length_one_and_do_not_depend_on_batch_mates(clip: str) -> None:
    images = [png((shade, 255 - shade, 40)) for shade in range(0, 250, 3)]
    together = np.stack(Embedder(clip).make(rows_of(*images))["embedding"].to_pylist())
    assert together.shape == (len(images), 12)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = Embedder(clip).make(rows_of(images[70]))["embedding"].to_pylist()[0]
    np.testing.assert_allclose(alone, together[70], atol=1e-5)


def test_an_encoder_of_images_alone_embeds_as_well(tmp_path: Path) -> None:
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "image_size": 28, "patch_size": 14}
    Dinov2Model(Dinov2Config(**shape)).save_pretrained(tmp_path)
    size = {"height": 28, "width": 28}
    BitImageProcessorPil(size={"shortest_edge": 28}, crop_size=size).save_pretrained(tmp_path)
    made = Embedder(str(tmp_path)).make(rows_of(png((10, 200, 30)), png((200, 20, 30))))
    assert [len(vector) for vector in made["embedding"].to_pylist()] == [8, 8]


def test_tags_come_with_their_probabilities_the_likeliest_first(tmp_path: Path) -> None:
    tagger = Tagger(classifier(tmp_path, ["cup", "balloon", "car"], {"cup": 0.5, "balloon": 3.0, "car": -3.0}))
    made = tagger.make(rows_of(png((0, 0, 0))))
    assert made["tags"].to_pylist() == [["balloon", "cup"]]
    assert made["tag_probabilities"].to_pylist()[0] == pytest.approx([0.9526, 0.6225], abs=1e-3)


def test_two_uses_of_one_model_do_not_share_a_shelf(clip: str) -> None:
    assert ZeroShot(clip).fingerprint != Embedder(clip).fingerprint


@given(st.lists(st.floats(0.001, 1), min_size=19, max_size=19))
def test_intensity_lies_between_none_and_the_strongest(weights: list[float]) -> None:
    chances = np.array([weights], np.float32) / np.float32(sum(weights))
    emotions = np.array([EMOTIONS.index(label.partition("/")[0]) for label in GROUPED])
    degrees = np.array([int(label[-1]) for label in GROUPED])
    summed, intensity = by_degree(chances, emotions, degrees)
    assert summed.sum() == pytest.approx(1, abs=1e-4)
    assert 0 <= intensity[0] <= 1 - summed[0, EMOTIONS.index("neutral")] + 1e-4
