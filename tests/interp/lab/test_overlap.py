"""The study of overlaps: its simulations against counts, its networks, a small run, and its judgement."""

from __future__ import annotations

from dataclasses import replace
from math import comb, log10

import numpy as np
import pytest
from figures import check_figure

from interp.lab.overlap.networks import digits_network, modular_network
from interp.lab.overlap.study import STUDY, Config, measure
from interp.lab.overlap.subspace import RATIOS
from interp.lab.overlap.theory import (
    ACTIVE,
    PATTERNS,
    SAMPLED,
    SIZES,
    THRESHOLD,
    UNION_THRESHOLD,
    UNITS,
    false_match_curves,
    formula_error,
    shapes,
    union_curves,
)
from interp.lab.study import Record, StudyResult
from interp.progress import silent

SMALL = Config(
    simulated=20_000, unions=2_000, p=11, width=40, steps=60, digits_width=30, digits_steps=150, wrong=0.3, draws=99,
    examples=30,
)  # fmt: skip


def test_the_formula_is_within_ten_percent_of_the_simulation() -> None:
    error, deviation = formula_error(SIZES[0], 1_000_000, np.random.default_rng(7))
    assert error < 0.1
    assert deviation < 4


def test_curves_are_sums_of_binomials() -> None:
    curves = false_match_curves()
    for n, value in zip(UNITS, curves["fixed"], strict=True):
        ways = sum(comb(SAMPLED, b) * comb(n - SAMPLED, ACTIVE - b) for b in range(THRESHOLD, SAMPLED + 1))
        assert value == pytest.approx(log10(ways) - log10(comb(n, ACTIVE)), rel=1e-9)
    n, active = UNITS[1], round(0.02 * UNITS[1])
    ways = sum(comb(active, b) * comb(n - active, active - b) for b in range(active // 2, active + 1))
    assert curves["growing"][1] == pytest.approx(log10(ways) - log10(comb(n, active)), rel=1e-9)


def test_false_matches_fall_exponentially_only_where_the_active_share_is_fixed() -> None:
    straight = shapes()
    assert straight["straight_growing_exponential"] > 0.999 > straight["straight_growing_power"]
    assert straight["straight_fixed_power"] > 0.999 > straight["straight_fixed_exponential"]


def test_unions_are_those_of_a_loop_over_sets() -> None:
    generator = np.random.default_rng(0)
    curves, (n, active, sampled) = union_curves(4_000, generator), SIZES[0]
    for place, patterns in enumerate(PATTERNS[:4]):
        hits = 0
        for _ in range(1_500):
            union = set(
                np.concatenate([generator.choice(n, active, replace=False) for _ in range(patterns)]).tolist()
            )
            hits += len(union & set(range(sampled))) >= UNION_THRESHOLD
        expected = curves["exact"][place]
        assert hits / 1_500 == pytest.approx(expected, abs=5 * (expected / 1_500) ** 0.5)
        assert curves["simulated"][place] == pytest.approx(expected, abs=5 * (expected / 4_000) ** 0.5)
        assert curves["approximate"][place] <= expected * (1 + 1e-9)


def test_both_networks_have_wrong_labels_that_differ_from_the_true_ones() -> None:
    for subject in (modular_network(11, 20, 1, 0.3, 0), digits_network(20, 1, 0.3, 0)):
        data = subject.data
        wrong = (data.labels != data.true_labels) & data.train
        assert 0.15 < int(wrong.sum()) / int(data.train.sum()) < 0.45
        assert not (data.labels != data.true_labels)[data.test].any()
        assert subject.cached.readout is not None


@pytest.fixture(scope="module")
def record() -> Record:
    return measure(SMALL, 0, silent)


def test_a_small_run_has_every_quantity_and_a_figure(record: Record) -> None:
    assert set(STUDY.quantities) <= set(record.numbers)
    assert all(record.numbers[name] is not None for name in STUDY.quantities)
    result = StudyResult(STUDY, SMALL, (0, 1), (record, record))
    assert len(result.findings()) == 13
    check_figure(result.plot(), inner=3)
    for network in ("modular", "digits"):
        for by in ("attribution", "activation"):
            curves = record.curves[network][by]
            mean = record.numbers[f"{network}_{by}_mean"]
            assert mean == pytest.approx(curves["first"]["mean"])
            assert record.numbers[f"{network}_{by}_uniform"] == pytest.approx(
                mean / (curves["active"] ** 2 / curves["n"])
            )


def judged(record: Record, **numbers: float) -> str:
    """The findings of three seeds with these numbers, which differ a little."""
    records = []
    for jitter in (0.99, 1.0, 1.01):
        changed = {
            f"{network}_{by}_{ratio}": 1.0 + 20 * (jitter - 1)
            for network in ("modular", "digits")
            for by in ("attribution", "activation")
            for ratio in RATIOS
        }
        changed |= {name: value * jitter for name, value in numbers.items()}
        records.append(replace(record, numbers={**record.numbers, **changed}))
    return " ".join(StudyResult(STUDY, SMALL, (0, 1, 2), tuple(records)).findings())


def test_findings_can_say_either(record: Record) -> None:
    name = "digits_activation"
    text = judged(record, **{f"{name}_{ratio}": 1.5 for ratio in RATIOS})
    assert text.count("Memorised examples have neurons of their own in common.") == 1
    assert "more than clean examples (1.50 (1.46 to 1.54) times)" in text
    text = judged(record, **{f"{name}_uniform": 1.5})
    assert text.count("rates of neurons or clean examples explain it: no common subspace.") == 1
    assert text.count("A common subspace of memory is not shown.") == 3
    text = judged(record, **{f"{name}_clean": 0.5})
    assert text.count("No common subspace of memory.") == 1
    assert "fewer than clean examples" in text
    assert "differs from the simulation" in judged(record, error=0.3)
    assert "agrees with the simulation" in judged(record, error=0.05, error_others=0.05)
    assert "falls as a power" in judged(record, straight_growing_exponential=0.5, straight_growing_power=0.9)
