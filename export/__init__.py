"""Programs that turn a run directory into artefacts for other runtimes, and verify them."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
