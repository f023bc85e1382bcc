"""Conversations with a real HTTP server that misbehaves, and with the house LM in this process."""

from __future__ import annotations

import logging
import socket
import time

import pytest
from chat_server import Reply, asking, chat, said, seeds, served

from corpusmith.errors import ModelError
from corpusmith.models.text import prompts
from corpusmith.models.text.chat import ATTEMPTS, CutOffError, LocalChat, ServerChat, UnansweredError


def test_answers_come_in_the_order_of_the_questions_and_no_more_are_under_way_than_allowed() -> None:
    def behave(question: str, before: int) -> Reply:
        time.sleep(0.03 if int(question) % 2 else 0.01)
        return said(f"answer {question}")

    with served(behave) as server:
        answers = chat(server, concurrency=4).answer(asking(*map(str, range(24))), seeds(*range(24)), 8, None)
        assert answers == [f"answer {n}" for n in range(24)]
        assert 1 < server.most_under_way <= 4


@pytest.mark.parametrize(
    "fault",
    [
        (429, b"slow down", {"Retry-After": "0.02"}),
        (429, b"slow down", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        (500, b"oops", {}),
        (503, b"", {}),
        (200, b'{"choices": [', {}),
        (200, b'{"choices": []}', {}),
        (200, b'{"choices": [{"message": {"content": null}}]}', {}),
        (200, b"\xff\xfe", {}),
    ],
)
def test_a_passing_fault_is_tried_again(fault: Reply) -> None:
    with served(lambda question, before: fault if before < 2 else said("well")) as server:
        assert chat(server).answer(asking("q"), seeds(1), 8, None) == ["well"]
        assert server.asked["q"] == 3


def test_a_slow_answer_is_given_up_and_asked_for_again() -> None:
    def behave(question: str, before: int) -> Reply:
        if not before:
            time.sleep(1.0)
        return said("in time")

    with served(behave) as server:
        began = time.monotonic()
        assert chat(server, timeout=0.2).answer(asking("q"), seeds(1), 8, None) == ["in time"]
        assert time.monotonic() - began < 0.9


def test_a_row_that_never_gets_an_answer_fails_alone_and_attempts_are_bounded() -> None:
    with served(lambda question, before: (500, b"no", {}) if question == "bad" else said("fine")) as server:
        answers = chat(server).answer(asking("a", "bad", "b"), seeds(1, 2, 3), 8, None)
        assert answers[0] == answers[2] == "fine"
        assert isinstance(answers[1], UnansweredError)
        assert "500" in str(answers[1])
        assert server.asked["bad"] == ATTEMPTS


def test_a_question_that_the_server_refuses_is_not_asked_again() -> None:
    with served(lambda question, before: (400, b"too long for the context", {})) as server:
        (answer,) = chat(server).answer(asking("q"), seeds(1), 8, None)
        assert isinstance(answer, UnansweredError)
        assert "too long" in str(answer)
        assert server.asked["q"] == 1


@pytest.mark.parametrize(("status", "hint"), [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "a-model")])
def test_a_wrong_key_or_model_stops_everything_with_what_to_do(
    status: int, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with (
        served(lambda question, before: (status, b"Incorrect API key provided: sk-very-secret", {})) as server,
        pytest.raises(ModelError, match=hint) as raised,
    ):
        chat(server).answer(asking("a", "b"), seeds(1, 2), 8, None)
    assert "very-secret" not in str(raised.value)


@pytest.mark.parametrize("key", ["sk-very-secret", "sk-very-secret\n"])
def test_the_key_is_sent_and_shown_nowhere(
    key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    caplog.set_level(logging.DEBUG)

    def behave(question: str, before: int) -> Reply:
        return (400, b"bad key sk-very-secret", {}) if question == "bad" else said("fine")

    with served(behave) as server:
        talk = chat(server)
        answers = talk.answer(asking("good", "bad"), seeds(1, 2), 8, None)
        assert {headers["Authorization"] for _, headers, _ in server.requests} == {"Bearer sk-very-secret"}
    shown = f"{talk!r} {talk.provenance} {talk.settings} {answers} {caplog.text}"
    assert "very-secret" not in shown


@pytest.mark.parametrize("key", ["sk-very\nsecret", "sk-vëry-secret"])
def test_a_key_that_cannot_be_sent_stops_the_step_and_is_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with served(lambda question, before: said("x")) as server:
        with pytest.raises(ModelError, match="OPENAI_API_KEY cannot be sent") as raised:
            chat(server).answer(asking("a", "b"), seeds(1, 2), 8, None)
        assert not server.requests
    assert "secret" not in str(raised.value)


def test_each_server_is_sent_its_own_key_and_no_answer_shows_another_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-one")
    monkeypatch.setenv("OTHER_KEY", "sk-of-the-other")
    with served(lambda question, before: said("you sent sk-of-the-one, or sk-of-the-other")) as server:
        one, other = chat(server), chat(server, key="OTHER_KEY")
        answers = [talk.answer(asking("a"), seeds(1), 99, None)[0] for talk in (one, other, one)]
        sent = [headers["Authorization"] for _, headers, _ in server.requests]
    assert sent == ["Bearer sk-of-the-one", "Bearer sk-of-the-other", "Bearer sk-of-the-one"]
    assert answers[2] == "you sent ***, or ***"
    assert (one.settings, one.provenance) == (other.settings, other.provenance)
    with served(lambda question, before: (401, b"no", {})) as server, pytest.raises(ModelError, match="OTHER_KEY was"):
        chat(server, key="OTHER_KEY").answer(asking("a"), seeds(1), 8, None)


@pytest.mark.parametrize(
    ("name", "value"), [("ALL_PROXY", "socks://me:hunter2@127.0.0.1:9"), ("SSL_CERT_FILE", "/nowhere/ca.pem")]
)
def test_a_client_that_cannot_be_made_is_an_error_of_the_environment(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with (
        served(lambda question, before: said("x")) as server,
        pytest.raises(ModelError, match=f"no HTTP client can be made.*{name}") as raised,
    ):
        chat(server).start(asking(*"abcdef"), seeds(*range(6)), 8, None).result(20)
    assert "hunter2" not in str(raised.value)


def test_a_password_in_the_address_is_in_no_provenance() -> None:
    talk = ServerChat("m", "https://me:hunter2@example.org/v1?token=abc")
    assert talk.provenance["server"] == "https://example.org/v1"


def test_the_request_carries_seed_limit_and_schema() -> None:
    with served(lambda question, before: said("x")) as server:
        chat(server, temperature=0.3).answer(asking("q"), seeds(2**62 + 5), 77, prompts.EMOTION_ANSWER)
        path, _, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == ("a-model", 77, 0.3, 5)
    assert body["response_format"]["json_schema"]["schema"] == prompts.EMOTION_ANSWER


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    talk = ServerChat("m", f"http://127.0.0.1:{port}/v1", first_wait=0.01)
    with pytest.raises(ModelError, match=f"127.0.0.1:{port}.*models.servers"):
        talk.answer(asking("q"), seeds(1), 8, None)


def test_no_questions_no_request() -> None:
    assert ServerChat("m", "http://127.0.0.1:9/v1").answer([], seeds(), 8, None) == []
    assert LocalChat("house/language").answer([], seeds(), 8, None) == []


def test_a_row_does_not_depend_on_its_batch_mates() -> None:
    questions = [
        prompts.write("joy"),
        prompts.classify("What a day that was"),
        prompts.write("fear"),
        prompts.write("joy"),
    ]
    drawn = seeds(11, 12, 13, 14)
    together = LocalChat("house/language").answer(questions, drawn, 24, None)
    talk = LocalChat("house/language", batch_rows=1)
    alone = [talk.answer([question], drawn[n : n + 1], 24, None)[0] for n, question in enumerate(questions)]
    assert together == alone
    assert together[0] != together[3]  # same question, other seed


def test_temperature_zero_needs_no_seed() -> None:
    talk = LocalChat("house/language", temperature=0)
    question = [prompts.classify("Thank you so much, I love it!")]
    assert talk.answer(question, seeds(1), 16, None) == talk.answer(question, seeds(2), 16, None)


def test_an_answer_is_never_longer_than_its_limit() -> None:
    talk = LocalChat("house/language")
    (answer,) = talk.answer([prompts.write("sadness")], seeds(5), 3, None)
    assert isinstance(answer, CutOffError)  # and says so: what there is of it is no whole answer
    assert len(talk.language.tokenizer.encode(answer.text)) <= 3
