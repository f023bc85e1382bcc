"""Fixtures that several test folders share."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of commands would each compile all that they import
sys.dont_write_bytecode = False

settings.register_profile("corpusmith", deadline=None)  # a busy machine is no failure
settings.load_profile("corpusmith")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The folder of real third-party inputs that lies beside the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real inputs are not here: {SHARED_DATA} is missing")
    return SHARED_DATA
