"""Labels against their rules: one neuron of each kind, the order of the rules, and the words of the evidence."""

from __future__ import annotations

import numpy as np
import pytest

from probes.labels import (
    BOTH,
    DEAD,
    GENERALIZING,
    INCONCLUSIVE,
    LABELS,
    MEMORIZING,
    Criteria,
    Label,
    Labelling,
    NeuronFacts,
    dead_neurons,
    label_neurons,
)
from probes.null import benjamini_hochberg

NAN = float("nan")
PERIODIC = {"p_value": 1e-30, "share": 0.9, "frequency": 17}
NOISE = {"p_value": 0.7, "share": 0.1, "frequency": 3}
SERVES_RULE = {"rule_effect": 0.5, "rule_p": 1e-9, "rule_share": 0.25}
SERVES_MEMORY = {"memory_effect": 0.5, "memory_p": 1e-9, "memory_share": 0.25}
SERVES_NOTHING = {
    "rule_effect": 0.0, "rule_p": 0.8, "rule_share": 0.0,
    "memory_effect": 0.0, "memory_p": 0.8, "memory_share": 0.0,
}  # fmt: skip


def facts(*neurons: dict[str, float], learnt: bool = True) -> NeuronFacts:
    """Facts of neurons that are live, aperiodic and of no effect but for what is given."""
    whole = [{"strength": 1.0, "outside": 0.0} | NOISE | SERVES_NOTHING | neuron for neuron in neurons]
    columns = {name: np.array([neuron[name] for neuron in whole], float) for name in whole[0]}
    by = np.full(len(neurons), "wrong labels", object)
    columns["frequency"] = columns["frequency"].astype(int)
    return NeuronFacts(**columns, memory_by=by, learnt=learnt)


def labelled(*neurons: dict[str, float], criteria: Criteria | None = None) -> Labelling:
    return label_neurons(facts(*neurons), criteria)


@pytest.mark.parametrize(
    ("neuron", "label"),
    [
        (PERIODIC | SERVES_RULE, GENERALIZING),
        (PERIODIC | SERVES_RULE | {"memory_effect": NAN, "memory_p": NAN}, GENERALIZING),
        (NOISE | SERVES_MEMORY, MEMORIZING),
        (NOISE | SERVES_MEMORY | {"rule_effect": NAN, "rule_p": NAN}, MEMORIZING),
        ({"strength": 0.0} | PERIODIC | SERVES_RULE, DEAD),
        ({"strength": NAN} | NOISE | SERVES_MEMORY, DEAD),
        # Significant, but one frequency explains too little of the variance: Training leaves that in many neurons.
        (PERIODIC | SERVES_RULE | {"share": 0.49}, INCONCLUSIVE),
        (PERIODIC | {"share": 0.49} | SERVES_MEMORY, MEMORIZING),
        (NOISE | SERVES_RULE, INCONCLUSIVE),
        (PERIODIC | SERVES_MEMORY, INCONCLUSIVE),
        (PERIODIC, INCONCLUSIVE),
        (NOISE, INCONCLUSIVE),
        # The larger share of two significant effects decides, whatever the logits; against periodicity it is both.
        (PERIODIC | SERVES_RULE | SERVES_MEMORY | {"memory_share": 0.2, "memory_effect": 9.0}, GENERALIZING),
        (PERIODIC | SERVES_RULE | SERVES_MEMORY | {"memory_share": 0.3}, BOTH),
        (NOISE | SERVES_RULE | SERVES_MEMORY | {"memory_share": 0.3, "memory_effect": 0.9}, MEMORIZING),
        # Where there is less memory than rule, a share of it weighs less.
        (NOISE | SERVES_RULE | SERVES_MEMORY | {"memory_share": 0.3, "memory_effect": 0.1}, BOTH),
        (PERIODIC | SERVES_RULE | SERVES_MEMORY | {"memory_share": 0.9, "memory_effect": 0.1}, GENERALIZING),
        (NOISE | SERVES_RULE | SERVES_MEMORY | {"memory_share": 0.2}, BOTH),
        # A significant effect below 0 serves nothing.
        (PERIODIC | SERVES_RULE | {"rule_effect": -0.5, "memory_effect": -0.9}, INCONCLUSIVE),
        (NOISE | SERVES_MEMORY | {"memory_effect": -0.1, "rule_effect": -0.5}, INCONCLUSIVE),
        # Weights outside the ordering have no spectrum to judge.
        (NOISE | SERVES_RULE | {"outside": 0.5}, GENERALIZING),
        (NOISE | SERVES_RULE | {"outside": 0.49}, INCONCLUSIVE),
        (NOISE | SERVES_MEMORY | {"outside": 0.9}, MEMORIZING),
    ],
)
def test_each_kind_of_neuron_gets_its_label(neuron: dict[str, float], label: str) -> None:
    assert labelled({"strength": 1.0}, neuron).label.tolist() == [INCONCLUSIVE, label]


def test_where_no_periodicity_is_known_the_effects_decide() -> None:
    unknown = {"p_value": NAN, "share": NAN, "frequency": 0}
    found = labelled(unknown | SERVES_RULE, unknown | SERVES_MEMORY, {"strength": 0.0} | PERIODIC)
    assert found.label.tolist() == [GENERALIZING, MEMORIZING, DEAD]
    assert found.evidence[0].startswith("periodicity not known; adds 0.5 to true labels")
    assert labelled(unknown | SERVES_RULE, PERIODIC).label[0] == INCONCLUSIVE


def test_where_nothing_was_learnt_no_neuron_serves_a_rule() -> None:
    found = label_neurons(facts(PERIODIC | SERVES_RULE, NOISE | SERVES_RULE | SERVES_MEMORY, learnt=False))
    assert found.label.tolist() == [INCONCLUSIVE, MEMORIZING]
    assert "no better than by their commonest class" in found.evidence[0]


def test_q_values_are_over_the_neurons_that_are_not_dead() -> None:
    p = np.array([0.001, 0.02, 0.5])
    found = labelled(*({"p_value": value} for value in p), {"strength": 0.0, "p_value": 1e-9})
    np.testing.assert_allclose(found.q_value, [*benjamini_hochberg(p), NAN])
    assert np.isnan([found.rule_q[3], found.memory_q[3]]).all()


def test_criteria_move_the_borders() -> None:
    neuron = PERIODIC | SERVES_RULE | {"share": 0.4, "p_value": 0.04, "rule_p": 0.04}
    assert labelled(neuron).label[0] == INCONCLUSIVE
    assert labelled(neuron, criteria=Criteria(alpha=0.05, min_share=0.4)).label[0] == GENERALIZING
    weak = {"strength": 0.05} | SERVES_MEMORY
    assert labelled({}, weak).label[1] == MEMORIZING
    assert labelled({}, weak, criteria=Criteria(dead_ratio=0.05)).label[1] == DEAD
    for name in ("alpha", "min_share", "dead_ratio"):
        for value in (0.0, 1.0, NAN):
            with pytest.raises(ValueError, match=f"{name}={value} is not in"):
                Criteria(**{name: value})
    assert Criteria(**Criteria(alpha=0.2).to_dict()) == Criteria(alpha=0.2)


def test_periodic_is_significant_and_of_one_frequency() -> None:
    q, share = np.array([0.01, 0.011, 0.01, NAN, 0.0]), np.array([0.5, 0.9, 0.49, 0.9, NAN])
    assert Criteria().periodic(q, share).tolist() == [True, False, False, False, False]


def test_the_dead_are_next_to_nothing_beside_the_strongest() -> None:
    assert dead_neurons(np.array([2.0, 0.021, 0.02, NAN]), 0.01).tolist() == [False, False, True, True]
    assert dead_neurons(np.zeros(2), 0.01).tolist() == [True, True]
    assert dead_neurons(np.empty(0), 0.01).tolist() == []


@pytest.mark.parametrize(
    ("neuron", "evidence"),
    [
        (
            PERIODIC | SERVES_RULE,
            "frequency 17 explains 90% of it (q=2e-30); adds 0.5 to true labels, 25.0% of what all neurons add "
            "(q=2e-09)",
        ),
        (
            NOISE | SERVES_RULE | {"outside": 0.7},
            "serves operands outside the group ordering; adds 0.5 to true labels, 25.0% of what all neurons add "
            "(q=2e-09)",
        ),
        (
            NOISE | SERVES_MEMORY,
            "no significant frequency (q=0.7); adds 0.5 more to labels that were trained on, 25.0% of what all "
            "neurons add (q=2e-09, by wrong labels)",
        ),
        ({"strength": 0.001}, "its output is next to nothing beside the strongest neuron's"),
        (
            PERIODIC | {"share": 0.3},
            "frequency 17 is significant (q=2e-30) but explains only 30%; adds 0 to true labels, 0.0% of what "
            "all neurons add (q=0.8); adds 0 more to labels that were trained on, 0.0% of what all neurons add (q=0.8, "
            "by wrong labels)",
        ),
        (
            {"memory_p": NAN, "memory_effect": NAN},
            "no significant frequency (q=0.7); no examples that tell whether it memorises; "
            "adds 0 to true labels, 0.0% of what all neurons add (q=0.8)",
        ),
    ],
)
def test_the_evidence_is_the_numbers_that_decided(neuron: dict[str, float], evidence: str) -> None:
    assert labelled({}, neuron).evidence[1] == evidence


def test_every_label_is_described_and_looks_like_no_other() -> None:
    assert list(LABELS) == [GENERALIZING, MEMORIZING, BOTH, DEAD, INCONCLUSIVE]
    for name, label in LABELS.items():
        assert label.meaning.endswith("."), name
        assert label.verb, name
        assert label.colour.startswith("#"), name
        assert len(label.colour) == 7, name
    for attribute in ("colour", "symbol", "verb", "meaning"):
        assert len({getattr(label, attribute) for label in LABELS.values()}) == len(LABELS), attribute


def test_a_new_label_takes_part_and_the_first_that_fits_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    loud = Label(
        "shout", "#000000", "star", "Stronger than all others.",
        lambda judged: judged.facts.strength > 3, lambda judged, i: f"strength {judged.facts.strength[i]:g}",
    )  # fmt: skip
    monkeypatch.setitem(LABELS, "loud", loud)
    found = labelled({"strength": 4.0} | SERVES_MEMORY, {"strength": 4.0}, {})
    assert found.label.tolist() == [MEMORIZING, "loud", INCONCLUSIVE]
    assert found.evidence[1] == "strength 4"


def test_no_neurons_have_no_labels() -> None:
    empty = NeuronFacts(*(np.empty(0) for _ in range(12)))
    assert label_neurons(empty).label.tolist() == []
