"""Small real uses, each one file to read and to run: `python -m examples.NAME`.

`docs/examples.md` shows what each does.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
