"""Translate or score the files of a folder, in processes or on Ray.

After an interruption, the same call goes on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.bulk.settings import Settings
from export.bulk.shards import Shard, check_shard, finish_shard
from programs.library import stored, without_keras
from programs.lines import SOME_EMPTY
from programs.progress import Progress
from programs.scores import ScoreSummary
from programs.tasks import TasksError, done

NOTE = ".translate.json"
"""What has made the files of an output folder."""


def finish_folder(
    settings: Settings,
    source: Path,
    out: Path,
    alignments: Path | None = None,
    workers: int = 1,
    ray: str | None = None,
) -> int:
    """Translate or score each file of a folder to one of the same name; return the exit status.

    Files that an earlier call has finished are skipped. So a call after an interruption leaves the
    same bytes as one without.

    Args:
        settings: What makes the output.
        source: The folder of the files.
        out: The folder of the translations or scores.
        alignments: The folder for word alignments, or None.
        workers: The number of processes.
        ray: The address of a Ray cluster, or None.

    Raises:
        ValueError: If the folders cannot be used, or a line has a problem, before anything is
            written, unless such lines are to be left empty.
        TasksError: If a process was killed.
    """
    check_places(source, out, alignments)
    shards = shards_of(settings, source, out, alignments)
    made_by = {"in": str(source.resolve()), **settings.made_by()}
    check_note(out, made_by)
    _clear(shards)
    open_shards = [shard for shard in shards if not is_finished(shard)]
    if len(open_shards) < len(shards):
        count = len(shards) - len(open_shards)
        print(f"{count} of {len(shards)} files are finished: skipped.", file=sys.stderr)
    try:
        if settings.on_problem == "error":
            list(done(check_shard, open_shards, workers))
        without_keras("files").write(out / NOTE, json.dumps(made_by, indent=2) + "\n")
        return _finish(open_shards, workers, ray)
    except TasksError as error:
        advice = "Run the same command again: what is finished is kept."
        raise TasksError(f"{error} {advice}") from error


def _finish(shards: Sequence[Shard], workers: int, ray: str | None) -> int:
    empty, scored, progress = 0, ScoreSummary(), Progress()
    for number, report in enumerate(done(finish_shard, shards, workers, ray), start=1):
        for text in report.warnings:
            print(f"warning: {text}", file=sys.stderr)
        empty += report.empty
        scored += report.scored
        progress.add(report.lines, f"{number} of {len(shards)} files, ")
    progress.end()
    if scored.pairs:
        print(f"{len(shards)} files, {scored}", file=sys.stderr)
    return SOME_EMPTY if empty else 0


def check_places(source: Path, out: Path, alignments: Path | None) -> None:
    """Raise an error if folders cannot be read or written, or are one inside the other."""
    if not source.is_dir():
        raise NotADirectoryError(f"IN must be a folder of files. Received: {source}")
    places = {"IN": source, "OUT": out, "--alignments": alignments}
    given = {name: place.resolve() for name, place in places.items() if place is not None}
    for name, place in given.items():
        for other, outer in given.items():
            if name != other and place.is_relative_to(outer):
                raise ValueError(
                    f"{name} must not be {other}, or inside it. "
                    f"Received: {name} {places[name]}, {other} {places[other]}"
                )


def shards_of(settings: Settings, source: Path, out: Path, alignments: Path | None) -> list[Shard]:
    """Return the files of a folder by name: not those that are hidden, and none of its folders.

    Raises:
        ValueError: If there are none.
    """
    names = sorted(f.name for f in source.iterdir() if f.is_file() and not f.name.startswith("."))
    if not names:
        raise ValueError(f"IN must be a folder of files. Received: {source}, which has none")
    return [
        Shard(settings, source / name, out / name, alignments and alignments / name)
        for name in names
    ]


def check_note(out: Path, made_by: Mapping[str, Any]) -> None:
    """Raise an error if a folder has files that something else has made.

    Raises:
        ValueError: If the note in the folder says so; the message names what differs.
        FileExistsError: If the folder has files, and no note.
    """
    note = out / NOTE
    if not note.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise FileExistsError(
                "OUT must be a new folder, an empty one, or one of the same command. "
                f"Received: {out}"
            )
        return
    earlier = stored().parsed(note)
    earlier = earlier if isinstance(earlier, dict) else {}
    for name in {**made_by, **earlier}:
        if earlier.get(name) != made_by.get(name):
            raise ValueError(
                f"{out} was made with {name} {earlier.get(name)}. Choose another OUT. "
                f"Received: {name} {made_by.get(name)}"
            )


def is_finished(shard: Shard) -> bool:
    """Return whether all that is made of a shard is there.

    Raises:
        ValueError: If it was changed since.
    """
    if not all(file.is_file() for file in shard.files()):
        return False
    if shard.out.stat().st_mtime < shard.source.stat().st_mtime:
        raise ValueError(
            f"{shard.source} is newer than {shard.out}, which was made of it. Delete that to have "
            "it made again."
        )
    return True


def _clear(shards: Sequence[Shard]) -> None:
    """Remove what a killed process left of files."""
    files = without_keras("files")
    for folder in {file.parent for shard in shards for file in shard.files()}:
        for path in files.remains(folder, [NOTE, *(shard.out.name for shard in shards)]):
            files.remove(path)
