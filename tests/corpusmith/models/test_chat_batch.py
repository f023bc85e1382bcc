"""A batch API over real HTTP: what is paid for once, what is collected, and what becomes of the rest."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from batch_server import Batch, Ending, batched, chat, question, refusal
from chat_server import asking, seeds

from corpusmith.errors import ModelError
from corpusmith.models.text import batch_api, batch_provider
from corpusmith.models.text.chat import ServerChat, UnansweredError
from corpusmith.models.text.usage import Price, usage_of
from corpusmith.models.text.writers import LlmRewriter
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce


def ask(talk: batch_api.BatchChat, *questions: str) -> list[str | UnansweredError]:
    return list(talk.answer(asking(*questions), seeds(*range(len(questions))), 8, None))


def test_many_questions_are_one_batch_and_are_answered_in_order(tmp_path: Path) -> None:
    with batched(lambda batch: Ending() if batch.looks > 2 else None) as server:
        asked = [str(number) for number in range(200)]
        answers = ask(chat(server, tmp_path), *asked)
        assert answers == [f"answer {number}" for number in asked]
        assert len(server.batches) == 1
    took = usage_of(answers[0])
    assert took is not None
    assert (took.prompt, took.cached, took.completion) == (10, 2, 4)


def test_what_is_too_much_for_one_batch_goes_into_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_api, "MOST_REQUESTS", 4)
    with batched() as server:
        assert ask(chat(server, tmp_path), *"abcdefghij") == [f"answer {one}" for one in "abcdefghij"]
        assert [len(batch.requests) for batch in server.batches.values()] == [4, 4, 2]
    monkeypatch.setattr(batch_api, "MOST_BYTES", 500)
    with batched() as server:
        ask(chat(server, tmp_path), *"abcdefghij")
        assert all(len(server.files[batch.file]) <= 500 for batch in server.batches.values())
        assert len(server.batches) > 3


def test_a_batch_is_found_again_by_the_next_build_and_paid_once(tmp_path: Path) -> None:
    with batched() as server:
        assert ask(chat(server, tmp_path), "a", "b") == ["answer a", "answer b"]
        assert ask(chat(server, tmp_path), "a", "b") == ["answer a", "answer b"]
        assert len(server.batches) == 1
        # one more row in the plan: only that is asked
        assert ask(chat(server, tmp_path), "a", "b", "c") == ["answer a", "answer b", "answer c"]
        assert [len(batch.requests) for batch in server.batches.values()] == [2, 1]


BUILD = """
import sys
from pathlib import Path
import polars as pl
from corpusmith.models.text.batch_api import BatchChat
from corpusmith.models.text.writers import LlmRewriter
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce
url, home = sys.argv[1], Path(sys.argv[2])
plan = pl.LazyFrame({"text": [f"text {n}" for n in range(20)], "target": ["joy"] * 20})
chat = BatchChat("a-model", url, notes=home / "batches", first_wait=0.02)
class Rewriter(LlmRewriter):
    def __init__(self, chat):
        super().__init__(chat)
        self.read = lambda answer: {"rewrite": answer}
print(produce(plan, Rewriter(chat), Ledger(home / "ledger")).collect().height)
"""


def test_a_build_that_was_killed_while_it_waited_finds_its_batch(tmp_path: Path) -> None:
    ended: list[bool] = []
    with batched(lambda batch: Ending() if ended else None) as server:
        command = [sys.executable, "-c", BUILD, server.url, str(tmp_path)]
        with subprocess.Popen(command) as build:
            while not any(batch.looks for batch in server.batches.values()):
                assert build.poll() is None
                time.sleep(0.02)
            build.kill()
        ended.append(True)
        again = subprocess.run(command, capture_output=True, text=True, check=True)
        assert again.stdout.strip() == "20"
        assert len(server.batches) == 1


def test_a_build_that_was_killed_before_it_knew_the_name_of_its_batch_finds_it(tmp_path: Path) -> None:
    with batched() as server:
        talk = chat(server, tmp_path)
        for other in range(5):
            ask(talk, f"other {other}")
        ask(talk, "a", "b")
        for path in tmp_path.glob("*.json"):
            path.write_text(json.dumps({**json.loads(path.read_text()), "batch": None}))
        assert ask(chat(server, tmp_path), "a", "b") == ["answer a", "answer b"]
        assert len(server.batches) == 6


def test_a_batch_that_was_made_although_its_reply_was_lost_is_not_made_twice(tmp_path: Path) -> None:
    with batched() as server:
        server.faults.append(("after /v1/batches", 500))
        assert ask(chat(server, tmp_path), "a") == ["answer a"]
        assert len(server.batches) == 1


def test_what_the_error_file_refuses_fails_alone_and_is_not_asked_again(tmp_path: Path) -> None:
    def ending(batch: Batch) -> Ending:
        return Ending(
            answered=lambda one: question(one) != "bad",
            refused=lambda one: refusal(one, 400) if question(one) == "bad" else None,
        )

    with batched(ending) as server:
        answers = ask(chat(server, tmp_path), "a", "bad", "b")
        assert (answers[0], answers[2]) == ("answer a", "answer b")
        assert isinstance(answers[1], UnansweredError)
        assert "refused bad" in str(answers[1])
        assert len(server.batches) == 1
        ask(chat(server, tmp_path), "a", "bad", "b")  # a later build tries that one again
        assert [len(batch.requests) for batch in server.batches.values()] == [3, 1]


@pytest.mark.parametrize("status", ["expired", "cancelled", "failed"])
def test_of_a_batch_that_ends_early_the_answers_are_kept_and_the_rest_is_asked_again(
    status: str, tmp_path: Path
) -> None:
    def ending(batch: Batch) -> Ending:
        first = len(batch.requests) == 6
        return Ending(status, answered=lambda one: question(one) in "abc") if first else Ending()

    with batched(ending) as server:
        assert ask(chat(server, tmp_path), *"abcdef") == [f"answer {one}" for one in "abcdef"]
        assert [len(batch.requests) for batch in server.batches.values()] == [6, 3]


def test_questions_that_no_batch_answers_fail_after_a_few_with_what_was_said(tmp_path: Path) -> None:
    with batched(lambda batch: Ending("failed", lambda one: False, errors=["enqueued token limit"])) as server:
        answers = ask(chat(server, tmp_path), "a", "b")
        assert all(isinstance(answer, UnansweredError) for answer in answers)
        assert "failed: enqueued token limit" in str(answers[0])
        assert len(server.batches) == batch_api.SUBMISSIONS


def test_a_batch_that_the_provider_does_not_know_is_paid_again_only_once_somebody_says_so(tmp_path: Path) -> None:
    with batched() as server:
        ask(chat(server, tmp_path), "a")
        server.forgotten |= set(server.batches)  # as for the key of another project
        (note,) = tmp_path.glob("*.json")
        with pytest.raises(ModelError, match=f"knows no batch {min(server.batches)}.*the key of that project.*{note}"):
            ask(chat(server, tmp_path), "a")
        assert len(server.batches) == 1
        note.unlink()
        assert ask(chat(server, tmp_path), "a") == ["answer a"]
        assert len(server.batches) == 2


def test_a_batch_that_was_noted_and_never_sent_is_submitted(tmp_path: Path) -> None:
    with batched() as server:
        talk = chat(server, tmp_path)
        server.faults.append(("/v1/files", 400))
        with pytest.raises(ModelError, match="takes no such batch"):
            ask(talk, "a")
        assert len(list(tmp_path.glob("*.json"))) == 1
        assert ask(talk, "a") == ["answer a"]
        assert len(list(tmp_path.glob("*.json"))) == 1


def test_a_note_that_another_build_throws_away_meanwhile_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    with batched() as server:
        assert ask(chat(server, tmp_path), "a") == ["answer a"]


def test_that_another_model_answers_is_found_out_for_one_token_before_a_batch_is_paid(tmp_path: Path) -> None:
    with batched() as server:
        server.answers_as = "a-model-2024-07-18"
        talk = chat(server, tmp_path)
        with pytest.raises(ModelError, match=r"answers as 'a-model-2024-07-18'.*#a-model-2024-07-18"):
            ask(talk, "a", "b")
        assert not server.batches
        assert not server.files
        assert [body["max_tokens"] for body in server.asked_singly] == [1]
        dated = batch_api.BatchChat("a-model", f"{server.url}#a-model-2024-07-18", notes=tmp_path, first_wait=0.01)
        assert ask(dated, "a", "b") == ["answer a", "answer b"]
        assert ask(dated, "a", "b") == ["answer a", "answer b"]
        assert len(server.asked_singly) == 2  # none where nothing is submitted


@pytest.mark.parametrize("status", [404, 400])
def test_a_provider_that_answers_no_single_question_still_gets_its_batch(status: int, tmp_path: Path) -> None:
    with batched() as server:
        server.faults.append(("/v1/chat/completions", status))
        assert ask(chat(server, tmp_path), "a") == ["answer a"]


def test_each_question_without_an_answer_fails_with_what_became_of_it(tmp_path: Path) -> None:
    def ending(batch: Batch) -> Ending:
        return Ending(
            answered=lambda one: question(one) == "b",
            refused=lambda one: refusal(one, 500) if question(one) == "a" else None,
        )

    with batched(ending) as server:
        refused, answered, absent = ask(chat(server, tmp_path), "a", "b", "c")
    assert answered == "answer b"
    assert "refused a" in str(refused)
    assert "its batch is completed" in str(absent)


def test_faults_on_the_way_are_waited_out(tmp_path: Path) -> None:
    with batched(lambda batch: Ending() if batch.looks > 1 else None) as server:
        server.faults += [("/v1/files", 503), ("/v1/batches", 429), *[("/v1/batches/", 429)] * 6, ("/v1/files/", 502)]
        assert ask(chat(server, tmp_path), "a", "b") == ["answer a", "answer b"]
        assert len(server.batches) == 1
        assert not server.faults


def test_a_provider_that_stays_silent_ends_the_step_and_the_batch_is_there_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_provider, "SILENT", 4)
    with batched() as server:
        server.faults += [("/v1/batches/", 503)] * 4
        with pytest.raises(ModelError, match="run the same command again later"):
            ask(chat(server, tmp_path), "a")
        assert ask(chat(server, tmp_path), "a") == ["answer a"]
        assert len(server.batches) == 1


def test_a_server_without_a_batch_api_is_named(tmp_path: Path) -> None:
    with batched() as server:
        server.faults.append(("/v1/files", 404))
        with pytest.raises(ModelError, match=r"no batch API .*batch\+"):
            ask(chat(server, tmp_path), "a")


@pytest.mark.parametrize("key", ["sk-very-secret", "sk-very-secret\n"])
def test_the_key_is_in_no_note_log_or_error(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    caplog.set_level(logging.DEBUG)

    def ending(batch: Batch) -> Ending:
        return Ending(refused=lambda one: refusal(one, 400), answered=lambda one: False, errors=["sk-very-secret"])

    with batched(ending) as server:
        talk = chat(server, tmp_path)
        answers = ask(talk, "bad sk-very-secret")
        assert server.keys == {"Bearer sk-very-secret"}
    notes = "".join(path.read_text() for path in tmp_path.glob("*"))
    assert "very-secret" not in f"{answers} {talk!r} {notes} {caplog.text}"


@pytest.mark.parametrize("key", ["sk-very\nsecret", "sk-vëry-secret"])
def test_a_key_that_cannot_be_sent_stops_the_step_and_is_not_shown(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with batched() as server, pytest.raises(ModelError, match="OPENAI_API_KEY cannot be sent") as raised:
        ask(chat(server, tmp_path), "a")
    assert "secret" not in str(raised.value)
    assert not server.keys


def test_a_client_that_cannot_be_made_is_an_error_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://me:hunter2@127.0.0.1:9")
    with batched() as server, pytest.raises(ModelError, match=r"no HTTP client can be made.*ALL_PROXY") as raised:
        ask(chat(server, tmp_path), "a")
    assert "hunter2" not in str(raised.value)


def test_rows_of_a_batch_and_of_a_server_are_the_same_rows(tmp_path: Path) -> None:
    price = Price(input=1.0, output=2.0)
    maker = LlmRewriter(batch_api.BatchChat("a-model", "http://127.0.0.1:9/v1", price=price))
    assert maker.fingerprint == LlmRewriter(ServerChat("a-model", "http://127.0.0.1:8/v1")).fingerprint


def test_what_a_row_took_and_cost_is_in_the_ledger(tmp_path: Path) -> None:
    with batched() as server:
        talk = chat(server, tmp_path / "notes", price=Price(input=1.0, output=3.0, cached=0.5))
        maker = LlmRewriter(talk)
        maker.read = lambda answer: {"rewrite": answer}
        made = produce(pl.LazyFrame({"text": ["a"], "target": ["joy"]}), maker, Ledger(tmp_path / "ledger")).collect()
    assert made.select("prompt_tokens", "cached_tokens", "completion_tokens").row(0) == (10, 2, 4)
    assert made["cost"].item() == pytest.approx((8 * 1.0 + 2 * 0.5 + 4 * 3.0) / 1e6)
