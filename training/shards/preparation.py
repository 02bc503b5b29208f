"""From text to shards: survey, tokenizers, scatter, gather; what is done is not done again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from keras_attention import stored
from keras_attention.files import remains, remove, replacing, write
from keras_attention.text.tokenizer import SentencePieceTokenizer
from programs.tasks import done
from training.corpora.pairs import CorpusFiles, Pair, parts_of, read_corpus
from training.corpora.report import lines_read
from training.corpora.splits import source_keys
from training.program import CorpusError, RunError
from training.shards.folder import DEV, DROPPED, HELD_OUT, MODELS, shard_name
from training.shards.gather import Gathered, GatherTask, gather
from training.shards.manifest import FILE, Manifest, Settings, differences
from training.shards.parts import Tokenizers
from training.shards.scatter import Scattered, ScatterPlan, ScatterTask, scatter
from training.shards.survey import Survey, SurveyTask, survey

_WORK, _SETTINGS = "unfinished", "settings.json"
_ADVICE = "Use data.on_problem=drop to leave them out."
Task = TypeVar("Task")
Learn = Callable[[Sequence[Pair]], Tokenizers]


@dataclass(frozen=True)
class Workers:
    """Where tasks run; see `programs.tasks.done`.

    Attributes:
        count: The number of local processes.
        ray: The address of a Ray cluster, or None.
    """

    count: int = 1
    ray: str | None = None

    def run(self, work: Callable[[Task], None], tasks: dict[Path, Task], what: str) -> None:
        """Do the tasks whose result, the key, is not there yet."""
        open_ = [task for result, task in tasks.items() if not result.exists()]
        for number, _ in enumerate(done(work, open_, self.count, self.ray), start=1):
            print(f"{what}: {number + len(tasks) - len(open_)} of {len(tasks)}", flush=True)


def prepare(
    files: CorpusFiles, settings: Settings, out: Path, learn: Learn, workers: Workers
) -> Manifest:
    """Make shards of a text, or go on where that was interrupted.

    Every pair is drawn into a shard by the hash of its place in the text, so a shard is a random
    sample of it. The files are the same, byte for byte, whatever the number of processes, and
    however often they were killed. No step holds more than a small part of the text in memory.

    Args:
        files: The text.
        settings: What decides on the content.
        out: The folder for the shards.
        learn: A function that trains the tokenizers on pairs, or reads existing ones.
        workers: Where to do it.

    Returns:
        The manifest, which is also written as `shards.json`.

    Raises:
        CorpusError: If the text cannot be used as the settings say.
        RunError: If the folder holds something else.
    """
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is not a directory. Choose a different --out.")
    if (out / FILE).exists():
        manifest = Manifest.read(out)
        _check_same(out, manifest.settings, settings)
        print(f"{out} is complete: nothing to prepare.")
        return manifest
    extra = settings.data.extra
    more = parts_of(CorpusFiles(**vars(extra))) if extra else []
    steps = _Steps([*parts_of(files), *more], len(more), settings, out, workers)
    steps.begin()
    found = steps.survey()
    held_out = found.split(*steps.drawn)
    tokenizers = steps.tokenizers(lambda: learn(found.sampled(settings.data.seed, held_out)))
    count = max(1, -(-found.pairs // settings.shard_pairs))
    scattered = steps.scatter(held_out, count)
    gathered = steps.gather(count)
    for one in gathered:
        scattered.tally.update(one.tally)
    dropped = {str(kind): number for kind, number in scattered.tally.counts.items()}
    manifest = Manifest(settings, found.lines, dropped, [one.shard for one in gathered])
    steps.finish(manifest, tokenizers, scattered)
    return manifest


@dataclass(frozen=True)
class _Steps:
    """The steps of a preparation.

    Attributes:
        parts: The text, file by file.
        extra: How many parts, at the end, are `data.extra`.
        settings: What decides on the content.
        out: The folder for the shards.
        workers: Where tasks run.
    """

    parts: Sequence[CorpusFiles]
    extra: int
    settings: Settings
    out: Path
    workers: Workers

    @property
    def work(self) -> Path:
        """The folder of what is not finished."""
        return self.out / _WORK

    @property
    def drawn(self) -> tuple[int, int]:
        """How many pairs to hold out of the text for validation and for the final test."""
        data = self.settings.data
        return (
            data.dev_pairs if data.dev is None else 0,
            data.held_out_pairs if data.held_out is None else 0,
        )

    @cached_property
    def _given(self) -> dict[str, list[Pair]]:
        """The pairs that files give to validate on and for the final test."""
        data = self.settings.data
        files = {DEV: data.dev, HELD_OUT: data.held_out}
        return {
            name: read_corpus(CorpusFiles(**vars(given))).pairs
            for name, given in files.items()
            if given is not None
        }

    def _is_extra(self, number: int) -> bool:
        """Whether a part is one of `data.extra`."""
        return number >= len(self.parts) - self.extra

    @property
    def pieces(self) -> list[Path]:
        """The file of each part's pieces."""
        return [self.work / f"part-{number:05d}.arrow" for number in range(len(self.parts))]

    def results(self, shards: int) -> list[Path]:
        """The file of what was found in each shard."""
        return [self.work / f"shard-{number:05d}.json" for number in range(shards)]

    def begin(self) -> None:
        """Create the folder, or check that it holds the beginning of the same."""
        names = {path.name for path in self.out.iterdir()} if self.out.is_dir() else set()
        if names and _WORK not in names:
            raise RunError(f"{self.out} holds other files than shards. Choose a different --out.")
        files = [_state(part) for part in self.parts]
        asked = {"settings": asdict(_decisive(self.settings)), "files": files}
        text = json.dumps(asked, ensure_ascii=False)
        for path in remains(self.out, ["*"]):
            remove(path)
        begun = self.work / _SETTINGS
        if not begun.exists():
            write(begun, text)
            return
        there = json.loads(begun.read_text(encoding="utf-8"))
        made = stored.checked(Settings, there["settings"], str(begun))
        _check_same(self.out, made, self.settings)
        if there != json.loads(text):
            raise RunError(
                f"The text has changed since {self.out} was begun. Delete it, or choose a "
                "different --out."
            )

    def survey(self) -> Survey:
        """Look at the text."""
        data, held_out, sample = self.settings.data, sum(self.drawn), self.settings.sample
        keys = held_out + 1 if held_out else 0
        tasks = {
            out: SurveyTask(number, part, data.seed, sample, to_keep, out)
            for number, part in enumerate(self.parts)
            for out in [self.work / f"survey-{number:05d}.json"]
            for to_keep in [0 if self._is_extra(number) else keys]
        }
        self.workers.run(survey, tasks, "Read")
        found = Survey()
        for file in tasks:
            found.update(Survey.read(file), sample, keys)
        problem = None
        if not found.pairs:
            problem = "There are no valid pairs:"
        elif found.tally.counts and data.on_problem == "error":
            problem = f"Some lines are not valid pairs. {_ADVICE}"
        if problem:
            report = [lines_read(found.lines, found.pairs), *found.tally.lines()]
            raise CorpusError("\n".join([problem, *report]))
        return found

    def tokenizers(self, learn: Callable[[], Tokenizers]) -> Tokenizers:
        """Train the tokenizers, unless that is done."""
        files = [self.work / name for name in MODELS]
        if not files[-1].exists():
            for tokenizer, file in zip(learn(), files, strict=True):
                tokenizer.save(file)
        return _loaded(self.work)

    def scatter(self, held_out: dict[bytes, int], shards: int) -> Scattered:
        """Encode the text."""
        data = self.settings.data
        limits = data.max_source_length, data.max_target_length
        loaded = partial(_loaded, self.work)
        cleaning, barred = self.settings.cleaning, set(held_out)
        if self.extra:
            barred |= source_keys(chain.from_iterable(self._given.values()), data.seed)
        plan = ScatterPlan(data.seed, shards, limits, cleaning, held_out, barred, loaded)
        tasks = {
            out.with_suffix(".json"): ScatterTask(number, part, self._is_extra(number), plan, out)
            for number, (part, out) in enumerate(zip(self.parts, self.pieces, strict=True))
        }
        self.workers.run(scatter, tasks, "Encoded")
        found = Scattered()
        for one in map(Scattered.read, tasks):
            found.tally.update(one.tally)
            found.dev += one.dev
            found.test += one.test
        if "length" in found.tally.counts and data.on_problem == "error":
            problem = "Some pairs do not fit data.max_source_length or data.max_target_length."
            raise CorpusError("\n".join([f"{problem} {_ADVICE}", *found.tally.lines()]))
        return found

    def gather(self, shards: int) -> list[Gathered]:
        """Write the shards."""
        names = [part.sides[0] for part in self.parts]
        repeated = self.settings.cleaning.repeated
        tasks = {
            result: GatherTask(
                number, shards, self.pieces, names, repeated, self.out / shard_name(number), result
            )
            for number, result in enumerate(self.results(shards))
        }
        self.workers.run(gather, tasks, "Shards")
        return [Gathered.read(file) for file in tasks]

    def finish(self, manifest: Manifest, tokenizers: Tokenizers, found: Scattered) -> None:
        """Write what a training needs besides the shards, the manifest last."""
        for tokenizer, name in zip(tokenizers, MODELS, strict=True):
            tokenizer.save(self.out / name)
        dev, test = self._given.get(DEV, found.dev), self._given.get(HELD_OUT, found.test)
        for name, pairs in ((DEV, dev), (HELD_OUT, test)):
            rows = (json.dumps(pair, ensure_ascii=False) for pair in pairs)
            write(self.out / name, "".join(f"{row}\n" for row in rows))
        lists = [*self.pieces, *self.results(len(manifest.shards))]
        _join([file.with_suffix(".txt") for file in lists], self.out / DROPPED)
        usable = manifest.pairs + len(found.dev) + len(found.test)
        print("\n".join([lines_read(manifest.lines, usable), *found.tally.lines()]))
        print(f"Held out: {len(dev):,} pairs to validate on, {len(test):,} to test on.")
        write(self.out / FILE, json.dumps(asdict(manifest), ensure_ascii=False, indent=1))
        shutil.rmtree(self.work)


def _join(files: Sequence[Path], out: Path) -> None:
    """Join lists, unless they are all empty."""
    if any(file.stat().st_size for file in files):
        with replacing(out) as fresh, fresh.open("wb") as joined:
            for file in files:
                with file.open("rb") as one:
                    shutil.copyfileobj(one, joined)


def _state(part: CorpusFiles) -> list[Any]:
    states = [(Path(file), Path(file).stat()) for file in dict.fromkeys(part.sides)]
    return [[str(path), state.st_size, state.st_mtime_ns] for path, state in states]


def _decisive(settings: Settings) -> Settings:
    """Return what decides on the shards.

    Whether problems end the program does not, as then there are none; nor does the metric.
    """
    return replace(settings, data=replace(settings.data, on_problem="drop", metric="bleu"))


def _check_same(out: Path, made: Settings, asked: Settings) -> None:
    others = differences(_decisive(made), _decisive(asked))
    if others:
        raise RunError(
            f"{out} holds shards that were made otherwise: {others}. Delete it, or choose a "
            "different --out."
        )


def _loaded(work: Path) -> Tokenizers:
    source, target = (SentencePieceTokenizer.from_file(work / name) for name in MODELS)
    return source, target
