"""Makers that hold a model, and where models come from."""
