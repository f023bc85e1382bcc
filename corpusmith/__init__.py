"""Synthetic corpora you can trust: every row is made once, on purpose, and can be made again."""

__version__ = "0.1.0"
