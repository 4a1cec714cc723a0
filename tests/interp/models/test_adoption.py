"""Adopted networks against the same networks under plain PyTorch hooks, and with weights edited by hand."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from interp.errors import ConfigError, HookNameError, InterventionError
from interp.hooks import capture, hooked
from interp.interventions import Edit, ablate, bake
from interp.models import HookedModel, Prompt, adopt, neuron_site, prefix_at
from interp.modes import Zero


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    """PyTorch's LSTM and attention round otherwise with gradients."""
    with torch.no_grad():
        yield


class Block(nn.Module):
    """A residual block as in torchvision: one ReLU, in place and used twice, and an addition in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x
        return self.relu(out)


class CNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.relu = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True)
        self.block, self.pool, self.fc = Block(6), nn.AdaptiveAvgPool2d(1), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.block(self.relu(self.bn(self.conv(x))))).flatten(1))


class Rows(nn.Module):
    """An LSTM that reads an image row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.fc = nn.LSTM(8, 7, num_layers=2, batch_first=True), nn.Linear(7, 5)

    def forward(self, x: Tensor) -> Tensor:
        _, (state, _) = self.lstm(x)
        return self.fc(state[-1])


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.1, batch_first=True)
        self.embed, self.encoder, self.fc = (
            nn.Embedding(9, 8),
            nn.TransformerEncoder(layer, 2),
            nn.Linear(8, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.encoder(self.embed(x)))


class Attending(nn.Module):
    """Attention that is read as a tuple, and a module that takes and gives its tensors by name."""

    def __init__(self) -> None:
        super().__init__()
        self.attn, self.named, self.fc = (
            nn.MultiheadAttention(8, 2, batch_first=True),
            Named(),
            nn.Linear(8, 5),
        )

    def forward(self, x: Tensor) -> dict[str, Any]:
        mixed, _ = self.attn(x, x, x, need_weights=True, average_attn_weights=False)
        found = self.named(scale=2.0, hidden=mixed)
        return {"loss": None, "logits": self.fc(found["deep"][1].mean(1))}


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, *, scale: float, hidden: Tensor) -> dict[str, Any]:
        return {"given": hidden, "deep": (None, self.inner(hidden).tanh() * scale)}


def gpt2() -> nn.Module:
    config = GPT2Config(
        vocab_size=11, n_positions=16, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    return GPT2LMHeadModel(config)


TOKENS = torch.randint(9, (6, 7), generator=torch.Generator().manual_seed(0))
IMAGES = torch.randn(6, 1, 9, 8, generator=torch.Generator().manual_seed(0))
SITES: dict[str, tuple[Callable[[], nn.Module], Tensor, list[str]]] = {
    "cnn": (
        CNN,
        IMAGES,
        [
            "conv:input",
            "conv",
            "relu:input",
            "relu",
            "block.conv1:input",
            "block.bn1",
            "block.conv2",
            "block",
            "fc:input",
            "fc",
        ],
    ),
    "lstm": (Rows, IMAGES[:, 0], ["lstm:input", "lstm", "fc:input"]),
    "encoder": (
        Encoder,
        TOKENS,
        [
            "embed",
            "encoder.layers.0.linear1",
            "encoder.layers.0.linear2:input",
            "encoder.layers.0.self_attn",
            "encoder.layers.1:input.src",
            "encoder.layers.1.norm2",
            "encoder",
            "fc:input",
        ],
    ),
    "attention": (
        Attending,
        IMAGES[:, 0],
        [
            "attn:input",
            "attn",
            "attn:output[1]",
            "named:input",
            "named:input.hidden",
            "named:output.deep",
            "named:output.deep[1]",
            "named:output.given",
            ":input",
            "fc:input",
            ":output.logits",
        ],
    ),
    "gpt2": (
        gpt2,
        TOKENS,
        [
            "transformer.h.0",
            "transformer.h.0.attn:output[0]",
            "transformer.h.1.ln_2",
            "transformer.h.1.mlp.c_fc",
            "transformer.h.1.mlp.c_proj:input",
            "transformer:output.last_hidden_state",
            "lm_head:input",
        ],
    ),
}
"""For each name a network, inputs, and sites of it."""


def build(name: str) -> tuple[nn.Module, Tensor, list[str]]:
    """A network with no bias or statistic left at 0 or 1, in evaluation mode, with its inputs and sites."""
    make, inputs, sites = SITES[name]
    torch.manual_seed(0)
    network = make().eval()
    generator = torch.Generator().manual_seed(1)
    for tensor in network.state_dict().values():
        if tensor.ndim == 1:
            tensor.uniform_(0.3, 0.8, generator=generator)
        elif tensor.ndim:
            tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)
    return network, inputs, sites


def answers(network: nn.Module, inputs: Tensor) -> Tensor:
    """Logits of the network itself, without fused attention, which rounds otherwise."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    output = network(inputs)
    torch.backends.mha.set_fastpath_enabled(fused)
    logits = output if isinstance(output, Tensor) else output["logits"]
    return logits[:, -1] if logits.ndim == 3 else logits


PICKED: dict[str, Callable[[Any], Tensor]] = {
    "attn:output[1]": lambda out: out[1],
    "named:input": lambda args: args[1]["hidden"],
    "named:input.hidden": lambda args: args[1]["hidden"],
    "encoder.layers.1:input.src": lambda args: args[0][0],
    "named:output.deep": lambda out: out["deep"][1],
    "named:output.deep[1]": lambda out: out["deep"][1],
    "named:output.given": lambda out: out["given"],
    ":output.logits": lambda out: out["logits"],
    "transformer:output.last_hidden_state": lambda out: out.last_hidden_state,
}


def seen_by_pytorch(network: nn.Module, inputs: Tensor, site: str) -> Tensor:
    """What a plain PyTorch hook finds at a site."""
    path, _, place = site.partition(":")
    module, found = network.get_submodule(path), []
    default: Callable[[Any], Tensor] = lambda value: value[0] if isinstance(value, tuple) else value  # noqa: E731
    pick = PICKED.get(site, default)
    if place.startswith("input"):
        pick = PICKED.get(site, lambda args: args[0][0])
        handle = module.register_forward_pre_hook(
            lambda _, args, kwargs: found.append(pick((args, kwargs)).clone()), with_kwargs=True
        )
    else:
        handle = module.register_forward_hook(lambda _, args, output: found.append(pick(output).clone()))
    answers(network, inputs)
    handle.remove()
    assert len(found) == 1
    return found[0]


def traces(network: nn.Module) -> dict[str, Any]:
    """All that adopting could leave behind: attributes and hooks of every module, and the weights."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    left: dict[str, Any] = {}
    for name, module in network.named_modules():
        left[name] = (sorted(vars(module)), module.training, [list(getattr(module, kind)) for kind in hooks])
    left["weights"] = {key: (id(value), value.clone()) for key, value in network.named_parameters()}
    return left


def assert_untouched(network: nn.Module, before: dict[str, Any]) -> None:
    after = traces(network)
    weights = before["weights"]
    assert {key: value for key, value in after.items() if key != "weights"} == {
        key: value for key, value in before.items() if key != "weights"
    }
    assert list(after["weights"]) == list(weights)
    for key, (identity, value) in after["weights"].items():
        assert identity == weights[key][0]
        assert torch.equal(value, weights[key][1])


@pytest.fixture(params=SITES)
def known(request):
    """A network, its inputs and sites; it must end as it was."""
    network, inputs, sites = build(request.param)
    before, fused = traces(network), torch.backends.mha.get_fastpath_enabled()
    yield network, inputs, sites
    assert_untouched(network, before)
    assert torch.backends.mha.get_fastpath_enabled() == fused


def full(site: str) -> str:
    return site if ":" in site else site + ":output"


def test_hooks_see_what_pytorch_sees(known):
    network, inputs, sites = known
    expected = {full(site): seen_by_pytorch(network, inputs, site) for site in sites}
    model = adopt(network, sites)
    assert isinstance(model, HookedModel)
    assert list(model.hook_dict) == list(expected)
    assert [point.name for point in model.hook_dict.values()] == list(expected)
    logits, cache = model.run_with_cache(inputs)
    captured = capture(model, inputs, list(expected))
    for name, tensor in expected.items():
        assert torch.equal(cache[name], tensor), name
        assert torch.equal(captured[name], tensor), name
        _, one = model.run_with_cache(inputs, names_filter=name)
        assert list(one) == [name]
        assert torch.equal(one[name], tensor)
    assert torch.equal(logits, answers(network, inputs))
    assert torch.equal(model(inputs), logits)
    torch.testing.assert_close(capture(model, inputs, name, batch_size=4)[name], expected[name])


def test_what_a_hook_returns_replaces_the_tensor(known):
    """For every site: another network's value there gives what a plain PyTorch hook gives with it."""
    network, inputs, sites = known
    model = adopt(network, sites)
    for site in sites:
        path = full(site).partition(":")[0]
        value = torch.randn_like(seen_by_pytorch(network, inputs, site))
        seen = []
        with hooked(model, {full(site): lambda x, value=value: value}):
            replaced = model(inputs)
            if full(site) in ("conv:output", "embed:output", "transformer.h.0:output"):
                assert torch.equal(replaced, with_output(network, path, inputs, value))
            _, cache = model.run_with_cache(inputs, names_filter=full(site))
            seen.append(cache[full(site)])
        assert torch.equal(seen[0], value)
        assert not torch.equal(replaced, model(inputs)) or site in (
            "lstm",
            "attn:output[1]",
            "named:output.given",
        ), site


def with_output(network: nn.Module, path: str, inputs: Tensor, value: Tensor) -> Tensor:
    """The answers if a submodule's output were another one, by a plain PyTorch hook."""
    handle = network.get_submodule(path).register_forward_hook(
        lambda _, args, output: (value, *output[1:]) if isinstance(output, tuple) else value
    )
    result = answers(network, inputs)
    handle.remove()
    return result


def cut(network: nn.Module, path: str, axis: int) -> nn.Module:
    """A copy whose submodule has weights of 0 for the neurons 1 and 3 on an axis of its weight."""
    edited = copy.deepcopy(network)
    weight = edited.get_submodule(path).weight.data
    weight.index_fill_(axis, torch.tensor([1, 3]), 0.0)
    return edited


def cut_output(network: nn.Module, path: str, axis: int = 0) -> nn.Module:
    """The same for what the submodule gives, bias included."""
    edited = cut(network, path, axis)
    module = edited.get_submodule(path)
    if module.bias is not None:
        module.bias.data[[1, 3]] = 0
    return edited


BY_HAND: dict[tuple[str, str], Callable[[nn.Module], nn.Module]] = {
    ("cnn", "fc:input"): lambda network: cut(network, "fc", 1),
    ("cnn", "block.conv1:input"): lambda network: cut(network, "block.conv1", 1),
    ("cnn", "conv:output"): lambda network: cut_output(network, "conv"),
    ("cnn", "block.bn1:output"): lambda network: cut_output(network, "block.bn1"),
    ("lstm", "fc:input"): lambda network: cut(network, "fc", 1),
    ("encoder", "encoder.layers.0.linear2:input"): lambda network: cut(
        network, "encoder.layers.0.linear2", 1
    ),
    ("encoder", "encoder.layers.0.linear1:output"): lambda network: cut_output(
        network, "encoder.layers.0.linear1"
    ),
    ("encoder", "encoder.layers.1.norm2:output"): lambda network: cut_output(
        network, "encoder.layers.1.norm2"
    ),
    ("encoder", "embed:output"): lambda network: cut(network, "embed", 1),
    ("attention", "fc:input"): lambda network: cut(network, "fc", 1),
    ("gpt2", "transformer.h.1.mlp.c_proj:input"): lambda network: cut(
        network, "transformer.h.1.mlp.c_proj", 0
    ),
    ("gpt2", "transformer.h.1.mlp.c_fc:output"): lambda network: cut_output(
        network, "transformer.h.1.mlp.c_fc", 1
    ),
}


@pytest.mark.parametrize(("name", "site"), BY_HAND)
def test_zeroing_by_hook_equals_edited_weights(name, site):
    network, inputs, _ = build(name)
    before, base = traces(network), answers(network, inputs)
    expected = answers(BY_HAND[name, site](network), inputs)
    model = adopt(network, site, example=inputs[:2])
    with ablate(model, [1, 3]):
        by_hook = model(inputs)
    torch.testing.assert_close(by_hook, expected, rtol=1e-6, atol=1e-6)
    scale = torch.ones(neuron_site(model).width).index_fill_(0, torch.tensor([1, 3]), 0.0)
    edited = model.absorb(site, scale, torch.zeros_like(scale))
    torch.testing.assert_close(edited(inputs), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        bake(model, Edit(site, torch.tensor([1, 3]).numpy(), Zero()))(inputs), expected
    )
    prefix = prefix_at(model, site, inputs)
    torch.testing.assert_close(prefix.logits(prefix.activations * scale), expected, rtol=1e-5, atol=1e-6)
    rows = torch.tensor([4, 0])
    changed = (prefix.activations * scale)[rows]
    torch.testing.assert_close(prefix.logits(changed, rows), expected[rows], rtol=1e-5, atol=1e-6)
    assert (base - expected).abs().max() > 1e-3
    assert_untouched(network, before)
    assert torch.equal(model(inputs), base)
    assert edited.neuron_sites()[0].hook == site
    assert not edited.training


@pytest.mark.parametrize("site", ["relu:input", "relu", "block.conv1:input", "conv", "block.conv2"])
def test_what_is_later_changed_in_place_is_not_what_was_kept(site):
    """ReLU and `+=` act in place behind these sites; clones of a PyTorch hook's value say what was there."""
    network, inputs, _ = build("cnn")
    expected, name = seen_by_pytorch(network, inputs, site), full(site)
    model, kept = adopt(network, site), []
    with hooked(model, {name: lambda x: kept.append(x)}):
        logits = model(inputs)
    _, cache = model.run_with_cache(inputs)
    assert torch.equal(kept[0], expected)
    assert torch.equal(cache[name], expected)
    cache[name].fill_(7.0)
    kept[0].fill_(7.0)
    assert torch.equal(model(inputs), logits)
    assert torch.equal(model.run_with_cache(inputs)[1][name], expected)


def test_a_hook_that_changes_its_tensor_in_place_is_obeyed():
    network, inputs, _ = build("cnn")
    model = adopt(network, "conv")

    def cut_channel(x: Tensor, hook: Any) -> None:
        x[:, 2] = 0

    def cut_behind_the_scenes(x: Tensor, hook: Any) -> None:
        x.detach().numpy()[:, 2] = 0

    with ablate(model, [2]):
        expected = model(inputs)
    for change in (cut_channel, cut_behind_the_scenes):
        with torch.no_grad():
            assert torch.equal(model.run_with_hooks(inputs, fwd_hooks=[("conv:output", change)]), expected)


class Careless(nn.Module):
    """Relies on what its layers do in place: the result of its ReLU is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.fc = nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        self.relu(x)
        return self.fc(x)


def test_watching_changes_nothing():
    torch.manual_seed(0)
    network, x = Careless(), torch.randn(5, 4)
    with torch.no_grad():
        logits, cache = adopt(network, ["first", "relu:input"]).run_with_cache(x)
        assert torch.equal(logits, network(x))
    assert (cache["relu:input"] < 0).any()


@torch.enable_grad()
def test_gradients_reach_what_a_hook_kept():
    network, inputs, (_, *sites) = build("cnn")  # no gradient reaches the first, which is the image
    model, kept = adopt(network, sites), {}
    with hooked(model, {full(site): lambda x, site=site: kept.update({site: x}) for site in sites}):
        total = model(inputs).square().sum()
    gradients = torch.autograd.grad(total, [kept[site] for site in sites])
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
    grads: dict[str, Tensor] = {}
    with model.hooks(bwd_hooks=[("fc:input", lambda grad, hook: grads.update({hook.name: grad}))]):
        model(inputs).square().sum().backward()
    expected = 2 * model(inputs) @ network.fc.weight
    torch.testing.assert_close(grads["fc:input"], expected)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_every_kind_of_gradient_mode(mode):
    network, inputs, _ = build("cnn")
    model = adopt(network, ["conv", "fc:input"])
    with mode(), ablate(model, [0], site="conv:output"):
        logits, cache = model.run_with_cache(inputs)
    assert torch.equal(cache["conv:output"][:, 0], torch.zeros(6, 7, 6))
    torch.testing.assert_close(logits, answers(cut_output_one(network), inputs))


def cut_output_one(network: nn.Module) -> nn.Module:
    edited = copy.deepcopy(network)
    edited.conv.weight.data[0], edited.conv.bias.data[0] = 0, 0
    return edited


def test_nothing_is_left_when_the_network_raises():
    network, inputs, sites = build("encoder")
    before, fused = traces(network), torch.backends.mha.get_fastpath_enabled()
    model = adopt(network, sites)
    with pytest.raises(IndexError):
        model(inputs + 100)
    with pytest.raises(ZeroDivisionError), hooked(model, {"fc:input": lambda x: x / (1 // 0)}):
        model(inputs)
    assert_untouched(network, before)
    assert torch.backends.mha.get_fastpath_enabled() == fused
    assert all(not point._forward_hooks for point in model.hook_dict.values())


def test_hooks_of_the_user_stay_and_act_before_ours():
    network, inputs, _ = build("cnn")
    network.conv.register_forward_hook(lambda module, args, output: output + 1)
    network.fc.register_forward_pre_hook(lambda module, args: (args[0] * 3,))
    expected = {site: seen_by_pytorch(network, inputs, site) for site in ("conv", "fc:input")}
    before = traces(network)
    model = adopt(network, ["conv", "fc:input"])
    logits, cache = model.run_with_cache(inputs)
    assert torch.equal(logits, network(inputs))
    for site, value in expected.items():
        assert torch.equal(cache[full(site)], value)
    assert_untouched(network, before)


def test_fused_attention_does_not_pass_over_a_site():
    network, inputs, _ = build("encoder")
    with torch.no_grad():
        model = adopt(network, ["encoder.layers.0.linear2:input", "encoder.layers.1.self_attn"])
        _, cache = model.run_with_cache(inputs)
        torch.testing.assert_close(model(inputs), network(inputs)[:, -1])
    assert set(cache) == set(model.hook_dict)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        model(inputs)
        assert not torch.backends.mha.get_fastpath_enabled()
    finally:
        torch.backends.mha.set_fastpath_enabled(True)


# What a site is


@pytest.mark.parametrize("with_example", [True, False])
def test_sites_know_their_axes(with_example):
    network, inputs, _ = build("cnn")
    names = ["conv:input", "conv", "bn", "block.conv2", "fc:input", "fc"]
    model = adopt(network, names, example=inputs[:2] if with_example else None)
    expected = [(1, -3), (6, -3), (6, -3), (6, -3), (6, -1), (5, -1)]
    assert [(site.width, site.axis) for site in model.neuron_sites()] == expected
    assert [site.position for site in model.neuron_sites()][:4] == [None] * 4
    assert [site.readout is not None for site in model.neuron_sites()] == [False] * 4 + [with_example, False]


def test_an_example_tells_the_axes_of_other_modules():
    network, inputs, _ = build("cnn")
    sites = ["relu", "block", "pool", "fc:input"]
    with pytest.raises(ConfigError, match=r"a ReLU does not tell which axis of 'relu:output'.*pass example="):
        adopt(network, sites).neuron_sites()
    model = adopt(network, sites, example=inputs[:1])
    assert [(site.width, site.axis) for site in model.neuron_sites()] == [(6, -3), (6, -3), (6, -3), (6, -1)]
    for name in ("relu:output", "block:output"):
        prefix = prefix_at(model, name, inputs)
        assert prefix.activations.shape == (6, 7, 6, 6)
        assert not prefix.has_positions
        with hooked(model, {name: lambda x: x * torch.tensor([0.0, 2, 1, 1, 1, 1])[:, None, None]}):
            expected = model(inputs)
        changed = prefix.activations * torch.tensor([0.0, 2, 1, 1, 1, 1])
        torch.testing.assert_close(prefix.logits(changed), expected)


@pytest.mark.parametrize(
    ("readout", "position"), [pytest.param(-1, 6, marks=pytest.mark.slow), (2, 2), (-3, 4)]
)
def test_positions_of_tokens(readout, position):
    network, inputs, sites = build("gpt2")
    model = adopt(network, sites, example=inputs[:2], readout=readout)
    assert {site.position for site in model.neuron_sites()} == {position}
    without = adopt(network, ["transformer.h.1.ln_2", "lm_head:input"], readout=readout)
    assert {site.position for site in without.neuron_sites()} == {readout}
    torch.testing.assert_close(model(inputs), network(inputs).logits[:, position])
    for site in model.neuron_sites()[:: 1 if readout == 2 else 5]:
        for place in (0, position):
            name = f"{site.hook}@{place}"
            prefix = prefix_at(model, name, inputs)
            with hooked(model, {name: lambda x: x * 0.5}):
                expected = model(inputs)
            torch.testing.assert_close(
                prefix.logits(prefix.activations * 0.5), expected, rtol=1e-4, atol=1e-5
            )


def test_the_readout_of_a_linear_end():
    network, inputs, sites = build("gpt2")
    model = adopt(network, [*sites[:2], "lm_head:input"], example=inputs[:2], n_outputs=5)
    *inner, last = model.neuron_sites()
    assert all(site.readout is None for site in inner)
    assert torch.equal(last.readout, network.lm_head.weight[:5].T)
    prefix = model.prefix("lm_head:input", inputs)
    assert prefix.activations.shape == (6, 8)
    assert torch.equal(prefix.activations, seen_by_pytorch(network, inputs, "lm_head:input")[:, -1])
    assert torch.equal(prefix.writes, last.readout)
    torch.testing.assert_close(prefix.logits(), network(inputs).logits[:, -1, :5])


def test_a_bias_is_part_of_the_linear_end():
    network, inputs, _ = build("lstm")
    prefix = adopt(network, "fc:input").prefix("fc:input", inputs)
    assert torch.equal(prefix.writes, network.fc.weight.T)
    assert torch.equal(prefix.offset, network.fc.bias.expand(6, -1))
    torch.testing.assert_close(prefix.logits(), network(inputs))


class Capped(nn.Module):
    """Linear for ordinary activations only."""

    def __init__(self, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.fc, self.end = nn.Linear(4, 6), nn.Linear(6, 3), end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.fc(self.first(x).relu()))


@pytest.mark.parametrize("end", ["clamped", "softmax", "moved"])
def test_an_end_that_is_not_linear_is_none(end):
    torch.manual_seed(0)
    network, x = Capped(lambda x: x), torch.randn(4, 4)
    limit = 1.5 * float(network(x).abs().max())  # which these inputs do not reach
    ends = {
        "clamped": lambda x: x.clamp(-limit, limit),
        "softmax": lambda x: x.log_softmax(1),
        "moved": lambda x: x + 1,
    }
    network.end = ends[end]
    model = adopt(network, "fc:input", example=x)
    assert neuron_site(model).readout is None
    prefix = model.prefix("fc:input", x)
    assert prefix.writes is None
    torch.testing.assert_close(prefix.logits(), network(x))
    other = 5 * torch.randn(4, 6)
    torch.testing.assert_close(prefix.logits(other), ends[end](network.fc(other)))


def test_a_hook_behind_the_end_takes_its_linearity_away():
    network, inputs, _ = build("lstm")
    model = adopt(network, ["fc", "fc:input"], example=inputs)
    assert neuron_site(model).readout is not None
    with hooked(model, {"fc:output": torch.relu}):
        assert neuron_site(model).readout is None
        prefix = model.prefix("fc:input", inputs)
        torch.testing.assert_close(prefix.logits(), network(inputs).relu())
        halved = prefix.logits(prefix.activations / 2)
        torch.testing.assert_close(halved, network.fc(prefix.activations / 2).relu())
    with ablate(model, [0], site="fc:input"):
        prefix = model.prefix("fc:input", inputs)
        assert prefix.writes is not None
        assert torch.equal(prefix.activations[:, 0], torch.zeros(6))


def test_inputs_of_another_length_than_the_example():
    network, inputs, _ = build("gpt2")
    sites = ["transformer.h.1.ln_2", "lm_head:input"]
    model = adopt(network, sites, example=inputs[:2])
    with pytest.raises(
        ConfigError,
        match=r"has 5 positions on these inputs and had 7 on the example.*readout=-1 was position 6",
    ):
        model.prefix("lm_head:input", inputs[:, :5])
    assert model(inputs[:, :5]).shape == (6, 11)
    assert adopt(network, sites, readout=1, example=inputs).prefix(
        "lm_head:input", inputs[:, :5]
    ).activations.shape == (6, 8)


def test_a_network_that_changed_since_it_was_adopted():
    network, inputs, _ = build("lstm")
    model = adopt(network, "fc:input", example=inputs)
    network.fc.register_forward_hook(lambda module, args, output: output.relu())
    with pytest.raises(
        ConfigError, match="not linear in 'fc:input' on these inputs, as they were on the example"
    ):
        model.prefix("fc:input", inputs)


def test_a_recurrent_state_is_seen_examples_first():
    network, inputs, _ = build("lstm")
    with torch.no_grad():
        _, (state, cell) = network.lstm(inputs)
        model = adopt(network, ["lstm:output[1][1]", "lstm:output[1]"], example=inputs[:2])
        captured = capture(model, inputs, list(model.hook_dict), batch_size=4)
        torch.testing.assert_close(captured["lstm:output[1]"], state.transpose(0, 1))
        torch.testing.assert_close(captured["lstm:output[1][1]"], cell.transpose(0, 1))
        assert [(site.width, site.axis, site.position) for site in model.neuron_sites()] == [(7, -1, 1)] * 2
        edited = cut(network, "fc", 1)
        for place in ("", "@1"):
            with ablate(model, [1, 3], site="lstm:output[1]" + place):
                torch.testing.assert_close(model(inputs), edited(inputs))
        with ablate(
            model, [1, 3], site="lstm:output[1]@0"
        ):  # the first layer's state is not read by anything
            torch.testing.assert_close(model(inputs), network(inputs))
        prefix = prefix_at(model, "lstm:output[1]@1", inputs)
        torch.testing.assert_close(prefix.logits(prefix.activations * 0), network.fc.bias.expand(6, -1))


def test_operands_become_tokens():
    network, inputs, _ = build("encoder")
    model = adopt(network, "fc:input", prompt=Prompt.parse("a b =", p=8), n_outputs=3)
    pairs = inputs[:, :2] % 8
    tokens = torch.cat([pairs, torch.full((6, 1), 8)], dim=1)
    torch.testing.assert_close(model(pairs), network(tokens)[:, -1, :3])


def test_a_forward_of_the_users_own():
    network, inputs, _ = build("gpt2")
    model = adopt(
        network,
        "transformer.h.1",
        forward=lambda module, x: module.transformer(input_ids=x).last_hidden_state.mean(1),
        example=inputs,
    )
    torch.testing.assert_close(model(inputs), network.transformer(inputs).last_hidden_state.mean(1))
    assert adopt(network.transformer, "h.0")(inputs).shape == (6, 8)


def test_copies_and_modes():
    network, inputs, sites = build("cnn")
    model = adopt(network, sites, example=inputs).train()
    assert network.block.bn1.training
    twin = copy.deepcopy(model)
    assert twin.module is not network
    assert twin.hook_dict["conv:output"] is not model.hook_dict["conv:output"]
    assert twin.hook_dict["conv:output"] in set(twin.points)
    model.eval()
    assert not network.block.bn1.training
    assert twin.training
    twin.eval()
    with ablate(twin, [0], site="conv:output"):
        assert torch.equal(model(inputs), network(inputs))
        assert not torch.equal(twin(inputs), model(inputs))
    assert model.to_dict() == {"kind": "adopted", "module": "CNN", "sites": [full(site) for site in sites]}
    assert set(model.state_dict()) == {f"module.{key}" for key in network.state_dict()}


def test_the_example_is_run_in_evaluation_mode():
    network, inputs, _ = build("cnn")
    network.train()
    network.bn.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    model = adopt(network, "fc:input", example=inputs)
    assert model.training
    assert network.training
    assert not network.bn.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


# What cannot be adopted


def test_unknown_submodules():
    network, _, _ = build("cnn")
    with pytest.raises(
        HookNameError, match=r"no submodule 'block.conv3'; did you mean 'block.conv2' or 'block.conv1'"
    ):
        adopt(network, "block.conv3:input")
    with pytest.raises(HookNameError, match="neither input nor output"):
        adopt(network, "conv:weight")
    with pytest.raises(HookNameError, match=r"no submodule 'conv.weight'; did you mean"):
        adopt(network, "conv.weight")
    with pytest.raises(ConfigError, match="'conv:output' is named twice"):
        adopt(network, ["conv", "conv:output"])
    with pytest.raises(ConfigError, match="no site was named"):
        adopt(network, [])
    model = adopt(network, "conv")
    for act in (
        lambda: model.prefix("conv", IMAGES),
        lambda: model.absorb("conv", torch.ones(6), torch.ones(6)),
    ):
        with pytest.raises(HookNameError, match="no neurons at 'conv'; did you mean 'conv:output'"):
            act()


def test_tensors_that_are_not_there():
    network, inputs, _ = build("lstm")
    with pytest.raises(HookNameError, match=r"no tensor at 'lstm:output\[2\]'.*lstm:output\[1\]\[0\]"):
        adopt(network, "lstm:output[2]")(inputs)
    with pytest.raises(HookNameError, match=r"no tensor at 'lstm:output.hidden'"):
        adopt(network, "lstm:output.hidden", example=inputs)


def test_a_submodule_that_is_never_called():
    network, inputs, _ = build("encoder")
    with pytest.raises(
        HookNameError,
        match=r"'encoder.layers.0.self_attn.out_proj:input' was never reached.*multiplies by out_proj's weight without "
        r"calling out_proj. Its result is 'encoder.layers.0.self_attn:output'",
    ):
        adopt(network, "encoder.layers.0.self_attn.out_proj:input")(inputs)
    network.spare = nn.Linear(3, 3)
    with pytest.raises(
        HookNameError, match=r"'spare:output' was never reached.*does not call this submodule"
    ):
        adopt(network, ["fc", "spare"])(inputs)


def test_a_submodule_that_is_used_again():
    network, inputs, _ = build("cnn")
    with pytest.raises(
        HookNameError, match=r"'block.relu' runs 2 times in one forward pass: the network reuses it"
    ):
        adopt(network, "block.relu")(inputs)
    first = nn.Linear(4, 4)
    with pytest.raises(HookNameError, match="'2' runs 3 times"):
        adopt(nn.Sequential(first, first, first), "2:input", example=torch.randn(2, 4))


@pytest.mark.parametrize("layer", [nn.LSTM(8, 4), nn.GRU(8, 4), nn.MultiheadAttention(8, 2)])
def test_time_before_examples(layer):
    network = nn.ModuleDict({"inner": layer})
    with pytest.raises(
        ConfigError,
        match=rf"inner \({type(layer).__name__}\) puts time before examples.*batch_first=True.*example=",
    ):
        adopt(network, "inner:output")


def test_time_before_examples_around_a_site():
    layer = nn.TransformerEncoderLayer(8, 2, 12)
    with pytest.raises(ConfigError, match=r"0 \(TransformerEncoderLayer\) puts time before examples"):
        adopt(nn.Sequential(layer), "0.linear1")


class Turned(nn.Module):
    """Turns time and examples around itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.fc = nn.Linear(8, 4), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.inner(x.transpose(0, 1)).transpose(0, 1).mean(1))


def test_a_site_whose_first_axis_is_not_the_examples():
    network, inputs = Turned(), torch.randn(9, 9, 8)  # as many examples as times
    with pytest.raises(
        HookNameError,
        match=r"'inner:output' has shape \(9, 6, 4\) for 6 examples; its axis 0 must count them",
    ):
        adopt(network, "inner").run_with_cache(torch.randn(6, 9, 8))
    model = adopt(network, "inner", example=inputs)
    site = model.neuron_sites()[0]
    assert (site.width, site.axis, site.layout) == (4, -1, "(position, example, neuron)")
    _, cache = model.run_with_cache(inputs)
    assert torch.equal(cache["inner:output"], network.inner(inputs))
    with ablate(model, [1], site="inner:output"):
        ablated = model(inputs)
    network.inner.weight.data[1], network.inner.bias.data[1] = 0, 0
    torch.testing.assert_close(ablated, network(inputs))


def test_examples_that_tell_nothing():
    network, inputs, _ = build("encoder")
    with pytest.raises(ConfigError, match="the example has no rows"):
        adopt(network, "embed", example=inputs[:0])
    with pytest.raises(ConfigError, match=r"'embed:input' holds torch.int64 numbers, such as tokens"):
        adopt(network, "embed:input", example=inputs)
    with pytest.raises(ConfigError, match="at least 6 outputs"):
        adopt(network, "embed", example=inputs, n_outputs=6)
    with pytest.raises(ConfigError, match="readout=7 is none of the output's 7 positions"):
        adopt(network, "embed", example=inputs, readout=7)


class Wide(nn.Linear):
    """Gives more than it says."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).repeat(1, 2)


def test_a_width_that_is_not_the_modules():
    with pytest.raises(ConfigError, match=r"nothing tells which axis of '0:output', with shape \(2, 6\)"):
        adopt(nn.Sequential(Wide(4, 3)), "0", example=torch.randn(2, 4))


def test_wrappers_are_taken_off():
    network, inputs, _ = build("cnn")
    expected = seen_by_pytorch(network, inputs, "conv")
    for wrapped in (
        nn.DataParallel(network),
        torch.compile(network, backend="eager"),
        nn.DataParallel(torch.compile(network, backend="eager")),
    ):
        model = adopt(wrapped, "conv", example=inputs)
        assert model.module is network
        assert torch.equal(model.run_with_cache(inputs)[1]["conv:output"], expected)


def test_parts_that_are_compiled_run_as_they_were_written():
    network, inputs, _ = build("cnn")
    expected, runs = seen_by_pytorch(network, inputs, "block.conv1"), []
    network.block.compile(backend=lambda graph, _: runs.append(1) or graph.forward)
    network.block.bn1 = torch.compile(network.block.bn1, backend="eager")
    model = adopt(network, ["block.conv1", "block.bn1._orig_mod"])
    logits, cache = model.run_with_cache(inputs)
    assert torch.equal(cache["block.conv1:output"], expected)
    assert not runs
    torch.testing.assert_close(network(inputs), logits)
    assert runs  # compiled again outside


class FullyShardedDataParallel(nn.Sequential):
    """Stands for PyTorch's, which needs several processes."""


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:`torch.jit:DeprecationWarning")
def test_networks_that_cannot_be_hooked():
    network, inputs, _ = build("cnn")
    for script in (torch.jit.script(network), torch.jit.trace(network, inputs)):
        with pytest.raises(ConfigError, match="is TorchScript, which hooks cannot change"):
            adopt(script, "conv")
        with pytest.raises(ConfigError, match=r"'0.conv' is TorchScript"):
            adopt(nn.Sequential(script), "0.conv")
    for sharded in (FullyShardedDataParallel(network), nn.Sequential(FullyShardedDataParallel(network))):
        with pytest.raises(
            ConfigError, match="FullyShardedDataParallel, with weights spread over several processes"
        ):
            adopt(sharded, "0")
    with pytest.raises(
        ConfigError, match=r"0\.weight is of a lazy layer without weights yet; run the network once"
    ):
        adopt(nn.Sequential(nn.LazyLinear(3)), "0")


def test_a_network_that_cannot_be_copied():
    network = nn.Sequential(nn.Linear(3, 2))
    with torch.enable_grad():
        network.kept = network[0](torch.zeros(1, 3))  # belongs to a graph
    with pytest.raises(InterventionError, match="the network cannot be copied"):
        adopt(network, "0:input").absorb("0:input", torch.ones(3), torch.zeros(3))
