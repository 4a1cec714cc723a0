"""Every column of a neuron table, said once; tables, store, reports, explorer and guide are made from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from probes.plugins import declared, leave_out, load

LOGITS, CYCLES, EXAMPLES = "logit units", "cycles", "examples"
WEIGHTS = "probes.features.weight_features"
GRID = "probes.activity.activation_scores"
RULE, MEMORY = "probes.evidence.rule_evidence", "probes.evidence.memory_evidence"
PERIODICITY = "interp.scoring.periodicity.periodicity"
TIME = "probes.timescales.time_scores"
IMPORTANCE, DRIFT = "interp.measuring.importance.importance", "interp.measuring.importance.drift"
OVER = {
    WEIGHTS: "residues",
    PERIODICITY: "residues",
    GRID: "pairs of operands",
    RULE: "held-out examples",
    MEMORY: "examples",
    TIME: "steps of time, examples",
    IMPORTANCE: "examples",
    DRIFT: "examples",
}
"""Axes that the scores of each source transform or average over, unless a column says so itself."""


@dataclass(frozen=True)
class Column:
    """One column of a neuron table.

    Attributes:
        unit: Of its values; empty where they have none.
        kind: ``"float"``, ``"double"`` (where float32 would lose what matters), ``"int"`` or ``"text"``.
        source: The function that makes it.
        axes: See `over`; empty for those of its source.
    """

    title: str
    unit: str
    meaning: str
    kind: str = "float"
    source: str = "interp.scoring.score.score_neurons"
    axes: str = ""

    @property
    def over(self) -> str:
        """Axes of weights or activations that the score transforms or averages over; empty where there are none."""
        return self.axes or OVER.get(self.source, "")

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


COLUMNS: dict[str, Column] = {
    "neuron": Column("neuron", "", "Index of the neuron at its site.", "int"),
    "label": Column("label", "", "What the neuron does for the network.", "text"),
    "evidence": Column("evidence", "", "The numbers that decided the label, in words.", "text"),
    "ipr": Column("IPR", "", "Inverse participation ratio in (0, 1], mean over its vectors.", "float", WEIGHTS),
    "ipr_<vector>": Column("IPR of vector", "", "The same of one vector: 0 left, 1 right, 2 output.", "float", WEIGHTS),
    "p_value": Column("p-value", "", "Of periodicity: Fisher's g-test, or operands permuted.", "double", WEIGHTS),
    "p_null": Column("p-value of the IPR", "", "The IPR against that of random weights.", "float", PERIODICITY),
    "q_value": Column("q-value", "", "False-discovery rate of `p_value` over the neurons.", "double"),
    "frequency": Column("frequency", CYCLES, "The strongest frequency; 0 where there is none.", "int", WEIGHTS),
    "frequency_share": Column("share at one frequency", "", "Variance that it explains, in [0, 1].", "float", WEIGHTS),
    "agreement": Column("agreement", "", "Share of its vectors that are strongest there.", "float", WEIGHTS),
    "phase_left": Column("left phase", "rad", "Phase of the left weights at the frequency.", "float", WEIGHTS),
    "phase_right": Column("right phase", "rad", "Phase of the right weights at the frequency.", "float", WEIGHTS),
    "phase_output": Column("output phase", "rad", "Phase of the output weights at the frequency.", "float", WEIGHTS),
    "phase_residual": Column("phase residual", "rad", "Left + right − output phase: 0 for the rule.", "float", WEIGHTS),
    "norm": Column("norm", "", "Root mean square of the neuron's weights.", "float", WEIGHTS),
    "gini": Column("Gini", "", "Gini coefficient of the spectrum, in [0, 1].", "float", WEIGHTS),
    "peak_share": Column("peak share", "", "Share of each vector's own strongest frequency.", "float", WEIGHTS),
    "harmonic_share": Column("harmonic share", "", "The same with its harmonics.", "float", WEIGHTS),
    "entropy": Column("entropy", "", "Entropy of the spectrum; 0 for one frequency.", "float", WEIGHTS),
    "activation_share": Column("activation share", "", "Variance at one frequency of the activations.", "float", GRID),
    "activation_frequency": Column("activation frequency", CYCLES, "That frequency.", "int", GRID),
    "activation_harmonics": Column("with harmonics", "", "`activation_share` with its harmonics.", "float", GRID),
    "sum_share": Column("share along a + b", "", "Variance explained along the sum alone.", "float", GRID),
    "sum_frequency": Column("frequency along a + b", CYCLES, "The frequency of `sum_share`.", "int", GRID),
    "activation_ipr": Column("activation IPR", "", "IPR of the two-dimensional spectrum.", "float", GRID),
    "silent": Column("silent", "", "Share of pairs at which the activation is exactly 0.", "float", GRID),
    "strength": Column("strength", LOGITS, "Root mean square of what the neuron adds to a logit.", axes=EXAMPLES),
    "outside": Column("outside", "", "Share of its squared weights at tokens outside the ordering.", axes="tokens"),
    "rule_effect": Column("adds to the rule", LOGITS, "What it adds to true labels of held-out examples.", source=RULE),
    "rule_share": Column("share of the rule", "", "`rule_effect` in that of all neurons."),
    "rule_p": Column("p-value of the rule", "", "Its readout permuted over classes.", "double", RULE),
    "rule_q": Column("q-value of the rule", "", "False-discovery rate of `rule_p`."),
    "memory_effect": Column("adds to memory", LOGITS, "What it adds to labels that were trained on.", source=MEMORY),
    "memory_share": Column("share of memory", "", "`memory_effect` in that of all neurons."),
    "memory_p": Column("p-value of memory", "", "Training against held-out examples.", "double", MEMORY),
    "memory_q": Column("q-value of memory", "", "False-discovery rate of `memory_p`."),
    "memory_by": Column("memory decided by", "", "Training examples that decided on memory.", "text"),
    "timescale": Column("timescale", "steps", "Tau of the exponential fall of its autocorrelation.", "float", TIME),
    "time_ipr": Column("IPR along time", "", "IPR of its spectrum above first-order noise.", "float", TIME),
    "time_frequency": Column("frequency along time", "cycles/step", "The strongest one of it.", "float", TIME),
    "time_p_value": Column("p-value of the rhythm", "", "Of that one, for first-order noise.", "double", TIME),
    "fisher": Column("Fisher information", "", "Mean squared slope of loss in a factor on it.", "float", IMPORTANCE),
    "mas": Column("memory aware synapses", "", "Mean slope of ‖logits‖² in a factor on it.", "float", IMPORTANCE),
    "drift": Column("drift", "", "RMS change since an earlier checkpoint, in [0, √2].", "float", DRIFT),
    "effect_<split>": Column("effect", LOGITS, "Mean margin lost without the neuron.", axes=EXAMPLES),
    "accuracy_effect_<split>": Column("accuracy effect", "", "Accuracy lost without the neuron.", axes=EXAMPLES),
}  # fmt: skip
"""Every column by name, in the order of a table; ``<split>`` and ``<vector>`` stand for each of them."""


@dataclass(frozen=True)
class Score:
    """A score that another package adds, as an entry point of the group ``grokscope.scores``.

    Attributes:
        columns: Its columns by name, none of which may be one of `COLUMNS`.
        measure: Their values, ``(neuron,)`` each, from a cached pass of the network
            (`interp.measuring.cached_pass.CachedPass`) and its task.

    Example:
        >>> score = Score({"top": Column("largest", "", "Largest activation.")}, lambda cached, task: {})
        >>> score.columns["top"].title
        'largest'
    """

    columns: Mapping[str, Column]
    measure: Callable[[Any, Any], Mapping[str, Any]]


def add_scores() -> dict[str, Score]:
    """Scores of other packages by name, whose columns are added to `COLUMNS`."""
    scores: dict[str, Score] = {}
    for name, point in declared("grokscope.scores").items():
        score = load(point, Score)
        if score is not None and (taken := set(score.columns) & set(COLUMNS)):
            leave_out(point, f"the column {min(taken)!r} is taken")
        elif score is not None:
            scores[name] = score
            COLUMNS.update(score.columns)
    return scores


SCORES = add_scores()


def column(name: str) -> Column:
    """The description of a column, also of one that is made for each split or vector.

    Raises:
        KeyError: No column is called that.

    Example:
        >>> column("effect_test").heading
        'effect: test (logit units)'
    """
    if name in COLUMNS:
        return COLUMNS[name]
    for pattern, known in COLUMNS.items():
        start, marked, _ = pattern.partition("<")
        if marked and name.startswith(start) and (rest := name[len(start) :]):
            return replace(known, title=f"{known.title}: {rest.replace('_', ' ')}")
    raise KeyError(f"no column is called {name!r}; `probes.columns.COLUMNS` has all")


def expanded(splits: Sequence[str], vectors: int = 3) -> dict[str, Column]:
    """Every column, those for each split and vector written out.

    Example:
        >>> [name for name in expanded(["test"]) if name.startswith(("effect", "ipr"))]
        ['ipr', 'ipr_0', 'ipr_1', 'ipr_2', 'effect_test']
    """
    values = {"<split>": list(splits), "<vector>": [str(i) for i in range(vectors)]}
    names = []
    for pattern in COLUMNS:
        marked = re.search("<.*>", pattern)
        names += [pattern.replace(marked[0], v) for v in values[marked[0]]] if marked else [pattern]
    return {name: column(name) for name in names}
