"""Stages against series whose changes are known, and change points against plain loops."""

import numpy as np
import pytest

from probes.stages import Boundary, change_point, find_stages

STEPS = np.arange(0, 1000, 100)


def generator(seed=0):
    return np.random.default_rng(seed)


def stages(**measures):
    found = find_stages(
        STEPS, {name: np.array(values, float) for name, values in measures.items()}, generator(), good=0.9
    )
    return {stage.name: stage for stage in found}


def best_split(values):
    """By loops: the number of values before the split into two means with the least squared error."""
    errors = {}
    for k in range(1, len(values)):
        left, right = values[:k], values[k:]
        errors[k] = sum((v - np.mean(part)) ** 2 for part in (left, right) for v in part)
    return min(errors, key=errors.get)


@pytest.mark.parametrize("seed", range(5))
def test_the_change_point_has_the_least_squared_error(seed):
    values = generator(seed).normal(size=12)
    steps = np.cumsum(generator(seed).integers(1, 9, 12))
    found, k = change_point(steps, values, generator()), best_split(values.tolist())
    assert (found.before, found.after) == (steps[k - 1], steps[k])


def test_a_step_is_significant_and_constants_are_not():
    steps, values = np.arange(20), np.repeat([0.1, 0.8], 10) + generator().normal(0, 0.02, 20)
    before, after, p_value = change_point(steps, values, generator(1))
    assert (before, after) == (9, 10)
    assert p_value == pytest.approx(1 / 1001)  # no permutation, but the series itself counts
    assert change_point(steps, np.full(20, 0.3), generator()).p_value == 1


def test_noise_is_significant_as_rarely_as_it_should_be():
    draws = generator(1).normal(size=(400, 15))
    p_values = [
        change_point(np.arange(15), row, generator(i), draws=200).p_value for i, row in enumerate(draws)
    ]
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.085
    assert abs(np.mean(np.array(p_values) <= 0.5) - 0.5) < 0.08


def test_the_p_value_is_the_share_of_orders_that_split_as_well():
    """Against all orders of five values, of which two of 120 are ascending or descending."""
    found = change_point(np.arange(5), np.array([0.0, 1, 10, 100, 1000]), generator(), draws=20_000)
    assert found.p_value == pytest.approx(
        2 / 5, abs=0.02
    )  # the largest one first or last, any order of the others


def test_the_generator_decides():
    values = generator(3).normal(size=9)
    first, again, other = (
        change_point(np.arange(9), values, generator(s), draws=50).p_value for s in (0, 0, 1)
    )
    assert first == again != other


def test_unknown_values_take_no_part_in_a_change():
    values = np.array([0, np.nan, 0, 1, 1, np.nan, 1.0])
    found = change_point(np.arange(7), values, generator())
    assert (found.before, found.after) == (2, 3)
    with pytest.raises(ValueError, match="1 known of 2 values"):
        change_point(np.arange(2), np.array([1.0, np.nan]), generator())


def test_corrupted_labels_are_memorised_then_the_rule_is_grokked_then_they_are_unlearnt():
    found = stages(
        train=[0.1, 0.5, 0.95, 1, 1, 1, 1, 0.9, 0.8, 0.7],
        test=[0, 0, 0.1, 0.3, 0.92, 0.6, 0.95, 1, 1, 1],
        corrupted_as_labelled=[0.1, 0.4, 0.9, 1, 1, 0.91, 0.89, 0.6, 0.3, 0.1],
        all=[0, 0.2, 0.3, 0.4, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9],
        excluded_loss=[0, 0, 0, 0, 0, 9, 9, 9, 9, 9],
    )
    assert list(found) == ["memorisation", "grokking", "unlearning"]
    memory, grokking, unlearning = found.values()
    assert (memory.begin, memory.end) == (Boundary(None, 0), Boundary(100, 200))
    assert (
        "95.0 % of the training examples are right at step 200 (50.0 % at step 100), but 10.0 %"
        in memory.reason
    )
    assert (grokking.begin, grokking.end) == (Boundary(100, 200), Boundary(500, 600))
    assert "95.0 % of held-out examples are right at step 600 (60.0 % at step 500)" in grokking.reason
    assert (unlearning.begin, unlearning.end) == (Boundary(500, 600), Boundary(700, 800))
    assert "30.0 % of the corrupted examples" in unlearning.reason
    assert "after 100.0 % at step 300" in unlearning.reason


def test_without_corrupted_labels_a_circuit_forms_and_is_cleaned_up():
    test = [0, 0, 0.05, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95, 1]
    excluded = [3, 1.0, 0.2, 0.1, 0.3, 1.5, 2.7, 3.9, 4.1, 4.1]
    for measures in (
        {"excluded_loss": excluded, "logit_variance_explained": np.linspace(0, 1, 10)},
        {"logit_variance_explained": [0, 0, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.9]},
    ):
        found = stages(train=[0.1, 0.7, 0.97, 1, 1, 1, 1, 1, 1, 1], test=test, **measures)
        assert list(found) == ["memorisation", "circuit formation", "clean-up"]
        assert found["circuit formation"].begin == Boundary(100, 200)
        assert found["circuit formation"].end == Boundary(500, 600)
        assert found["clean-up"].begin == Boundary(500, 600)
        assert found["clean-up"].end == Boundary(700, 800)
    assert "half of what they do in the end (90.0 %)" in found["circuit formation"].reason


def test_a_circuit_that_still_grows_after_the_rule_is_learnt_is_no_clean_up():
    """Logits that grow for ever raise the excluded loss long after all examples are right."""
    found = stages(
        train=[0.1, 0.95, *[1] * 8],
        test=[0, 0.1, 0.6, 0.95, *[1] * 6],
        excluded_loss=[3, 0.1, 0.2, 0.3, 0.4, 2, 4, 6, 8, 10],
    )
    assert list(found) == ["memorisation", "grokking", "circuit formation"]
    assert found["grokking"].end == Boundary(200, 300)


@pytest.mark.parametrize("seed", range(8))
def test_noise_forms_no_circuit(seed):
    noise = generator(seed).normal(1, 0.1, 10)
    found = find_stages(
        STEPS,
        {
            "train": np.array([0.1, *[1] * 9]),
            "test": np.array([0.0, *[0.3] * 9]),
            "excluded_loss": noise,
            "logit_variance_explained": np.full(10, 0.02),
        },
        generator(),
        good=0.9,
    )
    assert [stage.name for stage in found] == ["memorisation"]


def test_what_is_learnt_without_memorising_is_not_called_grokking():
    rising = [0, 0.2, 0.4, 0.6, 0.8, 0.92, 0.95, 1, 1, 1]
    found = stages(train=rising, test=rising)
    assert list(found) == ["learning"]
    assert (found["learning"].begin, found["learning"].end) == (Boundary(None, 0), Boundary(400, 500))
    with_labels = stages(train=rising, test=rising, corrupted_as_labelled=[0.05] * 10)
    assert list(with_labels) == ["learning"]


def test_without_a_known_split_all_examples_and_the_explained_share_tell():
    found = stages(
        all=[0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.85, 0.93, 0.95, 1],
        logit_variance_explained=[0, 0.01, 0, 0.02, 0.6, 0.61, 0.6, 0.62, 0.6, 0.6],
    )
    assert list(found) == ["circuit formation", "learning"]
    circuit, learning = found.values()
    assert circuit.begin == circuit.end == Boundary(300, 400)
    assert learning.end == Boundary(600, 700)
    assert "of all examples" in learning.reason


def test_changes_before_the_first_checkpoint_and_after_the_last():
    begun = stages(train=[1.0] * 10, test=[0.0] * 10, corrupted_as_labelled=[1.0] * 10)
    assert list(begun) == ["memorisation"]
    assert begun["memorisation"].end == Boundary(None, 0)
    going_on = stages(
        train=[0.1, *[1.0] * 9],
        test=np.linspace(0, 0.85, 10),
        corrupted_as_labelled=[0, 1, 1, 1, 1, 1, 1, 0.8, 0.7, 0.6],
    )
    assert list(going_on) == ["memorisation", "grokking", "unlearning"]
    assert going_on["grokking"].end == going_on["unlearning"].end == Boundary(900, None)
    assert "not yet 90.0 % for good" in going_on["grokking"].reason
    assert "not yet below half" in going_on["unlearning"].reason


@pytest.mark.parametrize(
    "measures",
    [
        {},
        {"train": [0.1] * 10, "test": [0.1] * 10},
        {"train": [1.0] * 10, "test": [1.0] * 10},
        {"train": [np.nan] * 10, "test": [np.nan] * 10, "all": [0.5] * 10},
        {"train": [0.3] * 10, "test": [0.1] * 10, "corrupted_as_labelled": [0.4, *[0.05] * 9]},
        {"all": [1.0] * 10},
    ],
)
def test_what_does_not_change_gives_no_stage(measures):
    assert stages(**measures) == {}


def test_stages_are_ready_for_json():
    (stage,) = find_stages(np.array([5, 9]), {"all": np.array([0.5, 1.0])}, generator(), good=0.9)
    assert stage.to_dict() == {
        "name": "learning",
        "begin": 5,
        "begin_interval": [None, 5],
        "end": 9,
        "end_interval": [5, 9],
        "reason": "100.0 % of all examples are right at step 9 (50.0 % at step 5), the last.",
    }
