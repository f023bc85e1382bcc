"""A folder of one's own with the corpus of numbers, and its commands."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import forked
import yaml

ROOT = Path(__file__).parents[2]
CORPORA = ROOT / "tests" / "corpora"
TABLE = {"version": "1.0.0", "count": 30, "highest": 600, "parts": ["odd", "even"]}


class Project:
    """A folder of one's own, with settings that name the corpus."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["work"] |= {"corpora": ["numbers_corpus"], "max_failure_rate": 0.5, "allow_unknown_code": True}
        params["numbers"] = TABLE
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())
        stages["stages"]["build"] |= {"foreach": ["numbers"]}
        stages["stages"]["build"]["do"]["deps"] = ["params.yaml"]
        (folder / "dvc.yaml").write_text(yaml.safe_dump(stages))
        (folder / ".gitignore").write_text("/data/\n/.corpusmith/\n")

    @property
    def environment(self) -> dict[str, str]:
        """What commands in it are given."""
        here = Path(sys.executable).parent
        paths = os.pathsep.join([str(CORPORA), os.environ.get("PYTHONPATH", str(ROOT))])
        return {**os.environ, "PYTHONPATH": paths, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}

    def start(self, *arguments: object, command: str = "corpusmith") -> subprocess.Popen[str]:
        """A command, started."""
        line = [shutil.which(command, path=self.environment["PATH"]), *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(line, cwd=self.folder, env=self.environment, text=True, **pipes)

    def run(self, *arguments: object, command: str = "corpusmith", code: int = 0) -> str:
        """What a command printed on standard output; on standard error if it is to fail."""
        if command == "corpusmith":
            ran = forked.run(command, *map(str, arguments), cwd=self.folder, env=self.environment)
            ended, out, err = ran.returncode, ran.stdout, ran.stderr
        else:
            started = self.start(*arguments, command=command)
            out, err = started.communicate()
            ended = started.returncode
        assert ended == code, out + err
        return err if code else out
