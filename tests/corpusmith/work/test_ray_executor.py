"""The Ray executor on a real cluster of several nodes: the local executor's rows, whatever dies in the middle."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from makers import Squares, plan_of
from project import Project
from ray_makers import Elsewhere, Loading, Stillborn, Suicidal, Sums

from corpusmith.errors import ClusterError, ModelError
from corpusmith.settings import Ray
from corpusmith.work.ledger import Ledger
from corpusmith.work.plan import keys
from corpusmith.work.produce import Maker, produce
from corpusmith.work.ray_actors import connect, end_actors
from corpusmith.work.ray_executor import IN_FLIGHT, RayExecutor

pytestmark = pytest.mark.xdist_group("ray")
HERE = Path(__file__).parent
STORE = 80 * 2**20
HEALTH = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 3}


@pytest.fixture(scope="module")
def client_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def cluster(client_port):
    """A head with one CPU and a node with two, each a set of processes of its own."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False, "_system_config": HEALTH}
    found = Cluster(initialize_head=True, head_node_args={**head, "ray_client_server_port": client_port})
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


def test_what_torch_computes_is_bit_for_bit_that_of_the_local_executor(one_actor, tmp_path):
    at_ray = produce(plan_of(range(8)), Sums(), Ledger(tmp_path / "ray"), executor=one_actor).collect()
    at_home = produce(plan_of(range(8)), Sums(), Ledger(tmp_path / "local")).collect()
    assert at_ray["sum"].n_unique() == 8
    assert at_ray.equals(at_home)


def test_a_model_is_loaded_once_an_actor_and_never_sent(here, tmp_path):
    maker = Loading(batch_rows=4, loads=tmp_path / "loads")
    assert maker.model is not None  # it is loaded here, too
    maker.together = 3
    squares_of(plan_of(range(80)), maker, tmp_path, here)
    loaded = (tmp_path / "loads").read_text().split()
    assert len(loaded) == len(set(loaded)) == 3


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
    assert most <= 2 * IN_FLIGHT


def test_a_node_that_dies_costs_what_it_had_in_hand(cluster, tmp_path, caplog):
    node = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    journal = tmp_path / "journal"
    maker = Loading(batch_rows=2, pause=0.1, journal=journal, loads=tmp_path / "loads", together=4)

    def kill(progress) -> None:
        if node in cluster.list_all_nodes():
            cluster.remove_node(node, allow_graceful=False)

    made = squares_of(plan_of(range(120)), maker, tmp_path, executor(cluster.address, 4), on_progress=kill)
    assert made == [n * n for n in range(120)]
    assert "its node has died" in caplog.text
    assert "goes to another" in caplog.text
    assert made_twice(journal) <= IN_FLIGHT


def test_a_batch_that_kills_its_actors_is_named_with_them_and_no_other_that_lay_behind(one_actor, tmp_path, caplog):
    maker = Suicidal(batch_rows=2, dies={1: 2, 3: 9}, deaths=tmp_path / "deaths")
    with pytest.raises(ClusterError) as caught:
        squares_of(plan_of(range(4)), maker, tmp_path, one_actor)
    assert sorted((tmp_path / "deaths").read_text().split()) == ["1", "1", "3", "3", "3"]
    assert caplog.text.count("goes to another") == 5
    said = str(caught.value)
    first, last = keys(plan_of([2, 3]).collect(), maker.fingerprint, maker.inputs)
    assert said.startswith(f"squares: 3 actors died while they made the batch of the rows {first} to {last}, so")
    assert "OOM killer" in said
    assert "(pid " in said
    assert "work.ray.makers.squares" in said


def test_actors_that_are_killed_for_memory_are_named(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.01")  # of the only node with a card, so that it is always full
    node = cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=STORE)
    try:
        with pytest.raises(ClusterError) as caught:
            squares_of(plan_of(range(9)), Squares(pause=30), tmp_path, executor(cluster.address, 1, num_gpus=1))
    finally:
        cluster.remove_node(node, allow_graceful=False)
    assert str(caught.value).count("was killed for memory") == 3
    assert "smaller concurrency" in str(caught.value)


def test_where_no_actor_starts_the_step_stops(one_actor, tmp_path):
    with pytest.raises(ClusterError, match=r"squares: 3 actors could not be started, so the step stopped. actor \d"):
        squares_of(plan_of(range(9)), Stillborn(survivor=os.getpid()), tmp_path, one_actor)


def test_a_node_that_is_too_small_is_waited_for_where_one_may_come(cluster, tmp_path, caplog):
    def batches() -> Iterator[pa.RecordBatch]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        list(executor(cluster.address, num_cpus=64)(Squares(), batches()))
    assert "squares waits for a node with num_cpus: 64 and num_gpus: 0" in caplog.text


def test_a_machine_that_is_too_small_is_said_at_once(cluster, tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ClusterError, match="A cluster of this machine's own does not grow: ask for less"):
        squares_of(plan_of(range(9)), Squares(), tmp_path, executor(None, num_cpus=64))


def test_actors_wait_for_the_next_step_and_an_error_comes_back_as_itself_and_ends_them(here, tmp_path):
    import ray

    squares_of(plan_of(range(40)), Squares(), tmp_path / "well", here)
    assert ray.available_resources().get("CPU") < 3
    with pytest.raises(ModelError, match=r"^cannot square \[3\]$"):
        squares_of(plan_of(range(9)), Squares(bad=frozenset({3}), error=ModelError), tmp_path, here)
    free = wait_for(lambda: ray.available_resources().get("CPU") == 3)
    assert free, ray.available_resources()


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


def test_a_killed_driver_goes_on_from_somewhere_else_with_the_same_command(cluster, client_port, tmp_path):
    journal = tmp_path / "journal"
    journal.touch()
    said = {"here": str(HERE), "journal": str(journal), "root": str(tmp_path / "ledger")}
    end_actors()
    first = subprocess.Popen([sys.executable, "-c", PROGRAM.format(address=cluster.address, **said)])
    assert wait_for(lambda: len(journal.read_text().splitlines()) >= 6)
    first.send_signal(signal.SIGKILL)
    first.wait()
    client = PROGRAM.format(address=f"ray://127.0.0.1:{client_port}", **said)
    subprocess.run([sys.executable, "-c", client], check=True)
    assert made_twice(journal) <= 2 * IN_FLIGHT + 1  # what both actors had in hand, and what was being written
    assert len(set(journal.read_text().splitlines())) == 20


def test_a_build_ends_in_the_release_of_the_local_executor_byte_for_byte(cluster, tmp_path, monkeypatch):
    end_actors()
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)

    def released(name: str) -> dict[str, bytes]:
        project = Project(tmp_path / name)
        project.run("build", "numbers", "--set", f"work.executor={name}")
        release = project.folder / "data" / "numbers"
        files = [path for path in release.rglob("*") if path.is_file()]
        return {path.relative_to(release).as_posix(): path.read_bytes() for path in files}

    with ThreadPoolExecutor(2) as both:
        local, ray = both.map(released, ["local", "ray"])
    assert "manifest.json" in ray
    assert ray == local


def wait_for(condition, seconds: float = 60) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + seconds
    while not (true := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return true
