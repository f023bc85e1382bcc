"""Read dumps and tables of Reddit text as rows of one form, in bounded memory."""

from corpusmith.ingest.options import Notes, Options
from corpusmith.ingest.sources import read

__all__ = ["Notes", "Options", "read"]
