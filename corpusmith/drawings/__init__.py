"""Drawings that the project makes itself: portraits, scenes and objects with captions, to train and to measure on."""
