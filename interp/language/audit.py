"""From a language model and sequences to a verdict: what it has memorised, where, and what is left without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from interp.errors import ConfigError
from interp.language.group_memory import (
    FEWEST_CONTROLS,
    Located,
    check_methods,
    group_cost,
    group_memory,
)
from interp.language.memory import Memory, cost, memorised_rows, memory_of
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model
from interp.language.reading import read_sequences
from interp.language.records import GroupMemory, LanguageReport
from interp.language.references import check_reference
from interp.language.sequences import CONTROL, Sequences, check_tokens, token_sequences
from interp.language.settings import LanguageSettings
from interp.language.sites import HEADS, NEURONS
from interp.language.texts import famous_and_invented
from interp.language.wording import memory_verdict, memory_warnings, trace_sentence
from interp.output import plain
from interp.progress import progress, with_progress


@with_progress("auditing")
def audit_language(
    source: Path | str | Any,
    sequences: Path | str | Sequences,
    *,
    settings: LanguageSettings | None = None,
    tokenizer: Any = None,
    prompt_tokens: int | None = None,
    device: torch.device | str = "cpu",
    out: Path | None = None,
    show_progress: bool | None = None,
) -> LanguageReport:
    """Measure which sequences a language model has memorised, find the neurons that hold them, and take these out.

    Args:
        source: See `open_language_model`.
        sequences: A file, see `read_sequences`; or sequences of tokens.
        settings: Of the measurement.
        tokenizer: Of a model in memory.
        prompt_tokens: Of every prompt of a file; see `read_sequences`.
        device: Where to compute.
        out: A folder where scores of neurons are kept, so that an interrupted audit goes on.
        show_progress: See `interp.show_progress`.

    Raises:
        CheckpointError: The model cannot be opened. ConfigError: the sequences cannot be used.

    Example:
        >>> from interp.language.small import small_language_model
        >>> ids = np.random.default_rng(0).integers(0, 64, (4, 12))
        >>> rows = token_sequences(ids, split=["trained", "trained", "control", "control"])
        >>> report = audit_language(small_language_model(), rows, settings=LanguageSettings(locate=False))
        >>> report.verdict[0]
        'Of 2 sequences that may have been trained on: 2 not memorised.'
    """
    settings, seconds = settings or LanguageSettings(), dict[str, float]()
    with _timed(seconds, "opening"):
        model = open_language_model(source, tokenizer, device=device)
        reference = open_language_model(settings.reference, device=device) if settings.reference else None
    sequences = _sequences(model, sequences, prompt_tokens, reference)
    measured, notes = _with_controls(model, sequences, settings)
    with _timed(seconds, "memory"), progress("measuring memory", cost(sequences, settings)) as report:
        memory = memory_of(model, sequences, settings, reference=reference, report=report)
    with _timed(seconds, "locating"):
        groups = _located(model, (sequences, measured), memory, settings, out)
    return LanguageReport(
        checkpoint=model.name,
        model=_facts(model),
        sequences=sequences,
        memory=memory.table,
        logprob=memory.scores.logprob,
        rank=memory.scores.rank,
        guessed=memory.guessed,
        pieces=pieces_of(model, sequences),
        groups=groups,
        settings=plain(asdict(settings)),
        notes=(*model.notes, *sequences.notes, *memory.notes, *(notes if groups else ())),
        verdict=(*memory_verdict(memory, sequences), *(one for group in groups for one in group.verdict)),
        warnings=tuple(memory_warnings(memory, sequences, bool(reference))),
        seconds=seconds,
    )


def _sequences(
    model: LanguageModel,
    sequences: Path | str | Sequences,
    prompt_tokens: int | None,
    reference: LanguageModel | None,
) -> Sequences:
    if isinstance(sequences, Sequences):
        check_tokens(sequences, model.vocab, model.context)
    else:
        limits = {"vocab": model.vocab, "context": model.context, "prompt_tokens": prompt_tokens}
        sequences = read_sequences(sequences, model.tokenizer, **limits)
    if reference is not None:
        check_reference(reference, model, sequences)
    return sequences


def _located(
    model: LanguageModel,
    both: tuple[Sequences, Sequences],
    memory: Memory,
    settings: LanguageSettings,
    out: Path | None,
) -> tuple[GroupMemory, ...]:
    """Every group that holds memory; sequences are as given, and with controls that were added."""
    sequences, measured = both
    results = []
    for located in _groups(memory, sequences, measured) if settings.locate else ():
        title = "locating" if located.group is None else f"locating {located.group}"
        with progress(title, group_cost(model, located, settings)) as report:
            result = group_memory(model, measured, located, settings, report=report, out=out)
        result = _without_added(result, len(sequences))
        trace = trace_sentence(result, memory.scores.rank, sequences.unseen)
        results.append(replace(result, verdict=(*result.verdict, *trace)))
    return tuple(results)


def _without_added(result: GroupMemory, n: int) -> GroupMemory:
    """Without the tokens of controls that were added to the first n sequences."""
    steps = tuple(
        replace(step, without=step.without[:n], rank_without=step.rank_without[:n]) for step in result.steps
    )
    return replace(result, without=result.without[:n], rank_without=result.rank_without[:n], steps=steps)


def _groups(memory: Memory, sequences: Sequences, measured: Sequences) -> Iterator[Located]:
    """Groups that hold memorised sequences; all together where no groups are named."""
    rows = memorised_rows(memory, sequences)
    names = dict.fromkeys(sequences.group[row] for row in rows)
    for name in names:
        own = np.array([row for row in rows if sequences.group[row] == name], dtype=np.int64)
        others = np.setdiff1d(rows, own)
        yield Located(name, own, others, measured.unseen)


def _with_controls(
    model: LanguageModel, sequences: Sequences, settings: LanguageSettings
) -> tuple[Sequences, tuple[str, ...]]:
    """The sequences, with controls added where there are too few to locate by, and notes on these and on methods."""
    if not settings.locate:
        return sequences, ()
    joined, notes = _with_invented(model, sequences)
    return joined, (*notes, *check_methods(settings, len(joined.unseen)))


def _with_invented(model: LanguageModel, sequences: Sequences) -> tuple[Sequences, tuple[str, ...]]:
    """The sequences, with invented texts added where too few are known to be unseen and there is a tokenizer."""
    if len(sequences.unseen) >= FEWEST_CONTROLS or model.tokenizer is None:
        return sequences, ()
    texts = [row["text"] for row in famous_and_invented() if row.get("split") == CONTROL]
    added = token_sequences([model.tokenizer(text)["input_ids"] for text in texts])
    few = f"fewer than {FEWEST_CONTROLS} sequences are marked as held-out or control"
    try:
        check_tokens(added, model.vocab, model.context)
    except ConfigError:
        return sequences, (f"{few}, and the texts invented for this tool are too long for the model",)
    n = len(added)
    joined = replace(
        sequences,
        ids=(*sequences.ids, *added.ids),
        prompt=np.concatenate([sequences.prompt, added.prompt]),
        group=(*sequences.group, *(None,) * n),
        split=(*sequences.split, *(CONTROL,) * n),
        text=(*sequences.text, *texts),
    )
    note = f"{n} English texts invented for this tool serve as controls where neurons are located, as {few}"
    return joined, (note,)


def pieces_of(model: LanguageModel, sequences: Sequences) -> tuple[tuple[str, ...], ...]:
    """Each continuation token as text, or as its number where there is no tokenizer."""
    rows = [ids[start:].tolist() for ids, start in zip(sequences.ids, sequences.prompt, strict=True)]
    if model.tokenizer is None:
        return tuple(tuple(f" {token}" for token in row) for row in rows)
    return tuple(tuple(model.tokenizer.decode([token]) for token in row) for row in rows)


def _facts(model: LanguageModel) -> dict[str, Any]:
    return {
        "kind": type(model.network).__name__,
        "layers": len(model.blocks),
        "neurons": len(model.units(NEURONS)),
        "heads": len(model.units(HEADS)),
        "vocab": model.vocab,
        "parameters": sum(
            weight.numel() for weight in {id(one): one for one in model.weights.values()}.values()
        ),
        "via": model.via,
    }


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = perf_counter()
    yield
    seconds[stage] = round(perf_counter() - start, 2)
