"""Methods that score units by how much of a memory they hold: one interface, one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from interp.language.forgetting import forgetting
from interp.language.gradients import first_order, integrated
from interp.language.masks import MaskSettings, hard_concrete, slimming
from interp.language.model import LanguageModel
from interp.language.score_store import Scores
from interp.language.sequences import Sequences
from interp.language.unit_activity import written_norms
from interp.language.zero_out import screened_scores, zero_out
from interp.progress import Report
from probes.contrast import floor_of, permuted_welch, shares, welch


def _empty() -> np.ndarray:
    return np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class LocateSettings:
    """Settings of locating.

    Attributes:
        sequences: Most sequences, and most controls, that are used; random ones where there are more.
        steps: Points of integrated gradients.
        screened: Units whose removal is computed exactly.
        masks: Of the learnt factors.
        draws: Permutations of the evidence.
        tested: Most units that evidence tests: those that act most on sequences and controls together.
        alpha: False-discovery rate of labels.
    """

    sequences: int = 64
    steps: int = 8
    screened: int = 500
    masks: MaskSettings = field(default_factory=MaskSettings)
    draws: int = 9999
    tested: int = 1000
    alpha: float = 0.05


@dataclass(frozen=True, eq=False)
class Material:
    """All that a method may use.

    Attributes:
        target: Sequences whose memory is looked for.
        control: Sequences that the model has not seen; None if there are none.
        effects, control_effects: First-order effects, ``(sequence, unit)``; empty where no method needs them.
        paths, control_paths: Effects along paths on which the sequences are forgotten; likewise.
    """

    model: LanguageModel
    target: Sequences
    control: Sequences | None
    kind: str
    settings: LocateSettings
    seed: int
    effects: Float[np.ndarray, "_ _"] = field(default_factory=_empty)
    control_effects: Float[np.ndarray, "_ _"] = field(default_factory=_empty)
    paths: Float[np.ndarray, "_ _"] = field(default_factory=_empty)
    control_paths: Float[np.ndarray, "_ _"] = field(default_factory=_empty)


INPUTS: dict[str, tuple[str, Callable[..., np.ndarray]]] = {
    "effects": ("target", first_order),
    "control_effects": ("control", first_order),
    "paths": ("target", forgetting),
    "control_paths": ("control", forgetting),
}
"""Fields of `Material` that several methods share: of which sequences they are, and what computes them."""


@dataclass(frozen=True)
class Method:
    """A way of scoring units.

    Attributes:
        title: For tables and figures.
        meaning: One line.
        source: arXiv number of the paper that it is taken from; empty for a method of this toolkit.
        run: Computes scores from the material, reporting passes of sequences.
        passes: Their number, from sequences, sites, units and settings.
        inputs: Names of `INPUTS` that it needs.
        slow: Whether it takes minutes on a processor for a model of 100 million parameters.
        settings: Names of the settings that it depends on.
    """

    title: str
    meaning: str
    source: str
    run: Callable[[Material, Report], Scores]
    passes: Callable[[int, int, int, LocateSettings], int]
    inputs: Sequence[str] = ()
    slow: bool = False
    settings: Sequence[str] = ()

    @property
    def controls(self) -> bool:
        """True if it needs controls."""
        return any(INPUTS[name][0] == "control" for name in self.inputs)


def _activation(material: Material, report: Report) -> Scores:
    return Scores(written_norms(material.model, material.target, kind=material.kind, report=report))


def _gradient(material: Material, report: Report) -> Scores:
    return Scores(material.effects.mean(0, dtype=np.float64))


def _integrated(material: Material, report: Report) -> Scores:
    steps = material.settings.steps
    return Scores(integrated(material.model, material.target, kind=material.kind, steps=steps, report=report))


def _zero_out(material: Material, report: Report) -> Scores:
    """Exact for the units with the largest first-order effects of either sign."""
    first = material.effects.mean(0, dtype=np.float64)
    chosen = np.argsort(-np.abs(first), kind="stable")[: material.settings.screened]
    rises = zero_out(material.model, material.target, chosen, kind=material.kind, report=report)
    exact = np.zeros(len(first), dtype=bool)
    exact[chosen] = True
    return Scores(screened_scores(first, chosen, rises.mean(0)), exact)


def _slimming(material: Material, report: Report) -> Scores:
    model, target, masks = material.model, material.target, material.settings.masks
    return Scores(slimming(model, target, masks, kind=material.kind, seed=material.seed, report=report))


def _hard_concrete(material: Material, report: Report) -> Scores:
    model, target, masks = material.model, material.target, material.settings.masks
    return Scores(hard_concrete(model, target, masks, kind=material.kind, seed=material.seed, report=report))


def _forgetting(material: Material, report: Report) -> Scores:
    return Scores(material.paths.mean(0, dtype=np.float64))


def _contrast(material: Material, report: Report) -> Scores:
    target, control = shares(material.effects), shares(material.control_effects)
    return Scores(welch(target, control, floor_of(target, control)))


def _evidence(material: Material, report: Report) -> Scores:
    """Welch's statistic of shares in the loss; at most 0 where a removal would lower the loss of the sequences."""
    target, control = shares(material.paths), shares(material.control_paths)
    draws, tested = material.settings.draws, material.settings.tested
    statistic, p = permuted_welch(target, control, draws=draws, tested=tested, seed=material.seed)
    raises = material.paths.mean(0) > 0
    return Scores(np.where(raises, statistic, np.minimum(statistic, 0)), p_value=p)


def _mask_steps(n: int, sites: int, units: int, settings: LocateSettings) -> int:
    return settings.masks.steps


def _none(n: int, sites: int, units: int, settings: LocateSettings) -> int:
    return 0


METHODS: dict[str, Method] = {
    "activation": Method(
        "activation", "Mean size of what the unit writes while the text is predicted.", "2311.09060",
        _activation, lambda n, sites, units, settings: n,
    ),
    "gradient": Method(
        "gradient × activation", "First-order rise of the log loss without the unit.", "1611.06440",
        _gradient, _none, inputs=("effects",),
    ),
    "integrated": Method(
        "integrated gradients", "The derivative, averaged while the unit's layer is scaled from 0 to 1.", "2104.08696",
        _integrated, lambda n, sites, units, settings: n * sites, slow=True, settings=("steps",),
    ),
    "zero-out": Method(
        "zero-out", "Exact rise of the log loss without the unit, for those that first order ranks highest.",
        "2311.09060", _zero_out, lambda n, sites, units, settings: n * min(settings.screened, units),
        inputs=("effects",), slow=True, settings=("screened",),
    ),
    "slimming": Method(
        "slimming", "A factor on the unit, learnt so that the text stays known while factors shrink.", "2311.09060",
        _slimming, _mask_steps, slow=True, settings=("masks",),
    ),
    "hard-concrete": Method(
        "hard concrete", "A random gate on the unit, learnt so that the text stays known while gates close.",
        "2311.09060", _hard_concrete, _mask_steps, slow=True, settings=("masks",),
    ),
    "forgetting": Method(
        "forgetting path", "The rise of the loss by the unit, along a path on which the text is forgotten.", "",
        _forgetting, _none, inputs=("paths",),
    ),
    "contrast": Method(
        "contrast", "The unit's share in first-order rises against that in control text, over its standard error.", "",
        _contrast, _none, inputs=("effects", "control_effects"),
    ),
    "evidence": Method(
        "membership evidence", "The same along paths on which the texts are forgotten, with a p-value.", "",
        _evidence, _none, inputs=("paths", "control_paths"), settings=("draws", "tested"),
    ),
}  # fmt: skip
"""By name, in the order of tables."""
DEFAULT = ("activation", "gradient", "forgetting", "contrast", "evidence")
"""Quick ones; those that need controls are left out, with a note, where there are none."""
