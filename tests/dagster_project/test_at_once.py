"""Whatever is started at once in one home waits for its turn or works beside, and ends well."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from project import Project

OPEN = """
import os
import sys
from pathlib import Path
from corpusmith.assets.resources import Workshop
from corpusmith.settings import Settings, Work
from corpusmith.dagster_project.runs import instance_of

WORK = Work(max_failure_rate=0.5, corpora=[], publish=None, allow_unknown_code=False, webhook=None)


def open_it(number):
    workshop = Workshop(Path(sys.argv[1]), Settings(work=WORK))
    with instance_of(workshop) as instance:
        instance.add_dynamic_partitions("p", [str(number)])
        os.write(1, f"{workshop.salt} {len(instance.get_runs())}\\n".encode())


started = []
for number in range(10):
    started.append(os.fork())
    if not started[-1]:
        open_it(number)
        os._exit(0)
sys.exit(any([os.waitpid(process, 0)[1] for process in started]))
"""


def test_ten_processes_open_a_fresh_home_at_once(tmp_path: Path) -> None:
    """Forks, which have the libraries loaded: they are there at the same moment."""
    ran = subprocess.run([sys.executable, "-c", OPEN, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout.splitlines()
    assert len(said) == 10
    assert len(set(said)) == 1, "one salt for all"


def test_builds_and_publications_at_once_end_in_one_release(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    few = ("--set", "numbers.count=12")  # without thirteen, which fails and would be tried again by each
    with ThreadPoolExecutor(3) as pool:
        builds = [pool.submit(project.run, "build", "numbers", "--json", *few) for _ in range(3)]
        assert sorted(json.loads(build.result())["made"] for build in builds) == [False, False, True]

        again = pool.submit(project.run, "build", "numbers", "--set", "numbers.version=1.0.1")
        publishing = [pool.submit(project.run, "publish", "numbers", "--json") for _ in range(2)]
        for each in (again, *publishing):
            each.result()
