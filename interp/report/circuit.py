"""The way in which a network computes its answers, as a table with a meaning for each number."""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING

from interp.markup import UNKNOWN, number, percentage
from interp.report.parts import Row
from interp.report.wording import in_words

if TYPE_CHECKING:
    from interp.analysis.circuit import Circuit
    from interp.results import AuditReport

CIRCUIT_HEADER: Row = ("what", "value", "what it means")
ALGORITHMS = {
    "clock": "multiplies waves of both operands, as one adds angles on a clock",
    "pizza": "adds waves of both operands first, then takes absolute values",
}


def circuit_rows(report: AuditReport) -> Iterator[Row]:
    """Measures of the circuit, in the order of `CIRCUIT_HEADER`; nothing if there is none."""
    circuit, p = report.circuit, report.task.get("p")
    if circuit is None:
        return
    inputs = UNKNOWN if circuit.embedding_frequencies is None else in_words(circuit.embedding_frequencies)
    explained, total = percentage(circuit.logit_variance_explained), len(report.table)
    alone, harmonics = f"{circuit.clustered} of {total}", f"{circuit.clustered_with_harmonics} of {total}"
    chance = "" if p is None else f"; guessing gives {log(p):.2f}"
    trained = "training pairs" if report.task.get("split_known") else "all pairs"
    restricted, excluded = number(circuit.restricted_loss), number(circuit.excluded_loss)
    symmetricity, irrelevance = number(circuit.gradient_symmetricity), number(circuit.distance_irrelevance)
    yield "algorithm", *_algorithm(circuit)
    yield from (
        ("key frequencies of the logits", in_words(circuit.logit_frequencies),
         "waves in the answers; noise has some too"),
        ("logits explained by them", explained, "near 100 %: all answers are computed by these waves"),
        ("key frequencies of the inputs", inputs, "of the embedding or the first layer's weights"),
        ("neurons at one frequency", alone, "at least 85 % of the variance of their activations is there"),
        ("neurons with its harmonics", harmonics, "the same if multiples of the frequency count, as a ReLU makes them"),
        ("restricted loss", restricted, f"on all pairs with these waves only{chance}"),
        ("excluded loss", excluded, f"on {trained} without these waves; low: answered by other means"),
        ("Gini coefficient of the inputs", number(circuit.embedding_gini), "0: all frequencies alike, 1: only one"),
        ("Gini coefficient of the logits", number(circuit.logit_gini), "the same of the answers"),
        ("gradient symmetricity", symmetricity, "above 0.95 speaks for Pizza, below 0.8 for Clock"),
        ("distance irrelevance", irrelevance, "below 0.4 speaks for Pizza, above 0.6 for Clock"),
    )  # fmt: skip


def _algorithm(circuit: Circuit) -> tuple[str, str]:
    """Its name and meaning, or the reason that none is decided."""
    if circuit.algorithm is not None:
        return circuit.algorithm.capitalize(), ALGORITHMS[circuit.algorithm]
    reason = "the last two rows disagree"
    if circuit.gradient_symmetricity is None:
        reason = "without token embeddings there is no gradient symmetricity"
    elif not circuit.learnt:
        reason = "less than half of the pairs are answered by the rule"
    return "Clock or Pizza: not decided", reason
