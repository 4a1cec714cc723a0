"""PyTorch's recurrent layers, step by step, against the layers themselves and against loops by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import interp
from interp.errors import ConfigError
from interp.models.unrolled import unrolled

KINDS = {"rnn": nn.RNN, "relu": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM, "projected": nn.LSTM}
MORE: dict[str, dict[str, Any]] = {"relu": {"nonlinearity": "relu"}, "projected": {"proj_size": 2}}
LENGTHS = torch.tensor([3, 7, 1, 7])
IN, WIDTH, STEPS = 3, 5, 7
SHAPES = [shape for shape in product((1, 2), *[(False, True)] * 3) if sum(shape) % 2]
"""Layers, both directions, bias, examples first: half of all combinations, in which each three occur together."""
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")


def layer(kind: str, **settings: Any) -> nn.RNNBase:
    torch.manual_seed(0)
    return KINDS[kind](IN, WIDTH, **MORE.get(kind, {}), **settings)


def inputs() -> Tensor:
    return torch.randn(4, STEPS, IN, generator=torch.Generator().manual_seed(1))


def tensors(value: Any) -> Iterator[Tensor]:
    for one in value if isinstance(value, (tuple, list)) else [value]:
        if isinstance(one, Tensor):
            yield one
        elif one is not None:
            yield from tensors(one)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "both", "bias", "first"), SHAPES)
def test_step_by_step_gives_what_the_layer_gives(
    kind: str, layers: int, both: bool, bias: bool, first: bool
) -> None:
    net = layer(kind, num_layers=layers, bidirectional=both, bias=bias, batch_first=first)
    x = inputs()
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    for given in (x if first else x.transpose(0, 1), packed, x[0]):
        states = [0.3 * torch.ones_like(one) for one in tensors(net(given)[1])]
        start: Any = tuple(states) if len(states) > 1 else states[0]
        for first_state in (None, start):
            expected = net(given, first_state)
            with unrolled(net, lambda state, step, value: value):
                stepped = net(given, first_state)
            assert type(stepped[0]) is type(expected[0])
            for one, other in zip(tensors(expected), tensors(stepped), strict=True):
                torch.testing.assert_close(other, one, rtol=0, atol=1e-6)
    assert "forward" not in vars(net)


class Read(nn.Module):
    """A layer that reads sequences of several lengths, and answers from each one's end; of one length without any."""

    def __init__(self, net: nn.RNNBase, packed: bool) -> None:
        super().__init__()
        self.net, self.packed = net, packed
        wide = (net.proj_size or WIDTH) * (2 if net.bidirectional else 1)
        self.readout = nn.Linear(wide, 4)

    def forward(self, x: Tensor) -> Tensor:
        if not self.packed:
            return self.readout(self.net(x)[0].mean(1))
        lengths = LENGTHS.repeat(2)[: len(x)]
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        output, _ = pad_packed_sequence(self.net(packed)[0], batch_first=True)
        return self.readout(output.sum(1) / lengths[:, None])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_hand(
    read: Read, x: np.ndarray, gone: dict[tuple[str, int, int], list[int]], during: Any
) -> tuple[Any, Any]:
    """Logits and all states, one example, one layer, one direction and one step after another, in double precision."""
    net = read.net
    weight = {name: p.detach().double().numpy() for name, p in net.named_parameters()}
    sums, states = [], {}
    for row, example in enumerate(x):
        length = int(LENGTHS[row]) if read.packed else len(example)
        sequence = example[:length].astype(float)
        for number in range(net.num_layers):
            directions = []
            for reverse in range(2 if net.bidirectional else 1):
                end = f"_l{number}{'_reverse' if reverse else ''}"
                h, c = np.zeros(net.proj_size or WIDTH), np.zeros(WIDTH)
                outputs = np.zeros((length, len(h)))
                for step in range(length)[:: -1 if reverse else 1]:
                    u = weight[f"weight_ih{end}"] @ sequence[step] + weight[f"bias_ih{end}"]
                    v = weight[f"weight_hh{end}"] @ h + weight[f"bias_hh{end}"]
                    if isinstance(net, nn.GRU):
                        (ur, uz, un), (vr, vz, vn) = np.split(u, 3), np.split(v, 3)
                        r, z = sigmoid(ur + vr), sigmoid(uz + vz)
                        h = (1 - z) * np.tanh(un + r * vn) + z * h
                    elif isinstance(net, nn.LSTM):
                        i, f, g, o = np.split(u + v, 4)
                        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                        if step in during:
                            c[gone.get(("cell", number, reverse), [])] = 0
                        h = sigmoid(o) * np.tanh(c)
                        h = weight[f"weight_hr{end}"] @ h if net.proj_size else h
                    else:
                        h = np.tanh(u + v) if net.mode == "RNN_TANH" else np.maximum(u + v, 0)
                    if step in during:
                        h = h.copy()
                        h[gone.get(("hidden", number, reverse), [])] = 0
                    outputs[step] = h
                    for kind, value in (("hidden", h), ("cell", c)):
                        states[kind, number, reverse, row, step] = value
                directions.append(outputs)
            sequence = np.concatenate(directions, 1)
        sums.append(sequence.sum(0) / length)
    readout, bias = read.readout.weight.detach().double().numpy(), read.readout.bias.detach().double().numpy()
    return np.array(sums) @ readout.T + bias, states


def name_of(kind: str, number: int, reverse: int) -> str:
    return f"net:{kind}[{number}]{'.reverse' if reverse else ''}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("packed", "both"), [pytest.param(False, True, marks=pytest.mark.slow), (True, False), (True, True)]
)
def test_captures_and_ablations_equal_loops_by_hand(kind: str, packed: bool, both: bool) -> None:
    read = Read(layer(kind, num_layers=2, bidirectional=both, batch_first=True), packed)
    x = inputs()
    kinds = ["hidden", "cell"] if isinstance(read.net, nn.LSTM) else ["hidden"]
    places = [(one, number, reverse) for one in kinds for number in range(2) for reverse in range(1 + both)]
    model = interp.adopt(read, [name_of(*place) for place in places], example=x)
    logits, states = by_hand(read, x.numpy(), {}, ())
    captured = interp.capture(model, x, [name_of(*place) for place in places])
    np.testing.assert_allclose(model(x).detach().numpy(), logits, atol=1e-6)
    for (*place, row, step), value in states.items():
        if tuple(place) in places:
            np.testing.assert_allclose(captured[name_of(*place)][row, step].numpy(), value, atol=1e-6)
    for place, during in zip(places, cycle((range(2, 5), range(STEPS))), strict=False):
        with torch.no_grad(), interp.ablate(model, [0, 1], site=name_of(*place), during=np.array(during)):
            ablated = model(x).numpy()
        expected, _ = by_hand(read, x.numpy(), {place: [0, 1]}, during)
        np.testing.assert_allclose(ablated, expected, atol=1e-6)
        assert np.abs(ablated - logits).max() > 1e-4


def test_an_example_that_has_ended_keeps_its_state() -> None:
    read = Read(layer("gru", num_layers=1, bidirectional=True, batch_first=True), packed=True)
    model = interp.adopt(read, ["net:hidden", "net:hidden.reverse"], example=inputs())
    captured = interp.capture(model, inputs(), lambda name: True)
    forward, backward = captured.values()
    assert torch.equal(forward[0, 3:], forward[0, 2:3].expand(4, WIDTH))
    assert not backward[0, 3:].any()


@pytest.mark.parametrize(
    ("net", "site", "message"),
    [
        (nn.RNN(2, 3), "0:cell", "a RNN has no cells"),
        (nn.GRU(2, 3, 2), "0:hidden[2]", "layers 0 to 1; there is no layer 2"),
        (nn.GRU(2, 3), "0:hidden.reverse", "is not bidirectional"),
        (nn.Linear(2, 3), "0:hidden", "has no states that are known.*interp.tap"),
        (nn.RNNCell(2, 3), "0:hidden", "has no states that are known"),
    ],
)
def test_states_that_a_layer_does_not_have_are_refused(net: nn.Module, site: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        interp.adopt(nn.Sequential(net), site)


def test_a_subclass_that_computes_otherwise_is_refused() -> None:
    class Own(nn.RNN):
        def forward(self, given: Any, hx: Any = None) -> Any:
            return super().forward(2 * given, hx)

    with pytest.raises(ConfigError, match="has no states that are known"):
        interp.adopt(nn.Sequential(Own(2, 3)), "0:hidden")


def test_gradients_through_an_ablation_are_those_of_the_layer_with_removed_weights() -> None:
    net = layer("rnn", batch_first=True)
    read = Read(net, packed=False)
    model = interp.adopt(read, "net:hidden", example=inputs())
    with interp.ablate(model, [0], site="net:hidden[0]"):
        model(inputs()).square().sum().backward()
    hooked = net.weight_hh_l0.grad.clone()
    read.zero_grad()
    twin = interp.bake(model, interp.Edit("net:hidden[0]", np.array([0]), interp.Zero()))
    twin(inputs()).square().sum().backward()
    torch.testing.assert_close(hooked[1:, 1:], twin.module.net.weight_hh_l0.grad[1:, 1:])


class _Called(nn.Module):
    """Calls its layer on so many steps at a time."""

    def __init__(self, at_once: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.at_once = at_once
        self.rnn, self.readout = nn.GRU(IN, WIDTH, batch_first=True), nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = None
        for part in x.split(self.at_once, 1):
            _, h = self.rnn(part, h)
        return self.readout(h[0])


@pytest.mark.parametrize("at_once", [1, 3])
def test_steps_of_a_layer_that_is_called_several_times_are_counted_on(at_once: int) -> None:
    x = torch.randn(4, STEPS, IN, generator=torch.Generator().manual_seed(0))
    model, whole = (interp.adopt(_Called(n), "rnn:hidden", example=x) for n in (at_once, STEPS))
    site = "rnn:hidden[0]"
    assert model.neuron_sites()[0].position == STEPS - 1
    torch.testing.assert_close(*(interp.capture(one, x, site)[site] for one in (model, whole)))
    for during in ("0", "2-4"):
        logits = []
        for one in (model, whole):
            with torch.no_grad(), interp.ablate(one, [0, 3], during=during):
                logits.append(one(x))
        torch.testing.assert_close(*logits)


def test_a_forward_pass_that_was_replaced_is_refused_and_stays() -> None:
    layer: Any = nn.GRU(IN, WIDTH, batch_first=True)
    layer.forward = own = layer.forward
    with (
        pytest.raises(ConfigError, match="was replaced by another one"),
        unrolled(layer, lambda *given: given[2]),
    ):
        pass
    assert layer.forward is own


def test_values_row_by_row_at_one_step_are_those_of_each_example() -> None:
    x = torch.randn(4, STEPS, IN, generator=torch.Generator().manual_seed(0))
    model = interp.adopt(_Called(STEPS), "rnn:hidden", example=x)
    values = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(1))
    at = "rnn:hidden[0]@3"
    with torch.no_grad():
        with interp.intervene(model, interp.Edit(at, np.arange(WIDTH), interp.modes.Patch(values))):
            patched = model(x)
        expected = model.module.readout(model.module.rnn(x[:, 4:], values[None])[1][0])
        torch.testing.assert_close(patched, expected)
        with interp.ablate(model, [0, 1], "resample", site=at, reference=x):
            assert not torch.equal(model(x), model(x.roll(1, 1)))
