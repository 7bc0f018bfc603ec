"""For all tests: one torch thread, so that sums have one order and workers do not fight for cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from hypothesis import settings

torch.set_num_threads(1)

# The machine may be busy: a slow example is no failure. The same examples in every run.
settings.register_profile("course", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("course")
