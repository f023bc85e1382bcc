"""Readers of sources: dump files, tables and Hub datasets, in bounded memory."""
