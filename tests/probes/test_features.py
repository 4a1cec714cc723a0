"""Columns against the analytic network, plain loops, dead neurons and the functions for single scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.features import joint_scores, mean_of_live, permuted_vectors, score_matrix, weight_features
from probes.null import combine, fisher_tail, stretched
from probes.periodicity import ipr, peak_share, phase_residual
from probes.spectrum import Convention, energy, peak_frequency, phase, power

SHARES = (
    "ipr",
    "ipr_0",
    "ipr_1",
    "ipr_2",
    "gini",
    "peak_share",
    "harmonic_share",
    "entropy",
    "agreement",
    "frequency_share",
)
ANGLES = ("phase_left", "phase_right", "phase_output", "phase_residual")
COLUMNS = {*SHARES, *ANGLES, "frequency", "norm", "p_value"}


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
    assert (columns["p_value"] < 1e-30).all()


@pytest.mark.parametrize("n", [12, 13, 30])
def test_a_vector_may_have_a_multiple_of_the_frequency(n):
    k = np.array([1, 2, 5])
    angle = 2 * np.pi * np.outer(k, np.arange(n)) / n
    vectors = [np.cos(2 * angle + 0.5), np.cos(-angle + 0.25), np.cos(angle + 0.75)]
    columns = joint_scores(vectors, steps=(2, n - 1, 1))
    np.testing.assert_array_equal(columns["frequency"], k)
    np.testing.assert_allclose(columns["frequency_share"], 1)
    for name, angle in (("phase_left", 0.5), ("phase_right", 0.25), ("phase_output", 0.75)):
        np.testing.assert_allclose(columns[name], angle)
    plain = joint_scores(vectors)
    np.testing.assert_array_equal(plain["p_value"], columns["p_value"])
    np.testing.assert_array_equal(plain["ipr"], columns["ipr"])


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
    for name in ("gini", "entropy", "frequency", "frequency_share"):
        assert columns[name][2] == pytest.approx(weight_features(live, convention)[name][0]), name
    assert np.isnan(columns["phase_right"][2])
    assert np.isnan(columns["phase_residual"][2])
    others = weight_features([np.delete(v, [2, 4], 0) for v in vectors], convention)
    for name, column in columns.items():  # p-values are stretched by those of all neurons
        rtol = 0.5 if name == "p_value" else 1e-6
        np.testing.assert_allclose(np.delete(column, [2, 4]), others[name], rtol=rtol)


@given(st.lists(st.integers(2, 14), min_size=1, max_size=4), st.floats(0.01, 100), st.integers(0, 99))
def test_ranges_and_scale(lengths, scale, seed):
    vectors = noise(*lengths, seed=seed)
    columns, scaled = weight_features(vectors), weight_features([scale * v for v in vectors])
    for name, column in columns.items():
        assert column.shape == (6,)
        known = column[~np.isnan(column)]
        if name in SHARES or name == "p_value":
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
    (only,) = noise(11)
    expected = stretched(g_test(only), g_test(permuted_vectors(only)))
    np.testing.assert_allclose(weight_features([only])["p_value"], expected)


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
        ValueError, match=r"unknown columns \['size'\]; expected names among agreement, entropy, frequency"
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


def g_test(vectors: np.ndarray) -> np.ndarray:
    """Fisher's test of each vector alone."""
    m = (vectors.shape[1] - 1) // 2
    g = peak_share(power(vectors)[:, :m])
    p, live = np.full_like(g, np.nan), ~np.isnan(g)
    p[live] = fisher_tail(g[live], m)
    return p


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
        frequency = peak_frequency(mean_of_live(energies))
    else:
        frequency = peak_frequency(energy(vectors[0]))
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
    tests = [stretched(g_test(v), g_test(permuted_vectors(v))) for v in vectors]
    columns["p_value"] = combine(np.stack(tests, axis=1))
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
    for name in ("ipr", "ipr_0", "frequency_share", "phase_left", "phase_residual", "p_value"):
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
    logarithms = [np.log10(scores["p_value"]) for scores in (single, double)]
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
    for name in ("ipr", "frequency_share", "p_value"):
        assert scaled[name] == pytest.approx(found[name], rel=1e-6, nan_ok=True), name
    assert (found["ipr"] <= 1 + 1e-12).all()
    assert (found["frequency"] <= n // 2).all()


def test_only_distinct_vectors_are_tested() -> None:
    left, _, output = mixed(31)
    tied, alone = joint_scores([left, left, output], distinct=(0, 2)), joint_scores([left, output])
    assert np.array_equal(tied["p_value"], alone["p_value"], equal_nan=True)
    assert (tied["p_value"] > joint_scores([left, left, output])["p_value"]).any()
    features = weight_features([left, left, output], distinct=(0, 2))
    assert np.array_equal(features["p_value"], alone["p_value"], equal_nan=True)
    assert np.array_equal(features["ipr"], joint_scores([left, left, output])["ipr"], equal_nan=True)
