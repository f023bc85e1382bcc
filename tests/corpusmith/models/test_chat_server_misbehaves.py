"""What becomes of a reply that is too much, too slow, somebody else's, or broken."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from chat_server import Reply, asking, chat, said, seeds, served

from corpusmith.errors import ModelError
from corpusmith.models.text import exchange
from corpusmith.models.text.chat import CutOffError, UnansweredError


def reply(content: Any, headers: dict[str, str] | None = None, finish: str = "stop", **more: Any) -> Reply:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": finish}
    return 200, json.dumps({"choices": [choice], **more}).encode(), headers or {}


def packed(body: bytes) -> Reply:
    return 200, body, {"Content-Encoding": "gzip"}


def answer_to(fault: Reply, **settings: Any) -> Any:
    with served(lambda question, before: fault) as server:
        return chat(server, first_wait=0.001, **settings).answer(asking("q"), seeds(1), 8, None)[0]


def test_an_answer_that_stopped_at_its_limit_is_cut_off() -> None:
    answer = answer_to(reply("I'm terrified of the oven, my", finish="length"))
    assert isinstance(answer, CutOffError)
    assert answer.text == "I'm terrified of the oven, my"


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ((200, b" " * (exchange.BODY + 1), {}), "more than"),
        ((500, b" " * (exchange.BODY + 1), {}), "more than"),
        (packed(gzip.compress(bytes(100 * exchange.BODY))), "unpacked"),
        (packed(b"no gzip at all"), "packing is broken"),
        ((200, b"x", {"Content-Encoding": "br"}), "not asked for"),
        ((200, b'{"choices": ' + b"[" * 200_000, {}), "RecursionError"),
        (reply("\ud800"), "UnicodeEncodeError"),
        (reply("a" * (8 * exchange.LONGEST_TOKEN + 1)), "more than 8 tokens"),
        (reply([{"type": "text"}]), "KeyError"),
        ((429, b"slow down", {"Retry-After": "0.001"}), "rate limited"),
    ],
)
def test_a_reply_that_cannot_be_taken_fails_its_row_with_the_reason(fault: Reply, why: str) -> None:
    answer = answer_to(fault)
    assert isinstance(answer, UnansweredError)
    assert why in str(answer)


def test_a_packed_answer_is_read() -> None:
    assert answer_to(packed(gzip.compress(said("well")[1]))) == "well"


def test_an_answer_in_parts_is_joined() -> None:
    assert answer_to(reply([{"type": "text", "text": "one "}, {"type": "text", "text": "two"}])) == "one two"


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        (reply(None, finish="content_filter"), "content_filter"),
        (reply("Once upon a", finish="content_filter"), "content_filter"),
        (
            (200, b'{"choices": [{"message": {"content": null, "refusal": "I cannot\\nhelp with that."}}]}', {}),
            "I cannot help with that.",
        ),
    ],
)
def test_a_refusal_fails_its_row_and_is_not_asked_for_again(refusal: Reply, why: str) -> None:
    with served(lambda question, before: refusal) as server:
        (answer,) = chat(server, first_wait=0.001).answer(asking("q"), seeds(1), 8, None)
        assert server.asked["q"] == 1
    assert isinstance(answer, UnansweredError)
    assert str(answer) == f"the model refused: {why}"


def test_an_answer_of_which_nothing_was_left_at_its_limit_is_cut_off() -> None:
    answer = answer_to(reply(None, finish="length"))
    assert isinstance(answer, CutOffError)
    assert answer.text == ""


def test_an_answer_that_trickles_has_a_deadline_as_a_whole() -> None:
    with served(lambda question, before: said("x" * 40), trickle=0.05) as server:
        (answer,) = chat(server, first_wait=0.001, timeout=0.15).answer(asking("q"), seeds(1), 8, None)
    assert "no whole answer within 0.15 s" in str(answer)


def test_a_redirect_is_named_and_not_followed() -> None:
    with (
        served(lambda question, before: said("elsewhere")) as other,
        served(lambda question, before: (307, b"", {"Location": f"{other.url}/chat/completions?a=b"})) as server,
        pytest.raises(ModelError, match=f"redirects to {other.url}/chat/completions .*servers"),
    ):
        chat(server).answer(asking("q"), seeds(1), 8, None)
    assert not other.requests


def test_many_questions_in_a_row_that_are_rate_limited_stop_the_step() -> None:
    with (
        served(lambda question, before: (429, b"come back on Monday", {"Retry-After": "0.001"})) as server,
        pytest.raises(ModelError, match=r"rate limited.*come back on Monday"),
    ):
        chat(server, first_wait=0.001).answer(asking(*map(str, range(12))), seeds(*range(12)), 8, None)


@pytest.mark.parametrize("waits", ["nan", "-5", "0"])
def test_a_senseless_retry_after_does_not_shorten_the_wait(waits: str) -> None:
    assert exchange.asked_to_wait(waits, 0.5) == 0.5


def test_a_retry_after_is_waited_for_within_bounds() -> None:
    assert [exchange.asked_to_wait(given, 0.5) for given in ("2", "999999999", "inf", "1e-9")] == [2, 30, 30, 0.01]


@pytest.mark.parametrize(
    "fault",
    [
        (400, b"x" * (exchange.SHOWN - 6) + b"sk-very-secret", {}),
        reply("you sent sk-very-secret"),
        (
            200,
            json.dumps({"choices": [{"message": {"content": "sk-very-secret"}}]}).replace("-", "\\u002d").encode(),
            {},
        ),
        reply("sk-very-secret", finish="length"),
    ],
)
def test_the_key_is_masked_before_anything_is_cut_or_kept(fault: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    answer = answer_to(fault)
    assert "sk-ve" not in f"{answer} {getattr(answer, 'text', '')}"


def test_a_placeholder_for_a_key_is_masked_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    assert answer_to(reply("an EMPTY room")) == "an EMPTY room"


def test_an_error_body_is_shown_on_one_line_without_control_characters() -> None:
    assert str(answer_to((400, b"a\x1b[2J\nb", {}))) == "status 400: a[2J b"


def test_another_model_than_asked_is_an_error_that_says_how_to_allow_it() -> None:
    with served(lambda question, before: reply("hello", model="other/model")) as server:
        with pytest.raises(ModelError, match=r"answers as 'other/model'.*#other/model"):
            chat(server).answer(asking("q"), seeds(1), 8, None)
        allowed = chat(server)
        allowed.url += "#other/model"
        assert allowed.answer(asking("q"), seeds(1), 8, None) == ["hello"]
    assert allowed.provenance["answers_as"] == "other/model"
    assert allowed.settings != chat(server).settings
