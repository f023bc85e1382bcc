"""Makers that hold a model, and where models come from."""

import os

# Small models take turns on a few cores with whatever else runs there: threads of OpenMP that wait by spinning made the
# house LM seven times slower on a busy machine. It is read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
