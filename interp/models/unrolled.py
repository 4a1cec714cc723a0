"""PyTorch's recurrent layers run step by step, so that hooks can reach their states inside the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from interp.errors import ConfigError

LAYERS = (nn.RNN, nn.GRU, nn.LSTM)


@dataclass(frozen=True)
class State:
    """The states of one layer and direction: ``hidden``, or an LSTM's ``cell``."""

    kind: str
    layer: int
    reverse: bool = False


Change = Callable[[State, int, Tensor], Tensor]
"""From a state's place, its step and its values ``(example, neuron)`` to new ones."""


def check_state(layer: nn.Module, state: State) -> None:
    """Raise a `ConfigError` unless a layer has such a state."""
    name = type(layer).__name__
    if not isinstance(layer, LAYERS) or type(layer).forward not in [kind.forward for kind in LAYERS]:
        raise ConfigError(
            f"a {name} has no states that are known; those of torch.nn.RNN, GRU and LSTM are, at :hidden and :cell. "
            "In another network, tap the state where it arises: h = interp.tap('hidden', h)"
        )
    if state.kind == "cell" and not isinstance(layer, nn.LSTM):
        raise ConfigError(f"a {name} has no cells; only an LSTM has. Its state is at :hidden")
    if not 0 <= state.layer < layer.num_layers:
        raise ConfigError(
            f"the {name} has layers 0 to {layer.num_layers - 1}; there is no layer {state.layer}"
        )
    if state.reverse and not layer.bidirectional:
        raise ConfigError(f"the {name} is not bidirectional, so it has no reverse states")


def width_of(layer: nn.RNNBase, kind: str) -> int:
    """Units of a state: an LSTM with a projection has fewer hidden units than cells."""
    return layer.hidden_size if kind == "cell" else layer.proj_size or layer.hidden_size


@contextmanager
def unrolled(layer: nn.RNNBase, change: Change) -> Iterator[None]:
    """Run a recurrent layer step by step inside the block; `change` is given each state where it arises.

    What it returns takes the state's place there: in the next step, in the layer above and in what the layer gives
    back. Of a packed sequence, an example that has ended keeps its last state, and a reverse direction the first one
    until the example's last step; `change` sees these, and has no effect on them. Of a layer that is called several
    times inside the block, such as once a step, the steps of a call are counted on from those of the calls before.

    Example:
        >>> layer, x = nn.RNN(2, 3, batch_first=True), torch.randn(4, 5, 2)
        >>> with unrolled(layer, lambda state, step, h: h.index_fill(1, torch.tensor([1]), 0.0)):
        ...     layer(x)[0][..., 1].abs().max().item()
        0.0
    """

    if "forward" in layer.__dict__:
        raise ConfigError(
            f"the forward pass of the {type(layer).__name__} was replaced by another one, whose states are not known"
        )
    passed = 0

    def forward(given: Any, hx: Any = None) -> Any:
        nonlocal passed
        before = passed

        def change_on(state: State, step: int, new: Tensor) -> Tensor:
            nonlocal passed
            passed = max(passed, before + step + 1)
            return change(state, before + step, new)

        return _Run(layer, change_on).forward(given, hx)

    layer.forward = forward
    try:
        yield
    finally:
        del layer.__dict__["forward"]


@dataclass(frozen=True, eq=False)
class _Run:
    layer: nn.RNNBase
    change: Change

    def forward(self, given: Any, hx: Any) -> Any:
        """As the layer's own forward pass."""
        layer, lengths = self.layer, None
        packed = given if isinstance(given, PackedSequence) else None
        if packed is not None:
            x, lengths = pad_packed_sequence(packed, batch_first=True)
            lengths = lengths.to(x.device)
        elif given.ndim not in (2, 3):
            raise ConfigError(
                f"{type(layer).__name__} is given shape {tuple(given.shape)}; expected 2 or 3 axes"
            )
        else:
            alone = given.ndim == 2
            x = given.unsqueeze(0 if layer.batch_first else 1) if alone else given
            x = x if layer.batch_first else x.transpose(0, 1)
            hx = hx if hx is None or not alone else _with_examples(hx)
        states = self._first_states(x, hx)
        x, last = self._layers(x, states, lengths)
        if packed is not None:
            output: Any = _packed_as(x, lengths, packed)
        else:
            output = x if layer.batch_first else x.transpose(0, 1)
            if given.ndim == 2:
                output, last = output.squeeze(0 if layer.batch_first else 1), [one.squeeze(1) for one in last]
        return output, (tuple(last) if isinstance(layer, nn.LSTM) else last[0])

    def _first_states(self, x: Tensor, hx: Any) -> list[Tensor]:
        """States before the first step, ``(layer and direction, example, neuron)``; an LSTM's cells second."""
        layer = self.layer
        kinds = ["hidden", "cell"] if isinstance(layer, nn.LSTM) else ["hidden"]
        n = layer.num_layers * (2 if layer.bidirectional else 1)
        if hx is None:
            return [x.new_zeros(n, len(x), width_of(layer, kind)) for kind in kinds]
        given = list(hx) if isinstance(layer, nn.LSTM) else [hx]
        for one, kind in zip(given, kinds, strict=True):
            if one.shape != (n, len(x), width_of(layer, kind)):
                raise ConfigError(
                    f"the first {kind} state has shape {tuple(one.shape)}; expected {n, len(x), width_of(layer, kind)}"
                )
        return given

    def _layers(self, x: Tensor, states: list[Tensor], lengths: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """The last layer's output ``(example, step, neuron)``, and the last state of every layer and direction."""
        layer, last = self.layer, [[] for _ in states]  # type: ignore[var-annotated]
        directions = 2 if layer.bidirectional else 1
        for number in range(layer.num_layers):
            outputs = []
            for reverse in range(directions):
                first = [one[number * directions + reverse] for one in states]
                output, ends = self._direction(x, number, bool(reverse), first, lengths)
                outputs.append(output)
                for kept, end in zip(last, ends, strict=True):
                    kept.append(end)
            x = torch.cat(outputs, -1) if directions > 1 else outputs[0]
            if number < layer.num_layers - 1 and layer.dropout:
                x = F.dropout(x, layer.dropout, layer.training)
        return x, [torch.stack(kept) for kept in last]

    def _direction(
        self, x: Tensor, number: int, reverse: bool, states: list[Tensor], lengths: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """The hidden states of every step ``(example, step, neuron)``, and the last states."""
        layer = self.layer
        suffix = f"l{number}{'_reverse' if reverse else ''}"
        names = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if layer.bias else [])]
        weights = [getattr(layer, f"{name}_{suffix}") for name in names] + [None] * (2 * (not layer.bias))
        projection = getattr(layer, f"weight_hr_{suffix}", None) if layer.proj_size else None
        outputs: list[Tensor | None] = [None] * x.shape[1]
        for step in reversed(range(x.shape[1])) if reverse else range(x.shape[1]):
            active = None if lengths is None else (step < lengths)[:, None]
            change = partial(self._changed, states, number, reverse, step, active)
            states = _step(layer, x[:, step], states, weights, projection, change)
            outputs[step] = states[0]
        return torch.stack(outputs, 1), states  # type: ignore[arg-type]

    def _changed(
        self,
        states: list[Tensor],
        number: int,
        reverse: bool,
        step: int,
        active: Tensor | None,
        kind: str,
        new: Tensor,
    ) -> Tensor:
        """A state as `change` leaves it; of an example that has ended the one before."""
        before = states[0 if kind == "hidden" else 1]
        new = new if active is None else torch.where(active, new, before)
        changed = self.change(State(kind, number, reverse), step, new)
        return changed if active is None else torch.where(active, changed, before)


def _step(
    layer: nn.RNNBase,
    x: Tensor,
    states: list[Tensor],
    weights: list[Any],
    projection: Tensor | None,
    change: Callable[[str, Tensor], Tensor],
) -> list[Tensor]:
    """The states after one step; each is changed before anything reads it."""
    hidden = states[0]
    if isinstance(layer, nn.GRU):
        return [change("hidden", torch.gru_cell(x, hidden, *weights))]
    if not isinstance(layer, nn.LSTM):
        cell = torch.rnn_tanh_cell if layer.mode == "RNN_TANH" else torch.rnn_relu_cell
        return [change("hidden", cell(x, hidden, *weights))]
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    gates = F.linear(x, weight_ih, bias_ih) + F.linear(hidden, weight_hh, bias_hh)
    entry, keep, new, out = gates.chunk(4, 1)
    cells = change("cell", keep.sigmoid() * states[1] + entry.sigmoid() * new.tanh())
    visible = out.sigmoid() * cells.tanh()
    return [change("hidden", visible if projection is None else F.linear(visible, projection)), cells]


def _with_examples(hx: Any) -> Any:
    return tuple(one.unsqueeze(1) for one in hx) if isinstance(hx, tuple) else hx.unsqueeze(1)


def _packed_as(x: Tensor, lengths: Tensor | None, packed: PackedSequence) -> PackedSequence:
    """Steps packed in the order of another packed sequence."""
    assert lengths is not None
    order = packed.sorted_indices
    x, lengths = (x, lengths) if order is None else (x[order], lengths[order])
    again = pack_padded_sequence(x, lengths.cpu(), batch_first=True)
    return PackedSequence(again.data, again.batch_sizes, order, packed.unsorted_indices)
