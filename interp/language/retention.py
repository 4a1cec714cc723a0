"""Acquisition and forgetting of injected sequences over the checkpoints of a language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from interp.errors import ConfigError
from interp.language.fact_neurons import SHARE, fact_neurons
from interp.language.injections import DEPTHS, VERBATIM, Injections, injections_of, step_arrays
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model
from interp.language.retention_inputs import Series, Table, checked_series
from interp.language.retention_records import Depth, Retention
from interp.language.sequences import Sequences
from interp.language.source import has_tokenizer
from interp.language.token_scores import token_scores
from interp.progress import progress, with_progress
from probes.retention import (
    FEWEST_POINTS,
    WINDOW,
    Decay,
    acquisition,
    decay,
    line_by_log_time,
    retainability,
    since_peak,
)

MOST = 48
"""Facts whose neurons are looked for; random ones where there are more."""
FEWEST_NEURONS = 2
"""Facts from which their neurons are looked for, as each is compared with others."""
POINTS = 24
"""Most times that the mean curve is read at."""


@with_progress("following sequences")
def retention(
    series: Series,
    table: Table,
    *,
    prompt_tokens: int | None = None,
    window: int = WINDOW,
    neurons: bool = False,
    share: float = SHARE,
    seed: int = 0,
    device: torch.device | str = "cpu",
    show_progress: bool | None = None,
) -> Retention:
    """Follow injected sequences over the checkpoints of a training: jump, share that is left, decay with log time.

    A checkpoint of step N is taken to have seen all injections of steps up to N; the last one before a sequence's first
    injection gives its value before. Metrics are those of arXiv 2406.11813.

    Args:
        series: A folder with one subfolder a checkpoint, such as ``step-100``; or checkpoints by step, each as
            `interp.open_language_model` takes it.
        table: A file of sequences, or its rows; see `interp.language.injections.injections_of` for the columns.
        prompt_tokens: Of every injected sequence, before those of the table.
        window: Steps after the last injection in which the maximum is looked for.
        neurons: Also look for the neurons that stored the sequences; see `interp.language.fact_neurons`.
        share: Of all neurons in each sequence's set.
        seed: Of every random draw.
        device: Where to compute.
        show_progress: See `interp.show_progress`.

    Raises:
        CheckpointError: The series cannot be opened.
        ConfigError: The table cannot be used.

    Example:
        >>> from interp.language.small import small_language_model
        >>> series = {step: small_language_model(d_mlp=8, seed=step) for step in (0, 10, 20)}
        >>> result = retention(series, [{"ids": [5, 6, 7, 8], "step": 5}, {"ids": [9, 8, 7, 6], "step": 5}])
        >>> result.values["verbatim"].shape, result.depths["verbatim"].decay
        ((2, 3), None)
        >>> result.depths["verbatim"].reason
        'not testable, because only 1 checkpoint comes after the maximum of every sequence; 4 are needed'
    """
    if window < 0:
        raise ConfigError(f"window={window} is below 0")
    places, rows, called = checked_series(series, table, prompt_tokens)
    steps = np.array(list(places), dtype=np.int64)
    injections, arrays = _followed(places, rows, called, prompt_tokens, device)
    result = _measured(injections, arrays, steps, window, np.random.default_rng(seed))
    if isinstance(series, (str, Path)):
        result = result.named(str(series))
    rose = _rose(result)
    if neurons and len(rose) < FEWEST_NEURONS:
        note = f"Neurons are looked for from {FEWEST_NEURONS} sequences on that rose; {len(rose)} did."
        return replace(result, notes=(*result.notes, note))
    if neurons:
        result = result.with_neurons(*_neurons(places, steps, injections, result, rose, share, seed, device))
    return result


def _followed(
    places: Mapping[int, Any],
    rows: list[dict[str, Any]],
    called: str,
    prompt_tokens: int | None,
    device: torch.device | str,
) -> tuple[Injections, dict[str, Float[np.ndarray, "row checkpoint"]]]:
    """The injections, read for the first checkpoint, and their log probabilities at all, by depth."""
    tokenizer, injections, vocab = _tokenizer(places), None, 0
    values: dict[str, list[np.ndarray]] = {depth: [] for depth in DEPTHS}
    with progress("checkpoints", len(places)) as report:
        for done, place in enumerate(places.values(), 1):
            model = open_language_model(place, device=device)
            if injections is None:
                read = {"vocab": model.vocab, "context": model.context, "prompt_tokens": prompt_tokens}
                injections = injections_of(rows, called, tokenizer or model.tokenizer, **read)
                vocab = model.vocab
            elif model.vocab != vocab:
                raise ConfigError(
                    f"{model.name} knows {model.vocab} tokens and the first checkpoint {vocab}; expected checkpoints "
                    "of one network: move others out of the folder"
                )
            for depth, own in _log_probabilities(model, injections).items():
                values[depth].append(own)
            report(done)
    assert injections is not None
    return injections, {depth: np.stack(columns, axis=1) for depth, columns in values.items()}


def _tokenizer(places: Mapping[int, Any]) -> Any:
    """The tokenizer of the first checkpoint that comes with one; None for a model in memory."""
    files = [place for place in places.values() if isinstance(place, (str, Path)) and has_tokenizer(place)]
    return open_language_model(files[0]).tokenizer if files else None


def _log_probabilities(model: LanguageModel, injections: Injections) -> dict[str, Float[np.ndarray, " row"]]:
    """Mean log probability of each row's continuation, by depth; nan for rows without this probe."""
    values = {}
    for depth, sequences in injections.probes.items():
        asked = injections.asked[depth]
        own = np.full(len(asked), np.nan)
        if asked.any():
            scores = token_scores(model, sequences.take(asked), whole=False)
            own[asked] = [float(one.mean()) for one in scores.logprob]
        values[depth] = own
    return values


def _measured(
    injections: Injections,
    values: Mapping[str, Float[np.ndarray, "row checkpoint"]],
    steps: Int[np.ndarray, " checkpoint"],
    window: int,
    generator: np.random.Generator,
) -> Retention:
    first, last, known = step_arrays(injections, steps)
    earlier = np.searchsorted(steps, first) - 1  # the last checkpoint before the first injection; -1: none
    spans = np.where(known, window, steps[-1] - steps[0])
    depths = {
        depth: _depth(
            own, steps, earlier, last, spans, injections.asked[depth], injections.control, generator
        )
        for depth, own in values.items()
        if injections.asked[depth].any()
    }
    return Retention(
        steps=steps,
        values={depth: values[depth] for depth in depths},
        first=np.where(known, first, -1),
        last=np.where(known, last, -1),
        control=injections.control,
        begins=tuple(injections.probes[VERBATIM].begins(row) for row in range(len(last))),
        depths=depths,
        window=window,
        notes=(*injections.notes, *_notes(steps, last, known, earlier, window)),
    )


def _notes(
    steps: np.ndarray, last: np.ndarray, known: np.ndarray, earlier: np.ndarray, window: int
) -> list[str]:
    notes = []
    if not known.all():
        notes.append(
            f"{(~known).sum()} rows have no step: they count as injected after the first checkpoint, and the "
            "maximum is that over all others, which is too high if the injection came later"
        )
    if (earlier < 0).any():
        notes.append(
            f"{(earlier < 0).sum()} rows have no checkpoint before their injection, and are not measured"
        )
    place = np.searchsorted(steps, last)
    late = (place < len(steps)) & known
    if (place == len(steps)).any():
        notes.append(
            f"{(place == len(steps)).sum()} rows have no checkpoint from their last injection on, and are not measured"
        )
    beyond = steps[np.minimum(place, len(steps) - 1)] > last + window
    if (late & beyond).any():
        notes.append(
            f"{(late & beyond).sum()} rows have no checkpoint in the {window} steps after their injection; the next "
            "one stands for the maximum, which may have been higher"
        )
    return notes


def _depth(
    values: Float[np.ndarray, "row checkpoint"],
    steps: Int[np.ndarray, " checkpoint"],
    earlier: Int[np.ndarray, " row"],
    last: Int[np.ndarray, " row"],
    spans: Int[np.ndarray, " row"],
    asked: Bool[np.ndarray, " row"],
    control: Bool[np.ndarray, " row"],
    generator: np.random.Generator,
) -> Depth:
    rows = np.arange(len(values))
    before = np.where(earlier >= 0, values[rows, earlier], np.nan)
    peak, jump = acquisition(steps, values, before, last, window=spans.astype(float))
    peak = np.where(asked, peak, -1)
    left = retainability(values, before, np.nan_to_num(jump))
    lines = [
        line_by_log_time((steps[column + 1 :] - steps[column]).astype(float), own[column + 1 :])
        if column >= 0 and np.isfinite(own).all()
        else line_by_log_time(np.zeros(0), np.zeros(0))
        for column, own in zip(peak.tolist(), left, strict=True)
    ]
    usable = asked & ~control & np.isfinite(jump)
    after = len(steps) - 1 - peak
    enough = usable & (after >= FEWEST_POINTS)
    fit, reason = None, _untestable(usable, after)
    gains = values - before[:, None]
    if not reason:
        fit = _mean_decay(gains, jump, steps, peak, enough, generator)
        if fit is None and not jump[enough].mean() > 0:
            reason = "not testable, because the log probability did not rise in the mean"
        elif fit is None:
            reason = (
                f"not testable, because fewer than {FEWEST_POINTS} times after the maxima are common to all"
            )
    beside = asked & control & np.isfinite(jump) & (after >= FEWEST_POINTS)
    other = _mean_decay(gains, jump, steps, peak, beside, generator) if beside.any() else None
    times = np.zeros(0) if fit is None else _times(steps, peak[enough])
    share = (
        since_peak(steps, gains[enough], peak[enough], times).mean(0) / jump[enough].mean()
        if len(times)
        else times
    )
    return Depth(before, peak, jump, left, tuple(lines), enough, fit, reason, other, times, share)


def _mean_decay(
    gains: Float[np.ndarray, "row checkpoint"],
    jump: Float[np.ndarray, " row"],
    steps: Int[np.ndarray, " checkpoint"],
    peak: Int[np.ndarray, " row"],
    rows: Bool[np.ndarray, " row"],
    generator: np.random.Generator,
) -> Decay | None:
    """The fit through the mean of some rows; None where it is not testable."""
    times = _times(steps, peak[rows])
    if not len(times):
        return None
    return decay(times, since_peak(steps, gains[rows], peak[rows], times), jump[rows], generator)


def _untestable(usable: Bool[np.ndarray, " row"], after: Int[np.ndarray, " row"]) -> str:
    """The reason for which no line can be fitted, by the checkpoints after each maximum; empty if it can."""
    if not usable.any():
        return "not testable, because no sequence has a checkpoint before its injection and one from it on"
    most = int(after[usable].max())
    if most >= FEWEST_POINTS:
        return ""
    come = "checkpoint comes" if most == 1 else "checkpoints come"
    return f"not testable, because only {most} {come} after the maximum of every sequence; {FEWEST_POINTS} are needed"


def _times(
    steps: Int[np.ndarray, " checkpoint"], peak: Int[np.ndarray, " row"]
) -> Float[np.ndarray, " time"]:
    """Times after the maximum that all sequences have: as measured if maxima are at one checkpoint, else log-spaced.

    Log-spaced ones are no more than the checkpoints after the last maximum, so that a line is not judged by more points
    than were measured.
    """
    if len(set(peak.tolist())) == 1:
        return (steps[peak[0] + 1 :] - steps[peak[0]]).astype(float)
    low = max(steps[column + 1] - steps[column] for column in peak.tolist())
    high = min(steps[-1] - steps[column] for column in peak.tolist())
    count = min(POINTS, len(steps) - 1 - int(peak.max()))
    return np.geomspace(low, high, count) if low < high and count >= FEWEST_POINTS else np.zeros(0)


def _rose(result: Retention) -> Int[np.ndarray, " row"]:
    own = result.depths[VERBATIM]
    return np.flatnonzero(~result.control & (np.nan_to_num(own.effectivity) > 0) & (own.peak >= 0))


def _neurons(
    places: Mapping[int, Any],
    steps: Int[np.ndarray, " checkpoint"],
    injections: Injections,
    result: Retention,
    rose: Int[np.ndarray, " fact"],
    share: float,
    seed: int,
    device: torch.device | str,
) -> tuple[Any, tuple[int, int], Int[np.ndarray, " fact"]]:
    """Neurons of sequences that rose, from the last checkpoint before all injections to that of the last maximum."""
    own = result.depths[VERBATIM]
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(rose)[:MOST])
    first, _, _ = step_arrays(injections, steps)
    pair = int(np.searchsorted(steps, first[chosen].min()) - 1), int(own.peak[chosen].max())
    order = list(places.values())
    before, after = (open_language_model(order[column], device=device) for column in pair)
    probes: dict[str, Sequences] = {
        depth: sequences.take(chosen)
        for depth, sequences in injections.probes.items()
        if injections.asked[depth][chosen].all()
    }
    stored = fact_neurons(before, after, probes, generator, share=share)
    return stored, (int(steps[pair[0]]), int(steps[pair[1]])), chosen
