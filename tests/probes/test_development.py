"""Development of neurons against loops over one neuron at a time, and phases against angles that were put there."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest

from probes.development import Development, alignment, development_of, fourier_components, rayleigh_p
from probes.labels import Criteria
from probes.stages import Boundary

STEPS = np.array([0, 10, 20, 40, 80])
NAN = float("nan")


def one_neuron(q, share, frequency, steps=STEPS):
    """The development of a single neuron."""
    columns = (np.array(values)[:, None] for values in (q, share, frequency))
    return development_of(steps, *columns)


def became_periodic(run: Development) -> Boundary | None:
    """Between which checkpoints the first neuron became periodic for good; None if it did not."""
    before, after = float(run.became_periodic_before[0]), float(run.became_periodic_after[0])
    return None if math.isnan(after) else Boundary(None if math.isnan(before) else int(before), int(after))


def by_loop(steps, q, share, frequency, alpha, min_share):
    """One neuron's development in plain Python."""
    n = len(steps)
    periodic = [bool(q[i] <= alpha and share[i] >= min_share and frequency[i] > 0) for i in range(n)]
    names = ("became_periodic_before", "became_periodic_after", "last_switch_before", "last_switch_after")
    found = dict.fromkeys(names, NAN) | {"frequency": 0, "held_longest": 0, "switches": 0}
    found["periodic_at_end"] = periodic[-1]
    if periodic[-1]:
        first = n - 1
        while first > 0 and periodic[first - 1]:
            first -= 1
        found["became_periodic_after"] = steps[first]
        if first > 0:
            found["became_periodic_before"] = steps[first - 1]
        found["frequency"] = frequency[-1]
    seen = [i for i in range(n) if periodic[i]]
    for before, after in pairwise(seen):
        if frequency[before] != frequency[after]:
            found["switches"] += 1
            found["last_switch_before"], found["last_switch_after"] = steps[before], steps[after]
    held: dict[int, float] = {}
    for i in seen:
        low = steps[0] if i == 0 else (steps[i - 1] + steps[i]) / 2
        high = steps[-1] if i == n - 1 else (steps[i] + steps[i + 1]) / 2
        held[int(frequency[i])] = held.get(int(frequency[i]), 0) + high - low
    if held:
        found["held_longest"] = min(held, key=lambda k: (-held[k], k))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_every_neuron_is_as_a_loop_over_its_checkpoints_says(seed: int) -> None:
    generator = np.random.default_rng(seed)
    steps = np.cumsum(generator.integers(1, 50, 9))
    q = np.where(generator.random((9, 300)) < 0.1, NAN, generator.random((9, 300)) * 0.06)
    share = np.where(generator.random((9, 300)) < 0.05, NAN, 0.3 + 0.7 * generator.random((9, 300)))
    frequency = generator.integers(-1, 4, (9, 300))
    found = development_of(steps, q, share, frequency, Criteria(alpha=0.05, min_share=0.4))
    assert 20 < found.periodic_at_end.sum() < 280
    assert found.switches.max() > 2
    for i in range(300):
        expected = by_loop(steps, q[:, i], share[:, i], frequency[:, i], 0.05, 0.4)
        got = {name: column[i] for name, column in found.columns().items()}
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_equal(float(got[name]), float(value), err_msg=f"{name} of neuron {i}")


def test_a_neuron_that_becomes_periodic_and_stays_so() -> None:
    found = one_neuron([0.5, 0.5, 0.001, 0.001, 0.0], [0.1, 0.6, 0.6, 0.8, 0.9], [9, 3, 3, 3, 3])
    assert became_periodic(found) == Boundary(10, 20)
    assert (found.frequency[0], found.held_longest[0], found.switches[0]) == (3, 3, 0)
    assert np.isnan(found.last_switch_before[0])
    assert found.periodic[:, 0].tolist() == [False, False, True, True, True]
    assert repr(found) == "Development(1 neurons, 1 periodic at the end)"


def test_one_that_is_periodic_from_the_first_has_no_step_before() -> None:
    found = one_neuron([0.0] * 5, [0.9] * 5, [3] * 5)
    assert became_periodic(found) == Boundary(None, 0)


def test_one_that_loses_its_frequency_never_became_periodic_for_good() -> None:
    found = one_neuron([0.0] * 5, [0.1, 0.9, 0.9, 0.9, 0.49], [3] * 5)
    assert became_periodic(found) is None
    assert (found.frequency[0], found.held_longest[0]) == (0, 3)
    assert not found.periodic_at_end[0]


def test_only_the_last_time_counts_for_one_that_comes_and_goes() -> None:
    found = one_neuron([0.0, NAN, 0.0, 0.5, 0.0], [0.9] * 5, [3] * 5)
    assert became_periodic(found) == Boundary(40, 80)
    assert found.switches[0] == 0


def test_a_switch_is_seen_over_checkpoints_at_which_no_frequency_prevails() -> None:
    found = one_neuron([0.0] * 5, [0.9, 0.3, 0.3, 0.9, 0.9], [3, 3, 7, 7, 8])
    assert found.switches[0] == 2
    assert (found.last_switch_before[0], found.last_switch_after[0]) == (40, 80)
    between = one_neuron([0.0] * 5, [0.9, 0.3, 0.3, 0.9, 0.9], [3, 5, 6, 7, 7])
    assert between.switches[0] == 1
    assert (between.last_switch_before[0], between.last_switch_after[0]) == (0, 40)


def test_time_held_counts_in_steps_and_not_in_checkpoints() -> None:
    assert one_neuron([0.0] * 5, [0.9] * 5, [3, 3, 3, 5, 5]).held_longest[0] == 5


def test_thresholds_are_met_by_equal_values_and_no_frequency_is_not_periodic() -> None:
    assert one_neuron([0.01] * 5, [0.5] * 5, [3] * 5).periodic_at_end[0]
    assert not one_neuron([0.0] * 5, [0.9] * 5, [0] * 5).periodic_at_end[0]
    assert not one_neuron([0.0] * 5, [0.9] * 5, [-1] * 5).periodic_at_end[0]


def test_one_checkpoint_and_no_neurons_are_no_problem() -> None:
    alone = one_neuron([0.0], [0.9], [3], np.array([7]))
    assert (became_periodic(alone), alone.held_longest[0]) == (Boundary(None, 7), 3)
    empty = development_of(STEPS, np.zeros((5, 0)), np.zeros((5, 0)), np.zeros((5, 0), int))
    assert len(empty) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": STEPS[:4]}, "4 steps for arrays of shapes"),
        ({"shares": np.zeros((5, 3))}, "expected \\(checkpoint, neuron\\) each"),
        ({"steps": STEPS[::-1].copy()}, "do not ascend"),
        ({"steps": np.array([0, 10, 10, 40, 80])}, "do not ascend"),
        ({name: np.zeros((0, 2)) for name in ("q_values", "shares")}, "shapes"),
    ],
)
def test_bad_input_is_named(changed, message) -> None:
    given = {"steps": STEPS, "q_values": np.zeros((5, 2)), "shares": np.ones((5, 2))}
    with pytest.raises(ValueError, match=message):
        development_of(**(given | {"frequencies": np.ones((5, 2), int)} | changed))


def test_alignment_is_as_sines_and_cosines_say() -> None:
    generator = np.random.default_rng(0)
    residual = generator.uniform(-math.pi, math.pi, (6, 40))
    residual[generator.random((6, 40)) < 0.1] = NAN
    mask = generator.random((6, 40)) < 0.6
    mask[2] = False
    found = alignment(residual, mask)
    for i in range(6):
        angles = [float(a) for a, m in zip(residual[i], mask[i], strict=True) if m and not math.isnan(a)]
        assert found.n[i] == len(angles)
        if not angles:
            assert np.isnan([found.resultant[i], found.direction[i], found.median[i], found.p_value[i]]).all()
            continue
        c, s = (sum(f(a) for a in angles) / len(angles) for f in (math.cos, math.sin))
        assert found.resultant[i] == pytest.approx(math.hypot(c, s))
        assert found.direction[i] == pytest.approx(math.atan2(s, c))
        ordered = sorted(map(abs, angles))
        middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
        assert found.median[i] == pytest.approx(middle)
    listed = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert listed["resultant"][2] is None
    assert listed["n"] == found.n.tolist()


def test_phases_that_agree_on_a_wrong_angle_are_told_by_their_direction() -> None:
    rule, wrong = np.zeros((1, 9)), np.full((1, 9), 2.0)
    everyone = np.ones((1, 9), bool)
    first, second = alignment(rule, everyone), alignment(wrong, everyone)
    assert first.resultant[0] == pytest.approx(1)
    assert second.resultant[0] == pytest.approx(1)
    assert first.direction[0] == pytest.approx(0)
    assert second.direction[0] == pytest.approx(2)
    assert second.median[0] == pytest.approx(2)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the same"):
        alignment(np.zeros((2, 3)), np.ones((3, 2), bool))


@pytest.mark.parametrize(
    ("n", "tolerance"), [(1, 0.0), (2, 0.008), (3, 0.04), (4, 0.02), (5, 0.012), (30, 0.01)]
)
def test_p_values_are_those_of_random_angles(n: int, tolerance: float) -> None:
    angles = np.random.default_rng(n).uniform(-np.pi, np.pi, (40_000, n))
    length = np.sqrt(np.cos(angles).mean(1) ** 2 + np.sin(angles).mean(1) ** 2)
    for level in (0.1, 0.25, 0.5, 0.75, 0.9):
        true = 1.0 if n == 1 else float((length >= level).mean())
        got = rayleigh_p(np.array([n]), np.array([level]))[0]
        assert got == pytest.approx(true, abs=tolerance)


def test_p_values_of_many_aligned_angles_are_tiny_and_none_of_none() -> None:
    found = rayleigh_p(np.array([0, 2, 100, 100]), np.array([NAN, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(found[1:], [0.0, 0.0, 1.0], atol=1e-30)
    assert np.isnan(found[0])


@pytest.mark.parametrize("n", [7, 8])
def test_waves_are_those_that_were_put_there(n: int) -> None:
    at = np.arange(n)
    parts = [
        1.5 * np.cos(2 * np.pi * 2 * at / n + phase) + 0.25 * np.cos(2 * np.pi * at / n) + 4
        for phase in (1.0, 2.5, 3.0)
    ]
    amplitude, residual = fourier_components([np.stack([part, 0 * part]) for part in parts])
    expected = np.zeros((2, n // 2))
    expected[0, :2] = 0.25, 1.5
    np.testing.assert_allclose(amplitude, expected, atol=1e-12)
    assert residual[0, 1] == pytest.approx(0.5)
    assert residual[0, 0] == pytest.approx(0)
    assert np.isnan(residual[1]).all()


def test_the_highest_wave_of_an_even_length_has_one_side() -> None:
    amplitude, residual = fourier_components([np.array([[2.0, -2.0, 2.0, -2.0]])])
    np.testing.assert_allclose(amplitude, [[0, 2]], atol=1e-12)
    assert np.isnan(residual).all()


def test_waves_need_vectors_of_one_shape() -> None:
    with pytest.raises(ValueError, match="all of one shape"):
        fourier_components([np.zeros((2, 5)), np.zeros((2, 6))])
    with pytest.raises(ValueError, match="one or more"):
        fourier_components([])


@pytest.mark.parametrize("n", [30, 31])
def test_an_operand_whose_positions_count_several_times_has_a_multiple_of_the_frequency(n: int) -> None:
    angle = 2 * np.pi * np.arange(n) / n
    parts = [np.cos(k * angle + phase) for k, phase in ((2 * 11, 1.0), (3 * 11, 0.5), (11, 1.5))]
    amplitude, residual = fourier_components([part[None] for part in parts], (2, 3, 1))
    assert amplitude[0].argmax() == 10
    assert amplitude[0, 10] == pytest.approx(1)
    assert residual[0, 10] == pytest.approx(0, abs=1e-9)
    plain, _ = fourier_components([part[None] for part in parts])
    assert plain[0, 10] < 0.6
