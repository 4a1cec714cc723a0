"""What neurons write, against differences measured through the network's own hooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from interp.errors import ConfigError, HookNameError, InterventionError
from interp.hooks import capture, hooked
from interp.lab.lens.effects import DirectEffect, clamp_and_compare, direct_effect, in_double
from interp.models import (
    HookedMLP,
    HookedModel,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    adopt,
    analytic_mlp,
    neuron_site,
)

PAIRS = torch.tensor([[0, 1], [2, 3], [4, 4], [1, 3]])
SMALL = TransformerConfig(d_model=6, n_heads=2, d_head=3, d_mlp=5, bias=True)


def mlp(seed: int = 0, **shape: object) -> HookedMLP:
    """A small network in double precision whose norms have weights of their own."""
    model = HookedMLP(MLPConfig(width=6, **shape), vocab=5, n_outputs=4, seed=seed).double().eval()
    return scrambled(model)


def transformer(seed: int = 0, kind: type = SmallTransformer, **shape: object) -> SmallTransformer:
    """A small transformer in double precision, of tokens a b =."""
    config = replace(SMALL, **shape)
    prompt = Prompt.parse("a b =", p=5)
    return scrambled(kind(config, 6, 4, prompt, seed=seed).double().eval())


def scrambled(model):
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith((".w", ".b")) or ".norm." in name or ".b_" in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) / 2)
    return model


def differences(model: HookedModel, hook: str, step: float, *, inputs: Tensor = PAIRS) -> np.ndarray:
    """Central differences of the logits for each neuron of a site, ``(neuron, example, output)``, by a plain loop."""
    rows = []
    for i in range(neuron_site(model, hook).width):

        def moved(amount: float, i: int = i) -> Callable[[Tensor], Tensor]:
            return lambda x: x + amount * torch.eye(x.shape[-1], dtype=x.dtype)[i]

        found = []
        for amount in (step, -step):
            with torch.no_grad(), hooked(model, {hook: moved(amount)}):
                found.append(model(inputs))
        rows.append(((found[0] - found[1]) / (2 * step)).numpy())
    return np.array(rows)


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_the_last_layer_of_an_mlp_is_decoded_exactly(norm: str, depth: int, bias: bool) -> None:
    model = mlp(norm=norm, depth=depth, bias=bias, activation="relu")
    found = direct_effect(model)
    assert found.exact
    assert found.hook == f"blocks.{depth - 2}.mlp.hook_post"
    for example in range(len(PAIRS)):
        assert found.effect == pytest.approx(differences(model, found.hook, 2.0)[:, example], abs=1e-12)


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_an_earlier_layer_of_an_mlp_has_a_mean_derivative(norm: str) -> None:
    model = mlp(norm=norm, depth=3)
    hook = "blocks.0.mlp.hook_post"
    with pytest.raises(ConfigError, match=r"'blocks.0.mlp.hook_post' is not linear.*give examples"):
        direct_effect(model, hook)
    found = direct_effect(model, hook, examples=PAIRS)
    assert not found.exact
    assert "4 examples" in repr(found)
    assert found.effect == pytest.approx(differences(model, hook, 1e-5).mean(1), abs=1e-7)
    assert not any(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("readout", [-1, 0])
def test_a_transformer_without_norms_is_decoded_exactly_along_its_stream(readout: int) -> None:
    model = SmallTransformer(SMALL, 6, 4, Prompt.parse("a b =", p=5), readout=readout).double().eval()
    found = direct_effect(model)
    assert found.exact
    assert found.writes is not None
    assert found.reads is not None
    assert found.writes @ found.reads == pytest.approx(found.effect)
    for example in range(len(PAIRS)):
        assert found.effect == pytest.approx(differences(model, found.hook, 1.0)[:, example], abs=1e-12)
    assert direct_effect(model, examples=PAIRS, whole=True).exact


@pytest.mark.parametrize("norm", ["layer", "pre"])
def test_the_final_norm_keeps_the_scale_that_it_has_on_the_examples(norm: str) -> None:
    model = transformer(norm=norm)
    hook, last = "blocks.0.mlp.hook_post", "blocks.0.hook_resid_post"
    stream = capture(model, PAIRS, last)[last][:, -1].numpy()
    scale = np.sqrt(stream.var(1) + 1e-5)[:, None]
    weight = 1.0 if model.ln_final.w is None else model.ln_final.w.detach().numpy()

    def frozen(x: np.ndarray) -> np.ndarray:
        return (x - x.mean(1, keepdims=True)) / scale * weight @ model.unembed.weight.detach().numpy()

    expected = []
    for i in range(5):
        with hooked(model, {hook: lambda x, i=i: x + torch.eye(5, dtype=x.dtype)[i]}):
            moved = capture(model, PAIRS, last)[last][:, -1].numpy()
        expected.append((frozen(moved) - frozen(stream)).mean(0))
    found = direct_effect(model, examples=PAIRS)
    assert not found.exact
    assert found.effect == pytest.approx(np.array(expected), abs=1e-12)
    model.readout_only = True
    assert direct_effect(model, examples=PAIRS).effect == pytest.approx(found.effect, abs=1e-12)
    model.readout_only = False
    without = direct_effect(model)  # known up to one factor
    assert without.effect * (1 / scale).mean() == pytest.approx(found.effect, abs=1e-12)
    whole = direct_effect(model, examples=PAIRS, whole=True)
    assert whole.effect == pytest.approx(differences(model, hook, 1e-5).mean(1), abs=1e-7)
    assert np.abs(whole.effect - found.effect).max() > 1e-3  # the norm's scale does move


def test_an_earlier_layer_of_a_transformer_is_decoded_past_the_later_ones() -> None:
    model = transformer(n_layers=2)
    hook, later = "blocks.0.mlp.hook_post", ["blocks.1.hook_attn_out", "blocks.1.hook_mlp_out"]
    found = direct_effect(model, hook)
    assert not found.exact
    kept = capture(model, PAIRS, later)
    at = found.hook + "@2"
    with torch.no_grad():
        before = model(PAIRS).numpy()
    for i in range(5):
        frozen = {name: lambda x, name=name: kept[name] for name in later}
        with torch.no_grad(), hooked(model, {at: lambda x, i=i: x + torch.eye(5).double()[i], **frozen}):
            moved = model(PAIRS).numpy() - before
        assert moved == pytest.approx(np.tile(found.effect[i], (4, 1)), abs=1e-12)
    whole = direct_effect(model, hook, examples=PAIRS, whole=True)
    assert whole.effect == pytest.approx(differences(model, at, 1e-5).mean(1), abs=1e-7)
    away = direct_effect(model, f"{hook}@0", examples=PAIRS)  # where the answer is not read
    assert away.effect == pytest.approx(differences(model, f"{hook}@0", 1e-5).mean(1), abs=1e-7)


def test_an_adopted_network_is_decoded_by_its_last_matrix_or_by_derivatives() -> None:
    torch_generator = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(27, 2)).double()
    images = torch.randn(5, 1, 4, 4, generator=torch_generator, dtype=torch.float64)
    model = adopt(module, ["0:output", "3:input"], example=images)
    last = direct_effect(model, "3:input")
    assert last.exact
    assert last.effect == pytest.approx(module[3].weight.detach().numpy().T)
    first = direct_effect(model, "0:output", examples=images)
    for i in range(3):
        step = torch.zeros(3, 1, 1).double()
        step[i] = 1e-5
        found = []
        for sign in (1, -1):
            with torch.no_grad(), hooked(model, {"0:output": lambda x, s=sign, d=step: x + s * d}):
                found.append(model(images))
        assert first.effect[i] == pytest.approx(((found[0] - found[1]) / 2e-5).mean(0).numpy(), abs=1e-7)


def test_what_cannot_be_decoded_is_refused() -> None:
    model = transformer()
    with pytest.raises(ConfigError, match="holds attention heads"):
        direct_effect(model, "blocks.0.attn.hook_z")
    with pytest.raises(HookNameError, match=r"no neurons at 'blocks\.9"):
        direct_effect(model, "blocks.9.mlp.hook_post")
    with pytest.raises(ConfigError, match="there are no examples"):
        direct_effect(model, examples=PAIRS[:0])
    with pytest.raises(ConfigError, match="give examples"):
        direct_effect(model, "blocks.0.mlp.hook_post@0")


def test_effects_are_centred_for_each_neuron() -> None:
    effect = DirectEffect("post", np.array([[0.0, 0, 0], [1, 4, -2]]), True, "a matrix")
    assert effect.centred().sum(1) == pytest.approx(0)


@pytest.mark.parametrize("make", [mlp, transformer])
def test_an_exact_promise_is_kept_and_a_wrong_one_shows(make: Callable[[], HookedModel]) -> None:
    model = make()
    before = model(PAIRS).detach().clone()
    effect = direct_effect(model)
    neurons, values = np.array([4, 0, 2]), np.array([1.5, -2.0, 0.7])
    found = clamp_and_compare(model, PAIRS, effect, neurons, values)
    assert found.error.max() < 1e-12 < 1e-3 < found.moved.min()
    assert found.explained == pytest.approx(1)
    assert found.scale == float(before.abs().max())
    assert torch.equal(model(PAIRS), before)  # nothing is left behind
    wrong = DirectEffect(
        effect.hook, effect.effect * [[1], [1], [1.1], [1], [1], [1]][: len(effect.effect)], True, ""
    )
    found = clamp_and_compare(model, PAIRS, wrong, neurons, values)
    assert found.error[:2].max() < 1e-12
    assert found.explained[2] == pytest.approx(0.99)


def test_a_promise_is_measured_by_hand_too() -> None:
    model = analytic_mlp("add", p=7, width=9).double()
    hook = "blocks.0.mlp.hook_post"
    activation = capture(model, PAIRS, hook)[hook][:, 3]
    found = clamp_and_compare(model, PAIRS, direct_effect(model), np.array([3]), np.array([5.0]))
    change = (5.0 - activation)[:, None] * model.unembed.weight[3].detach()
    assert found.moved[0] == pytest.approx(float(change.abs().max()))


def test_an_approximate_promise_is_kept_in_part() -> None:
    model = transformer(norm="layer")
    effect = direct_effect(model, examples=PAIRS)
    hook = effect.hook
    active = capture(model, PAIRS, hook)[hook][:, -1].amax(0).numpy()
    neuron = int(active.argmax())
    found = clamp_and_compare(model, PAIRS, effect, np.array([neuron]), np.array([active[neuron] / 2]))
    assert found.error[0] > 1e-6
    assert 0.3 < found.explained[0] < 1


def test_there_is_one_value_for_each_neuron() -> None:
    model = mlp()
    effect = direct_effect(model)
    with pytest.raises(ConfigError, match="1 values for 2 neurons"):
        clamp_and_compare(model, PAIRS, effect, np.array([0, 1]), np.array([1.0]))
    with pytest.raises(InterventionError, match="neuron 6 does not exist"):
        clamp_and_compare(model, PAIRS, effect, np.array([6]), np.array([1.0]))


def test_a_copy_in_double_precision_leaves_the_network_as_it_is() -> None:
    model = HookedMLP(MLPConfig(width=6), vocab=5)
    twin = in_double(model)
    assert model.unembed.weight.dtype == torch.float32
    assert twin is not None
    assert twin(PAIRS).dtype == torch.float64
    assert twin(PAIRS).detach().numpy() == pytest.approx(model(PAIRS).detach().numpy(), rel=1e-5)


def test_what_cannot_be_copied_has_no_double(monkeypatch: pytest.MonkeyPatch) -> None:
    model = HookedMLP(MLPConfig(width=6), vocab=5)
    monkeypatch.setattr(
        model, "held", torch.ones(1, requires_grad=True) * 2, raising=False
    )  # part of a graph
    assert in_double(model) is None
