"""Removing units of a recurrent layer for good, in its weights."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.errors import InterventionError
from interp.models.module_tensor import STATES, ModuleTensor

CLOSED = -1e4
"""A bias that closes a gate: its sigmoid is exactly 0."""
GATES: dict[Any, dict[str, tuple[tuple[str, int], ...]]] = {
    # the gates of a GRU are reset, update and new; of an LSTM input, forget, new and output
    nn.GRU: {"hidden": (("closed", 1), ("zero", 2))},
    nn.LSTM: {"hidden": (("closed", 3),), "cell": (("closed", 0), ("closed", 1))},
    nn.RNN: {"hidden": (("zero", 0),)},
}
"""Rows of weights, by the number of the gate, that make a unit 0 at every step, and the state that they make it of."""
_CELLS: dict[Any, Any] = {nn.GRUCell: nn.GRU, nn.LSTMCell: nn.LSTM, nn.RNNCell: nn.RNN}


def state_kind(module: nn.Module, tensor: ModuleTensor) -> str | None:
    """The recurrent state that a tensor is, ``hidden`` or ``cell``; None if weights cannot change it."""
    if tensor.side in STATES:
        return tensor.side
    if tensor.side != "output" or not isinstance(module, tuple(_CELLS)):
        return None
    # of an LSTM cell's two states the second is changed too late for the first
    shown = tensor.keys in ((), (0,)) or (tensor.keys == (-1,) and not isinstance(module, nn.LSTMCell))
    return "hidden" if shown else None


@torch.no_grad()
def remove_units(
    module: nn.Module,
    tensor: ModuleTensor,
    scale: Float[Tensor, " neuron"],
    shift: Float[Tensor, " neuron"],
) -> None:
    """Make units of a state 0 at every step, in the weights of its layer.

    A unit of an RNN gets no input; of a GRU, its update gate is closed as well, and of an LSTM the gates that let its
    cell or its output through, from any first state. Only removal can be saved: a factor would act on what the
    loop feeds back, which the same weights read.

    Raises:
        InterventionError: A unit shall be scaled or shifted, or the layer has no biases to close a gate with.
    """
    gone = (scale == 0).nonzero()[:, 0]
    if shift.any() or ((scale != 0) & (scale != 1)).any():
        raise InterventionError(
            f"the weights of {tensor.path!r} can only remove units of its state at every step (zero); leave other "
            "changes hooked"
        )
    kind = state_kind(module, tensor)
    assert kind is not None
    layer: Any = module
    kinds: tuple[Any, ...] = (*GATES, *_CELLS)
    family = next(base for base in kinds if isinstance(layer, base))
    family = _CELLS.get(family, family)
    suffix = ""
    if tensor.side in STATES:
        state = tensor.state_of(module)
        suffix = f"_l{state.layer}{'_reverse' if state.reverse else ''}"
    names = [f"{name}{suffix}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    if any(name in dict(getattr(module, "parametrizations", {})) for name in names):
        raise InterventionError(
            f"the weights of {tensor.path!r} are computed anew in every forward pass, by a parametrization; remove "
            "that first"
        )
    if kind == "hidden" and isinstance(module, nn.RNNBase) and module.proj_size:
        getattr(layer, f"weight_hr{suffix}")[gone] = 0
        return
    for action, gate in GATES[family][kind]:
        _set_gate(layer, tensor.path, names, gone + gate * layer.hidden_size, action)


def _set_gate(layer: Any, path: str, names: list[str], rows: Tensor, action: str) -> None:
    """Make rows of a gate's weights 0, and its biases 0 or closing."""
    if action == "closed" and not layer.bias:
        raise InterventionError(
            f"{path!r} has no biases, which a unit's gates could be closed with; leave the change hooked"
        )
    for name in names[: 4 if layer.bias else 2]:
        getattr(layer, name)[rows] = 0
    if action == "closed":
        getattr(layer, names[2])[rows] = CLOSED
