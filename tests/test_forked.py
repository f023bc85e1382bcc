"""Commands stay forks, whatever tests loaded or ran before: one that is started anew loads libraries for seconds."""

import os
import subprocess
import sys

RAN_HERE = """
import os
import forked
import corpusmith.models
from corpusmith.dagster_project.quiet import quiet
quiet()
said = [forked._read(env) for env in (os.environ, forked.BEGAN, {**os.environ, "HF_HUB_OFFLINE": "1"})]
print(said[0] == said[1], said[1] == said[2])
"""


def test_what_a_command_sets_in_this_process_starts_none_anew_and_what_a_test_sets_does():
    without = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "OMP_"))}
    paths = os.pathsep.join(sys.path)
    said = subprocess.run(
        [sys.executable, "-c", RAN_HERE], env={**without, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert said.stdout.split() == ["True", "False"], said.stderr
