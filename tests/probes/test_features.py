"""Columns against the analytic network, plain loops and dead neurons."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.features import mean_of_live, score_matrix, weight_features
from probes.null import g_test
from probes.spectrum import Convention

SHARES = (
    "ipr",
    "ipr_0",
    "ipr_1",
    "ipr_2",
    "gini",
    "peak_share",
    "harmonic_share",
    "entropy",
    "frequency_share",
)
ANGLES = ("phase_left", "phase_right", "phase_output", "phase_residual")
COLUMNS = {*SHARES, *ANGLES, "frequency", "norm", "p_gtest"}


def analytic(n_neurons: int, p: int, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Weights of the closed-form network of arXiv 2310.13061, with their frequencies and phases."""
    generator = np.random.default_rng(seed)
    k = generator.integers(1, (p - 1) // 2 + 1, n_neurons)
    left, right = generator.uniform(-3, 3, (2, n_neurons))
    angle = 2 * np.pi * np.outer(k, np.arange(p)) / p
    output = np.cos(-angle - left[:, None] - right[:, None])
    return [np.cos(angle + left[:, None]), np.cos(angle + right[:, None]), output], k, np.stack([left, right])


def noise(*lengths: int, n_neurons: int = 6, seed: int = 0) -> list[np.ndarray]:
    """Gaussian vectors."""
    return [np.random.default_rng([seed, i]).normal(size=(n_neurons, n)) for i, n in enumerate(lengths)]


@pytest.mark.parametrize("p", [23, 96, 97])
def test_analytic_neurons(p):
    vectors, k, (left, right) = analytic(20, p)
    columns = weight_features(vectors)
    assert set(columns) == COLUMNS
    for name in ("ipr", "ipr_2", "peak_share", "harmonic_share", "frequency_share"):
        np.testing.assert_allclose(columns[name], 1)
    np.testing.assert_array_equal(columns["frequency"], k)
    np.testing.assert_allclose(columns["phase_left"], left)
    np.testing.assert_allclose(columns["phase_right"], right)
    np.testing.assert_allclose(columns["phase_residual"], 0, atol=1e-9)
    np.testing.assert_allclose(columns["entropy"], 0, atol=1e-9)
    np.testing.assert_allclose(columns["norm"], np.sqrt(0.5))
    assert (columns["p_gtest"] < 1e-30).all()


def test_columns_equal_plain_loops():
    vectors = noise(11, 11, 11)
    columns = weight_features(vectors)
    for neuron in range(6):
        rows = [v[neuron] for v in vectors]
        powers = [np.abs(np.fft.rfft(row))[1:] ** 2 for row in rows]
        shares = [x / x.sum() for x in powers]
        peak = int(np.argmax(np.mean(shares, 0)))
        expected = {
            "ipr": np.mean([(s**2).sum() for s in shares]),
            "ipr_1": (shares[1] ** 2).sum(),
            "peak_share": np.mean([s.max() for s in shares]),
            "frequency": peak + 1,
            "frequency_share": np.mean([s[peak] for s in shares]),
            "norm": np.sqrt(np.mean(np.concatenate(rows) ** 2)),
            "phase_output": np.angle(np.fft.rfft(rows[2])[peak + 1]),
        }
        for name, value in expected.items():
            assert columns[name][neuron] == pytest.approx(value), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("convention", [Convention(), Convention("two", "keep", 3.0)], ids=str)
def test_dead_vectors_are_left_out_and_dead_neurons_nan(dtype, convention):
    vectors = [v.astype(dtype) for v in noise(97, 97, 97)]
    vectors[1][2] = 0
    for v in vectors:
        v[4] = 0
    columns = weight_features(vectors, convention)
    for name, column in columns.items():
        assert column.dtype == (np.int64 if name == "frequency" else np.float64), name
        if name not in ("frequency", "norm"):
            assert np.isnan(column[4]), name
    assert (columns["frequency"][4], columns["norm"][4]) == (0, 0)
    assert columns["ipr"][2] == pytest.approx((columns["ipr_0"][2] + columns["ipr_2"][2]) / 2)
    live = [vectors[0][2:3], vectors[2][2:3]]
    for name in ("gini", "entropy", "frequency", "frequency_share", "p_gtest"):
        assert columns[name][2] == pytest.approx(weight_features(live, convention)[name][0]), name
    assert np.isnan(columns["phase_right"][2])
    assert np.isnan(columns["phase_residual"][2])
    others = weight_features([np.delete(v, [2, 4], 0) for v in vectors], convention)
    for name, column in columns.items():
        np.testing.assert_allclose(np.delete(column, [2, 4]), others[name], rtol=1e-6)


@given(st.lists(st.integers(2, 14), min_size=1, max_size=4), st.floats(0.01, 100), st.integers(0, 99))
def test_ranges_and_scale(lengths, scale, seed):
    vectors = noise(*lengths, seed=seed)
    columns, scaled = weight_features(vectors), weight_features([scale * v for v in vectors])
    for name, column in columns.items():
        assert column.shape == (6,)
        known = column[~np.isnan(column)]
        if name in SHARES or name == "p_gtest":
            assert ((known >= 0) & (known <= 1 + 1e-12)).all(), name
        if name in ANGLES:
            assert (np.abs(known) <= np.pi).all(), name
        factor = scale if name == "norm" else 1
        np.testing.assert_allclose(scaled[name], factor * column, rtol=1e-6, atol=1e-9, err_msg=name)


def test_vectors_of_different_lengths():
    i = np.arange(31)
    left = np.cos(2 * np.pi * 12 * i / 31)[None]
    columns = weight_features([left, *noise(7, 31, n_neurons=1)])
    assert columns["frequency"].tolist() == [12]
    third = weight_features([left, noise(7, 31, n_neurons=1)[1]])["frequency_share"]
    assert columns["frequency_share"][0] == pytest.approx(
        (third[0] * 2) / 3
    )  # 7 positions have no frequency 12
    assert np.isnan([columns[name][0] for name in ANGLES]).all()


def test_one_or_two_vectors_have_no_phases():
    for vectors in (noise(11), noise(11, 11)):
        columns = weight_features(vectors)
        assert np.isnan([columns[name] for name in ANGLES]).all()
        assert np.isfinite(columns["ipr"]).all()
    np.testing.assert_allclose(weight_features(noise(11))["p_gtest"], g_test(noise(11)[0]))


def test_mean_of_live_is_nan_only_where_all_are():
    values = [np.array([1.0, np.nan, 2.0]), np.array([np.nan, np.nan, 4.0])]
    assert mean_of_live(values).tolist()[::2] == [1, 3]
    assert np.isnan(mean_of_live(values)[1])


def test_score_matrix():
    columns = weight_features(noise(11, 11, 11))
    matrix = score_matrix(columns, ["norm", "frequency"])
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix[:, 1], columns["frequency"])
    with pytest.raises(
        ValueError, match=r"unknown columns \['size'\]; expected names among entropy, frequency"
    ):
        score_matrix(columns, ["norm", "size"])
    with pytest.raises(ValueError, match=r"unknown columns \[\]"):
        score_matrix(columns, [])
    with pytest.raises(ValueError, match=r"shapes \[\(2,\), \(3,\)\]"):
        score_matrix({"a": np.ones(2), "b": np.ones(3)}, ["a", "b"])


def test_wrong_vectors_are_named():
    for vectors in ([], noise(11) + noise(11, n_neurons=5), [np.ones((3, 1))]):
        with pytest.raises(ValueError, match="the vectors have shapes"):
            weight_features(vectors)
