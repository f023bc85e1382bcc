"""Sixty-four questions at once, and several servers of one model, against real HTTP servers that misbehave."""

from __future__ import annotations

import itertools
import json
import pickle
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from chat_server import Cut, Reply, Server, asking, chat, said, seeds, served

from corpusmith.errors import ModelError
from corpusmith.models.text.chat import ATTEMPTS, ServerChat, UnansweredError
from corpusmith.models.text.writers import LlmRewriter
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def misbehaving(question: str, before: int) -> Reply:
    """Every kind of fault, by the question's number: most of them pass, some questions are never answered."""
    number = int(question)
    time.sleep(0.05 if number % 10 == 0 else 0.005)
    if number % 50 == 49:
        return 500, b"never", {}
    if before == 0 and number % 7 == 1:
        raise Cut
    if before <= 1 and number % 7 == 2:
        return 429, b"slow down", {"Retry-After": "0.01"}
    if before == 0 and number % 7 == 3:
        return 200, b"nonsense", {}
    if before == 0 and number % 7 == 4:
        return 503, b"busy", {}
    return said(f"answer {number}")


def test_at_sixty_four_at_once_every_row_is_answered_or_fails_alone() -> None:
    together, first = threading.Barrier(64), itertools.count()

    def behave(question: str, before: int) -> Reply:
        if next(first) < 64:
            together.wait(20)
        return misbehaving(question, before)

    with served(behave) as server:
        talk = chat(server, concurrency=64)
        answers = talk.answer(asking(*map(str, range(300))), seeds(*range(300)), 8, None)
        assert server.most_under_way == 64
        assert max(server.asked.values()) <= ATTEMPTS
    for number, answer in enumerate(answers):
        if number % 50 == 49:
            assert isinstance(answer, UnansweredError)
        else:
            assert answer == f"answer {number}"


def test_a_wrong_model_among_many_answers_stops_all_of_them() -> None:
    def behave(question: str, before: int) -> Reply:
        time.sleep(0.01)
        status, body, headers = said("x")
        other = json.dumps({**json.loads(body), "model": "other/model"}).encode()
        return status, other if len(server.requests) >= 80 else body, headers

    with served(behave) as server:
        with pytest.raises(ModelError, match="answers as 'other/model'"):
            chat(server, concurrency=64).answer(asking(*map(str, range(500))), seeds(*range(500)), 8, None)
        assert len(server.requests) < 400


def test_fewer_are_asked_at_once_while_a_server_refuses_some_and_more_again_after_that() -> None:
    seen = list[tuple[bool, int, bool]]()  # whether it is crowded, how many were under way, whether one was refused

    def behave(question: str, before: int) -> Reply:
        crowded = 80 <= len(seen) < 300
        under_way = server.under_way
        refused = crowded and under_way > 12
        seen.append((crowded, under_way, refused))
        time.sleep(0.05 if crowded else 0.3)
        return (429, b"slow down", {}) if refused else said(question)

    with served(behave) as server:
        answers = chat(server, concurrency=64).answer(asking(*map(str, range(500))), seeds(*range(500)), 8, None)
    assert sum(answer == str(number) for number, answer in enumerate(answers)) > 475  # some may be refused five times
    late = seen[180:300]
    assert sum(refused for _, _, refused in late) < 0.5 * len(late)
    assert max(under_way for crowded, under_way, _ in seen[:80]) > 16
    assert max(under_way for crowded, under_way, _ in seen[300:]) > 12


def test_a_server_that_says_when_to_come_again_is_left_alone_until_then() -> None:
    asked = list[float]()

    def behave(question: str, before: int) -> Reply:
        asked.append(time.monotonic())
        return (429, b"", {"Retry-After": "0.3"}) if len(asked) == 1 else said(question)

    with served(behave) as server:
        chat(server, concurrency=1).answer(asking("a", "b", "c"), seeds(1, 2, 3), 8, None)
    assert asked[1] - asked[0] >= 0.3


def test_connections_are_kept_from_one_batch_to_the_next() -> None:
    with served(lambda question, before: said(question)) as server:
        talk = chat(server, concurrency=4)
        for start in range(0, 60, 20):
            talk.answer(asking(*map(str, range(start, start + 20))), seeds(*range(20)), 8, None)
        assert server.connections <= 4


def test_questions_that_begin_alike_are_asked_next_to_one_another_and_answered_in_order() -> None:
    questions = [f"{emotion}: {'read this ' * 20}{number}" for number in range(5) for emotion in ("joy", "fear")]
    with served(lambda question, before: said(question)) as server:
        assert chat(server, concurrency=1).answer(asking(*questions), seeds(*range(10)), 8, None) == questions
        asked = [body["messages"][-1]["content"].partition(":")[0] for _, _, body in server.requests]
    assert [emotion for emotion, _ in itertools.groupby(asked)] == ["fear", "joy"]


def test_the_next_batch_is_asked_while_a_straggler_of_this_one_keeps_it(tmp_path: Path) -> None:
    reached = threading.Event()

    def behave(question: str, before: int) -> Reply:
        if question.endswith("text 39"):
            reached.set()
        if question.endswith("text 3"):
            assert reached.wait(20)
        return said(json.dumps({"text": "well"}))

    plan = pl.LazyFrame({"text": [f"text {number}" for number in range(40)], "target": ["joy"] * 40})
    with served(behave) as server:
        maker = LlmRewriter(chat(server, concurrency=4, batch_rows=16))
        made = produce(plan, maker, Ledger(tmp_path))
        assert made.collect()["rewrite"].to_list() == ["well"] * 40
        assert set(server.asked.values()) == {1}


def test_several_servers_share_the_questions_by_how_fast_they_are() -> None:
    def slow(question: str, before: int) -> Reply:
        time.sleep(0.2)
        return said(question)

    def quick(question: str, before: int) -> Reply:
        time.sleep(0.02)
        return said(question)

    with served(slow) as one, served(quick) as other:
        talk = ServerChat("a-model", [one.url, other.url], concurrency=4)
        answers = talk.answer(asking(*map(str, range(100))), seeds(*range(100)), 8, None)
        assert answers == [str(number) for number in range(100)]
        assert 0 < len(one.requests) < len(other.requests)
        assert one.most_under_way <= 4
        assert other.most_under_way <= 4


def failing(question: str, before: int) -> Reply:
    return 500, b"no", {}


def hanging(question: str, before: int) -> Reply:
    time.sleep(1.5)
    return failing(question, before)


@pytest.mark.parametrize("bad", [failing, hanging])
def test_what_one_server_fails_is_asked_of_another(bad: Callable[[str, int], Reply]) -> None:
    def well(question: str, before: int) -> Reply:
        time.sleep(0.02)
        return said(question)

    with served(bad) as one, served(well) as other:
        talk = ServerChat("a-model", [one.url, other.url], concurrency=2, timeout=0.8, first_wait=0.01)
        answers = talk.answer(asking(*map(str, range(60))), seeds(*range(60)), 8, None)
        assert answers == [str(number) for number in range(60)]
        assert one.requests


def test_a_server_that_is_gone_is_left_out_and_used_again_once_it_is_back() -> None:
    port = free_port()
    back: list[Server] = []

    def behave(question: str, before: int) -> Reply:
        time.sleep(0.01)
        if question == "50":
            back.append(Server(lambda question, before: said(question), port=port))
            threading.Thread(target=back[0].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return said(question)

    with served(behave) as server:
        talk = ServerChat("a-model", [f"http://127.0.0.1:{port}/v1", server.url], concurrency=2, first_wait=0.05)
        answers = talk.answer(asking(*(f"{number}" for number in range(200))), seeds(*range(200)), 8, None)
        assert answers == [str(number) for number in range(200)]
        for number in range(200, 500):  # it is tried again after a wait, which a busy machine may let pass unused
            if not back[0].requests:
                time.sleep(0.1)
                talk.answer(asking(str(number)), seeds(number), 8, None)
        assert back[0].requests
        assert set(server.asked.values()) | set(back[0].asked.values()) == {1}
    back[0].shutdown()
    back[0].server_close()


def test_where_all_servers_are_gone_the_step_stops_and_names_them() -> None:
    gone = [f"http://127.0.0.1:{free_port()}/v1" for _ in range(2)]
    with pytest.raises(ModelError, match=f"{gone[0]}, {gone[1]}: start it"):
        ServerChat("a-model", gone, first_wait=0.01).answer(asking("q"), seeds(1), 8, None)


def test_which_servers_answer_changes_no_fingerprint() -> None:
    one = LlmRewriter(ServerChat("m", "http://a/v1"))
    many = LlmRewriter(ServerChat("m", ["http://b/v1", "http://c/v1"], concurrency=3))
    assert one.fingerprint == many.fingerprint
    assert many.provenance["server"] == "http://b/v1, http://c/v1"


def test_servers_that_call_the_model_differently_are_refused() -> None:
    with pytest.raises(ModelError, match=r"http://a/v1 as 'x'.*http://b/v1 as 'm'"):
        _ = ServerChat("m", ["http://a/v1#x", "http://b/v1"]).settings


def test_a_maker_that_has_asked_goes_to_another_process_and_asks_there() -> None:
    with served(lambda question, before: said(question)) as server:
        talk = chat(server)
        talk.answer(asking("here"), seeds(1), 8, None)
        assert pickle.loads(pickle.dumps(talk)).answer(asking("there"), seeds(1), 8, None) == ["there"]
