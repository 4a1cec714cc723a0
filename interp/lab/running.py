"""Running a study for several seeds, and keeping what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from interp.errors import ConfigError
from interp.files import check_place, write_json
from interp.jobs.executors import cores
from interp.lab.processes import measured_at_once, of_seed
from interp.lab.study import Record, Study, StudyResult, study_called
from interp.progress import Report, progress, silent
from interp.safeguards import deferred_interrupt, one_thread

Measure = Callable[[Any, int, Report], Record]


def run_study(
    name: str | Study,
    seeds: Sequence[int] = (0, 1, 2),
    *,
    out: Path | str | None = None,
    opened: Any = None,
    workers: int | None = None,
    show_progress: bool = True,
    **settings: Any,
) -> StudyResult:
    """Run a study: its smallest real experiment, or another with other settings.

    Args:
        name: One of `STUDIES`, or a study of your own.
        seeds: Everything is measured once for each; three or more give intervals.
        out: A folder where each seed's result is kept as ``seed-N.json``. Seeds that it holds are not measured again.
        opened: A checkpoint from `load_checkpoint` to look at, where the study can; its own networks if None.
        workers: Processes, each of which measures a seed with one thread; one for each processor if None. A checkpoint,
            or a study of your own, is measured in this process.
        show_progress: Show a bar.
        settings: Of the study; see its ``Config``.

    Raises:
        ConfigError: There is no such study or setting, a seed is named twice, or `out` holds another study's results.

    Example:
        >>> found = run_study("lens", [0], p=13, width=32, steps=20, show_progress=False)
        >>> found.seeds
        (0,)
    """
    study = name if isinstance(name, Study) else study_called(name)
    config = study.settings(**settings)
    seeds = tuple(int(seed) for seed in seeds)
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ConfigError(f"seeds={list(seeds)} are no seeds; give one or more different numbers from 0 on")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers={workers} is no number of processes; give 1 or more")
    if opened is not None and study.inspect is None:
        raise ConfigError(f"the study {study.name!r} trains its own networks; it cannot look at a checkpoint")
    kept = _Kept(None if out is None else Path(out), study, asdict(config) | _subject(opened))
    stored = {seed: kept.read(seed) for seed in seeds}
    waiting = [seed for seed in seeds if stored[seed] is None]
    measure: Measure = study.measure
    if opened is not None and study.inspect is not None:
        measure = partial(study.inspect, opened)
    alone = opened is not None or isinstance(name, Study)  # which other processes could not be given
    workers = 1 if alone else min(workers or cores(), max(1, len(waiting)))
    with ExitStack() as stack:
        report: Report = silent
        if show_progress and waiting:
            report = stack.enter_context(progress(study.name, study.units(config) * len(waiting)))
        for seed, record in _measured(study, measure, config, waiting, workers, report):
            stored[seed] = kept.write(seed, record)
    return StudyResult(study, config, seeds, tuple(stored[seed] for seed in seeds), opened is not None)  # type: ignore[misc]


def _measured(
    study: Study, measure: Measure, config: Any, seeds: Sequence[int], workers: int, report: Report
) -> Iterator[tuple[int, Record]]:
    """Each seed's record, in the order that they are done; Ctrl-C gives up those that are not.

    A seed is measured with one thread wherever that is, so that its numbers do not depend on the workers.
    """
    with deferred_interrupt() as interrupted:

        def tell(done: int, note: str = "") -> None:
            if interrupted():
                raise KeyboardInterrupt
            report(done, note)

        if workers > 1:
            yield from measured_at_once(study.name, config, seeds, workers, tell)
            return
        for place, seed in enumerate(seeds):
            with one_thread(everywhere=True):
                record = measure(config, seed, _shifted(tell, place * study.units(config), seed))
            if interrupted():  # what Ctrl-C ended early is not what was asked for
                raise KeyboardInterrupt
            yield seed, record


def _subject(opened: Any) -> dict[str, Any]:
    """What a result depends on beside its settings: a checkpoint's weights and task, however it was opened."""
    if opened is None:
        return {}
    digest = sha256(json.dumps(opened.task.to_dict(), sort_keys=True, default=str).encode())
    digest.update(repr(opened.task.ordering).encode())
    for name, tensor in sorted(opened.model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return {"checkpoint": f"{opened.path} {digest.hexdigest()[:12]}"}


def _shifted(report: Report, before: int, seed: int) -> Report:
    def shifted(done: int, note: str = "") -> None:
        report(before + done, of_seed(seed, note))

    return shifted


class _Kept:
    """Results of seeds in a folder, each of which is written whole once it is there."""

    def __init__(self, folder: Path | None, study: Study, settings: dict[str, Any]) -> None:
        self.folder, self.names = folder, set(study.quantities)
        self.made_with = json.loads(json.dumps({"study": study.name, "settings": settings}))
        if folder is not None:
            check_place(folder / "seed.json")

    def read(self, seed: int) -> Record | None:
        file = None if self.folder is None else self.folder / f"seed-{seed}.json"
        if file is None or not file.exists():
            return None
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            same = {key: stored[key] for key in self.made_with} == self.made_with
            record = Record(stored["numbers"], stored["curves"])
            same = same and not self.names - set(record.numbers)
        except (OSError, ValueError, TypeError, KeyError):
            raise ConfigError(f"{str(file)!r} is no study's result; choose another folder") from None
        if not same:
            raise ConfigError(
                f"{str(file)!r} was made by another study or with other settings; choose another folder, or delete it"
            )
        return record

    def write(self, seed: int, record: Record) -> Record:
        if self.folder is not None:
            write_json(self.folder / f"seed-{seed}.json", {**self.made_with, "seed": seed, **asdict(record)})
        return record
