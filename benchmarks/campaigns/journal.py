"""What a part of the campaigns tries, and the record of what it has tried."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """What all parts are about.

    Attributes:
        run: A trained run of the dates recipe.
        out: Its export.
        work: A folder for what the parts write.
        seed: The seed of everything that is drawn.
        scale: A factor for the number of trials and for the time of the long ones.
    """

    run: Path
    out: Path
    work: Path
    seed: int = 1
    scale: float = 1.0

    def count(self, full: int) -> int:
        """Return a number of trials."""
        return max(1, round(full * self.scale))


@dataclass(frozen=True)
class Trial:
    """Something to try once.

    Attributes:
        name: Its name, unique in its part and the same in each process.
        run: Tries it, and returns what was wrong.
        count: The number of inputs, calls or files that it tries.
    """

    name: str
    run: Callable[[], Iterable[str]]
    count: int = 1


Part = Callable[[Job], Iterator[Trial]]


@dataclass
class Journal:
    """The trials of a part, one line of JSON each.

    Args:
        path: The file.
    """

    path: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]  # the last may be cut
            self.rows = [json.loads(line) for line in lines]

    def go_on(self, trials: Iterable[Trial]) -> None:
        """Run the trials that the journal does not contain."""
        known = {row["trial"] for row in self.rows}
        for trial in trials:
            if trial.name in known:
                continue
            self._now.write_text(json.dumps([trial.name, trial.count]), encoding="utf-8")
            began = time.perf_counter()
            try:
                problems = list(trial.run())
            except Exception:  # whatever it is, it is the result
                problems = [traceback.format_exc(limit=-3)]
            self._add(trial.name, trial.count, problems, time.perf_counter() - began)
        self._now.unlink(missing_ok=True)
        self._add("", 0, [], 0.0)

    def note_end(self, status: int) -> bool:
        """Note the trial in which the process was killed, and return whether there was one."""
        if status >= 0 or not self._now.exists():
            return False
        name, count = json.loads(self._now.read_text(encoding="utf-8"))
        self._add(name, count, [f"the process was killed by signal {-status}"], 0.0)
        return True

    @property
    def is_complete(self) -> bool:
        """Whether all trials have been made."""
        return any(not row["trial"] for row in self.rows)

    @property
    def tried(self) -> int:
        """The number of inputs, calls or files tried."""
        return sum(row["tried"] for row in self.rows)

    @property
    def failed(self) -> list[tuple[str, str]]:
        """The trials that failed, with what was wrong."""
        return [(row["trial"], problem) for row in self.rows for problem in row["problems"]]

    @property
    def seconds(self) -> float:
        """The time of all trials."""
        return float(sum(row["seconds"] for row in self.rows))

    @property
    def _now(self) -> Path:
        return self.path.with_suffix(".now")

    def _add(self, name: str, tried: int, problems: list[str], seconds: float) -> None:
        row = {"trial": name, "tried": tried, "problems": problems, "seconds": round(seconds, 2)}
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        for problem in problems:
            print(f"FAILED {name}: {problem}", flush=True)
