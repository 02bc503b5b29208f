"""The memory that XNNPACK allocates for its workspace."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def watched() -> Iterator[list[int]]:
    """Record the sizes of XNNPACK's allocations; on exit they are in the list.

    On desktop Linux, only XNNPACK calls `posix_memalign` (TensorFlow Lite calls `aligned_alloc`).
    On other systems nothing is recorded.
    """
    sizes: list[int] = []
    if sys.platform != "linux":
        yield sizes
        return
    import memray

    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records"
        with memray.Tracker(records):
            yield sizes
        with memray.FileReader(records) as reader:
            sizes += [
                record.size
                for record in reader.get_allocation_records()
                if record.allocator == memray.AllocatorType.POSIX_MEMALIGN
            ]
