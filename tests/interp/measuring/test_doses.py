"""Doses against plain hooks, factor by factor, for linear and other readouts, with their control and figure."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from interp.analysis.removing import dose
from interp.data import SPLITS, ModularTask
from interp.errors import ConfigError, InterventionError
from interp.interventions import rescale
from interp.measuring.cached_pass import cached_pass
from interp.measuring.doses import dose_response, factors_between, right_between
from interp.measuring.evaluation import accuracy, all_logits
from interp.measuring.removals import removal
from interp.models import (
    HookedMLP,
    HookedModel,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    analytic_mlp,
    planted_mlp,
)
from interp.subject import score

P = 13
TASK = ModularTask("add", p=P, train_fraction=0.6, corrupt_fraction=0.4, seed=3)
FACTORS = [-1.0, -0.3, 0.0, 0.45, 1.0, 1.7, 3.0]
CHOSEN = [0, 2, 3, 7, 11, 12]


def transformer() -> SmallTransformer:
    config = TransformerConfig(8, 2, 4, 14, n_layers=2, norm="layer")
    model = SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P), seed=1).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "ln" not in name:
                weight *= 3
    return model


def mlp(**settings: object) -> HookedMLP:
    return HookedMLP(MLPConfig(width=14, **settings), vocab=P, seed=7).eval()


CASES: dict[str, tuple[HookedModel, str | None]] = {
    "closed form": (analytic_mlp("add", p=P, width=16), None),
    "square": (mlp(), None),
    "relu with bias": (mlp(activation="relu", bias=True, tied=True), None),
    "batch norm": (mlp(norm="batch"), None),
    "first of two layers": (mlp(depth=3, activation="relu"), "blocks.0.mlp.hook_post"),
    "transformer": (transformer(), "blocks.0.mlp.hook_post"),
    "one position": (transformer(), "blocks.0.mlp.hook_post@2"),
}


@pytest.mark.parametrize(("model", "site"), CASES.values(), ids=CASES)
def test_a_dose_measures_what_hooks_measure_at_every_factor(model: HookedModel, site: str | None) -> None:
    found = dose_response(cached_pass(model, TASK, site=site), CHOSEN, FACTORS, n_random=0)
    seen = set()
    for i, factor in enumerate(FACTORS):
        with rescale(model, CHOSEN, factor, site=site):
            wanted = accuracy(model, TASK)
        for split in SPLITS:
            assert found.accuracy[split][i] == pytest.approx(wanted[split]), (factor, split)
        seen.add(wanted.all)
    assert len(seen) > 2  # the factor matters, so that the equality says something
    assert found.random == dict.fromkeys(SPLITS)


def test_factor_zero_is_removal_and_the_random_sets_are_its_own() -> None:
    cached = cached_pass(mlp(), TASK)
    found = dose_response(cached, CHOSEN, [0, 1], n_random=7, pool=np.arange(12), seed=5)
    gone = removal(cached, CHOSEN, n_draws=7, pool=np.arange(12), seed=5)
    for split in SPLITS:
        assert found.at(0, split) == pytest.approx(gone.after[split])
        assert found.at(1, split) == pytest.approx(gone.before[split])
        for key, value in vars(gone.random[split]).items():
            assert vars(found.random[split])[key][0] == pytest.approx(value)
            assert vars(found.random[split])[key][1] == pytest.approx(gone.before[split])


def test_nothing_is_right_without_any_neuron() -> None:
    model = analytic_mlp("add", p=P, width=60)
    found = dose_response(cached_pass(model, TASK), range(60), n_random=0)
    assert found.at(0, "test") == 0.0
    assert found.at(0.05, "test") == found.at(1, "test") > 0.9  # any share of every logit answers the same
    assert not found.controlled


def test_random_sets_come_from_the_pool() -> None:
    cached = cached_pass(mlp(), TASK)
    same, drawn = (
        dose_response(cached, [4, 5], n_random=0),
        dose_response(cached, [0], n_random=3, pool=np.array([4])),
    )
    only = dose_response(cached, [4], n_random=0)
    for split in SPLITS:
        np.testing.assert_array_equal(drawn.random[split].low, only.accuracy[split])
        np.testing.assert_array_equal(drawn.random[split].high, only.accuracy[split])
    assert any((same.accuracy[split] != only.accuracy[split]).any() for split in SPLITS)
    widened = dose_response(cached, range(5), n_random=2, pool=np.array([4]))
    assert widened.size == 5


def test_intervals_hold_exactly_the_shares_that_are_right() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, delta = torch.randn(2, 200, 5, generator=generator)
    delta[:40] = 0
    labels = torch.randint(5, (200,), generator=generator)
    low, high = right_between(logits, delta, labels)
    for share in np.linspace(-3, 3, 41):
        right = (logits + share * delta).argmax(1) == labels
        assert torch.equal((low < share) & (share < high), right)
    assert (low[:40] == float("inf")).any()
    assert (low[:40] == -float("inf")).any()


def test_examples_in_many_parts_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cached = cached_pass(mlp(), TASK)
    whole = dose_response(cached, CHOSEN, n_random=1)
    monkeypatch.setattr("interp.measuring.doses.CHUNK_ELEMENTS", 100)
    assert dose_response(cached, CHOSEN, n_random=1).to_dict() == whole.to_dict()


def test_defaults_run_from_turned_round_to_doubled() -> None:
    exact = dose_response(cached_pass(mlp(), TASK), CHOSEN, n_random=0).factors
    assert (len(exact), exact[0], exact[-1]) == (61, -1.0, 2.0)
    assert {0.0, 0.5, 1.0} <= set(exact.tolist())
    told: list[int] = []
    cached = cached_pass(*[CASES["transformer"][0], TASK], site="blocks.0.mlp.hook_post")
    few = dose_response(cached, CHOSEN, n_random=1, report=lambda done, note="": told.append(done))
    assert len(few.factors) == 13
    assert {0.0, 0.5, 1.0} <= set(few.factors.tolist())
    assert told[-1] == 2
    assert sorted(told) == told


def test_factors_are_sorted_and_named_once() -> None:
    found = dose_response(cached_pass(mlp(), TASK), CHOSEN, [1, 0, 1, 0.5], n_random=0)
    assert found.factors.tolist() == [0, 0.5, 1]
    assert found.nearest(0.6) == 1


def test_a_split_without_examples_has_no_accuracy() -> None:
    task = ModularTask("add", p=P, split="unknown")
    found = dose_response(cached_pass(mlp(), task), CHOSEN, [0, 1], n_random=2)
    assert found.accuracy["train"] is None
    assert found.random["train"] is None
    assert found.at(0, "corrupted_as_labelled") is None
    assert found.at(1, "all") == pytest.approx(accuracy(mlp(), task).all)
    assert json.loads(json.dumps(found.to_dict()))["accuracy"]["train"] is None
    assert [trace.name for trace in found.plot().data if trace.hoverinfo != "skip"][:1] == ["all, random"]


def test_the_figure_shows_what_was_measured() -> None:
    found = dose_response(cached_pass(mlp(), TASK), CHOSEN, n_random=4)
    figure = found.plot()
    traces = {trace.name: trace for trace in figure.data}
    np.testing.assert_allclose(traces["test"].y, found.accuracy["test"], rtol=1e-4)
    np.testing.assert_allclose(traces["test, random"].y, found.random["test"].mean, rtol=1e-4)
    assert traces["train"].visible == "legendonly"
    assert [shape.x0 for shape in figure.layout.shapes] == [0.0, 1.0]
    assert not dose_response(cached_pass(mlp(), TASK), CHOSEN, [2, 3], n_random=0).plot().layout.shapes
    assert repr(found) == "Dose(given, 6 neurons: 61 factors from -1 to 2, 4 random sets)"


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([], "at least one"),
        ([float("nan")], "finite"),
        (np.array(["x"], dtype=object), "are no numbers"),
    ],
)
def test_unusable_factors_are_named(factors: list[float] | np.ndarray, message: str) -> None:
    cached = cached_pass(mlp(), TASK)
    with pytest.raises(ConfigError, match=message):
        dose_response(cached, CHOSEN, factors)


@pytest.mark.parametrize(("low", "high", "points"), [(1, 0, 5), (0, float("inf"), 5), (0, 1, 1)])
def test_unusable_ranges_are_named(low: float, high: float, points: int) -> None:
    with pytest.raises(ConfigError, match=r"no range|no curve"):
        factors_between(float(low), float(high), points)


def test_a_state_of_another_mode_is_refused() -> None:
    with pytest.raises(InterventionError, match="mode is 'mean', expected 'zero'"):
        dose_response(cached_pass(mlp(), TASK, mode="mean"), CHOSEN)
    with pytest.raises(InterventionError, match="neuron 99 does not exist"):
        dose_response(cached_pass(mlp(), TASK), [99])


def test_memorizing_neurons_are_forgotten_by_degrees() -> None:
    task = ModularTask("add", p=31, train_fraction=0.5, corrupt_fraction=0.35)
    model = planted_mlp(task).model
    table = score(model, task)
    before = all_logits(model, task.dataset)
    found = dose(model, task, n_random=5)
    assert torch.equal(all_logits(model, task.dataset), before)
    corrupted = found.accuracy["corrupted_as_labelled"]
    assert found.size == len(table.where(label="memorizing")) > 50
    assert found.at(1, "corrupted_as_labelled") > 0.95
    assert 0.3 < found.at(0.35, "corrupted_as_labelled") < 0.6
    assert (np.diff(corrupted) >= -0.02).all()  # more of them is more memory
    assert found.at(0, "corrupted_as_labelled") < found.at(0, "corrupted_as_true")
    rows = dose(model, task, table.where(label="memorizing"), n_random=5)
    assert rows.to_dict() == found.to_dict() | {"name": "given"}
    with pytest.raises(InterventionError, match="cannot select neurons by 'label:bad'"):
        dose(model, task, "label:bad")
