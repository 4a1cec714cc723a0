"""Networks that add modulo 7 in every kind of module, each built by a function that ``--model`` can name.

A function takes a seed, so that weights which are not loaded show. `PLAIN` has the same network without wrappers where
there are any.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

P, WIDTH = 7, 12


class Net(nn.Module):
    """Two tokens, embedded; one body; a linear readout of what the body gives at the end."""

    def __init__(self, body: nn.Module, inward: int = WIDTH, outward: int = WIDTH) -> None:
        super().__init__()
        self.embed, self.body, self.read = nn.Embedding(P, inward), body, nn.Linear(outward, P)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.read(self.body(self.embed(tokens)))


class Sum(nn.Module):
    """A layer applied to the sum over positions."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, values: Tensor) -> Tensor:
        return self.layers(values.sum(1))


class Recalled(Sum):
    """The same, with activation checkpointing."""

    reentrant = True

    def forward(self, values: Tensor) -> Tensor:
        return checkpoint(self.layers, values.sum(1), use_reentrant=self.reentrant)


class RecalledAnew(Recalled):
    reentrant = False


class Images(nn.Module):
    """A convolution over the two embeddings as an image."""

    def __init__(self, layout: torch.memory_format = torch.contiguous_format) -> None:
        super().__init__()
        self.conv, self.layout = nn.Conv2d(2, WIDTH, 3, padding=1), layout

    def forward(self, values: Tensor) -> Tensor:
        images = values.unflatten(2, (3, WIDTH // 3)).contiguous(memory_format=self.layout)
        return self.conv(images).relu().mean((2, 3))


class ChannelsLast(nn.Module):
    """Channels on the last axis, as JAX has them: a site without a module of its own kind."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.here = nn.Linear(WIDTH, WIDTH), nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        images = self.first(values)[:, :, None] * torch.linspace(1, 2, 3)[:, None]
        return self.here(images.relu()).mean((1, 2))


class Recurrent(nn.Module):
    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.rnn = kind(WIDTH, WIDTH, batch_first=True)

    def forward(self, values: Tensor) -> Tensor:
        return self.rnn(values)[0][:, -1]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(WIDTH, 3, batch_first=True)

    def forward(self, values: Tensor) -> Tensor:
        return self.attn(values, values, values, need_weights=False)[0][:, -1]


class Heads(nn.Module):
    """Attention whose heads have an axis of their own: (example, position, head, dimension)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.z, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Identity(), nn.Linear(WIDTH, WIDTH)

    def forward(self, values: Tensor) -> Tensor:
        q, k, v = self.qkv(values).unflatten(2, (3, 3, WIDTH // 3)).unbind(2)
        scores = torch.einsum("iqhd,ikhd->ihqk", q, k) / math.sqrt(WIDTH // 3)
        return self.out(self.z(torch.einsum("ihqk,ikhd->iqhd", scores.softmax(3), v)).flatten(2))[:, -1]


class Last(nn.Module):
    """A layer over sequences, and its last position."""

    def __init__(self, layer: nn.Module, positions_first: bool = False) -> None:
        super().__init__()
        self.layer, self.positions_first = layer, positions_first

    def forward(self, values: Tensor) -> Tensor:
        if self.positions_first:
            return self.layer(values.transpose(0, 1))[-1]
        return self.layer(values)[:, -1]


def _seeded(make: Callable[[], nn.Module]) -> Callable[..., nn.Module]:
    def build(seed: int = 1) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module = make()
            for name, buffer in module.named_buffers():  # running statistics as after training
                if name.endswith("running_mean"):
                    buffer.normal_()
        return module.eval()

    return build


def _mlp(kind: type[Sum] = Sum) -> Net:
    return Net(kind(nn.Linear(WIDTH, WIDTH), nn.ReLU()))


def _parametrised(wrap: Callable[..., nn.Module], **how: Any) -> nn.Module:
    net = _mlp()
    wrap(net.body.layers[0], **how)
    return net


def _lazy() -> nn.Module:
    net = _mlp()
    net.read = nn.LazyLinear(P)
    return net


def _meta() -> nn.Module:
    with torch.device("meta"):
        return _mlp()


def _encoder() -> nn.Module:
    return Net(Last(nn.TransformerEncoderLayer(WIDTH, 3, WIDTH, dropout=0.0, batch_first=True)))


def _sequence() -> nn.Module:
    return Last(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()), positions_first=True)


mlp = _seeded(_mlp)
data_parallel = _seeded(lambda: nn.DataParallel(_mlp()))
compiled = _seeded(lambda: torch.compile(_mlp(), backend="eager"))
reentrant = _seeded(lambda: _mlp(Recalled))
not_reentrant = _seeded(lambda: _mlp(RecalledAnew))
weight_norm = _seeded(lambda: _parametrised(nn.utils.parametrizations.weight_norm))
orthogonal = _seeded(lambda: _parametrised(nn.utils.parametrizations.orthogonal))
lazy = _seeded(_lazy)
meta = _seeded(_meta)
convolution = _seeded(lambda: Net(Images()))
channels_last_memory = _seeded(lambda: Net(Images(torch.channels_last)))
channels_last = _seeded(lambda: Net(ChannelsLast()))
lstm = _seeded(lambda: Net(Recurrent(nn.LSTM)))
gru = _seeded(lambda: Net(Recurrent(nn.GRU)))
attention = _seeded(lambda: Net(Attention()))
encoder_layer = _seeded(_encoder)
layer_norm = _seeded(lambda: Net(Sum(nn.LayerNorm(WIDTH))))
batch_norm = _seeded(lambda: Net(Sum(nn.BatchNorm1d(WIDTH))))
embedding = _seeded(lambda: Net(Sum(nn.Linear(WIDTH, WIDTH), nn.Tanh())))
heads = _seeded(lambda: Net(Heads()))
positions_first = _seeded(lambda: Net(_sequence()))

PLAIN = {
    "data_parallel": mlp,
    "compiled": mlp,
    "reentrant": mlp,
    "not_reentrant": mlp,
    "lazy": mlp,
    "meta": mlp,
}
