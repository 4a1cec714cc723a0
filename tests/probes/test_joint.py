"""Scores that are read from one transform are those of the single functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import spectrum
from probes.joint import joint_scores, mean_of_live
from probes.null import combine, g_test
from probes.periodicity import ipr, phase_residual
from probes.spectrum import Convention, dominant, energy, phase, power


def mixed(n: int, seed: int = 0, neurons: int = 9) -> list[np.ndarray]:
    """Three matrices of neurons of all kinds: periodic ones, noise, and dead ones."""
    draw = np.random.default_rng(seed)
    vectors = [draw.normal(size=(neurons, n)) for _ in range(3)]
    for k in range(3):
        angle = 2 * np.pi * (k + 1) * np.arange(n) / n
        for vector, turn in zip(vectors, (0.3, 0.5, 0.8), strict=True):
            vector[k] += 9 * np.cos(angle + turn)
    vectors[1][4] = 0  # one dead vector
    for vector in vectors:
        vector[5] = 0.7  # dead: flat in all
    return vectors


def one_by_one(vectors: list[np.ndarray], convention: Convention) -> dict[str, np.ndarray]:
    """The same scores from the functions for each, which transform again every time."""
    iprs = [ipr(power(v, convention), convention.r) for v in vectors]
    energies = [energy(v) for v in vectors]
    if len({v.shape[1] for v in vectors}) == 1:
        frequency = spectrum.peak_frequency(mean_of_live(energies))
    else:
        frequency = dominant(vectors[0])
    shares = []
    for share in energies:
        at = [share[i, k - 1] if 0 < k <= share.shape[1] else 0.0 for i, k in enumerate(frequency)]
        shares.append(np.where(np.isnan(share[:, 0]) | (frequency == 0), np.nan, at))
    columns = {"ipr": mean_of_live(iprs), **{f"ipr_{i}": column for i, column in enumerate(iprs)}}
    columns |= {"frequency": frequency, "frequency_share": mean_of_live(shares)}
    if len(vectors) == 3 and len({v.shape[1] for v in vectors}) == 1:
        angles = [phase(v, frequency) for v in vectors]
        columns |= dict(zip(("phase_left", "phase_right", "phase_output"), angles, strict=True))
        columns["phase_residual"] = phase_residual(*angles)
    squares = sum((v**2).sum(1) for v in vectors)
    columns["norm"] = np.sqrt(squares / sum(v.shape[1] for v in vectors))
    columns["p_gtest"] = combine(np.stack([g_test(v) for v in vectors], axis=1))
    return columns


CONVENTIONS = [Convention(), Convention("two"), Convention(constant="keep"), Convention(r=3.0)]


@pytest.mark.parametrize("convention", CONVENTIONS, ids=str)
@pytest.mark.parametrize("n", [5, 12, 31, 96, 97])
def test_they_are_those_of_the_single_functions(n: int, convention: Convention) -> None:
    vectors = mixed(n)
    found, expected = joint_scores(vectors, convention), one_by_one(vectors, convention)
    for name, column in expected.items():
        assert found[name] == pytest.approx(column, rel=1e-9, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("some", [slice(0, 1), slice(0, 2)])
def test_fewer_vectors(some: slice) -> None:
    vectors = mixed(13)[some]
    found, expected = joint_scores(vectors), one_by_one(vectors, Convention())
    for name, column in expected.items():
        assert found[name] == pytest.approx(column, rel=1e-9, nan_ok=True), name
    assert np.isnan(found["phase_residual"]).all()


def test_vectors_of_different_lengths_have_the_frequency_of_the_first() -> None:
    vectors = [mixed(31)[0], mixed(8, seed=1)[1], mixed(12, seed=2)[2]]
    found, expected = joint_scores(vectors), one_by_one(vectors, Convention())
    for name, column in expected.items():
        assert found[name] == pytest.approx(column, rel=1e-9, nan_ok=True), name


def test_a_dead_neuron_has_no_score() -> None:
    found = joint_scores(mixed(31))
    assert found["frequency"][5] == 0
    for name in ("ipr", "ipr_0", "frequency_share", "phase_left", "phase_residual", "p_gtest"):
        assert np.isnan(found[name][5]), name
    assert found["norm"][5] == pytest.approx(0.7)
    assert np.isnan(found["ipr_1"][4])
    assert found["ipr"][4] == pytest.approx((found["ipr_0"][4] + found["ipr_2"][4]) / 2)


@pytest.mark.parametrize("n", [12, 97])
def test_single_precision_is_nearly_as_good(n: int) -> None:
    vectors = mixed(n, neurons=40)
    double = joint_scores(vectors)
    single = joint_scores([v.astype(np.float32) for v in vectors])
    assert (single["frequency"] == double["frequency"]).all()
    for name in ("ipr", "frequency_share", "phase_residual", "norm"):
        assert single[name] == pytest.approx(double[name], rel=2e-4, abs=2e-5, nan_ok=True), name
    logarithms = [np.log10(scores["p_gtest"]) for scores in (single, double)]
    assert logarithms[0] == pytest.approx(logarithms[1], rel=1e-3, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_networks_in_a_stack_are_scored_as_alone_to_the_bit(dtype: type) -> None:
    networks = [[v.astype(dtype) for v in mixed(31, seed)] for seed in range(4)]
    together = joint_scores([np.stack(same) for same in zip(*networks, strict=True)])
    for i, vectors in enumerate(networks):
        for name, column in joint_scores(vectors).items():
            assert np.array_equal(together[name][i], column, equal_nan=True), name


@given(st.integers(2, 40), st.integers(0, 2**32 - 1), st.floats(-12, 12))
def test_scale_does_not_matter(n: int, seed: int, exponent: float) -> None:
    vectors = [np.random.default_rng(seed + i).normal(size=(3, n)) for i in range(3)]
    found, scaled = joint_scores(vectors), joint_scores([v * 10**exponent for v in vectors])
    for name in ("ipr", "frequency_share", "p_gtest"):
        assert scaled[name] == pytest.approx(found[name], rel=1e-6, nan_ok=True), name
    assert (found["ipr"] <= 1 + 1e-12).all()
    assert (found["frequency"] <= n // 2).all()
