"""Vision-language models that are asked over a real HTTP server, and one of random weights in this process."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ModelError
from corpusmith.models.perceivers import VisionChat
from corpusmith.models.perceivers.chat import ANSWER, LocalVision, read
from corpusmith.models.text.chat import ServerChat
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

WORDS = ("<unk>", "<s>", "</s>", "<pad>", "<image>", "joy", "anger", "{", "}", ":", "emotion", "Answer", "face")
COLOURS = {"joy": (250, 220, 0), "sadness": (0, 0, 200), "anger": (220, 0, 0), "fear": (0, 0, 0)}


def encoded(colour: tuple[int, int, int], kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, kind)
    return file.getvalue()


def plan_of(*images: bytes | None) -> pl.LazyFrame:
    rows = {"image": [{"bytes": image, "path": f"{n}.png"} for n, image in enumerate(images)]}
    schema = {"image": pl.Struct({"bytes": pl.Binary, "path": pl.String})}
    return pl.LazyFrame(rows, schema=schema).with_columns(image_sha256=pl.Series([str(image) for image in images]))


class Handler(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        uri = body["messages"][-1]["content"][0]["image_url"]["url"]
        image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        status, text = self.server.see(image, uri)
        content = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def served(see: Callable[[Image.Image, str], tuple[int, str]]) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.see, server.requests = see, []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def asked(server: Any) -> VisionChat:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    return VisionChat(ServerChat("a-vlm", url, temperature=0.0, first_wait=0.01))


def see(image: Image.Image, uri: str) -> tuple[int, str]:
    """Names the emotion whose colour it is shown."""
    emotion = next(name for name, colour in COLOURS.items() if image.getpixel((3, 3)) == colour)
    said = {"emotion": emotion, "intensity": 0.5, "quality": 1, "faces": 5}
    return 200, f"```json\n{json.dumps(said)}\n```"


def test_each_image_is_shown_once_and_its_answer_is_read(tmp_path: Path) -> None:
    images = [encoded(colour) for colour in COLOURS.values()]
    with served(see) as server:
        made = produce(plan_of(*images, images[0]), asked(server), Ledger(tmp_path)).collect()
        assert made["emotion"].to_list() == [*COLOURS, "joy"]
        assert made["p_sadness"].to_list() == [0, 1, 0, 0, 0]
        assert made.select("intensity", "quality", "faces").row(0) == (0.5, 1.0, 2)
        assert "```" in made["answer"][0]
        assert len(server.requests) == 4
        body = server.requests[0]
        assert body["response_format"]["json_schema"]["schema"] == ANSWER
        assert body["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")


def test_an_image_that_no_server_takes_or_that_is_refused_fails_alone(tmp_path: Path) -> None:
    good = encoded(COLOURS["fear"], "PNG")
    with served(lambda image, uri: (400, "no") if "jpeg" in uri else see(image, uri)) as server:
        plan = plan_of(good, b"GARBAGE", None, encoded((1, 2, 3), "JPEG"))
        made = produce(plan, asked(server), Ledger(tmp_path), max_failure_rate=1.0).collect()
    assert made["emotion"].to_list() == ["fear"]


@pytest.mark.parametrize(
    ("answer", "emotion", "rest"),
    [
        ('{"emotion": "JOY ", "intensity": 0.2, "quality": 0.9, "faces": 1}', "joy", (0.2, 0.9, 1)),
        ('<think>{"emotion": "fear"}</think> {"emotion": "anger"}', "anger", (None, None, None)),
        ('{"emotion": "joy", "intensity": 7, "quality": "good", "faces": -1}', "joy", (None, None, None)),
        ('{"emotion": "joy", "intensity": true, "quality": 0, "faces": 1.5}', "joy", (None, 0.0, None)),
        ('{"emotion": "hungry", "intensity": 0.5}', None, (None, None, None)),
        ("I cannot help with faces.", None, (None, None, None)),
    ],
)
def test_what_is_not_said_or_out_of_range_is_null(answer: str, emotion: str | None, rest: tuple[Any, ...]) -> None:
    row = read(answer)
    assert (row["emotion"], row["answer"]) == (emotion, answer)
    assert (row["intensity"], row["quality"], row["faces"]) == rest
    assert [row[f"p_{name}"] for name in EMOTIONS] == [float(name == emotion) if emotion else None for name in EMOTIONS]


def test_the_image_is_no_part_of_the_fingerprint() -> None:
    chat = ServerChat("a-vlm", "http://127.0.0.1:9/v1", temperature=0.0)
    assert VisionChat(chat).fingerprint == VisionChat(ServerChat("a-vlm", "http://example.org/v1", 0.0)).fingerprint
    assert "data:" not in json.dumps(VisionChat(chat).provenance)


def a_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words_only = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    words_only.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=words_only, extra_special_tokens={"image_token": "<image>"}, **special
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA of random weights: it can be asked, and has nothing to say."""
    import torch
    import transformers

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("llava")
    tokenizer = a_tokenizer()
    sees = transformers.CLIPVisionConfig(
        image_size=32, patch_size=8, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    says = transformers.LlamaConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    config = transformers.LlavaConfig(
        vision_config=sees, text_config=says, image_token_index=4, vision_feature_select_strategy="default"
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    template = (
        "{% for m in messages %}{% for c in m.content %}{% if c.type == 'image' %}<image>{% else %} {{ c.text }}"
        "{% endif %}{% endfor %}{% endfor %}"
    )
    prepares = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    transformers.LlavaProcessor(
        prepares,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=template,
        num_additional_image_tokens=1,
        image_token="<image>",
    ).save_pretrained(folder)
    return folder


def test_a_model_in_this_process_answers_each_image_and_coverage_is_honest(tiny: Path, tmp_path: Path) -> None:
    maker = VisionChat(LocalVision(str(tiny), batch_rows=3))
    made = produce(plan_of(*map(encoded, COLOURS.values())), maker, Ledger(tmp_path)).collect()
    assert made.height == len(COLOURS)
    assert made["emotion"].null_count() == len(COLOURS)
    assert all(made["answer"].str.len_chars() > 0)
    assert maker.provenance["model"] == str(tiny)


def test_a_model_that_only_a_server_can_run_is_refused_with_what_to_do(tmp_path: Path) -> None:
    import transformers

    folder = tmp_path / "takes-videos"
    a_tokenizer().save_pretrained(folder)
    transformers.Qwen2VLImageProcessorPil().save_pretrained(folder)
    transformers.Qwen2_5_VLConfig().save_pretrained(folder)
    (folder / "model.safetensors").touch()
    (folder / "processor_config.json").write_text('{"processor_class": "Qwen2_5_VLProcessor"}')
    with pytest.raises(ModelError, match=r"torchvision.*serve the model"):
        _ = LocalVision(str(folder)).processor
