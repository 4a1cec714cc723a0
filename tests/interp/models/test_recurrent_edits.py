"""Units of recurrent layers and cells that are removed in weights, against hooks inside the loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import interp
from interp.errors import InterventionError

INPUTS = torch.randn(5, 6, 3, generator=torch.Generator().manual_seed(0))
NEURONS = np.array([0, 3])
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")


class Layer(nn.Module):
    """A recurrent layer that starts from a state that is not 0."""

    def __init__(self, kind: type[nn.RNNBase], **settings: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = kind(3, 5, 2, batch_first=True, **settings)
        self.readout = nn.Linear((self.net.proj_size or 5) * (2 if self.net.bidirectional else 1), 4)

    def forward(self, x: Tensor) -> Tensor:
        n = 2 * (2 if self.net.bidirectional else 1)
        hidden = torch.full((n, len(x), self.net.proj_size or 5), 0.7)
        start: Any = (hidden, torch.full((n, len(x), 5), -0.4)) if isinstance(self.net, nn.LSTM) else hidden
        return self.readout(self.net(x, start)[0][:, -1])


class Cell(nn.Module):
    """The same with a cell in a loop."""

    def __init__(self, kind: Any, **settings: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.readout = kind(3, 5, **settings), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.full((len(x), 5), 0.7)
        state: Any = (hidden, -hidden) if isinstance(self.cell, nn.LSTMCell) else hidden
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return self.readout(state[0] if isinstance(state, tuple) else state)


@pytest.mark.parametrize(
    ("module", "site"),
    [
        (Layer(nn.RNN), "net:hidden[0]"),
        (Layer(nn.RNN, nonlinearity="relu", bidirectional=True), "net:hidden[1].reverse"),
        (Layer(nn.RNN, bias=False), "net:hidden[1]"),
        (Layer(nn.GRU), "net:hidden[0]"),
        (Layer(nn.GRU, bidirectional=True), "net:hidden[0].reverse"),
        (Layer(nn.LSTM), "net:hidden[1]"),
        (Layer(nn.LSTM), "net:cell[0]"),
        (Layer(nn.LSTM, proj_size=4), "net:hidden[0]"),
        (Layer(nn.LSTM, proj_size=4), "net:cell[1]"),
        (Cell(nn.RNNCell), "cell:output"),
        (Cell(nn.GRUCell), "cell:output"),
        (Cell(nn.LSTMCell), "cell:output[0]"),
    ],
)
def test_weights_remove_what_hooks_remove(module: nn.Module, site: str) -> None:
    model = interp.adopt(module, site, example=INPUTS)
    edit = interp.Edit(site, NEURONS, interp.Zero())
    before = {name: one.clone() for name, one in module.state_dict().items()}
    twin = interp.bake(model, edit)
    with torch.no_grad():
        with interp.intervene(model, edit):
            hooked = model(INPUTS)
        assert float((hooked - model(INPUTS)).abs().max()) > 1e-4
        torch.testing.assert_close(twin(INPUTS), hooked, rtol=0, atol=1e-6)
    assert all(torch.equal(before[name], one) for name, one in module.state_dict().items())


@pytest.mark.parametrize(
    ("module", "site", "intervention", "message"),
    [
        (
            Layer(nn.RNN),
            "net:hidden[0]",
            interp.Scale(0.5),
            "can only remove units of its state at every step",
        ),
        (Layer(nn.GRU), "net:hidden[0]", interp.Patch(torch.ones(2)), "can only remove units"),
        (Layer(nn.GRU, bias=False), "net:hidden[0]", interp.Zero(), "has no biases"),
        (Cell(nn.LSTMCell), "cell:output[1]", interp.Zero(), "cannot change its output"),
    ],
)
def test_what_weights_cannot_do_is_refused(
    module: nn.Module, site: str, intervention: Any, message: str
) -> None:
    model = interp.adopt(module, site, example=INPUTS)
    with pytest.raises(InterventionError, match=message):
        interp.bake(model, interp.Edit(site, NEURONS, intervention))


def test_an_edit_limited_in_time_is_not_saved() -> None:
    model = interp.adopt(Layer(nn.RNN), "net:hidden[0]", example=INPUTS)
    with pytest.raises(InterventionError, match="limited to steps 1 to 2; weights act at every step"):
        interp.bake(model, interp.Edit("net:hidden[0]", NEURONS, interp.Zero(), "1-2"))
