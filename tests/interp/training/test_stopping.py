"""The rule that ends a run early, against histories whose ends are known."""

from __future__ import annotations

import math

import pytest

from interp.training.stopping import EARLIEST, settled


def record(step: int, test: float, *, labelled: float = 1.0, margin: float = -0.5, xi: float = 0.3) -> dict:
    true = (1 - labelled) * 0.98
    accuracy = {"test": test, "corrupted_as_labelled": labelled, "corrupted_as_true": true}
    accuracy["train"] = 1 - xi + xi * labelled
    return {"step": step, "accuracy": accuracy, "margin": {"test": margin, "corrupted_as_true": margin}}


def history(of_step, until: int, every: int = 10) -> list[dict]:
    return [of_step(step) for step in range(0, until + 1, every)]


def ends(of_step, steps: int = 2000, xi: float = 0.3) -> int | None:
    """The step at which a run would be ended early."""
    whole = history(of_step, steps)
    return next((r["step"] for i, r in enumerate(whole) if settled(whole[: i + 1], steps, xi)), None)


def test_memory_that_stays_is_settled_at_once() -> None:
    assert ends(lambda step: record(step, 0.01)) == EARLIEST


def test_a_rising_margin_keeps_a_run_alive_before_its_accuracy_moves() -> None:
    rising = lambda step: record(step, 0.01, margin=-0.5 + 0.15 * math.log2(max(step, 50) / 50))  # noqa: E731
    whole = history(rising, 400)
    assert not settled(whole, 2000, 0.3)
    assert settled(whole, 410, 0.3)  # it will not get there by then


def test_slow_grokking_is_waited_for() -> None:
    grokking = lambda step: record(step, min(1.0, 0.01 + max(0, step - 400) / 800), margin=step / 4000 - 0.3)  # noqa: E731
    ended = ends(grokking)
    assert ended is None or ended > 1150


def test_unlearning_is_waited_for() -> None:
    unlearning = lambda step: record(step, 1.0, labelled=max(0.0, 1 - step / 900), margin=0.4)  # noqa: E731
    ended = ends(unlearning)
    assert ended is not None
    assert ended > 820  # below a tenth as labelled, so that full inversion is decided


def test_a_collapse_is_waited_for() -> None:
    fading = lambda step: record(step, 1.0, labelled=0.0, margin=0.4 - step / 4000)  # noqa: E731
    ended = ends(fading)
    assert ended is not None
    assert ended > 1600  # where the margin is gone


def test_an_accuracy_on_the_threshold_is_never_settled() -> None:
    assert ends(lambda step: record(step, 0.905, margin=0.3)) is None


def test_without_corrupted_examples_their_thresholds_do_not_count() -> None:
    clean = lambda step: {  # noqa: E731
        "step": step,
        "accuracy": {"test": 1.0, "train": 1.0, "corrupted_as_labelled": None, "corrupted_as_true": None},
        "margin": {"test": 0.4, "corrupted_as_true": None},
    }
    assert ends(clean, xi=0.0) == EARLIEST


@pytest.mark.parametrize(("slope", "reaches"), [(0.014, False), (0.016, True), (-0.1, False)])
def test_accuracies_are_carried_on_in_the_logarithm_of_the_step(slope: float, reaches: bool) -> None:
    """From .8 at step 400, a hundredth below the threshold at step 1600: 1.5 times two doublings of the step."""
    one = lambda step: record(step, 0.8 + slope * math.log2(max(step, 1) / 400), margin=0.3)  # noqa: E731
    need = (0.1 - 0.01) / (1.5 * 2)
    scaled = lambda step: record(step, 0.8 + need * slope / 0.015 * math.log2(max(step, 1) / 400), margin=0.3)  # noqa: E731
    assert settled(history(scaled, 400), 1600, 0.3) != reaches
    assert settled(history(one, 400), 400, 0.3)


def test_what_is_not_known_reaches_nothing() -> None:
    assert not settled([], 1000, 0.3)
    unknown = lambda step: {**record(step, 0.01), "margin": {}}  # noqa: E731
    assert settled(history(unknown, 400), 1000, 0.3)
    assert not settled(history(unknown, 400, every=400), 1000, 0.3)  # nothing to tell a movement from
