"""Regions of images: tiny models with weights of our own, in the formats of the Hub, and a chat over a real server."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from chat_server import Reply, Server, chat, said, served
from PIL import Image

from corpusmith.errors import ModelError
from corpusmith.models import loading
from corpusmith.models.regions import (
    ANSWER,
    MOST,
    REGIONS,
    NamedRegions,
    RegionFinder,
    Segmenter,
    Thing,
    things,
)
from corpusmith.models.text.chat import CutOffError, ServerChat, UnansweredError
from corpusmith.models.text.estimate import expected
from corpusmith.models.text.usage import Price
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce, shelf_of

GREY, RED, BLUE = (25, 25, 25), (255, 0, 0), (0, 0, 255)
LABELS = ("nothing", "apple", "Sky ")
"""What the tiny finder sees in these colours; the last is a background, written as ADE20K's labels are."""
SIZE = (90, 50)
SQUARES = ((8, 10, 32, 34), (56, 12, 80, 40))
CUP = {"name": "a cup", "box": [5, 5, 40, 30]}


def picture(*boxes: tuple[int, int, int, int], colour: tuple[int, int, int] = RED, size: Any = SIZE) -> Image.Image:
    image = Image.new("RGB", size, GREY)
    for box in boxes:
        image.paste(colour, box)
    return image


def plan_of(*images: Image.Image) -> pl.LazyFrame:
    files = [io.BytesIO() for _ in images]
    for image, file in zip(images, files, strict=True):
        image.save(file, "PNG")
    rows = {"image": [{"bytes": file.getvalue(), "path": None} for file in files]}
    schema = {"image": pl.Struct({"bytes": pl.Binary, "path": pl.String})}
    hashes = [hashlib.sha256(file.getvalue()).hexdigest() for file in files]
    return pl.LazyFrame(rows, schema=schema).with_columns(image_sha256=pl.Series(hashes))


def mask_of(region: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    image = Image.open(io.BytesIO(region["mask"]))
    assert (image.format, image.mode) == ("PNG", "L")
    return np.asarray(image)


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SegFormer of some thousand weights that has learnt LABELS by their colours, in a second."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("finder")
    torch.manual_seed(0)
    network = transformers.SegformerForSemanticSegmentation(
        transformers.SegformerConfig(
            num_encoder_blocks=2,
            depths=[1, 1],
            hidden_sizes=[8, 8],
            strides=[2, 2],
            patch_sizes=[3, 3],
            sr_ratios=[4, 2],
            num_attention_heads=[1, 1],
            mlp_ratios=[1, 1],
            decoder_hidden_size=16,
            drop_path_rate=0.0,
            classifier_dropout_prob=0.0,
            id2label=dict(enumerate(LABELS)),
            label2id={label: place for place, label in enumerate(LABELS)},
        )
    )
    draw = np.random.default_rng(0)
    colours = torch.tensor([GREY, RED, BLUE]) / 127.5 - 1
    learns = torch.optim.Adam(network.train().parameters(), 3e-2)
    for _ in range(60):
        seen = torch.from_numpy(draw.integers(0, 3, (4, 8, 8))).repeat_interleave(4, 1).repeat_interleave(4, 2)
        logits = network(pixel_values=colours[seen].permute(0, 3, 1, 2)).logits
        learns.zero_grad()
        torch.nn.functional.cross_entropy(torch.nn.functional.interpolate(logits, (32, 32)), seen).backward()
        learns.step()
    network.save_pretrained(folder)
    half = [0.5, 0.5, 0.5]
    size = {"height": 64, "width": 64}
    transformers.SegformerImageProcessorPil(size=size, image_mean=half, image_std=half).save_pretrained(folder)
    return str(folder)


def segmenter_in(folder: Path, seed: int = 0) -> str:
    """A SAM of random weights, on 64 px."""
    import torch
    import transformers

    torch.manual_seed(seed)
    layers = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_dim": 16}
    sees = {**layers, "image_size": 64, "patch_size": 16, "output_channels": 16, "window_size": 2}
    asked = {"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4}
    draws = {**layers, "num_hidden_layers": 2, "iou_head_hidden_dim": 16, "iou_head_depth": 2}
    config = transformers.SamConfig(
        vision_config={**sees, "num_pos_feats": 8, "global_attn_indexes": [0]},
        prompt_encoder_config=asked,
        mask_decoder_config=draws,
    )
    transformers.SamModel(config).save_pretrained(folder)
    prepares = transformers.SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    prepares.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> str:
    return segmenter_in(tmp_path_factory.mktemp("segmenter"))


class ByText(defaultdict[str, int]):
    """Counts questions that are no text: the server's own counts take those only that can be hashed."""

    def __getitem__(self, question: Any) -> int:
        return super().__getitem__(json.dumps(question))

    def __setitem__(self, question: Any, count: int) -> None:
        super().__setitem__(json.dumps(question) if not isinstance(question, str) else question, count)


def changed(folder: Path) -> None:
    """Other weights under the same name."""
    (folder / "model.safetensors").write_bytes(b"others")
    loading.revision_of.cache_clear()


def answering(see: Callable[[Image.Image], str]) -> Callable[[Any, int], Reply]:
    def behave(question: Any, before: int) -> Reply:
        encoded = question[0]["image_url"]["url"].partition("base64,")[2]
        return said(see(Image.open(io.BytesIO(base64.b64decode(encoded)))))

    return behave


def asking(server: Server, segmenter: str) -> NamedRegions:
    server.asked = ByText(int)
    return NamedRegions(chat(server), segmenter)


def test_masks_of_what_is_found_have_the_images_own_size_and_lie_where_it_is(finder: str, tmp_path: Path) -> None:
    made = produce(plan_of(picture(*SQUARES)), RegionFinder(finder), Ledger(tmp_path)).collect()
    regions = made["regions"].to_list()[0]
    assert [region["name"] for region in regions] == ["apple", "apple"]
    assert all(0.5 < region["score"] <= 1 for region in regions)
    for region, (left, top, right, bottom) in zip(regions, SQUARES, strict=True):
        mask, square = mask_of(region), np.zeros(SIZE[::-1], bool)
        square[top:bottom, left:right] = True
        assert mask.shape == (50, 90)
        assert set(np.unique(mask)) == {0, 255}
        assert (square & (mask > 0)).sum() / (square | (mask > 0)).sum() > 0.6


def test_nothing_found_is_an_empty_list_and_no_failure(finder: str, tmp_path: Path) -> None:
    empty = [picture(), picture((20, 10, 70, 40), colour=BLUE)]  # the second shows a background alone
    made = produce(plan_of(*empty), RegionFinder(finder), Ledger(tmp_path)).collect()
    assert made["regions"].to_list() == [[], []]


def test_images_of_any_sizes_are_found_in_alike_alone_and_together(finder: str, tmp_path: Path) -> None:
    sizes = [(90, 50), (50, 90), (90, 50), (64, 64)]
    images = [picture((8, 8, 40, 40), size=size) for size in sizes]
    images[2].paste(BLUE, (60, 0, 90, 50))
    together = produce(plan_of(*images), RegionFinder(finder), Ledger(tmp_path / "together")).collect()
    alone = produce(plan_of(*images), RegionFinder(finder, batch_rows=1), Ledger(tmp_path / "alone")).collect()
    for one, other, size in zip(together["regions"], alone["regions"], sizes, strict=True):
        assert [mask_of(region).shape for region in one] == [size[::-1]]
        assert (mask_of(one[0]) != mask_of(other[0])).mean() < 0.01


def test_a_speck_is_no_region(finder: str) -> None:
    image = picture(SQUARES[0], size=(200, 100))
    image.paste(RED, (150, 50, 156, 56))  # 0.18 % of it
    (found,) = RegionFinder(finder).read([image])["regions"].to_pylist()
    assert [mask_of(region)[:, 140:].any() for region in found] == [False]


def test_a_fingerprint_is_of_the_settings_and_the_weights(finder: str, tmp_path: Path) -> None:
    folder = shutil.copytree(finder, tmp_path / "finder")
    before = RegionFinder(str(folder)).fingerprint
    assert RegionFinder(str(folder), batch_rows=3).fingerprint == before
    changed(folder)
    assert RegionFinder(str(folder)).fingerprint != before


def test_what_a_chat_names_is_masked_at_the_images_own_size(segmenter: str, tmp_path: Path) -> None:
    with served(answering(lambda image: json.dumps({"things": [CUP, {"name": "tree", "box": [50, 0, 90, 50]}]}))) as s:
        maker = asking(s, segmenter)
        made = produce(plan_of(picture(), picture(*SQUARES)), maker, Ledger(tmp_path)).collect()
        (body, *others) = [request for _, _, request in s.requests]
    assert made.height == 2
    assert pl.Series(made["regions"]).dtype == pl.from_arrow(REGIONS.empty_table())["regions"].dtype
    for region in made["regions"].explode().drop_nulls():
        assert region["name"] in ("a cup", "tree")
        assert mask_of(region).shape == (50, 90)
        assert 0 <= region["score"] <= 1
    assert len(others) == 1
    assert body["temperature"] == 0
    assert body["response_format"]["json_schema"]["schema"] == ANSWER
    assert "90 pixels wide and 50 pixels high" in body["messages"][0]["content"][1]["text"]


def test_a_chat_that_names_nothing_makes_an_empty_list(segmenter: str, tmp_path: Path) -> None:
    with served(answering(lambda image: 'There is nothing: {"things": []}')) as server:
        made = produce(plan_of(picture()), asking(server, segmenter), Ledger(tmp_path)).collect()
    assert made["regions"].to_list() == [[]]


def test_an_answer_that_is_no_json_fails_alone_and_no_question_is_asked_twice(segmenter: str, tmp_path: Path) -> None:
    def see(image: Image.Image) -> str:
        return "I would rather not. " * 9 if image.getpixel((0, 0)) == BLUE else json.dumps([CUP])

    images = [picture((n, 0, 90, 50)) for n in range(1, 5)]
    images.insert(2, picture((0, 0, 90, 50), colour=BLUE))
    with served(answering(see)) as server:
        maker, ledger = asking(server, segmenter), Ledger(tmp_path)
        made = produce(plan_of(*images), maker, ledger, max_failure_rate=1.0).collect()
        assert len(server.requests) == len(images)
    assert made["image_sha256"].to_list() == [
        told for n, told in enumerate(plan_of(*images).collect()["image_sha256"]) if n != 2
    ]
    (failure,) = shelf_of(maker, ledger).failures().to_dicts()
    assert failure["message"].endswith(repr(("I would rather not. " * 9)[:80]))


def test_what_naming_took_and_cost_is_in_the_ledger_and_makes_the_next_estimate(segmenter: str, tmp_path: Path) -> None:
    def behave(question: Any, before: int) -> Reply:
        choice = {"message": {"role": "assistant", "content": json.dumps([CUP])}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 900, "completion_tokens": 40}
        return 200, json.dumps({"choices": [choice], "usage": usage}).encode(), {}

    plan = plan_of(picture(), picture(*SQUARES))
    with served(behave) as server:
        server.asked = ByText(int)
        maker = NamedRegions(chat(server, price=Price(input=1.0, output=5.0)), segmenter)
        shelf = shelf_of(maker, Ledger(tmp_path))
        assert expected(maker, plan, 2, shelf.scan) is None  # what it would ask is not known
        made = produce(plan, maker, Ledger(tmp_path)).collect()
    assert made["prompt_tokens"].to_list() == [900, 900]
    assert made["cost"].sum() == pytest.approx(2 * (900 * 1.0 + 40 * 5.0) / 1e6)
    told = expected(maker, plan, 10, shelf.scan)
    assert told is not None
    assert (told.model, told.prompt_tokens, told.completion_tokens) == ("a-model", 9000, 400)


def test_an_image_lies_upright_before_the_chat_as_its_masks_do(segmenter: str, tmp_path: Path) -> None:
    file, lying = io.BytesIO(), Image.Exif()
    lying[0x0112] = 6
    picture().save(file, "JPEG", exif=lying)
    plan = plan_of(picture()).with_columns(image=pl.lit({"bytes": file.getvalue(), "path": None}))
    shown: list[tuple[int, int]] = []
    with served(answering(lambda image: shown.append(image.size) or json.dumps([CUP]))) as server:
        made = produce(plan, asking(server, segmenter), Ledger(tmp_path)).collect()
    assert shown == [(50, 90)]
    assert [mask_of(region).shape for region in made["regions"].to_list()[0]] == [(90, 50)]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ([CUP], [("a cup", (5, 5, 40, 30))]),
        ([{"name": "sea", "box": [-20, 30.5, 900, 1e6]}], [("sea", (0, 30.5, 90, 50))]),
        ([CUP, {"name": "far away", "box": [100, 5, 140, 30]}], [("a cup", (5, 5, 40, 30))]),
        ([CUP, {"name": "inside out", "box": [40, 5, 5, 30]}], [("a cup", (5, 5, 40, 30))]),
        ([CUP, CUP, {**CUP, "box": [0, 0, 9, 9]}], [("a cup", (5, 5, 40, 30)), ("a cup", (0, 0, 9, 9))]),
        ([{**CUP, "name": " a\x07 \u202ecup\n"}, {**CUP, "name": "x" * 61}], [("a cup", (5, 5, 40, 30))]),
        ([{**CUP, "name": name} for name in ("", "\x00", 7, None)] + [CUP], [("a cup", (5, 5, 40, 30))]),
        (
            [CUP, *({"name": "odd", "box": box} for box in (None, [1, 2, 3], "1234", [0, 0, True, 9]))],
            [("a cup", (5, 5, 40, 30))],
        ),
        ([{**CUP, "name": f"cup {n}"} for n in range(9)], [(f"cup {n}", (5, 5, 40, 30)) for n in range(MOST)]),
    ],
)
def test_a_thing_has_a_short_name_and_a_box_inside_the_image(answer: Any, found: list[Any]) -> None:
    expected = [Thing(name, box) for name, box in found]
    assert things(json.dumps({"things": answer}), SIZE) == expected
    assert things(f"<think>[{{}}]</think>Here [1]:\n```json\n{json.dumps(answer)}\n```", SIZE) == expected


@pytest.mark.parametrize(
    "answer",
    [
        "I see a cup.",
        json.dumps(CUP),
        json.dumps([{**CUP, "box": [100, 60, 140, 90]}]),
        '[{"name": "a cup", "box": [NaN, 0, Infinity, 1e999]}]',
        '[{"name": "a cup", "box": [0, 0, 9, ' + "9" * 400 + "]}]",
        '[{"name": "a cup", "box": [0, 0, 9, ' + "9" * 5000 + "]}]",
        "[" * 60_000,
        CutOffError('[{"name": "a cup", "box": [5, 5, 40'),
        UnansweredError("busy"),
    ],
)
def test_an_answer_without_a_thing_in_the_image_is_refused(answer: Any) -> None:
    with pytest.raises(UnansweredError, match=r"no things with boxes inside 90 x 50 px: '|busy") as refused:
        things(answer, SIZE)
    assert len(str(refused.value)) < 140


def test_the_mask_of_a_box_is_the_one_that_the_segmenter_rates_best(segmenter: str) -> None:
    import torch
    import transformers

    image, boxes = picture(*SQUARES), [(5.0, 5.0, 40.0, 30.0), (50.0, 0.0, 90.0, 50.0)]
    prepares = transformers.SamProcessor(transformers.SamImageProcessorPil.from_pretrained(segmenter))
    ready = prepares(images=image, input_boxes=[[list(box) for box in boxes]], return_tensors="pt")
    with torch.inference_mode():
        told = transformers.SamModel.from_pretrained(segmenter).eval()(
            pixel_values=ready["pixel_values"], input_boxes=ready["input_boxes"].float()
        )
    sizes = ready["original_sizes"], ready["reshaped_input_sizes"]
    (every,) = prepares.post_process_masks(told.pred_masks, *sizes)
    for box, (mask, score) in enumerate(Segmenter(segmenter).masks(image, boxes)):
        best = int(told.iou_scores[0, box].argmax())
        assert (mask == every[box, best].numpy()).all()
        assert score == pytest.approx(max(0.0, float(told.iou_scores[0, box, best])), abs=1e-6)


def test_named_regions_are_known_by_both_models_and_their_revisions(tmp_path: Path) -> None:
    folder = Path(segmenter_in(tmp_path))
    with served(answering(lambda image: "[]")) as server:

        def fingerprint(name: str = "a-vlm", temperature: float = 0.0) -> str:
            return NamedRegions(ServerChat(name, server.url, temperature), str(folder)).fingerprint

        before = fingerprint()
        assert fingerprint(temperature=0.7) == before  # it is asked at 0 all the same
        assert fingerprint("another") != before
        told = NamedRegions(ServerChat("a-vlm", server.url), str(folder)).provenance
        assert (told["model"], told["segmenter"]["model"]) == ("a-vlm", str(folder))
        assert len(told["segmenter"]["revision"]) == 40
        changed(folder)
        assert fingerprint() != before


def test_a_segmenter_whose_processor_needs_torchvision_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "sam2"}')
    (tmp_path / "preprocessor_config.json").write_text('{"image_processor_type": "Sam2ImageProcessorFast"}')
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError, match=r"torchvision.*facebook/sam-vit-base"):
        NamedRegions(ServerChat("a-vlm", "http://127.0.0.1:9/v1"), str(tmp_path)).ready()
