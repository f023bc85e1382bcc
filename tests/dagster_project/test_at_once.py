"""Whatever is started at once in one home waits for its turn or works beside, and ends well."""

import json
import subprocess
import sys
from pathlib import Path

from project import Project

OPEN = """
import sys
from pathlib import Path
from corpusmith.assets.resources import Workshop
from corpusmith.settings import Settings, Work
from corpusmith.dagster_project.runs import instance_of

WORK = Work(max_failure_rate=0.5, corpora=[], publish=None, allow_unknown_code=False, webhook=None)

workshop = Workshop(Path(sys.argv[1]), Settings(work=WORK))
with instance_of(workshop) as instance:
    instance.add_dynamic_partitions("p", [sys.argv[2]])
    print(workshop.salt, len(instance.get_runs()))
"""


def test_ten_processes_open_a_fresh_home_at_once(tmp_path: Path) -> None:
    line = [sys.executable, "-c", OPEN, str(tmp_path)]
    started = [
        subprocess.Popen([*line, str(number)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for number in range(10)
    ]
    said = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0] * 10, "".join(err for _, err in said)
    assert len({out for out, _ in said}) == 1, "one salt for all"


def test_builds_and_publications_at_once_end_in_one_release(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    few = ("--set", "numbers.count=12")  # without thirteen, which fails and would be tried again by each
    builds = [project.start("build", "numbers", "--json", *few) for _ in range(3)]
    said = [process.communicate() for process in builds]
    assert [process.returncode for process in builds] == [0, 0, 0], "".join(err for _, err in said)
    assert sorted(json.loads(out)["made"] for out, _ in said) == [False, False, True]

    again = project.start("build", "numbers", "--set", "numbers.version=1.0.1")
    publishing = [project.start("publish", "numbers", "--json") for _ in range(2)]
    ended = [process.communicate() for process in (again, *publishing)]
    assert again.returncode == 0, ended[0]
    assert [process.returncode for process in publishing] == [0, 0], ended[1:]
