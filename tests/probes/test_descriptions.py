"""Descriptions by predicates: numbers against loops and scipy, and calibration where nothing is to be described."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from probes.descriptions import (
    Predicates,
    choose,
    class_p_values,
    exemplar_p_values,
    exemplars,
    information,
    shares,
)


def residues(p: int, *moduli: int) -> Predicates:
    """Values and residues of two operands, and of their sum."""
    a, b = np.divmod(np.arange(p * p), p)
    variables = {"a": a, "b": b, "sum": (a + b) % p}
    names, holds, classes = [], [], []
    for name, values in variables.items():
        for modulus in (p, *moduli):
            for residue in range(modulus):
                names.append(f"{name} = {residue}" if modulus == p else f"{name} mod {modulus} = {residue}")
                holds.append(values % modulus == residue)
                classes.append("" if modulus == p else name)
    return Predicates(tuple(names), np.array(holds), tuple(classes), variables)


def test_exemplars_are_the_highest_with_their_ties() -> None:
    generator = np.random.default_rng(0)
    activations = generator.normal(size=(200, 4))
    activations[:, 1] = generator.integers(0, 3, 200)  # a third of the inputs tie at the top
    activations[:, 2] = np.maximum(activations[:, 2] - 2.2, 0)  # mostly off
    activations[:, 3] = 1.5
    mask = exemplars(activations, 0.9, 5)
    assert mask[:, 0].sum() == 20
    assert activations[mask[:, 0], 0].min() > activations[~mask[:, 0], 0].max()
    assert np.array_equal(mask[:, 1], activations[:, 1] == 2)
    assert 0 < (activations[:, 2] > 0).sum() < 20
    assert np.array_equal(mask[:, 2], activations[:, 2] > 0)
    assert not mask[:, 3].any()
    mostly = (np.arange(200) < 180)[:, None] * 1.0
    assert np.array_equal(exemplars(mostly, 0.9, 5), mostly == 1)
    assert exemplars(activations, 0.99, 10)[:, 0].sum() == 10  # 2 were too few
    for settings in ((1.0, 5), (0.9, 200), (0.9, 0)):
        with pytest.raises(ValueError, match="expected"):
            exemplars(activations, *settings)


def test_information_and_p_values_are_those_of_a_loop_and_of_scipy() -> None:
    generator = np.random.default_rng(1)
    exemplar, holds = generator.random((60, 3)) < 0.2, generator.random((5, 60)) < 0.3
    exemplar[:, 2] = False
    score, p = information(exemplar, holds, 0.4), exemplar_p_values(exemplar, holds)
    for neuron in range(2):
        inside = exemplar[:, neuron]
        for predicate in range(5):
            hits, size = int((inside & holds[predicate]).sum()), int(holds[predicate].sum())
            assert shares(exemplar, holds)[neuron, predicate] == hits / inside.sum()
            expected = np.log(hits / inside.sum()) - 0.4 * np.log(size / 60) if hits else -np.inf
            assert score[neuron, predicate] == pytest.approx(expected)
            tail = stats.hypergeom.sf(hits - 1, 60, size, inside.sum())
            assert p[neuron, predicate] == pytest.approx(tail, rel=1e-9)
    assert np.isnan(score[2]).all()
    assert (p[2] == 1).all()
    everything = exemplar_p_values(exemplar[:, :1], np.ones((1, 60), bool))
    assert everything.tolist() == [[1.0]]


def test_classes_are_compared_by_values_and_not_by_inputs() -> None:
    generator = np.random.default_rng(2)
    values = generator.integers(0, 15, 400)
    weights = generator.normal(size=(15, 2))
    weights[:, 1] += 9 * (np.arange(15) % 3 == 1)
    activations = weights[values] + 0.01 * generator.normal(size=(400, 2))
    holds = np.stack([values % 3 == residue for residue in range(3)])
    p = class_p_values(activations, values, holds)
    for neuron in range(2):
        means = np.array([activations[values == value, neuron].mean() for value in range(15)])
        for residue in range(3):
            inside = np.arange(15) % 3 == residue
            ranks = stats.rankdata(means)
            z = (ranks[inside].sum() - 5 * 16 / 2 - 0.5) / np.sqrt(5 * 10 * 16 / 12)
            assert p[neuron, residue] == pytest.approx(stats.norm.sf(z), rel=1e-9)
    assert p[1, 1] < 0.005
    assert exemplar_p_values(exemplars(activations, 0.9, 5), holds)[0].min() < 1e-4  # by inputs: overwhelming
    assert p[0].min() > 0.05  # by values: chance
    assert class_p_values(np.ones((400, 1)), values, holds).tolist() == [[1.0] * 3]
    for wrong in (values < 0, generator.random(400) < 0.5):
        with pytest.raises(ValueError, match="a class holds"):
            class_p_values(activations, values, wrong[None])


def test_neurons_without_a_description_are_described_no_more_often_than_asked_for() -> None:
    predicates, level, described, networks = residues(17, 3), 0.2, 0, 40
    for seed in range(networks):
        noise = np.random.default_rng(seed).normal(size=(289, 12))
        described += bool((choose(noise, predicates, level=level, quantile=0.9).predicate >= 0).any())
    assert 0 < described <= stats.binom.ppf(0.999, networks, level)


def test_neurons_that_prefer_operands_are_not_described_by_their_residues() -> None:
    predicates, generator = residues(29, 2, 3, 4), np.random.default_rng(3)
    a, b = predicates.variables["a"], predicates.variables["b"]
    left, right = generator.normal(size=(2, 29, 300))
    random = choose((left[a] + right[b]) ** 2, predicates, quantile=0.95)
    names = [predicates.names[one] for one in random.predicate if one >= 0]
    assert len(names) > 200
    assert sum(" mod " in name for name in names) <= 0.05 * len(names)
    by_inputs = Predicates(predicates.names, predicates.holds, ("",) * len(predicates), {})
    naive = choose((left[a] + right[b]) ** 2, by_inputs, quantile=0.95)
    assert sum(" mod " in by_inputs.names[one] for one in naive.predicate if one >= 0) > 0.05 * 300


def test_planted_neurons_get_the_description_that_holds_of_most_exemplars() -> None:
    predicates = residues(29, 2, 3, 6)
    a = predicates.variables["a"]
    noise = 0.1 * np.random.default_rng(4).normal(size=(841, 3))
    activations = noise + np.stack([a % 3 == 1, a % 6 == 1, a == 4], 1)
    choice = choose(activations, predicates, quantile=0.95)
    assert [predicates.names[one] for one in choice.predicate] == ["a mod 3 = 1", "a mod 6 = 1", "a = 4"]
    assert (choice.q_value < 0.05).all()
    assert (choice.q_value >= choice.p_value).all()
    assert choice.exemplars.tolist() == [42, 42, 42]
    empty = choose(activations, predicates.at(np.arange(841)).varying(np.arange(0)))
    assert empty.predicate.tolist() == [-1] * 3


def test_predicates_are_checked_and_those_that_tell_nothing_are_left_out() -> None:
    holds = np.array([[True, False, False], [True, True, True], [True, False, False], [False, True, True]])
    names = ("one", "all", "the same", "others")
    predicates = Predicates(names, holds, ("",) * 4, {})
    assert predicates.varying(np.arange(3)).names == ("one", "others")
    assert predicates.varying(np.array([1, 2])).names == ()
    for arguments, message in (
        ((names[:3], holds, ("",) * 4, {}), "3 names"),
        ((("x",) * 4, holds, ("",) * 4, {}), "two predicates are named 'x'"),
        ((names, holds, ("a",) * 4, {}), "no values of the variable 'a'"),
    ):
        with pytest.raises(ValueError, match=message):
            Predicates(*arguments)
