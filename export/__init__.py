"""Programs that export a run directory to other runtimes, verify it, and translate with it."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else ONNX Runtime writes and sends events
