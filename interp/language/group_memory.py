"""Where the memory of a group of sequences is: units chosen on one half, removed, and measured on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path

import numpy as np
from jaxtyping import Int

from interp.errors import ConfigError, choose
from interp.language.locating import METHODS, LocateSettings, locate
from interp.language.locating import cost as locating_cost
from interp.language.model import LanguageModel
from interp.language.records import (
    CHOSEN,
    CONTROLS,
    OTHERS,
    SAME_GROUP,
    GroupMemory,
    RemovalPoint,
    TokenStep,
    UnitScores,
)
from interp.language.relearning import relearn_sequences
from interp.language.removing import Fold, removal_cost, removal_point, scores_without
from interp.language.sequences import Sequences, halves
from interp.language.settings import FACTORS, LanguageSettings
from interp.language.settings import METHODS as DEFAULT_METHODS
from interp.language.sites import HEADS, NEURONS
from interp.language.wording import group_verdict
from interp.progress import Report, shifted, silent

DRAWS = 20
"""Random sets, at least, beside the removal that decides."""
SHOWN = 100
"""Sequences up to which every token is measured at every share, for the slider of the report."""
FEWEST_CONTROLS = 4
"""Of which half can help to locate."""
HARM = log(1.05)
"""Rise of the log loss of controls, 5 % in perplexity, from which a removal counts as harmful."""


@dataclass(frozen=True, eq=False)
class Located:
    """Sequences whose memory is looked for, and what it is compared with.

    Attributes:
        group: Name; None for all memorised sequences together.
        rows: Memorised sequences of the group.
        others: Memorised sequences of other groups.
        controls: Sequences that the model has not seen; of 4 or more, half help to locate and half are measured.
    """

    group: str | None
    rows: Int[np.ndarray, " row"]
    others: Int[np.ndarray, " other"]
    controls: Int[np.ndarray, " control"]


def check_methods(settings: LanguageSettings, n_controls: int) -> tuple[str, ...]:
    """A note where methods of the default cannot be run; a `ConfigError` where one that was asked for cannot."""
    needing = [name for name in settings.methods if METHODS[choose("method", name, METHODS)].controls]
    if n_controls >= FEWEST_CONTROLS or not needing:
        return ()
    if settings.methods != DEFAULT_METHODS:
        raise ConfigError(
            f"the method {needing[0]!r} needs {FEWEST_CONTROLS} controls or more, and there are {n_controls}; mark "
            "sequences that the model has not seen with the split 'control' or 'held-out', or leave the method out"
        )
    return (f"neurons are not ranked by {needing[0]}, which needs {FEWEST_CONTROLS} controls or more",)


def group_cost(model: LanguageModel, located: Located, settings: LanguageSettings) -> int:
    """Steps of progress that `group_memory` reports."""
    n, kind = len(located.rows), _kind(settings)
    sizes = [n, *(len(half) for half in _halves(located, settings) if n > 1)]
    methods = _methods(settings, located)
    how = _locate_settings(settings)
    own = sum(
        locating_cost(model, size, len(_controls(located, settings)[0]), methods, kind, how) for size in sizes
    )
    folds = [Fold(np.arange(0), rows) for rows in _fold_rows(located, settings)]
    points = len(methods) * len(settings.shares) * removal_cost(folds, settings.n_random)
    points += removal_cost(folds, max(DRAWS, settings.n_random))
    return own + points + (1 + len(FACTORS)) * removal_cost(folds, 0) + 2 * settings.relearn_steps + 1


def group_memory(
    model: LanguageModel,
    sequences: Sequences,
    located: Located,
    settings: LanguageSettings,
    *,
    report: Report = silent,
    out: Path | None = None,
) -> GroupMemory:
    """Score all units by a group's sequences, take the best out, and measure each part.

    With two sequences or more, units are chosen by one half and measured on the other, both ways, and the figures are
    means of the two. The best method and share are those that take most from the sequences that chose the units.

    Args:
        report: Given steps done, of `group_cost`.
        out: Where scores are kept, so that a second run need not compute them; see `locate`.
    """
    work = _Work(model, sequences, located, settings, report, out)
    scores = work.locate(located.rows)
    folds = work.folds(scores)
    units = model.units(_kind(settings))
    before = work.point(next(iter(folds.values())), 0)
    counts = sorted({_count(share, len(units)) for share in settings.shares})
    curves = {
        method: tuple(work.point(own, n, n_random=settings.n_random) for n in counts)
        for method, own in folds.items()
    }
    method, share = best_point(before, curves)
    n = _count(share, len(units))
    decisive = work.point(folds[method], n, n_random=max(DRAWS, settings.n_random))
    curves[method] = tuple(decisive if one.n == n else one for one in curves[method])
    doses = tuple(work.point(folds[method], n, factor=factor) for factor in FACTORS)
    removed = scores.top(method, n)
    steps = work.steps(scores, method, share)
    shown = next(step for step in steps if step.n == n)
    relearning = work.relearn(removed) if settings.relearn_steps else None
    report(group_cost(model, located, settings), "")
    result = GroupMemory(
        located.group, located.rows, scores, before, curves, doses, method, len(located.rows) > 1, removed, share,
        shown.without, shown.rank_without, relearning, (), steps if len(steps) > 1 else (),
    )  # fmt: skip
    holds = holds_memory(result)
    return replace(result, best=method if holds else None, verdict=tuple(group_verdict(result, holds)))


def best_point(before: RemovalPoint, curves: Mapping[str, Sequence[RemovalPoint]]) -> tuple[str, float]:
    """The method and the share that take most from the sequences that chose them, without harm to controls.

    Points that raise the controls' perplexity by more than 5 % are passed over, unless all do; then the least harmful
    is taken. Log loss decides, as accuracy is saturated where a text is known by heart.
    """
    points = [(method, point) for method, curve in curves.items() for point in curve]

    def harm(point: RemovalPoint) -> float:
        return point.nll.get(CONTROLS, 0.0) - before.nll.get(CONTROLS, 0.0)

    harmless = [one for one in points if harm(one[1]) <= HARM] or [min(points, key=lambda one: harm(one[1]))]
    method, point = max(harmless, key=lambda one: one[1].nll[CHOSEN])
    return method, point.share


def holds_memory(result: GroupMemory) -> bool:
    """True if the removal takes more accuracy and adds more log loss than random ones do, and does not harm controls.

    Of the sequences that did not choose the units, if there are any.
    """
    assert result.best is not None
    point = next(one for one in result.curves[result.best] if one.share == result.best_share)
    part = SAME_GROUP if result.crossfitted else CHOSEN
    if part not in point.random_accuracy:
        return False
    lost = point.accuracy[part] < float(point.random_accuracy[part].low)
    harm = point.nll.get(CONTROLS, 0.0) - result.before.nll.get(CONTROLS, 0.0)
    return lost and point.nll[part] > float(point.random_nll[part].high) and harm <= HARM


@dataclass(eq=False)
class _Work:
    """One group's work, and how far it has come."""

    model: LanguageModel
    sequences: Sequences
    located: Located
    settings: LanguageSettings
    report: Report
    out: Path | None
    done: int = 0

    def locate(self, rows: np.ndarray) -> UnitScores:
        controls, _ = _controls(self.located, self.settings)
        kind, methods = _kind(self.settings), _methods(self.settings, self.located)
        scores = locate(
            self.model,
            self.sequences,
            rows,
            controls=controls if len(controls) else None,
            methods=methods,
            kind=kind,
            settings=_locate_settings(self.settings),
            seed=self.settings.seed,
            report=shifted(self.report, self.done, "locating"),
            out=self.out,
        )
        how = _locate_settings(self.settings)
        self.done += locating_cost(self.model, len(rows), len(controls), methods, kind, how)
        return scores

    def folds(self, scores: UnitScores) -> dict[str, list[Fold]]:
        """By method, units in order for every fold; chosen by all rows if there is one only."""
        rows = _fold_rows(self.located, self.settings)
        chosen = [self.locate(fold[CHOSEN]) if SAME_GROUP in fold else scores for fold in rows]
        most = _count(max(self.settings.shares), len(scores))
        methods = [name for name in scores.scores if name in self.settings.methods] or list(scores.scores)
        return {
            method: [Fold(own.top(method, most), fold) for own, fold in zip(chosen, rows, strict=True)]
            for method in methods
        }

    def point(self, folds: Sequence[Fold], n: int, *, factor: float = 0.0, n_random: int = 0) -> RemovalPoint:
        kind, seed = _kind(self.settings), self.settings.seed
        point = removal_point(
            self.model, self.sequences, folds, n, factor=factor, kind=kind, n_random=n_random, seed=seed
        )
        self.done += removal_cost(folds, n_random)
        self.report(self.done, "removing")
        return point

    def steps(self, scores: UnitScores, method: str, best: float) -> tuple[TokenStep, ...]:
        """Every token without the method's units, at each share where sequences are few, else at the best."""
        shares = self.settings.shares if len(self.sequences) <= SHOWN else (best,)
        counts = sorted({_count(share, len(scores)) for share in shares})
        steps = []
        for n in counts:
            result = scores_without(
                self.model, self.sequences, scores.top(method, n), kind=_kind(self.settings)
            )
            steps.append(TokenStep(n, n / len(scores), result.logprob, result.rank))
            self.report(self.done, "removing")
        return tuple(steps)

    def relearn(self, removed: np.ndarray) -> dict[str, object]:
        return relearn_sequences(
            self.model,
            self.sequences,
            self.located.rows,
            self.located.controls,
            removed,
            steps=self.settings.relearn_steps,
            kind=_kind(self.settings),
            report=shifted(self.report, self.done, "relearning"),
        )


def _locate_settings(settings: LanguageSettings) -> LocateSettings:
    return LocateSettings(alpha=settings.alpha, screened=settings.screened)


def _kind(settings: LanguageSettings) -> str:
    return HEADS if settings.heads else NEURONS


def _controls(located: Located, settings: LanguageSettings) -> tuple[np.ndarray, np.ndarray]:
    """Controls that help to locate, and others that harm is measured on; with fewer than 4 all are measured."""
    if len(located.controls) < FEWEST_CONTROLS:
        return located.controls[:0], located.controls
    return halves(located.controls, settings.seed)


def _methods(settings: LanguageSettings, located: Located) -> tuple[str, ...]:
    """Methods to run: those that need controls, and the evidence for labels, only where there are some to locate by."""
    if len(located.controls) < FEWEST_CONTROLS:
        return tuple(name for name in settings.methods if not METHODS[name].controls) or ("gradient",)
    return tuple(dict.fromkeys([*settings.methods, "evidence"]))


def _count(share: float, total: int) -> int:
    return max(1, round(share * total))


def _halves(located: Located, settings: LanguageSettings) -> tuple[np.ndarray, np.ndarray]:
    return halves(located.rows, settings.seed)


def _fold_rows(located: Located, settings: LanguageSettings) -> list[dict[str, np.ndarray]]:
    """Sequences of every part, for the fold that each half chooses for; a single fold for a single sequence."""
    generator = np.random.default_rng(settings.seed)
    shared = {
        part: np.sort(generator.permutation(rows)[: settings.measured])
        for part, rows in ((OTHERS, located.others), (CONTROLS, _controls(located, settings)[1]))
        if len(rows)
    }
    if len(located.rows) < 2:
        return [{CHOSEN: located.rows, **shared}]
    one, other = _halves(located, settings)
    return [{CHOSEN: a, SAME_GROUP: b, **shared} for a, b in ((one, other), (other, one))]
