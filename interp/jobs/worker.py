"""The work on checkpoints and training runs: one function, which every executor calls, here or elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
import resource
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from time import perf_counter
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from interp.checkpoints.files import library_version
from interp.checkpoints.options import OpenOptions
from interp.errors import CheckpointError, GrokscopeError
from interp.jobs.columns import SCHEMA_VERSION, Result, scores_result
from interp.jobs.settings import MEMORY, Settings
from interp.jobs.sources import Fetched, announce, fetched, in_text, is_remote, stamp_of
from interp.jobs.weights import Weights, large_scores, plain, plain_weights, stack_scores

if TYPE_CHECKING:
    from interp.checkpoints import Checkpoint

LONGEST_MESSAGE = 2_000
MEBI = 2**20


@dataclass(frozen=True)
class Chunk:
    """Checkpoints that are measured together under the same settings."""

    paths: tuple[str, ...]
    settings: Settings

    def files(self) -> tuple[str, ...]:
        """The files to measure; those that are not there yet are made first."""
        return self.paths

    def alone(self) -> Iterator[Chunk]:
        return (Chunk((path,), self.settings) for path in self.paths)

    def results(self) -> list[Result]:
        """One for each path, in their order."""
        return _of_checkpoints(self)


def measure_checkpoint(path: str, settings: Settings | None = None) -> Result:
    """Open one checkpoint and measure what the settings ask for.

    A pure function of the file's content and the settings, but for the columns in `interp.jobs.columns.COSTS`. Whatever
    goes wrong with the checkpoint is in the row: ``status``, ``error_type``, ``error``.

    Args:
        path: A file, here or in a store that fsspec knows.
        settings: What to measure, and what the file does not say of itself.
    """
    return work(Chunk((path,), settings or Settings()))[0]


def work(chunk: Chunk) -> list[Result]:
    """The results of a chunk: of checkpoints, `measure_checkpoint` of every file."""
    return chunk.results()


def _of_checkpoints(chunk: Chunk) -> list[Result]:
    """`measure_checkpoint` of every file of a chunk, in order.

    The next file is read while one is computed, one network takes the weights of all that are alike, and small networks
    are scored as one stack; none of this shows in the rows. A part whose file cannot be made is a failed row.
    """
    try:
        paths = chunk.files()
    except Exception as error:  # whatever is wrong with one part must not end the others
        parts = list(chunk.alone())
        if len(parts) > 1:  # one of them spoils the others
            return [result for part in parts for result in work(part)]
        return [failure(chunk.paths[0], chunk.settings, error)]
    with threadpool_limits(1), ThreadPoolExecutor(1) as reader:
        done: list[Result] = []
        waiting: list[tuple[_Item, Weights]] = []
        for item, outcome in _outcomes(_read_ahead(reader, paths), chunk.settings):
            weights = outcome if isinstance(outcome, Weights) else None
            if waiting and (weights is None or not waiting[0][1].takes(weights, len(waiting))):
                done += _scored(waiting, chunk.settings)
                waiting = []
            if isinstance(outcome, Weights):
                waiting.append((item, outcome))
            else:
                done.append(_result(item, chunk.settings, outcome))
        return done + _scored(waiting, chunk.settings)


@dataclass
class _Item:
    path: str
    stamp: str
    held: ExitStack = field(default_factory=ExitStack)
    at_hand: Fetched | None = None
    error: Exception | None = None
    seconds: float = 0.0
    opened: Checkpoint | None = None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Measure the time, and keep what goes wrong: whatever it is must not end the job."""
        start = perf_counter()
        try:
            yield
        except Exception as error:
            self.error = error
        finally:
            self.seconds += perf_counter() - start


def _read(path: str) -> _Item:
    item = _Item(path, stamp_of(path))
    with item.attempt():
        item.at_hand = item.held.enter_context(fetched(path))
    return item


def _read_ahead(reader: ThreadPoolExecutor, paths: tuple[str, ...]) -> Iterator[_Item]:
    """Every checkpoint's file, while the following ones are on their way: fetched by a thread, or announced."""
    following: deque[Future[_Item]] = deque()
    for path in paths:
        if is_remote(path):
            following.append(reader.submit(_read, path))
        else:
            announce(path)
    for path in paths:
        yield following.popleft().result() if is_remote(path) else _read(path)


def _outcomes(
    items: Iterator[_Item], settings: Settings
) -> Iterator[tuple[_Item, Weights | Result | Exception]]:
    """Each checkpoint with its weights, if these alone are to be scored; else with its result or error."""
    like: Checkpoint | None = None
    for item in items:
        outcome: Weights | Result | None = None
        with item.held, item.attempt():
            if item.at_hand is not None:
                outcome = _measured(item, item.at_hand, settings, like)
        like = item.opened or like
        yield item, outcome or item.error  # type: ignore[misc]  # one of them is there


def _measured(item: _Item, at_hand: Fetched, settings: Settings, like: Checkpoint | None) -> Weights | Result:
    item.at_hand = replace(at_hand, data=None)  # a chunk holds the content of one file at a time
    outcome = _of_plain(at_hand, settings)
    if outcome is not None:
        _check_same(item)
        return outcome
    if settings.measure == MEMORY:
        from interp.jobs.language_memory import measured

        result = measured(at_hand.path, settings)
        _check_same(item)
        return result
    from interp.jobs import measures  # needs PyTorch, which takes seconds to import

    item.opened = measures.opened(at_hand.path, settings, like, at_hand.data)
    _check_same(item)
    return measures.measure(item.opened, settings, item.path)


def _of_plain(at_hand: Fetched, settings: Settings) -> Weights | Result | None:
    """The weights or scores of a checkpoint that needs no PyTorch to be scored; None of any other."""
    if settings.measure != "scores" or settings.options not in (OpenOptions(), OpenOptions(dialect="native")):
        return None
    network = plain(at_hand, settings.site)
    if network is None:
        return None
    if at_hand.data is None:
        return large_scores(network, settings.convention)
    return plain_weights(network, at_hand.data)


def _check_same(item: _Item) -> None:
    """Refuse a checkpoint whose files changed since its digest was computed."""
    if not is_remote(item.path) and stamp_of(item.path) != item.stamp:
        raise CheckpointError(f"{item.path!r} was written to while it was read; run the job again")


def _scored(waiting: list[tuple[_Item, Weights]], settings: Settings) -> list[Result]:
    if not waiting:
        return []
    start = perf_counter()
    try:
        scores = stack_scores([weights for _, weights in waiting], settings.convention)
    except Exception as error:  # one network must not end the others
        if len(waiting) == 1:
            return [_result(waiting[0][0], settings, error)]
        return [result for one in waiting for result in _scored([one], settings)]
    share = (perf_counter() - start) / len(waiting)
    done = []
    for (item, weights), columns in zip(waiting, scores, strict=True):
        item.seconds += share
        done.append(_result(item, settings, scores_result(columns, weights.known, weights.hook)))
    return done


def _result(item: _Item, settings: Settings, outcome: Result | Exception) -> Result:
    path = in_text(item.path)
    where = {"checkpoint": path, "settings": settings.digest}
    row: dict[str, Any] = {
        **where,
        "series": str(PurePosixPath(path).parent),
        "digest": item.at_hand and item.at_hand.digest,
        "key": item.at_hand and key_of(item.at_hand.content, settings.digest),
        "stamp": item.stamp,
        "measure": settings.measure,
        "seed": settings.seed,
        "convention": json.dumps(settings.convention.to_dict()),
        "tool_version": library_version(),
        "schema_version": SCHEMA_VERSION,
        "seconds": item.seconds,
        "peak_memory_mib": peak_memory() / MEBI,
    }
    if isinstance(outcome, Exception):
        message = in_text(str(outcome)[:LONGEST_MESSAGE])
        return Result(
            {**row, "status": "failed", "error_type": type(outcome).__name__, "error": message}, None
        )
    if outcome.page is not None:
        row["report"] = page_name(item.path, row["key"])
    return Result(
        {**row, **outcome.row, "status": "ok"},
        outcome.neurons and {**where, **outcome.neurons},
        outcome.page,
        outcome.sequences and {**where, **outcome.sequences},
    )


def page_name(path: str, key: str) -> str:
    """Where a checkpoint's audit is, from the folder of the results."""
    stem = re.sub(r"[^\w.-]+", "-", PurePosixPath(path).stem)[-60:]
    return f"audits/{stem}-{key[:12]}.html"


def key_of(content: str, digest: str) -> str:
    """A key, from digests of content and settings, that two results share if only a path tells them apart."""
    return hashlib.sha256(f"{content} {digest}".encode()).hexdigest()[:32]


def failure(path: str, settings: Settings, error: Exception) -> Result:
    """The row of a checkpoint that could not be measured: its worker died more than once, or could not even begin."""
    return _result(_Item(path, stamp_of(path)), settings, error)


def success(path: str, settings: Settings, row: Mapping[str, Any]) -> Result:
    """The row of work that is no checkpoint's: its file is written, and some columns are known."""
    return _result(_Item(path, stamp_of(path)), settings, Result(dict(row), None))


def unstorable(result: Result, error: Exception) -> Result:
    """The row of a checkpoint that was measured, but gave a value that the store's columns cannot hold."""
    kept = ("checkpoint", "settings", "series", "digest", "key", "stamp", "measure", "seed", "convention")
    row = {name: result.row.get(name) for name in (*kept, "tool_version", "schema_version", "seconds")}
    message = f"its results cannot be stored: {error}"[:LONGEST_MESSAGE]
    return Result({**row, "status": "failed", "error_type": type(error).__name__, "error": message}, None)


class WorkerDied(GrokscopeError):
    """The process that measured a checkpoint ended before it was done."""


def peak_memory() -> int:
    """The most memory that this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
