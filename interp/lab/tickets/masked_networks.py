"""A ReLU network over shared embeddings, some of whose weights are held at zero; many are trained as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from interp.data import Dataset
from interp.errors import ConfigError
from interp.models import HookedMLP, MLPConfig
from interp.progress import Report, silent
from interp.safeguards import flushed_denormals
from interp.training import TrainConfig

LAYERS = ("embed", "read", "write")
EMBED_SCALE = 0.3
SOLVED = 0.95  # accuracy from which examples count as learnt

Weights = Mapping[str, Tensor]
"""For each of `LAYERS` a matrix ``(p, wide)``, ``(wide, neuron)`` or ``(neuron, p)``, or as many as there are networks.
Masks are the same with True where a weight is kept."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A network after its training.

    Attributes:
        steps: When it was measured.
        train, test: Accuracy then on training examples, and on held-out ones whose swapped pair is held out too.
        kept: Weights then, if asked for.
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    kept: dict[int, Weights] = field(default_factory=dict)

    @property
    def memorised(self) -> int | None:
        """First measured step with `SOLVED` of the training examples right; None if there was none."""
        return self._first(self.train)

    @property
    def generalised(self) -> int | None:
        return self._first(self.test)

    def _first(self, accuracy: Sequence[float]) -> int | None:
        return next((step for step, one in zip(self.steps, accuracy, strict=True) if one >= SOLVED), None)


def first_weights(p: int, wide: int, width: int, seed: int) -> dict[str, Tensor]:
    """Normal weights: embeddings of standard deviation .3, else 1/sqrt(3·fan_in) as in PyTorch's linear layers."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"embed": (p, wide), "read": (wide, width), "write": (width, p)}
    scales = {"embed": EMBED_SCALE, "read": (3 * wide) ** -0.5, "write": (3 * width) ** -0.5}
    return {name: torch.randn(shapes[name], generator=generator) * scales[name] for name in LAYERS}


def logits_of(weights: Weights, inputs: Int[Tensor, "example 2"]) -> Float[Tensor, "*network example output"]:
    """``relu((E[a] + E[b]) R) W``: tokens are taken through the first matrix before they are paired.

    Example:
        >>> weights = first_weights(5, 8, 6, seed=0)
        >>> logits_of(weights, torch.tensor([[1, 2], [2, 1]])).shape
        torch.Size([2, 5])
    """
    tokens = weights["embed"] @ weights["read"]
    left, right = inputs.T
    pre = tokens.index_select(-2, left) + tokens.index_select(-2, right)
    return F.relu(pre) @ weights["write"]


def as_mlp(weights: Weights) -> HookedMLP:
    """The same function as a `HookedMLP`, whose one matrix of inputs is embedding times first layer."""
    (p, _), (width, outputs) = weights["embed"].shape, weights["write"].shape
    model = HookedMLP(MLPConfig(width=width, activation="relu", tied=True), p, outputs)
    with torch.no_grad():
        model.embed.W_E.copy_((weights["embed"] @ weights["read"]).view_as(model.embed.W_E))
        model.unembed.weight.copy_(weights["write"])
    return model.eval()


def unseen(data: Dataset) -> Bool[Tensor, " example"]:
    """Held-out pairs whose swapped pair is held out too: one embedding for both operands cannot tell the two apart."""
    pairs = data.test & ~data.leaked_by_swapping()
    if not pairs.any():
        raise ConfigError("every held-out pair is trained on in the other order; train on fewer pairs")
    return pairs


def stacked(networks: Sequence[Weights]) -> dict[str, Tensor]:
    """The weights, or masks, of several networks as one, with a leading axis."""
    return {name: torch.stack([one[name] for one in networks]) for name in LAYERS}


def masked(weights: Weights, mask: Weights) -> dict[str, Tensor]:
    """The weights that a mask keeps, and zeros."""
    return {name: weights[name] * mask[name] for name in LAYERS}


def gradients_of(weights: Weights, data: Dataset) -> dict[str, Tensor]:
    """Gradients of the mean cross-entropy of the training examples, of zero weights too."""
    leaves = {name: weights[name].detach().clone().requires_grad_() for name in LAYERS}
    loss = F.cross_entropy(logits_of(leaves, data.inputs[data.train]), data.labels[data.train])
    return dict(zip(LAYERS, torch.autograd.grad(loss, list(leaves.values())), strict=True))


def train_masked(
    data: Dataset,
    starts: Sequence[Weights],
    masks: Sequence[Weights],
    how: TrainConfig,
    *,
    until_generalised: bool = True,
    keep: bool = False,
    report: Report = silent,
) -> list[Trained]:
    """Train networks of one shape together, each from its own weights with its own mask, each as if it were alone.

    A weight that a mask leaves out stays exactly 0. Numbers differ from those of networks trained alone by rounding.

    Args:
        starts: First weights of each network; left unchanged.
        how: Steps, learning rate, weight decay and steps between measurements. All examples are in each step, the
            optimiser is AdamW with betas .9 and .98, and the loss is the cross-entropy.
        until_generalised: A network's training ends with the measurement that finds `SOLVED` of the unseen pairs right.
        keep: Whether to keep all networks' weights at each measurement.

    Raises:
        ConfigError: There are not as many masks as networks, no networks, or no unseen pairs.

    Example:
        >>> from interp.data import ModularTask
        >>> first = first_weights(7, 8, 6, seed=0)
        >>> whole = {name: torch.ones_like(weight).bool() for name, weight in first.items()}
        >>> data = ModularTask("add", p=7, train_fraction=0.5).dataset
        >>> train_masked(data, [first], [whole], TrainConfig(steps=4, log_every=2))[0].steps
        [0, 2, 4]
    """
    if not starts or len(starts) != len(masks):
        raise ConfigError(f"{len(starts)} networks with {len(masks)} masks; expected one mask for each")
    stack, results, test = _Stack(data, starts, masks, how), [Trained() for _ in starts], unseen(data)
    with flushed_denormals():
        for step in range(how.steps + 1):
            if step % how.log_every == 0 or step == how.steps:
                right, ended = stack.right().double(), []
                for row, one in enumerate(results[network] for network in stack.left):
                    one.steps.append(step)
                    one.train.append(float(right[row, data.train].mean()))
                    one.test.append(float(right[row, test].mean()))
                    ended.append(step == how.steps or (until_generalised and one.test[-1] >= SOLVED))
                    if keep:
                        one.kept[step] = stack.network(row)
                    if ended[-1]:
                        one.weights.update(stack.network(row))
                stack.drop(ended)
                report(step)
            if not stack.left:
                break
            stack.update()
    return results


class _Stack:
    """Networks as slices of common tensors, and their optimiser."""

    def __init__(self, data: Dataset, starts: Sequence[Weights], masks: Sequence[Weights], how: TrainConfig):
        self.data, self.how, self.left = data, how, list(range(len(starts)))
        self.masks = {name: mask.float() for name, mask in stacked(masks).items()}
        start = masked(stacked(starts), self.masks)
        self.weights = {name: weight.clone().requires_grad_() for name, weight in start.items()}
        self.inputs, self.labels = data.inputs[data.train], data.labels[data.train]
        self.optimizer = self._optimizer()

    def _optimizer(self) -> torch.optim.AdamW:
        weights, decay = list(self.weights.values()), self.how.weight_decay
        return torch.optim.AdamW(weights, lr=self.how.lr, betas=(0.9, 0.98), weight_decay=decay, foreach=True)

    def update(self) -> None:
        logits = logits_of(self.weights, self.inputs)
        labels = self.labels.expand(len(logits), -1)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / len(self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        for name, weight in self.weights.items():
            weight.grad.mul_(self.masks[name])  # type: ignore[union-attr]
        self.optimizer.step()

    @torch.no_grad()
    def right(self) -> Bool[Tensor, "network example"]:
        return logits_of(self.weights, self.data.inputs).argmax(-1) == self.data.true_labels

    def network(self, row: int) -> dict[str, Tensor]:
        return {name: weight[row].detach().clone() for name, weight in self.weights.items()}

    def drop(self, done: Sequence[bool]) -> None:
        if not any(done):
            return
        rows = [row for row, ended in enumerate(done) if not ended]
        states = [self.optimizer.state[weight] for weight in self.weights.values()]
        self.left = [self.left[row] for row in rows]
        self.masks = {name: mask[rows] for name, mask in self.masks.items()}
        self.weights = {name: w.detach()[rows].requires_grad_() for name, w in self.weights.items()}
        self.optimizer = self._optimizer()
        for weight, state in zip(self.weights.values(), states, strict=True):
            if state:
                self.optimizer.state[weight] = {k: v[rows] if v.ndim else v for k, v in state.items()}
