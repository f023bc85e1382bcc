"""Recipes that train the house models."""
