"""Axes that only runs of the network tell, against neurons set to zero by hand in the module's own tensor."""

import pytest
import torch
from torch import Tensor, nn

from interp.data import Dataset
from interp.errors import ConfigError, HookNameError
from interp.interventions import ablate
from interp.measuring.cached_pass import cached_pass
from interp.models import adopt, prefix_at
from interp.models.learnt_axes import example_axis

TOKENS = torch.randint(9, (6, 3), generator=torch.Generator().manual_seed(0))
IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


class Heads(nn.Module):
    """Attention with a hook of its own at what the heads give, before or after positions and heads change places."""

    def __init__(self, early: bool = False, fixed: bool = False, heads: int = 2) -> None:
        super().__init__()
        self.embed, self.qkv, self.o = nn.Embedding(9, 8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.hook_z, self.hook_pattern, self.out = nn.Identity(), nn.Identity(), nn.Linear(8, 9)
        self.place = nn.Parameter(torch.randn(3, 8))
        self.early, self.fixed, self.heads = early, fixed, heads

    def forward(self, x: Tensor) -> Tensor:
        r = self.embed(x)
        if self.fixed:
            r = r + self.place
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(r).chunk(3, -1))
        z = self.hook_pattern((q @ k.mT / 2).softmax(-1)) @ v
        z = self.hook_z(z).transpose(1, 2) if self.early else self.hook_z(z.transpose(1, 2))
        return self.out(r + self.o(z.flatten(2)))


class LastChannels(nn.Module):
    """An image network that works on (example, row, column, channel) inside, with a norm over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.LayerNorm(8)
        self.act, self.wide, self.out = nn.GELU(), nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x).permute(0, 2, 3, 1))
        return self.out(self.act(self.wide(x)).mean((1, 2)))


class FirstChannels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.pool = nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.MaxPool2d(2)
        self.after, self.out = nn.Identity(), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.after(self.pool(self.act(self.conv(x)))).mean((2, 3)))


class PositionsFirst(nn.Module):
    """A decoder on (position, example, width), as PyTorch's attention has it by default; the output too, if wanted."""

    def __init__(self, turned_back: bool = False) -> None:
        super().__init__()
        self.embed, self.place, self.turned_back = nn.Embedding(9, 8), nn.Embedding(4, 8), turned_back
        self.attn, self.norm = nn.MultiheadAttention(8, 2), nn.LayerNorm(8)
        self.ffn, self.head = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)), nn.Linear(8, 9)

    def forward(self, x: Tensor) -> Tensor:
        h = (self.embed(x) + self.place(torch.arange(x.shape[1]))).transpose(0, 1)
        h = self.norm(h + self.attn(h, h, h, need_weights=False)[0])
        logits = self.head(self.ffn(h))
        return logits.transpose(0, 1) if self.turned_back else logits


class Mixing(nn.Module):
    """Takes the mean of all examples away."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x.float())
        return self.out(h - h.mean(0))


CASES = [
    # network, example, site, width, layout, index of neuron 1 in the module's own tensor
    (Heads(), TOKENS, "hook_z", 8, "(example, position, neuron, neuron)", (..., 0, 1)),
    (Heads(early=True), TOKENS, "hook_z", 8, "(example, neuron, position, neuron)", (slice(None), 0, ..., 1)),
    (Heads(fixed=True, heads=4), TOKENS, "hook_z", 8, "(example, position, neuron, neuron)", (..., 0, 1)),
    (Heads(heads=4), TOKENS, "hook_pattern", 4, "(example, neuron, position, position)", (slice(None), 1)),
    (LastChannels(), IMAGES, "act", 8, "(example, other, other, neuron)", (..., 1)),
    (FirstChannels(), IMAGES, "act", 8, "(example, neuron, other, other)", (slice(None), 1)),
    (FirstChannels(), IMAGES, "after", 8, "(example, neuron, other, other)", (slice(None), 1)),
    (PositionsFirst(), TOKENS, "ffn.2:input", 16, "(position, example, neuron)", (..., 1)),
    (PositionsFirst(turned_back=True), TOKENS, "ffn.1", 16, "(position, example, neuron)", (..., 1)),
    (PositionsFirst(), TOKENS, "attn", 8, "(position, example, neuron)", (..., 1)),
    (PositionsFirst(), TOKENS, "head:input", 8, "(position, example, neuron)", (..., 1)),
]


def by_hand(network, site, inputs, index):
    """Logits at the last position with a part of a module's own tensor set to zero, under a plain PyTorch hook."""
    path, _, side = site.partition(":")

    def zero(tensor):
        tensor = tensor.clone()
        tensor[index] = 0
        return tensor

    def after(module, args, output):
        return (zero(output[0]), *output[1:]) if isinstance(output, tuple) else zero(output)

    module = network.get_submodule(path)
    handle = (
        module.register_forward_pre_hook(lambda m, args: (zero(args[0]),))
        if side == "input"
        else module.register_forward_hook(after)
    )
    try:
        return last_logits(network(inputs), len(inputs))
    finally:
        handle.remove()


def last_logits(output, examples):
    if output.ndim == 3:
        output = output if output.shape[0] == examples else output.transpose(0, 1)
        return output[:, -1]
    return output


@pytest.mark.parametrize(
    ("network", "inputs", "site", "width", "layout", "index"),
    CASES,
    ids=[f"{type(c[0]).__name__}-{c[2]}-{i}" for i, c in enumerate(CASES)],
)
def test_a_neuron_is_never_a_position(network, inputs, site, width, layout, index):
    model = adopt(network, site, example=inputs[:2])
    place = model.neuron_sites()[0]
    assert (place.width, place.layout) == (width, layout)
    with torch.no_grad(), ablate(model, [1]):
        ablated = model(inputs)
    with torch.no_grad():
        torch.testing.assert_close(ablated, by_hand(network, site, inputs, index))
        prefix = prefix_at(model, place.hook, inputs)
        assert prefix.activations.shape[-1] == width
        changed = prefix.activations.clone()
        changed[..., 1] = 0
        torch.testing.assert_close(prefix.logits(changed), ablated)


def test_scores_are_taken_at_the_position_of_the_answer():
    model = adopt(PositionsFirst(), "ffn.2:input", example=TOKENS[:2])
    none = torch.zeros(len(TOKENS), dtype=torch.bool)
    data = Dataset(TOKENS, TOKENS[:, 0], TOKENS[:, 0], none, none, n_classes=9)
    assert model.neuron_sites()[0].position == 2
    with torch.no_grad():
        _, cache = model.run_with_cache(TOKENS)
    assert cache["ffn.2:input"].shape == (6, 3, 16)
    assert torch.equal(cached_pass(model, data).activations, cache["ffn.2:input"][:, 2])


def test_the_choice_is_noted():
    assert any(
        "hook_z:output, (2, 3, 2, 4), is read as (example, position, neuron, neuron): 2 × 4, as" in note
        for note in adopt(Heads(), "hook_z", example=TOKENS[:2]).notes
    )
    assert (
        "axis 1 of the output, (3, 2, 9), counts examples"
        in adopt(PositionsFirst(), "ffn.1", example=TOKENS[:2]).notes
    )
    assert adopt(FirstChannels(), "conv", example=IMAGES).notes == ()


@pytest.mark.parametrize(
    ("axis", "width", "layout", "index"),
    [
        (-2, 2, "(example, position, neuron, other)", (slice(None), slice(None), 1)),
        (3, 4, "(example, position, other, neuron)", (..., 1)),
        ({"hook_z": (3, 2)}, 8, "(example, position, neuron, neuron)", (..., 1, 0)),
    ],
)
def test_the_user_says_which_axis(axis, width, layout, index):
    network = Heads()
    model = adopt(network, "hook_z", example=TOKENS[:2], axis=axis)
    place = model.neuron_sites()[0]
    assert (place.width, place.layout, place.position) == (width, layout, 2)
    with torch.no_grad(), ablate(model, [1]):
        torch.testing.assert_close(model(TOKENS), by_hand(network, "hook_z", TOKENS, index))


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (0, "axis 0 of 'hook_z:output' was given.*axis 0 counts examples"),
        (4, "axis 4 of 'hook_z:output' was given"),
        ((1, 2, 3), r"axis=\(1, 2, 3\) is no axis"),
        ({"elsewhere": 1}, "names 'elsewhere', which is no site"),
    ],
)
def test_an_axis_that_cannot_be(axis, message):
    with pytest.raises(ConfigError, match=message):
        adopt(Heads(), "hook_z", example=TOKENS[:2], axis=axis)
    with pytest.raises(ConfigError, match="pass example="):
        adopt(Heads(), "hook_z", axis=-1)


class Unknown(nn.Module):
    """A tensor of four axes that is like nothing beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.hook, self.out = nn.Linear(3, 24), nn.Identity(), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.hook(self.first(x.float()).reshape(-1, 2, 3, 4).exp()).sum((1, 2)).sin())


def test_what_nothing_tells_is_an_error_that_names_the_option():
    model = adopt(Unknown(), "hook", example=TOKENS, axis=1)
    assert model.neuron_sites()[0].width == 2
    network = Unknown()
    network.out = nn.Linear(5, 2)
    network.forward = lambda x: (
        network.first(x.float()) + 0 * network.hook(network.first(x.float()).reshape(-1, 2, 3, 4)).sum()
    )
    with pytest.raises(ConfigError, match=r"\(6, 2, 3, 4\).*--axis=-1.*-2,-1"):
        adopt(network, "hook", example=TOKENS)
    with pytest.raises(HookNameError, match="none of its axes counts them"):
        example_axis("x", (3, 4), (3, 4), 3)


def test_examples_that_change_each_other_are_noted():
    assert adopt(Mixing(), "out:input", example=TOKENS[:3]).notes == (
        "the output of one example changes with the examples beside it",
    )


def test_time_taken_for_examples():
    network = nn.Sequential(nn.Embedding(9, 8), nn.TransformerEncoderLayer(8, 2, 12), nn.Linear(8, 5))
    with pytest.raises(
        ConfigError, match=r"1\.self_attn \(MultiheadAttention\) puts time before examples.*forward="
    ):
        adopt(network, "1", example=TOKENS)
    model = adopt(network, "1", example=TOKENS, forward=lambda module, inputs: module(inputs.T))
    assert model.neuron_sites()[0].layout == "(position, example, neuron)"


class Ambiguous(nn.Module):
    """As many channels as rows and columns, channels last in between and first at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.wide, self.act = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 8), nn.GELU()
        self.same, self.turned, self.last = nn.Identity(), nn.Identity(), nn.Conv2d(8, 2, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.same(self.act(self.wide(self.conv(x).permute(0, 2, 3, 1))))
        return self.last(self.turned(x.permute(0, 3, 1, 2)) + 1).flatten(1)


def test_equal_lengths_are_told_apart_by_the_tensor_itself_or_not_at_all():
    network = Ambiguous()
    assert adopt(network, "wide", example=IMAGES[:2]).neuron_sites()[0].axis == -1
    assert adopt(network, "same", example=IMAGES[:2]).neuron_sites()[0].axis == -1
    assert adopt(network, "last:input", example=IMAGES[:2]).neuron_sites()[0].axis == -3
    with pytest.raises(
        ConfigError, match=r"'turned:output', with shape \(2, 8, 8, 8\).*1 and 2 and 3 may count"
    ):
        adopt(network, "turned", example=IMAGES[:2])
    assert adopt(network, "turned", example=IMAGES[:2], axis=1).neuron_sites()[0].axis == -3


class ChannelNorm(nn.LayerNorm):
    """A norm over the second axis, as image networks have it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def test_a_norm_of_its_own_is_asked_for_its_width_only():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), ChannelNorm(4), nn.Flatten(), nn.Linear(144, 2))
    assert (
        adopt(network, "1", example=IMAGES[:2]).neuron_sites()[0].layout == "(example, neuron, other, other)"
    )


class Mixer(nn.Module):
    """Mixes positions with a linear layer, for which they are the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.out = nn.Embedding(9, 8), nn.Linear(3, 10), nn.Linear(10, 9)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.mix(self.embed(x).transpose(1, 2)).relu().mean(1))


def test_channels_are_no_positions():
    site = adopt(Mixer(), "mix", example=TOKENS[:2]).neuron_sites()[0]
    assert (site.width, site.layout, site.position) == (10, "(example, other, neuron)", None)
