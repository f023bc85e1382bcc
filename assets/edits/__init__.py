"""The corpus of multi-turn diffusion edits: which model painted which pixel."""
