"""All numbers and curves of one network whose neurons are decoded, from its weights and from what it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.data import Ordering
from interp.lab.lens import components
from interp.lab.lens.components import Components, Significance, explained_by
from interp.lab.lens.effects import DirectEffect, clamp_and_compare, direct_effect, in_double
from interp.lab.lens.series import SeriesDecoding
from interp.lab.study import Record
from interp.measuring.cached_pass import CachedPass
from interp.measuring.logits import whole_of
from interp.measuring.removals import removal
from interp.subject import Subject
from probes.labels import Criteria

ALPHA = Criteria().alpha  # false-discovery rate
EXAMPLES, BINS, DRAWS, DRAWN = 512, 40, 20, 2
"""Examples on which neurons are clamped, bins of the histograms, random sets of neurons, and neurons that are shown."""


def decode_network(
    opened: Any, series: SeriesDecoding | None, config: Any, seed: int, note: str = ""
) -> Record:
    """The record of one network; the note says why what its neurons wrote before is not known, if there is a reason."""
    generator = np.random.default_rng(seed)
    inputs, ordering = opened.task.dataset.inputs, opened.task.ordering
    chosen = inputs[torch.as_tensor(generator.permutation(len(inputs))[:EXAMPLES])]
    effect = direct_effect(opened.model, config.site or None, examples=chosen)
    subject = Subject(opened.model, opened.task, effect.hook)
    read = components.read_components(subject)
    written = components.written_components(effect.effect, ordering)
    test = components.significance(effect, ordering, rotations=config.rotations, seed=seed)
    real = test.q_share <= ALPHA
    numbers = {
        "exact": float(effect.exact),
        "neurons": float(len(effect.effect)),
        **components.match_of(read, written, config.least),
        "chance": components.chance_of_match(read, test.rotated, config.least),
        "share": _mean(written.share),
        "share_rotated": _mean(test.rotated.share),
        "significant": float(real.mean()),
        "one_class": float((test.q_class <= ALPHA).mean()),
        **_promises(subject, chosen, effect, config, generator),
        **_without(subject.cached, real, written.frequency > 0, seed),
        **_settling(series, real),
    }
    curves = _curves(effect, read, written, test, config.least, ordering)
    curves["series"] = None if series is None else _over_training(series, real)
    return Record(numbers, curves | {"series_note": note or None})


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _promises(
    subject: Subject, inputs: Tensor, effect: DirectEffect, config: Any, generator: np.random.Generator
) -> dict[str, float | None]:
    """Random neurons that are ever active, each clamped to a value within its range."""
    activations = whole_of(subject.cached.activations).double().cpu().numpy()
    low, high = activations.min(0), activations.max(0)
    active = np.flatnonzero(high > low)
    if not len(active):
        return dict.fromkeys(("moved", "error", "error_stored", "relative_error", "promise_explained"))
    neurons = generator.permutation(active)[: config.clamped]
    values = generator.uniform(low[neurons], high[neurons])
    twin = in_double(subject.model)
    stored = clamp_and_compare(subject.model, inputs, effect, neurons, values)
    precise = stored if twin is None else clamp_and_compare(twin, inputs, effect, neurons, values)
    explained = precise.explained[np.isfinite(precise.explained)]
    return {
        "moved": float(precise.moved.max()),
        "error": None if twin is None else float(precise.error.max()),
        "error_stored": float(stored.error.max()),
        "relative_error": float(stored.error.max()) / stored.scale if stored.scale else None,
        "promise_explained": float(explained.min()) if len(explained) else None,
    }


def _without(cached: CachedPass, real: np.ndarray, writing: np.ndarray, seed: int) -> dict[str, float | None]:
    """Accuracies without the living neurons that write no real component, and without as many random living ones.

    Only where examples are known to be corrupted, and the random ones are not nearly the same set.
    """
    alive = writing & (whole_of(cached.activations) != 0).any(0).cpu().numpy()
    neurons = alive & ~real
    splits = {"corrupted": "corrupted_as_labelled", "test": "test"}
    numbers: dict[str, float | None] = {f"{s}_{kind}": None for s in splits for kind in ("without", "random")}
    if not neurons.any() or not cached.data.corrupted.any():
        return numbers
    result = removal(cached, neurons, n_draws=DRAWS, pool=np.flatnonzero(alive), seed=seed)
    for name, split in splits.items() if result.controlled else ():
        random = result.random[split]
        numbers[f"{name}_without"] = result.after[split]
        numbers[f"{name}_random"] = None if random is None else random.mean
    return numbers


def _settling(series: SeriesDecoding | None, real: np.ndarray) -> dict[str, float | None]:
    """Changes of the decoding before, of the neurons that are significant at the end."""
    if series is None or series.frequency.shape[1] != len(real):
        return dict.fromkeys(("cosine", "cosine_others", "learnt", "settled", "settled_by_learnt"))
    settled, learnt = series.settled()[real], series.learnt()
    settled = settled[np.isfinite(settled)]
    trivial = learnt is None or learnt == series.steps[-1]  # at the last checkpoint all have settled
    by = None if trivial or not len(settled) else float((settled <= learnt).mean())
    return {
        "cosine": _mean(series.cosine[-1]),
        "cosine_others": _mean(series.others[-1]),
        "learnt": None if learnt is None else float(learnt),
        "settled": float(np.median(settled)) if len(settled) else None,
        "settled_by_learnt": by,
    }


def _curves(
    effect: DirectEffect,
    read: Components,
    written: Components,
    test: Significance,
    least: float,
    ordering: Ordering | None,
) -> dict[str, Any]:
    explained, rotated = explained_by(read, least), test.rotated
    edges = np.linspace(0, 1, BINS + 1)
    turned = rotated.frequency[np.arange(len(explained)) % len(rotated.frequency)]
    along = effect.centred() if ordering is None else effect.centred()[:, ordering.output]
    return {
        "highest": (effect.effect.shape[1] if ordering is None else len(ordering)) // 2,
        "cells": _cells(read.frequency[explained], written.frequency[explained]),
        "cells_rotated": _cells(read.frequency[explained], turned[explained]),
        "edges": edges.tolist(),
        "shares": _histogram(written.share, edges),
        "shares_rotated": _histogram(rotated.share, edges),
        "waves": [
            {"neuron": i, "frequency": int(written.frequency[i]), "effect": along[i].tolist()}
            for i in _strongest(along, written)
        ],
        "wave_rotated": {"frequency": int(rotated.frequency[0]), "effect": test.example.tolist()},
    }


def _strongest(effect: np.ndarray, written: Components) -> list[int]:
    """The neurons that write most, each of another frequency."""
    order = [int(i) for i in np.argsort(-np.linalg.norm(effect, axis=1)) if written.frequency[i]]
    first = {int(written.frequency[i]): i for i in reversed(order)}
    return [i for i in order if first[int(written.frequency[i])] == i][:DRAWN]


def _cells(read: np.ndarray, written: np.ndarray) -> list[list[int]]:
    pairs, counts = np.unique(np.stack([read, written], axis=1), axis=0, return_counts=True)
    return np.column_stack([pairs, counts]).tolist()


def _histogram(shares: np.ndarray, edges: np.ndarray) -> list[float]:
    counts, _ = np.histogram(shares[np.isfinite(shares)], edges)
    return (counts / max(counts.sum(), 1)).tolist()


def _over_training(series: SeriesDecoding, real: np.ndarray) -> dict[str, Any] | None:
    if series.frequency.shape[1] != len(real):
        return None
    same = (series.frequency == series.frequency[-1])[:, real] if real.any() else series.frequency > 0
    return {
        "steps": series.steps.tolist(),
        "accuracy": [None if np.isnan(x) else float(x) for x in series.accuracy],
        "cosine": [_mean(x) for x in series.cosine],
        "others": [_mean(x) for x in series.others],
        "settled": same.mean(1).tolist(),
    }
