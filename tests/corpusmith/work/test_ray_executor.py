"""The Ray executor on a real cluster of several nodes: the local executor's rows, whatever dies in the middle."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from makers import Squares, plan_of
from project import Project
from ray_makers import Elsewhere, Loading, Suicidal, Threads

from corpusmith.assets.registry import load
from corpusmith.errors import ClusterError, ModelError, SettingsError, TooManyFailures, UserError
from corpusmith.models.catalog import catalog
from corpusmith.models.generator import Generator
from corpusmith.settings import Ray
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import Maker, produce, shelf_of
from corpusmith.work.ray_actors import connect, end_actors
from corpusmith.work.ray_executor import AHEAD, RayExecutor

pytestmark = pytest.mark.xdist_group("ray")
HERE = Path(__file__).parent
PARAMS = Path(__file__).parents[3] / "params.yaml"
STORE = 80 * 2**20
HEALTH = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 3}


@pytest.fixture(scope="module")
def cluster():
    """A head with one CPU and a node with two, each a set of processes of its own."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False, "_system_config": HEALTH}
    found = Cluster(initialize_head=True, head_node_args=head)
    found.add_node(num_cpus=2, object_store_memory=STORE)
    connect(found.address)
    yield found
    ray.shutdown()
    found.shutdown()


def executor(address: str | None, concurrency: int = 2, **entry: float) -> RayExecutor:
    wanted = {"default": {"concurrency": concurrency, **entry}}
    return RayExecutor(Ray.model_validate({"address": address, "makers": wanted}))


@pytest.fixture
def here(cluster) -> RayExecutor:
    return executor(cluster.address)


@pytest.fixture
def one_actor(cluster) -> RayExecutor:
    return executor(cluster.address, 1)


def squares_of(plan: pl.LazyFrame, maker: Maker, root: Path, where: RayExecutor | None = None, **options) -> list[int]:
    return produce(plan, maker, Ledger(root), executor=where, **options).collect()["square"].to_list()


def made_twice(journal: Path) -> int:
    """How many batches stand in a journal more than once."""
    return sum(count - 1 for count in Counter(journal.read_text().splitlines()).values())


def test_a_plan_comes_back_as_the_local_executor_makes_it(here, tmp_path):
    at_ray = produce(plan_of(range(100)), Squares(), Ledger(tmp_path / "ray"), executor=here).collect()
    at_home = produce(plan_of(range(100)), Squares(), Ledger(tmp_path / "local")).collect()
    assert at_ray.equals(at_home)


def test_images_are_bit_for_bit_those_of_the_local_executor(one_actor, tmp_path):
    prompts = [f"a portrait of a {mood} person, photo {number}" for mood in ("happy", "sad") for number in range(5)]
    plan = pl.LazyFrame({"prompt": prompts})
    entry = catalog()["house/velocity-fast"].model_copy(update={"batch": 1, "steps": 2})
    at_ray = produce(plan, Generator(entry), Ledger(tmp_path / "ray"), executor=one_actor).collect()
    at_home = produce(plan, Generator(entry), Ledger(tmp_path / "local")).collect()
    assert at_ray.height == len(prompts)
    assert at_ray.equals(at_home)


def test_torch_computes_with_as_many_threads_as_here(one_actor, tmp_path):
    import torch

    made = produce(plan_of(range(3)), Threads(), Ledger(tmp_path), executor=one_actor).collect()
    assert set(made["threads"]) == {torch.get_num_threads()}


def test_a_model_is_loaded_once_an_actor_and_never_sent(here, tmp_path):
    maker = Loading(batch_rows=4, loads=tmp_path / "loads")
    assert maker.model is not None  # it is loaded here, too
    squares_of(plan_of(range(80)), maker, tmp_path, here)
    loaded = (tmp_path / "loads").read_text().split()
    assert len(loaded) == len(set(loaded))
    assert 2 <= len(loaded) <= 3


def test_one_bad_row_of_a_batch_fails_alone(one_actor, tmp_path):
    maker = Squares(bad=frozenset({7}))
    assert squares_of(plan_of(range(20)), maker, tmp_path, one_actor) == [n * n for n in range(20) if n != 7]
    failures = shelf_of(maker, Ledger(tmp_path)).failures()
    assert failures.select("plan", "error", "message").rows() == [('{"n":7}', "ValueError", "cannot square [7]")]


def test_a_maker_that_keeps_failing_ends_with_the_rows_listed(one_actor, tmp_path):
    maker = Squares(batch_rows=10, bad=frozenset(range(0, 100, 2)))
    with pytest.raises(TooManyFailures, match=r"squares: \d+ of \d+ rows failed.*cannot square.*max_failure_rate"):
        squares_of(plan_of(range(100)), maker, tmp_path, one_actor, max_failure_rate=0.2)
    assert shelf_of(maker, Ledger(tmp_path)).failures().height >= 10


def test_a_maker_that_fails_on_everything_is_given_up_soon(one_actor, tmp_path):
    with pytest.raises(TooManyFailures, match="squares"):
        squares_of(plan_of(range(4000)), Squares(batch_rows=1000, bad=frozenset(range(4000))), tmp_path, one_actor)


def test_an_error_of_ours_comes_back_as_itself(one_actor, tmp_path):
    with pytest.raises(ModelError, match=r"^cannot square \[3\]$"):
        squares_of(plan_of(range(9)), Squares(bad=frozenset({3}), error=ModelError), tmp_path, one_actor)


def test_no_more_of_the_plan_is_read_than_the_actors_have_in_hand(here):
    read = made = most = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal read
        for n in range(60):
            read += 1
            yield pa.record_batch({"key": pa.array([f"{n:032x}"]), "n": pa.array([n])})

    for _ in here(Squares(pause=0.01), batches()):
        most = max(most, read - made)
        made += 1
    assert made == 60
    assert most <= 2 * AHEAD


def test_actors_wait_for_the_next_step_and_an_error_ends_them(here, tmp_path):
    import ray

    squares_of(plan_of(range(40)), Squares(), tmp_path / "well", here)
    assert ray.available_resources().get("CPU") < 3
    with pytest.raises(ModelError):
        squares_of(plan_of(range(9)), Squares(bad=frozenset({3}), error=ModelError), tmp_path, here)
    free = wait_for(lambda: ray.available_resources().get("CPU") == 3)
    assert free, ray.available_resources()


def test_a_node_that_dies_costs_what_it_had_in_hand(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    journal = tmp_path / "journal"
    maker = Squares(batch_rows=2, pause=0.1, journal=journal)
    done = []

    def kill(progress) -> None:
        done.append(progress.done)
        if len(done) == 12:
            cluster.remove_node(node, allow_graceful=False)

    made = squares_of(plan_of(range(120)), maker, tmp_path, executor(cluster.address, 4), on_progress=kill)
    assert made == [n * n for n in range(120)]
    assert made_twice(journal) <= AHEAD


def test_an_actor_that_dies_costs_what_it_had_in_hand(here, tmp_path):
    maker = Suicidal(batch_rows=2, journal=tmp_path / "journal")
    maker.once = frozenset({9})
    assert squares_of(plan_of(range(40)), maker, tmp_path, here) == [n * n for n in range(40)]
    assert made_twice(tmp_path / "journal") <= AHEAD


def test_a_batch_that_kills_its_actors_is_named_with_them(one_actor, tmp_path):
    maker = Suicidal(batch_rows=2, bad=frozenset({3}))
    with pytest.raises(ClusterError) as caught:
        squares_of(plan_of(range(9)), maker, tmp_path, one_actor)
    said = str(caught.value)
    assert said.startswith("squares: 3 actors died with one and the same batch in hand")
    assert "OOM killer" in said
    assert "(pid " in said
    assert "work.ray.makers.squares" in said


def test_an_actor_that_is_killed_for_memory_is_named(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.01")  # of the only node with a card, so that it is always full
    node = cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=STORE)
    try:
        with pytest.raises(ClusterError) as caught:
            squares_of(plan_of(range(9)), Squares(pause=30), tmp_path, executor(cluster.address, 1, num_gpus=1))
    finally:
        cluster.remove_node(node)
    assert str(caught.value).startswith("squares: no memory was left on the node of an actor")
    assert "actor 1 (" in str(caught.value)
    assert "smaller concurrency" in str(caught.value)


def test_a_worker_with_other_code_is_refused(one_actor, tmp_path):
    with pytest.raises(ClusterError, match=r"squares: actor \d .* would make something else: it has corpusmith "):
        squares_of(plan_of(range(9)), Elsewhere(), tmp_path, one_actor)


PROGRAM = """
import sys; sys.path.insert(0, {here!r})
from pathlib import Path
from makers import Squares, plan_of
from corpusmith.settings import Ray
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce
from corpusmith.work.ray_executor import RayExecutor
settings = Ray.model_validate({{"address": {address!r}, "makers": {{"default": {{"concurrency": 2}}}}}})
maker = Squares(batch_rows=5, pause=0.1, journal=Path({journal!r}))
made = produce(plan_of(range(100)), maker, Ledger({root!r}), executor=RayExecutor(settings)).collect()
assert made["square"].to_list() == [n * n for n in range(100)]
"""


def test_a_killed_driver_goes_on_with_the_same_command(cluster, tmp_path):
    journal = tmp_path / "journal"
    journal.touch()
    said = {"here": str(HERE), "address": cluster.address, "journal": str(journal), "root": str(tmp_path / "ledger")}
    line = [sys.executable, "-c", PROGRAM.format(**said)]
    end_actors()
    first = subprocess.Popen(line)
    assert wait_for(lambda: len(journal.read_text().splitlines()) >= 6)
    first.send_signal(signal.SIGKILL)
    first.wait()
    subprocess.run(line, check=True)
    assert made_twice(journal) <= 2 * AHEAD
    assert len(set(journal.read_text().splitlines())) == 20


def test_a_build_ends_in_the_release_of_the_local_executor_byte_for_byte(cluster, tmp_path, monkeypatch):
    end_actors()
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    released = {}
    for name in ("local", "ray"):
        project = Project(tmp_path / name)
        project.run("build", "numbers", "--set", f"work.executor={name}")
        release = project.folder / "data" / "numbers"
        files = [path for path in release.rglob("*") if path.is_file()]
        released[name] = {path.relative_to(release).as_posix(): path.read_bytes() for path in files}
    assert "manifest.json" in released["ray"]
    assert released["ray"] == released["local"]


def test_without_ray_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'corpusmith\[ray\]'"):
        connect(None)


def test_what_an_entry_leaves_out_is_as_under_default():
    default = {"concurrency": 3, "num_cpus": 2}
    wanted = Ray.model_validate({"address": None, "makers": {"default": default, "images": {"num_gpus": 1}}})
    assert wanted.actors("sdxl", "images").model_dump() == {"concurrency": 3, "num_cpus": 2, "num_gpus": 1}
    assert wanted.actors("squares", "squares").model_dump() == {"concurrency": 3, "num_cpus": 2, "num_gpus": 0}


def test_a_misspelt_setting_of_an_entry_is_named():
    with pytest.raises(SettingsError, match=r"makers\.default\.concurency: is not a setting; did you mean concurrency"):
        load(PARAMS, overrides=["work.ray.makers.default.concurency=3"])


def wait_for(condition, seconds: float = 60) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + seconds
    while not (true := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return true
