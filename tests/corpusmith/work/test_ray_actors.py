"""What an actor does with a maker that was sent to it, without a cluster: the local executor's rows and errors."""

import contextlib
import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from makers import Squares, plan_of
from ray_makers import Loading

from corpusmith.assets.edits import makers as edits
from corpusmith.assets.imagenet import makers as imagenet
from corpusmith.assets.portraits import makers as portraits
from corpusmith.assets.reddit import makers as reddit
from corpusmith.assets.registry import load
from corpusmith.errors import CorpusmithError, MakerError, ModelError, TooManyFailures
from corpusmith.models import house, loading
from corpusmith.models.text.classify import HouseClassifier, HubClassifier
from corpusmith.score.measured import Scorer
from corpusmith.score.scores import Measurement, score, table
from corpusmith.settings import Settings
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import Maker, Outcome, produce, shelf_of
from corpusmith.work.ray_actors import Loaded, _Actor, _own_sigterm, address_of, loaded, pickled_maker, reason
from corpusmith.work.ray_executor import _Died, _with_node, _Work

ray = pytest.importorskip("ray")
PARAMS = Path(__file__).parents[3] / "params.yaml"


def actor_of(maker: Maker) -> _Actor:
    """An actor in this process, with a maker that came through a pickle."""
    actor = _Actor(os.environ.get("OMP_NUM_THREADS"))
    there = actor.load(pickled_maker(ray, maker), sys.path)
    assert isinstance(there, Loaded), there
    return actor


def in_an_actor(maker: Maker, batches: Iterable[pa.RecordBatch]) -> Iterator[Outcome]:
    actor = actor_of(maker)
    for batch in batches:
        made = actor.make(batch)
        if isinstance(made, CorpusmithError):
            raise made
        yield ray.cloudpickle.loads(ray.cloudpickle.dumps(made))


def squares_of(plan: pl.LazyFrame, maker: Squares, root: Path, **options) -> list[int]:
    return produce(plan, maker, Ledger(root), executor=in_an_actor, **options).collect()["square"].to_list()


def test_one_bad_row_of_a_batch_fails_alone(tmp_path):
    maker = Squares(bad=frozenset({7}))
    assert squares_of(plan_of(range(20)), maker, tmp_path) == [n * n for n in range(20) if n != 7]
    failures = shelf_of(maker, Ledger(tmp_path)).failures()
    assert failures.select("plan", "error", "message").rows() == [('{"n":7}', "ValueError", "cannot square [7]")]


def test_a_maker_that_keeps_failing_ends_with_the_rows_listed(tmp_path):
    maker = Squares(batch_rows=10, bad=frozenset(range(0, 100, 2)))
    with pytest.raises(TooManyFailures, match=r"squares: \d+ of \d+ rows failed.*cannot square.*max_failure_rate"):
        squares_of(plan_of(range(100)), maker, tmp_path, max_failure_rate=0.2)
    assert shelf_of(maker, Ledger(tmp_path)).failures().height >= 10


def test_a_maker_that_fails_on_everything_is_given_up_soon_with_the_rows_listed(tmp_path):
    maker = Squares(batch_rows=1000, bad=frozenset(range(4000)))
    with pytest.raises(TooManyFailures, match=r"squares.*cannot square.*Nothing of the last batch went through"):
        squares_of(plan_of(range(4000)), maker, tmp_path)
    assert shelf_of(maker, Ledger(tmp_path)).failures().height == 10


def test_an_error_of_ours_comes_back_as_itself(tmp_path):
    with pytest.raises(ModelError, match=r"^cannot square \[3\]$"):
        squares_of(plan_of(range(9)), Squares(bad=frozenset({3}), error=ModelError), tmp_path)


def test_an_actor_that_rests_holds_no_model(tmp_path):
    actor = actor_of(Loading(loads=tmp_path / "loads"))
    held = weakref.ref(actor.maker)
    actor.let_go()
    gc.collect()
    assert held() is None


@pytest.mark.parametrize("differs", [{"version": "9.9"}, {"fingerprint": "squares:arithmetic@2"}, {"device": "cuda"}])
def test_other_code_another_model_and_another_device_make_something_else(differs):
    here = loaded(Squares())
    assert here.makes_as(replace(here, place="another"))
    assert not here.makes_as(replace(here, **differs))
    assert str(here) != str(replace(here, **differs))


def test_one_card_of_a_machine_is_as_good_as_another():
    one, other = (HubClassifier("x", device=name, dtype="float32") for name in ("cuda:0", "cuda:1"))
    one.revision = other.revision = "1"
    assert loaded(one).makes_as(loaded(other))


def test_a_maker_finds_out_where_it_is_what_computes_there(monkeypatch):
    maker = HubClassifier("x")
    assert maker.hardware == loading.hardware()
    sent = pickled_maker(ray, maker)
    there = {"device": "cuda", "dtype": "bfloat16"}
    monkeypatch.setattr(loading, "hardware", lambda: there)
    assert ray.cloudpickle.loads(sent).hardware == there


def test_no_path_of_this_machine_is_sent_with_a_house_classifier():
    maker = HouseClassifier()
    assert maker.fingerprint
    assert os.fsencode(house.HOUSE) not in pickled_maker(ray, maker)


def test_a_maker_that_no_pickle_can_hold_is_named():
    maker = Squares()
    maker.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(MakerError, match="squares cannot be sent to an actor: "):
        pickled_maker(ray, maker)


def makers_of(corpus: str, settings: Settings) -> list[Maker]:
    table = settings.of(corpus)
    match corpus:
        case "reddit":
            return [make(table.models) for make in (reddit.judge, reddit.rewriter, reddit.generator)]
        case "portraits":
            return [*portraits.all_of(table).values()]
        case "edits":
            return [*edits.all_of(table)]
        case _:
            return imagenet.all_of(table, ("boat", "cat"), None)


@pytest.mark.parametrize("corpus", ["reddit", "portraits", "edits", "imagenet"])
def test_every_maker_of_a_corpus_makes_the_same_after_it_was_sent(corpus):
    found = makers_of(corpus, load(PARAMS))
    assert len(found) > 2
    for maker in found:
        here = loaded(maker)
        assert loaded(ray.cloudpickle.loads(pickled_maker(ray, maker))).makes_as(here)


def test_a_score_of_what_was_made_measures_the_same_after_it_was_sent(tmp_path):
    made = produce(plan_of(range(20)), Squares(), Ledger(tmp_path))
    of_it = Measurement("squares", "numbers", "m", "1", {}, "c" * 32)

    def measure() -> pl.DataFrame:
        squares = made.collect()["square"].to_numpy()
        return table([score(of_it, "sum", float(squares.sum()), squares, len(squares))])

    scorer = Scorer(of_it, measure)
    sent = ray.cloudpickle.loads(pickled_maker(ray, scorer))
    assert sent.fingerprint == scorer.fingerprint
    assert sent.measure().equals(measure())


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_DFL])
def test_who_handled_sigterm_handles_it_again_even_where_there_is_no_cluster(before):
    kept = signal.signal(signal.SIGTERM, before)
    try:
        with contextlib.suppress(OSError), _own_sigterm():
            signal.signal(signal.SIGTERM, lambda *_: None)
            raise OSError
        assert (signal.getsignal(signal.SIGTERM) is before) is callable(before)
    finally:
        signal.signal(signal.SIGTERM, kept)


@pytest.mark.parametrize("unsaid", ["", "local"])
def test_no_address_and_local_are_a_cluster_of_its_own(unsaid, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", unsaid)
    assert address_of(None) is None
    assert address_of("10.0.0.7:6379") == "10.0.0.7:6379"
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert address_of(None) == "auto"


@pytest.mark.parametrize("verb", ["is dead", "died"])
def test_why_something_died_is_told_without_what_ray_says_before(verb):
    said = f"The actor died unexpectedly before finishing this task.\n\tpid: 9\nThe actor {verb} because its node did."
    assert reason(RuntimeError(said)) == "its node did."


@pytest.mark.parametrize(("with_node", "bound"), [(False, 3), (True, 10)])
def test_a_batch_is_given_up_after_three_actors_or_ten_nodes(with_node, bound):
    work = _Work(pa.record_batch({"key": ["a", "b"]}))
    for number in range(bound - 1):
        assert work.count(_Died(f"actor {number} died", with_node)) == []
    assert len(work.count(_Died("the last died", with_node))) == bound


def test_a_result_that_is_lost_was_lost_with_its_node():
    from ray import exceptions

    assert _with_node(exceptions, exceptions.ObjectLostError("0" * 56, None, ""))
    assert _with_node(exceptions, RuntimeError("The actor died because its node has died. Node Id: 7"))
    assert not _with_node(exceptions, exceptions.OutOfMemoryError("killed"))
