"""Small complete examples, one file each: `python -m examples.NAME`.

`docs/examples.md` describes them.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
