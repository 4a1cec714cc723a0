"""Handing chunks out to workers, storing what comes back, and living through workers that die."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from interp.errors import ConfigError
from interp.jobs.columns import Result
from interp.jobs.executors import Executor, Lost
from interp.jobs.spec import Workload
from interp.jobs.store import Store
from interp.jobs.worker import Chunk, WorkerDied, failure, unstorable
from interp.progress import progress

FIRST_WAIT, LONGEST_WAIT, WAIT_SHARE = 0.5, 10.0, 0.1
"""Results are stored after this many seconds: more seldom the longer the work runs, so that parts are few."""
HOPELESS = 3
"""So many deaths of workers before anything was measured mean that no worker can live here."""
MOST_NEURONS = 2**18


@dataclass
class Dispatch:
    """The state of a workload while its chunks are out; `phases` counts results, by status those without a phase."""

    work: Workload
    store: Store
    stopped: Callable[[], bool]
    done: int = 0
    failed: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    died: int = 0
    interrupted: bool = False
    alone: bool = False
    held: list[Result] = field(default_factory=list)
    suspects: deque[Chunk] = field(default_factory=deque)
    start: float = field(default_factory=monotonic)
    stored: float = field(default_factory=monotonic)

    def go(self, where: Executor, chunks: Sequence[Chunk]) -> None:
        """Hand out all chunks, and store what comes back.

        When a process dies, all checkpoints that were out are measured again one at a time to see which one killed it.
        """
        total, waiting, out = sum(len(chunk.paths) for chunk in chunks), deque(chunks), 0
        try:
            with progress(self.work.doing, total) as report:
                while (waiting or self.suspects or out) and not self.interrupted:
                    while waiting and not self.suspects and out < where.slots:
                        where.submit(waiting.popleft())
                        out += 1
                    if self.suspects and not out:
                        where.submit(self.suspects.popleft())
                        out, self.alone = 1, True
                    for chunk, outcome in where.finished():
                        out -= 1
                        self._take(chunk, outcome)
                        self.alone = False
                        count = self.done + self.failed
                        rate = count / max(monotonic() - self.start, 1e-9)
                        report(count, self.work.note(rate, self.failed, self.phases))
                    now = monotonic()
                    wait = min(max(WAIT_SHARE * (now - self.start), FIRST_WAIT), LONGEST_WAIT)
                    held = (one.neurons["neuron"] for one in self.held if one.neurons is not None)
                    if now - self.stored > wait or sum(map(len, held)) > MOST_NEURONS:
                        self._store()
                    self.interrupted = self.stopped()
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            self._store()

    def _take(self, chunk: Chunk, outcome: list[Result] | Lost) -> None:
        if isinstance(outcome, Lost):
            if not self.alone:
                self.suspects.extend(chunk.alone())
                return
            self.died += 1
            if self.died >= HOPELESS and not self.done:
                raise ConfigError(
                    f"the workers die before they have measured anything ({outcome.why}); with workers=1 "
                    "(--workers 1) the work is done in this process, and shows what is wrong. A script that starts "
                    "workers must do so under: if __name__ == '__main__'"
                )
            outcome = [failure(path, chunk.settings, WorkerDied(outcome.why)) for path in chunk.paths]
        self.held += outcome
        failures = sum(result.row["status"] == "failed" for result in outcome)
        self.failed += failures
        self.done += len(outcome) - failures
        self.phases.update(result.row.get("phase") or result.row["status"] for result in outcome)

    def _store(self) -> None:
        held, self.held = self.held, []
        try:
            self.store.add(held)
        except ConfigError:  # the place cannot be written to, whatever is stored
            raise
        except Exception:  # a value that no column holds must not end the job
            for result in held:
                self._store_alone(result)
        self.stored = monotonic()

    def _store_alone(self, result: Result) -> None:
        """Store one result, or else a row that says why it could not be."""
        try:
            self.store.add([result])
        except ConfigError:
            raise
        except Exception as error:
            self.store.add([unstorable(result, error)])
            if result.row["status"] != "failed":
                self.done, self.failed = self.done - 1, self.failed + 1
