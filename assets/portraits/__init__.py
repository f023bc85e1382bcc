"""The corpus of emotion portraits."""
