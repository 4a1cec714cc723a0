"""Locating a memory: neurons or heads of all layers, scored by several methods, with labels where evidence allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from jaxtyping import Int

from interp.errors import ConfigError, choose
from interp.language.gradients import first_order
from interp.language.methods import DEFAULT, INPUTS, METHODS, LocateSettings, Material, Method
from interp.language.model import LanguageModel
from interp.language.records import UnitScores
from interp.language.score_store import (
    Scores,
    digest_of_model,
    digest_of_sequences,
    place_of,
    store,
    stored,
)
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS
from interp.progress import Report, shifted, silent
from probes.contrast import least_p_value
from probes.null import benjamini_hochberg

MEMORIZING, UNDECIDED, NEITHER = "memorizing", "not decided", ""
DEFAULT_SETTINGS = LocateSettings()
FEWEST = 2
"""Controls that a contrast needs."""


def locate(
    model: LanguageModel,
    sequences: Sequences,
    rows: Any,
    *,
    controls: Any = None,
    methods: Sequence[str] = DEFAULT,
    kind: str = NEURONS,
    settings: LocateSettings = DEFAULT_SETTINGS,
    seed: int = 0,
    report: Report = silent,
    out: Path | str | None = None,
) -> UnitScores:
    """Score all units by how much of the memory of some sequences they hold.

    Scores are of the sequences that chose them; measure what a removal does on others.

    Args:
        sequences: Among them the memorised ones and controls.
        rows: Indices of the memorised ones.
        controls: Indices of sequences that the model has not seen; None if there are none.
        methods: Names of `METHODS`; of `DEFAULT`, those that need controls are left out, with a note, without any.
        kind: One of `interp.language.sites.KINDS`.
        settings: Of the methods.
        seed: Of everything random.
        report: Given how many of `cost` passes are done.
        out: A folder where each method's scores are kept; a second run with the same weights, sequences and settings
            reads them.

    Raises:
        ConfigError: There is no such method, no sequence, or a method's controls are missing.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model(d_mlp=8))
        >>> sequences = token_sequences([[1, 2, 3, 4], [9, 8, 7], [5, 5, 6], [3, 1, 2]])
        >>> scores = locate(model, sequences, [0], controls=[1, 2, 3], methods=["gradient", "evidence"])
        >>> len(scores), sorted(scores.scores), scores.top("gradient", 3).shape
        (16, ['evidence', 'gradient'], (3,))
    """
    rows, controls, notes = _chosen(sequences, rows, controls, settings, seed)
    names, more = _methods(methods, controls)
    units = model.units(kind)
    if not len(units):
        raise ConfigError(f"{model.name} has no {kind} that can be seen; choose another kind of unit")
    control = None if controls is None else sequences.take(controls)
    material = Material(model, sequences.take(rows), control, kind, settings, seed)
    places = {} if out is None else _places(material, names, out)
    scores = {name: held for name, place in places.items() if (held := stored(place, len(units))) is not None}
    left = [name for name in names if name not in scores]
    done = _passes(material, names) - _passes(material, left)
    for name, result in _computed(material, left, report, done):
        scores[name] = result
        if name in places:
            store(places[name], result)
    return _table(material, {name: scores[name] for name in names}, (*notes, *more))


def cost(
    model: LanguageModel,
    n_rows: int,
    n_controls: int,
    methods: Sequence[str] = DEFAULT,
    kind: str = NEURONS,
    settings: LocateSettings = DEFAULT_SETTINGS,
) -> int:
    """Passes of sequences that `locate` reports at its end, of as many rows and controls.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.small import small_language_model
        >>> cost(open_language_model(small_language_model()), 5, 10, ["activation", "gradient", "contrast"])
        20
    """
    n_rows, n_controls = (min(n, settings.sequences) for n in (n_rows, n_controls))
    n_controls = n_controls if n_controls >= FEWEST else 0
    names, _ = _methods(methods, n_controls or None)
    units = model.units(kind)
    own = [METHODS[name].passes(n_rows, len(units.sites), len(units), settings) for name in names]
    sizes = {"target": n_rows, "control": n_controls}
    return sum(own) + sum(sizes[INPUTS[need][0]] for need in _inputs(names))


def _inputs(names: Sequence[str]) -> list[str]:
    """Inputs that some methods share, in the order of `INPUTS`."""
    return [need for need in INPUTS if any(need in METHODS[name].inputs for name in names)]


def _computed(
    material: Material, names: Sequence[str], report: Report, done: int
) -> Iterator[tuple[str, Scores]]:
    """Each method's scores as soon as they are there."""
    material, seconds, done = _with_inputs(material, names, report, done)
    for name in names:
        method, start = METHODS[name], perf_counter()
        result = method.run(material, shifted(report, done, method.title))
        own = perf_counter() - start + sum(seconds[need] for need in method.inputs)
        done += _own_passes(material, name)
        report(done, method.title)
        yield name, replace(result, seconds=own)


def _passes(material: Material, names: Sequence[str]) -> int:
    n_controls = 0 if material.control is None else len(material.control)
    if not names:
        return 0
    return cost(material.model, len(material.target), n_controls, names, material.kind, material.settings)


def _own_passes(material: Material, name: str) -> int:
    units = material.model.units(material.kind)
    return METHODS[name].passes(len(material.target), len(units.sites), len(units), material.settings)


def _chosen(
    sequences: Sequences, rows: Any, controls: Any, settings: LocateSettings, seed: int
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " control"] | None, tuple[str, ...]]:
    """Rows and controls, checked, and random ones of them where there are too many."""
    results: list[np.ndarray | None] = []
    notes = []
    for noun, given in (("sequences", rows), ("controls", controls)):
        if given is None or (noun == "controls" and not len(given)):
            results.append(None)
            continue
        indices = np.unique(np.asarray(given, dtype=np.int64))
        if not len(indices) or indices[0] < 0 or indices[-1] >= len(sequences):
            raise ConfigError(
                f"{noun} {indices.tolist()[:5]} to locate by; expected one index or more, 0 to {len(sequences) - 1}"
            )
        if len(indices) > settings.sequences:
            mixed = np.random.default_rng(seed).permutation(indices)[: settings.sequences]
            notes.append(
                f"located by {settings.sequences} of {len(indices)} {noun}, drawn with the seed {seed}"
            )
            indices = np.sort(mixed)
        results.append(indices)
    one, other = results
    if one is None:
        raise ConfigError("no sequences to locate by; expected at least one")
    if other is not None and len(both := np.intersect1d(one, other)):
        raise ConfigError(f"sequence {both[0]} is both memorised and a control; expected one or the other")
    if other is not None and len(other) < FEWEST:
        notes.append("one control is too few for a contrast; expected two or more")
        other = None
    return one, other, tuple(notes)


def _methods(methods: Sequence[str], controls: Any) -> tuple[list[str], tuple[str, ...]]:
    """Names of the methods to run, and a note on those of the default that cannot be."""
    names = list(dict.fromkeys(choose("method of locating", name, METHODS) for name in methods))
    if not names:
        raise ConfigError(f"no method of locating; expected some of {', '.join(map(repr, METHODS))}")
    needing = [name for name in names if METHODS[name].controls]
    if controls is not None or not needing:
        return names, ()
    if tuple(methods) != DEFAULT:
        raise ConfigError(
            f"the method {needing[0]!r} needs controls, at least two sequences that the model has not seen; mark some "
            "with the split 'control' or 'held-out', or leave the method out"
        )
    note = f"{' and '.join(needing)} were not computed, as there are no controls; units have no labels"
    return [name for name in names if name not in needing], (note,)


def _places(material: Material, names: Sequence[str], out: Path | str) -> dict[str, Path]:
    """The file of each method's scores, named after all that they follow from."""
    weights, values = digest_of_model(material.model), asdict(material.settings)
    parts = [part for part in (material.target, material.control) if part is not None]
    digests = [digest_of_sequences(part) for part in parts]
    places = {}
    for name in names:
        method = METHODS[name]
        source = {
            "weights": weights,
            "sequences": digests if method.controls else digests[:1],
            "kind": material.kind,
            "settings": {key: values[key] for key in method.settings},
            "seed": material.seed,
        }
        places[name] = place_of(out, name, source)
    return places


def _with_inputs(
    material: Material, names: Sequence[str], report: Report, done: int
) -> tuple[Material, dict[str, float], int]:
    """The material with all that the methods share, the seconds that each took, and passes done by then."""
    values: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for need in _inputs(names):
        start, (part, compute) = perf_counter(), INPUTS[need]
        sequences: Sequences = getattr(material, part)
        own = shifted(report, done, f"gradients of the {part}")
        values[need] = compute(material.model, sequences, kind=material.kind, report=own)
        seconds[need] = perf_counter() - start
        done += len(sequences)
    return replace(material, **values), seconds, done


def _table(material: Material, scores: dict[str, Scores], notes: tuple[str, ...]) -> UnitScores:
    units, alpha = material.model.units(material.kind), material.settings.alpha
    evidence, q, label = scores.get("evidence"), None, None
    p = None if evidence is None else evidence.p_value
    if evidence is not None and p is not None and material.control is not None:
        q = benjamini_hochberg(p)
        sizes = len(material.target), len(material.control)
        if (n_tested := int((~np.isnan(p)).sum())) < len(units):
            notes += (
                f"evidence tests the {n_tested:,} {material.kind} that act most on sequences and controls together; "
                "others have no p-value",
            )
        if (least := least_p_value(*sizes)) <= alpha:
            label = _labels(p, q, evidence.values, alpha)
        else:
            notes += (
                f"no labels, as {sizes[0]} sequences against {sizes[1]} controls cannot give a p-value "
                f"below {least:.3f}, and alpha is {alpha}",
            )
    exact = {name: held.exact for name, held in scores.items() if held.exact is not None}
    values, seconds = (
        {name: getattr(held, key) for name, held in scores.items()} for key in ("values", "seconds")
    )
    return UnitScores(units.layer, units.unit, values, exact, seconds, material.kind, p, q, label, notes)


def _labels(p: np.ndarray, q: np.ndarray, values: np.ndarray, alpha: float) -> np.ndarray:
    """`MEMORIZING` where the evidence survives the number of units, `UNDECIDED` where it would alone."""
    raised = values > 0
    label = np.full(len(p), NEITHER, dtype="<U11")
    label[raised & (p <= alpha)] = UNDECIDED
    label[raised & (q <= alpha)] = MEMORIZING
    return label


__all__ = ["DEFAULT", "METHODS", "LocateSettings", "Method", "cost", "first_order", "locate"]
