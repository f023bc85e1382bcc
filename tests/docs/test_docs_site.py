"""The site is built without a warning, is whole by itself, and every link of every page leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pages_of import ROOT, pages

sys.path.insert(0, str(ROOT / "docs"))
from pages import is_file, links

FETCHED = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["']?(https?://[^"'\s>]+)""")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def test_the_site_is_built_without_a_warning_and_fetches_nothing_from_elsewhere(tmp_path: Path):
    config = (ROOT / "zensical.toml").read_text().replace('"build/docs"', '"pages"')
    (tmp_path / "zensical.toml").write_text(config)
    program = "import sys, pathlib, pages; pages.stage(pathlib.Path(sys.argv[1]))"
    staged = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "docs"), str(ROOT)])}
    subprocess.run([sys.executable, "-c", program, tmp_path / "pages"], env=staged, check=True, cwd=ROOT)
    zensical = Path(sys.executable).with_name("zensical")
    built = subprocess.run([zensical, "build", "--strict"], cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        assert not FETCHED.findall(page.read_text()), page
    commands = (tmp_path / "site" / "reference" / "cli.html").read_text()
    assert "corpusmith publish" in commands
    assert "--allow-unknown-code" in commands


def test_every_page_of_the_documentation_is_in_the_navigation():
    navigation = (ROOT / "zensical.toml").read_text()
    missing = [
        page for page in pages() if page.startswith("docs/") and f'"{page.removeprefix("docs/")}"' not in navigation
    ]
    assert not missing


@pytest.mark.parametrize("page", list(pages()))
def test_every_link_of_a_page_leads_somewhere(page: str):
    path = pages()[page]
    for link in links(path.read_text()):
        if is_file(link[1]) or link[1].startswith("#"):
            name, _, anchor = link[1].partition("#")
            target = path.parent / name if name else path
            assert target.exists(), f"{page}: {link[1]}"
            assert not anchor or anchor in anchors(target), f"{page}: {link[1]}"


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as the site and the usual forges make them."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in HEADING.findall(page.read_text())
    }


def test_pre_commit_accepts_the_hooks():
    checker = Path(sys.executable).with_name("pre-commit")
    done = subprocess.run(
        [checker, "validate-config", ROOT / ".pre-commit-config.yaml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pre_commit_runs_what_ci_runs():
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    for hook in hooks:
        assert any(line.startswith(hook["entry"].replace(" --force-exclude", "")) for line in ci), hook["entry"]


def test_the_workflow_calls_what_one_runs_at_home():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert {"run": ".ci/run", "env": {"PYTHON": "python${{ matrix.python }}"}} in workflow["jobs"]["all"]["steps"]
    assert "secrets." not in str(workflow)


def test_the_citation_names_the_version_of_the_package():
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= said.keys()
    assert f'version = "{said["version"]}"' in (ROOT / "pyproject.toml").read_text()
