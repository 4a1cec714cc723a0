"""The MLP in every shape against a forward pass in plain numpy loops."""

import copy
import json
import pickle
from math import erf, exp, tanh

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from interp.errors import CheckpointError, ConfigError, HookNameError
from interp.models import ACTIVATIONS, HookedMLP, MLPConfig

PRE, MID, POST = (f"blocks.0.mlp.hook_{place}" for place in ("pre", "mid", "post"))
SCALAR = {
    "square": lambda x: x * x,
    "relu": lambda x: max(x, 0.0),
    "gelu": lambda x: x * (1 + erf(x / 2**0.5)) / 2,
    "silu": lambda x: x / (1 + exp(-x)),
    "tanh": tanh,
    "abs": abs,
    "custom": lambda x: x**3 - x,
}


def by_hand(model: HookedMLP, inputs: torch.Tensor) -> dict[str, np.ndarray]:
    """Logits, pre- and post-activations of every layer from the weights alone, in float64."""
    config, weights = model.config, {k: v.double().numpy() for k, v in model.state_dict().items()}
    found: dict[str, list] = {"logits": []}
    for tokens in inputs.tolist():
        x = weights.get("embed.b_E", np.zeros(config.width)).copy()
        for position, token in enumerate(tokens):
            x += weights["embed.W_E"][0 if config.tied else position][token]
        for layer in range(config.depth - 1):
            name = f"blocks.{layer}"
            if layer:
                x = x @ weights[f"{name}.linear.W_in"] + weights.get(f"{name}.linear.b_in", 0)
            found.setdefault(f"{name}.mlp.hook_pre", []).append(x)
            x = np.array([SCALAR[config.activation](value) for value in x.tolist()])
            norm = {
                key: weights.get(f"{name}.mlp.norm.{key}")
                for key in ("weight", "bias", "running_mean", "running_var")
            }
            if config.norm != "none":
                found.setdefault(f"{name}.mlp.hook_mid", []).append(x)
                batch = config.norm == "batch"
                mean, var = (norm["running_mean"], norm["running_var"]) if batch else (x.mean(), x.var())
                x = (x - mean) / np.sqrt(var + 1e-5) * norm["weight"] + norm["bias"]
            found.setdefault(f"{name}.mlp.hook_post", []).append(x)
        found["logits"].append(x @ weights["unembed.W_U"] + weights.get("unembed.b_U", 0))
    return {name: np.array(rows) for name, rows in found.items()}


def test_every_shape_equals_plain_numpy(any_mlp, pairs):
    expected = by_hand(any_mlp, pairs)
    logits, cache = any_mlp.run_with_cache(pairs)
    assert set(cache) == set(any_mlp.hook_dict) == set(expected) - {"logits"}
    for name, values in {"logits": logits, **cache}.items():
        size = np.abs(expected[name]).max()
        np.testing.assert_allclose(values.detach(), expected[name], rtol=1e-5, atol=1e-6 * size, err_msg=name)
    assert np.ptp(expected["logits"], axis=0).min() > 0.02


def test_neuron_sites_hold_the_weights_of_every_shape(any_mlp, pairs):
    logits, cache = any_mlp.run_with_cache(pairs)
    sites, config = any_mlp.neuron_sites(), any_mlp.config
    assert [site.hook for site in sites] == [f"blocks.{i}.mlp.hook_post" for i in range(config.depth - 1)]
    assert {site.width for site in sites} == {config.width}
    left, right = sites[0].input_vectors
    assert left.shape == right.shape == (6, 5)
    bias = 0 if any_mlp.embed.b_E is None else any_mlp.embed.b_E
    torch.testing.assert_close(cache[PRE], left.T[pairs[:, 0]] + right.T[pairs[:, 1]] + bias)
    assert torch.equal(left, right) == config.tied
    bias = 0 if any_mlp.unembed.bias is None else any_mlp.unembed.bias
    torch.testing.assert_close(logits, cache[sites[-1].hook] @ sites[-1].readout + bias)
    for site in sites[1:]:
        assert site.input_vectors == ()
    for site in sites[:-1]:
        assert site.readout is None


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_its_gradients(activation):
    x = torch.linspace(-3, 3, 12, dtype=torch.float64).add(0.01).requires_grad_()
    function = ACTIVATIONS[activation]
    expected = [SCALAR[activation](value) for value in x.tolist()]
    np.testing.assert_allclose(function(x).detach(), expected, rtol=1e-12)
    assert torch.autograd.gradcheck(function, (x,))
    assert torch.autograd.gradgradcheck(function, (x,))
    assert set(ACTIVATIONS) | {"custom"} == set(SCALAR)


def test_activations_know_function_transforms():
    for name, function in ACTIVATIONS.items():
        slope = torch.func.grad(lambda x, f=function: f(x).sum())(torch.tensor([0.5, 2.0]))
        step = (function(torch.tensor([0.501, 2.001])) - function(torch.tensor([0.499, 1.999]))) / 0.002
        torch.testing.assert_close(slope, step, rtol=1e-2, atol=1e-3, msg=name)


def test_more_or_fewer_tokens(pairs):
    for n_tokens, tied in ((1, False), (3, False), (3, True)):
        model = HookedMLP(MLPConfig(width=6, tied=tied), 5, 7, n_tokens)
        inputs = torch.arange(5 * n_tokens).reshape(5, n_tokens) % 5
        np.testing.assert_allclose(
            model(inputs).detach(), by_hand(model, inputs)["logits"], rtol=1e-5, atol=1e-6
        )
        assert len(model.neuron_sites()[0].input_vectors) == n_tokens
    model = HookedMLP(MLPConfig(width=6), 5)
    assert torch.equal(model(pairs.int()), model(pairs))
    assert model(pairs[:0]).shape == (0, 5)


def test_the_order_of_operands_counts_unless_tied(pairs):
    for tied in (False, True):
        model = HookedMLP(MLPConfig(width=6, tied=tied), 5)
        assert torch.allclose(model(pairs), model(pairs.flip(1))) == tied


@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize(
    ("settings", "embed_std", "hidden_std"),
    [
        ({"activation": "square"}, 0.5 / 1000 ** (1 / 3), 0.5 / 1000 ** (1 / 3)),
        ({"activation": "square", "tied": True}, 0.5 / 1000 ** (1 / 3), 0.5 / 1000 ** (1 / 3)),
        ({"activation": "relu"}, (3 * 194) ** -0.5, 1500**-0.5),
        ({"activation": "relu", "depth": 3}, (3 * 194) ** -0.5, 1500**-0.5),
        ({"activation": "square", "depth": 3}, (3 * 194) ** -0.5, 1500**-0.5),
    ],
    ids=str,
)
def test_initial_weights_are_normal_with_the_papers_spread(settings, embed_std, hidden_std, scale):
    model = HookedMLP(MLPConfig(width=500, init_scale=scale, **settings), vocab=97)
    matrices = {name: value for name, value in model.named_parameters() if value.ndim > 1}
    assert len(matrices) == settings.get("depth", 2)
    for name, weight in matrices.items():
        std = scale * (embed_std if name == "embed.W_E" else hidden_std)
        assert weight.std().item() == pytest.approx(std, rel=0.015), name
        assert abs(weight.mean().item()) < 0.015 * std, name
        assert (weight.abs() < std).float().mean().item() == pytest.approx(0.6827, abs=0.01), name


def test_pytorchs_linear_layers_start_with_the_same_spread():
    torch.manual_seed(0)
    linear = torch.nn.Linear(500, 500)
    model = HookedMLP(MLPConfig(width=500, depth=3, activation="relu"), vocab=5)
    assert model.blocks[1].linear.weight.std().item() == pytest.approx(linear.weight.std().item(), rel=0.01)


def test_biases_start_at_zero_and_norms_as_the_identity():
    model = HookedMLP(MLPConfig(width=6, depth=3, activation="relu", bias=True, norm="batch"), vocab=5)
    vectors = {name: set(v.tolist()) for name, v in model.named_parameters() if v.ndim == 1}
    assert {name for name, values in vectors.items() if values == {0.0}} == {
        "embed.b_E", "blocks.1.linear.b_in", "unembed.b_U",
        "blocks.0.mlp.norm.bias", "blocks.1.mlp.norm.bias",
    }  # fmt: skip
    assert all(vectors[f"blocks.{layer}.mlp.norm.weight"] == {1.0} for layer in (0, 1))


def test_the_seed_decides_the_weights_and_nothing_global():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, same, other = (HookedMLP(MLPConfig(width=8), 5, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, same.state_dict()[name])
        assert not torch.equal(weight, other.state_dict()[name])


@pytest.mark.parametrize("activation", ["square", "relu"])
def test_dropout_comes_before_the_activation_and_keeps_the_mean(activation):
    model = HookedMLP(MLPConfig(width=400, activation=activation, dropout=0.3), 5).train()
    model.blocks[0].mlp.dropout.generator = torch.Generator().manual_seed(0)
    inputs = torch.tensor([[1, 2], [3, 4]] * 20)
    state = torch.get_rng_state()
    _, cache = model.run_with_cache(inputs)
    assert torch.equal(torch.get_rng_state(), state)
    kept = ACTIVATIONS[activation](cache[PRE] / 0.7)
    dropped = cache[POST] == 0
    torch.testing.assert_close(cache[POST][~dropped], kept[~dropped])
    live = kept > 0
    assert dropped[live].float().mean().item() == pytest.approx(0.3, abs=0.015)


def test_dropout_can_be_continued_from_its_generator():
    model = HookedMLP(MLPConfig(width=50, dropout=0.5), 5).train()
    dropout, inputs = model.blocks[0].mlp.dropout, torch.tensor([[1, 2]])
    dropout.generator = torch.Generator().manual_seed(0)
    model(inputs)
    state = dropout.generator.get_state()
    expected = model(inputs)
    dropout.generator = torch.Generator()
    dropout.generator.set_state(state)
    assert torch.equal(model(inputs), expected)
    assert not torch.equal(model(inputs), expected)
    assert torch.equal(model.eval()(inputs), model(inputs))


def test_batch_norm_comes_after_the_activation(pairs):
    model = HookedMLP(MLPConfig(width=6, norm="batch"), 5).train()
    _, cache = model.run_with_cache(pairs)
    mid = cache[MID].detach().numpy()
    np.testing.assert_allclose(mid, cache[PRE].detach().numpy() ** 2, rtol=1e-6)
    expected = (mid - mid.mean(0)) / np.sqrt(mid.var(0) + 1e-5)
    np.testing.assert_allclose(cache[POST].detach(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.blocks[0].mlp.norm.running_mean, 0.1 * mid.mean(0), rtol=1e-4)


def test_gradients_equal_those_of_the_one_hot_network(pairs):
    model = HookedMLP(MLPConfig(width=6), 5)
    labels = pairs.sum(1) % 5
    F.mse_loss(model(pairs), F.one_hot(labels, 5).float()).backward()
    left, right, out = (w.detach().clone().requires_grad_() for w in (*model.embed.W_E, model.unembed.weight))
    a, b = (F.one_hot(column, 5).float() for column in pairs.T)
    F.mse_loss((a @ left + b @ right) ** 2 @ out, F.one_hot(labels, 5).float()).backward()
    torch.testing.assert_close(model.embed.W_E.grad, torch.stack([left.grad, right.grad]))
    torch.testing.assert_close(model.unembed.weight.grad, out.grad)


@pytest.mark.parametrize(
    ("inputs", "case"),
    [
        ([[5, 0]], "a token above the first table, whose row is in the second one"),
        ([[0, -1]], "a token below the second table"),
        ([[0, 5]], "a token above the last table"),
        ([[-1, 0]], "a token below the first table"),
        ([[1], [2]], "one token instead of two"),
        ([[1, 2, 3]], "three tokens instead of two"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_inputs_that_the_network_does_not_know_are_refused(inputs, case):
    model = HookedMLP(MLPConfig(width=6), 5)
    with pytest.raises((IndexError, RuntimeError, ValueError, ConfigError)):
        model(torch.tensor(inputs))


def test_sites_that_do_not_exist_are_refused(any_mlp, pairs):
    for hook in (PRE, "blocks.2.mlp.hook_post", "nothing"):
        with pytest.raises(HookNameError, match=f"there are no neurons at '{hook}'"):
            any_mlp.prefix(hook, pairs)
    with pytest.raises(HookNameError, match=r"did you mean 'blocks.0.mlp.hook_post'"):
        any_mlp.absorb("blocks.0.mlp.hook_pots", torch.ones(6), torch.zeros(6))


def test_absorbing_keeps_type_mode_and_custom_activation(any_mlp, pairs):
    model = any_mlp.double().train()
    grown = model.absorb(POST, torch.ones(6).double(), torch.ones(6).double())
    assert grown.training
    assert {parameter.dtype for parameter in grown.parameters()} == {torch.float64}
    assert grown.config.bias
    assert grown.config == (
        model.config if model.config.bias else MLPConfig(**{**vars(model.config), "bias": True})
    )
    with model.eval().hooks(fwd_hooks=[(POST, lambda x, hook: x + 1)]):
        torch.testing.assert_close(grown.eval()(pairs), model(pairs))


def test_settings_survive_json(any_mlp, pairs):
    if any_mlp.config.activation == "custom":
        with pytest.raises(ConfigError, match="a custom activation needs both"):
            HookedMLP.from_dict(any_mlp.to_dict())
        return
    settings = json.loads(json.dumps(any_mlp.to_dict()))
    again = HookedMLP.from_dict(settings)
    assert settings["kind"] == "mlp"
    assert again.to_dict() == settings
    again.load_state_dict(any_mlp.state_dict())
    assert torch.equal(again.eval()(pairs), any_mlp(pairs))


def test_copies_are_independent_and_models_can_be_pickled(pairs):
    model = HookedMLP(MLPConfig(width=6, dropout=0.1), 5).eval()
    twin, pickled = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    expected = model(pairs)
    with twin.hooks(fwd_hooks=[(POST, lambda x, hook: x * 0)]):
        assert not twin(pairs).any()
        assert torch.equal(model(pairs), expected)
    with torch.no_grad():
        twin.unembed.weight.zero_()
    assert torch.equal(model(pairs), expected)
    assert torch.equal(pickled(pairs), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "sqare"}, "unknown activation 'sqare'; expected one of 'square', 'relu'"),
        ({"norm": "group"}, "unknown norm 'group'; expected one of 'none', 'batch', 'layer'"),
        ({"width": 0}, "width=0 must be at least 1"),
        ({"width": -3}, "width=-3"),
        ({"depth": 1}, "depth=1 must be at least 2"),
        ({"dropout": 1.0}, r"dropout=1.0 is not in \[0, 1\)"),
        ({"dropout": -0.1}, "dropout=-0.1"),
        ({"dropout": float("nan")}, "dropout=nan"),
        ({"init_scale": 0}, "init_scale=0 must be above 0"),
        ({"init_scale": float("nan")}, "init_scale=nan"),
    ],
)
def test_shapes_that_cannot_work_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        MLPConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({"width": 10**6, "depth": 3}, {"vocab": 5}),
        ({"width": 10**5}, {"vocab": 10**5}),
        ({"width": 1}, {"vocab": 10**10}),
    ],
)
def test_a_network_too_large_is_refused_before_it_is_built(settings, sizes):
    with pytest.raises(
        ConfigError, match=r"the network would have \d+(,\d{3})+ weights; at most 2,000,000,000"
    ):
        HookedMLP(MLPConfig(**settings), **sizes)


@pytest.mark.parametrize("size", ["vocab", "n_outputs", "n_tokens"])
@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("activation", ["square", "relu"])
def test_empty_sizes_are_config_errors(size, value, activation):
    with pytest.raises(ConfigError, match=f"{size}={value}"):
        HookedMLP(MLPConfig(width=2, activation=activation), **({"vocab": 5} | {size: value}))


def test_a_custom_activation_needs_both_halves():
    for activation, function in (("custom", None), ("relu", torch.sin)):
        with pytest.raises(ConfigError, match="activation='custom' and activation_fn"):
            HookedMLP(MLPConfig(activation=activation), 5, activation_fn=function)


@pytest.mark.parametrize(
    "change",
    [{"wdith": 5}, {"vocab": None}, {"vocab": "5"}, {"width": "many"}, {"n_outputs": 2.5}, {"width": 2.5}],
    ids=str,
)
def test_stored_settings_that_do_not_fit_are_refused(change):
    settings = HookedMLP(MLPConfig(width=2), 5).to_dict()
    with pytest.raises(CheckpointError, match="stored model settings"):
        HookedMLP.from_dict(settings | change)
