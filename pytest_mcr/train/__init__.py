"""Training and fixtures."""

import os

# Before torch is imported: on a shared machine, threads that spin while they wait slow a small model down many times.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
