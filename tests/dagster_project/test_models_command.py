"""corpusmith models: the catalog in the terminal, and what its check says without a Hub."""

import json
import os
import subprocess
import sys


def models(*arguments, **environment):
    """The sub-command in a process of its own."""
    command = [sys.executable, "-c", "from corpusmith.dagster_project.models import app; app()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_the_list_shows_a_role_with_licence_and_memory():
    ran = models("list", "--role", "text_to_image", "--json")
    assert ran.returncode == 0, ran.stderr
    found = {entry["name"]: entry for entry in json.loads(ran.stdout)}
    assert found["sdxl"]["licence"] == "openrail++"
    assert all(entry["vram_gb"] > 0 for entry in found.values())


def test_an_unknown_role_is_the_users_mistake():
    ran = models("list", "--role", "texttoimage")
    assert ran.returncode == 2
    assert "expected one of text_to_image" in ran.stderr


def test_offline_the_check_says_so_and_is_content_with_the_rest():
    ran = models("check", "--role", "segment", HF_HUB_OFFLINE="1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "entries: fields and licences are right, 0 with faults" in ran.stdout
    assert "the Hub is out of reach, so repositories and revisions were not checked" in ran.stdout
