"""Effects, curves, doses and removals of a site in a loop, against loops written here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import interp
from interp.analysis.relearning import relearn
from interp.data import TableTask
from interp.errors import InterventionError
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.measuring.logits import whole_of
from interp.measuring.memory_orders import masked_logits, none_gone, slope

WIDTH, STEPS, CLASSES = 6, 5, 3
SITE = "tap:hidden"


class Leaky(nn.Module):
    """A recurrent network whose steps mix all units, so that one at 0 changes the others later."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.enter, self.mix, self.readout = (
            nn.Linear(4, WIDTH),
            nn.Linear(WIDTH, WIDTH),
            nn.Linear(WIDTH, CLASSES),
        )
        with torch.no_grad():
            self.mix.weight *= 2.5

    def forward(self, tokens: Tensor) -> Tensor:
        h = torch.zeros(len(tokens), WIDTH)
        for step in range(tokens.shape[1]):
            x = nn.functional.one_hot(tokens[:, step], 4).float()
            h = interp.tap("hidden", torch.tanh(self.mix(h) + self.enter(x)))
        return self.readout(h)


TOKENS = torch.randint(4, (60, STEPS), generator=torch.Generator().manual_seed(1))
NET = Leaky()
MODEL = interp.adopt(NET, SITE, example=TOKENS[:4])
LABELS = NET(TOKENS).argmax(1)
TASK = TableTask.from_arrays(TOKENS.numpy(), LABELS.numpy(), train=np.arange(60) < 30)


def by_hand(change: Any) -> Tensor:
    """Logits of a loop in which `change(h, step)` takes the state's place."""
    h = torch.zeros(len(TOKENS), WIDTH)
    with torch.no_grad():
        for step in range(STEPS):
            h = change(
                torch.tanh(NET.mix(h) + NET.enter(nn.functional.one_hot(TOKENS[:, step], 4).float())), step
            )
        return NET.readout(h)


def scaled(neurons: Any, factor: float, during: range = range(STEPS)) -> Tensor:
    factors = torch.ones(WIDTH)
    factors[list(neurons)] = factor
    return by_hand(lambda h, step: h * factors if step in during else h)


def accuracy(logits: Tensor) -> float:
    return float((logits.argmax(1) == LABELS).float().mean())


def margin(logits: Tensor) -> Tensor:
    own = torch.arange(len(LABELS)), LABELS
    return logits[own] - logits.index_put(own, torch.tensor(-torch.inf)).amax(1)


def passed(mode: str = "zero", during: str | None = None) -> CachedPass:
    return cached_pass(MODEL, TASK, mode=mode, during=during)


def test_activations_have_the_steps_and_scores_are_taken_from_the_last() -> None:
    cached = passed()
    states: list[Tensor] = []
    by_hand(lambda h, step: states.append(h) or h)
    assert torch.equal(cached.held_prefix.activations, torch.stack(states, 1))
    assert torch.equal(whole_of(cached.activations), states[-1])
    assert cached.in_loop


@pytest.mark.parametrize("neurons", [[2], [0, 1, 3], range(WIDTH)])
@pytest.mark.parametrize("during", [None, "1-2"])
def test_logits_without_neurons_are_those_of_the_loop(neurons: Any, during: str | None) -> None:
    logits = passed(during=during).logits_after(torch.tensor(list(neurons)))
    steps = range(STEPS) if during is None else range(1, 3)
    torch.testing.assert_close(whole_of(logits), scaled(neurons, 0.0, steps))


def test_a_mean_is_each_steps_own_and_a_resampled_run_is_one_other_examples() -> None:
    neurons = torch.tensor([1, 4])
    states: list[Tensor] = []
    by_hand(lambda h, step: states.append(h) or h)

    def mean(h: Tensor, step: int) -> Tensor:
        h = h.clone()
        h[:, neurons] = states[step][:, neurons].mean(0)
        return h

    torch.testing.assert_close(whole_of(passed("mean").logits_after(neurons)), by_hand(mean))
    rows = torch.randint(len(TOKENS), (len(TOKENS),), generator=torch.Generator().manual_seed(0))

    def resampled(h: Tensor, step: int) -> Tensor:
        h = h.clone()
        h[:, neurons] = states[step][rows][:, neurons]
        return h

    torch.testing.assert_close(whole_of(passed("resample").logits_after(neurons)), by_hand(resampled))
    with torch.no_grad(), interp.ablate(MODEL, neurons.numpy(), "resample", site=SITE, reference=TASK):
        torch.testing.assert_close(MODEL(TOKENS), by_hand(resampled))
        torch.testing.assert_close(MODEL(TOKENS[:7]).shape, (7, CLASSES))


def test_single_neuron_effects_are_differences_of_the_loop() -> None:
    table, train = interp.score(MODEL, TASK), torch.arange(60) < 30
    before = margin(scaled([], 1.0))[train].mean()
    for neuron in range(WIDTH):
        lost = before - margin(scaled([neuron], 0.0))[train].mean()
        assert table["effect_train"][neuron] == pytest.approx(float(lost), abs=1e-5)
    removal = interp.remove(MODEL, TASK, [0, 5], n_random=2)
    assert removal.after.all == pytest.approx(accuracy(scaled([0, 5], 0.0)))


def test_a_gain_that_keeps_state_is_that_of_the_loop_in_every_forward_pass() -> None:
    edit = interp.Edit(SITE, np.arange(WIDTH), interp.ActivityGain(0.8, decay=0.6))
    traces = [torch.zeros(len(TOKENS), WIDTH)]

    def gained(h: Tensor, step: int) -> Tensor:
        traces.append(0.6 * traces[-1] + 0.4 * h.abs())
        return h * (1 + 0.8 * traces[-1])

    expected = by_hand(gained)
    with torch.no_grad(), interp.intervene(MODEL, edit):
        torch.testing.assert_close(MODEL(TOKENS), expected)
        torch.testing.assert_close(MODEL(TOKENS[:9]), expected[:9])
    assert not torch.allclose(expected, scaled([], 1.0))


def test_curves_and_doses_are_those_of_the_loop() -> None:
    order = [3, 1, 0, 5, 2, 4]
    curve = interp.curve(MODEL, TASK, order, n_random=1)
    for removed, shown in zip(curve.removed, curve.accuracy["all"], strict=True):
        assert shown == pytest.approx(accuracy(scaled(order[: int(removed)], 0.0)))
    dose = interp.dose(MODEL, TASK, [0, 2, 5], factors=[-0.5, 0.0, 0.5, 1.0, 2.0], n_random=1)
    for factor, shown in zip(dose.factors, dose.accuracy["all"], strict=True):
        assert shown == pytest.approx(accuracy(scaled([0, 2, 5], float(factor))))
    limited = interp.dose(MODEL, TASK, [0, 2, 5], factors=[0.0, 3.0], n_random=1, during="0-1")
    for factor, shown in zip(limited.factors, limited.accuracy["all"], strict=True):
        assert shown == pytest.approx(accuracy(scaled([0, 2, 5], float(factor), range(2))))


def test_a_removal_before_the_end_differs_from_one_at_the_end() -> None:
    early, late = (
        interp.remove(MODEL, TASK, [0, 2], during=steps, n_random=1).after.all for steps in ("-1", "4")
    )
    assert early == pytest.approx(accuracy(scaled([0, 2], 0.0, range(2))))
    assert late == pytest.approx(accuracy(scaled([0, 2], 0.0, range(4, 5))))
    assert not torch.equal(scaled([0, 2], 0.0, range(2)), scaled([0, 2], 0.0, range(4, 5)))


def test_orders_by_memory_go_through_the_loop() -> None:
    cached, rows = passed(), torch.arange(10)
    shares = torch.tensor([0.0, 1.0, 0.5, 0.0, 0.0, 1.0])

    def masked(h: Tensor, step: int) -> Tensor:
        return h * (1 - shares)

    torch.testing.assert_close(masked_logits(cached, rows, shares), by_hand(masked)[:10])
    gradient = slope(cached, rows, none_gone(cached), lambda logits: logits[:, 0].sum())
    step = 1e-3
    for neuron in range(WIDTH):
        one = torch.zeros(WIDTH).index_fill(0, torch.tensor([neuron]), step)
        risen = (masked_logits(cached, rows, one) - masked_logits(cached, rows, -one))[:, 0].sum() / (
            2 * step
        )
        assert float(gradient[neuron]) == pytest.approx(float(risen.detach()), abs=2e-2)


@pytest.mark.parametrize("during", ["5", "0-7"])
def test_steps_that_the_site_does_not_have_are_refused(during: str) -> None:
    with pytest.raises(InterventionError, match="the site has steps 0 to 4"):
        interp.remove(MODEL, TASK, [0], during=during)
    with (
        pytest.raises(InterventionError, match="the site has steps 0 to 4"),
        interp.ablate(MODEL, [0], site=SITE, during=during),
    ):
        MODEL(TOKENS)


def test_sites_without_time_refuse_steps() -> None:
    model = interp.analytic_mlp("add", p=13)
    with pytest.raises(InterventionError, match="no steps to limit the intervention to"):
        interp.remove(model, interp.ModularTask("add", p=13), [0], during="0")
    with (
        pytest.raises(InterventionError, match="there are no steps there"),
        interp.ablate(model, [0], during="0"),
    ):
        pass


def test_positions_of_a_transformer_are_its_time() -> None:
    config = interp.TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_head=8, d_mlp=12)
    task = interp.ModularTask("add", p=7)
    model = interp.models.SmallTransformer(config, 7, 7)
    site = "blocks.0.mlp.hook_post"
    with torch.no_grad(), interp.ablate(model, range(6), site=site, during="0"):
        first = model(task.dataset.inputs)
    with torch.no_grad(), interp.ablate(model, range(6), site=f"{site}@0"):
        torch.testing.assert_close(model(task.dataset.inputs), first)
    last = "blocks.1.mlp.hook_post"
    own = cached_pass(model, task, site=last)
    neurons = torch.arange(6)
    answer = cached_pass(model, task, site=last, during="1").logits_after(neurons)
    torch.testing.assert_close(whole_of(answer), whole_of(own.logits_after(neurons)))
    other = cached_pass(model, task, site=last, during="0").logits_after(neurons)
    torch.testing.assert_close(whole_of(other), whole_of(own.logits))
    for during in ("2", [True]):
        with pytest.raises(InterventionError, match=r"there is no step 2|the mask has 1 steps"):
            interp.remove(model, task, neurons.numpy(), site=last, during=during)


def test_relearning_takes_neurons_out_at_the_same_steps() -> None:
    labels = LABELS.clone()
    labels[:10] = (labels[:10] + 1) % CLASSES
    task = TableTask.from_arrays(
        TOKENS.numpy(), labels.numpy(), true_labels=LABELS.numpy(), train=np.arange(60) < 30
    )
    relearnt = [
        relearn(MODEL, task, range(WIDTH), steps=40, draws=1, during=during) for during in (None, "0")
    ]
    assert relearnt[0] is not None
    assert relearnt[1] is not None
    assert relearnt[0].curves != relearnt[1].curves
    with pytest.raises(InterventionError, match="there is no step 5"):
        relearn(MODEL, task, [0], steps=1, draws=1, during="5")
