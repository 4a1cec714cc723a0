"""Rich or lazy: the change of weights, representations and tangent kernel between checkpoints of a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.analysis.dealt_weights import dealt_anew
from interp.analysis.regimes import ALIGNMENTS, Rank, Regime, RegimeChange
from interp.analysis.tangent_kernel import output_directions, tangent_kernel
from interp.checkpoints.files import number_of
from interp.checkpoints.open import load_series
from interp.checkpoints.options import OpenOptions
from interp.data import Dataset, Task
from interp.errors import CheckpointError, ConfigError
from interp.hooks import batches, device_of, evaluation_mode
from interp.measuring.arrays import as_array, scored_activations
from interp.measuring.evaluation import all_logits
from interp.models import HookedModel, neuron_site, prefix_at
from interp.output import plain
from interp.progress import progress
from interp.subject import Network, Subject, subject_of
from probes.regime import effective_rank, gram, kernel_alignment, relative_change, sign_similarity

MOST_SIDE = 2_048
"""Smaller side of a matrix, above which its singular values take too long."""
BATCH = 256


def regime(
    before: Network | Path | str,
    after: Network | None = None,
    task: Task | None = None,
    *,
    options: OpenOptions | None = None,
    site: str | None = None,
    examples: int = 400,
    kernel_examples: int = 32,
    directions: int = 4,
    unrelated: int = 9,
    most: int = 40,
    seed: int = 0,
) -> Regime:
    """Measure how far a network moved from its start: rich learning changes what it computes by, lazy learning hardly.

    Relative change and signs of the weights; alignment of the activations' Gram matrices and of the neural tangent
    kernels (the mean over outputs), each as it is and centred; effective rank of the weights at the start. Sources:
    arXiv 2310.08513 (measures), 1905.00414 (centring). Wide networks of one kind are alike from the beginning, so that
    every alignment is beside that of the start with unrelated networks: its own weights with entries in random places.

    Args:
        before: The network at its start, or the folder (or file) of a series of checkpoints, the first of them.
        after: A later network; None where `before` is a series.
        task: Gives the examples; a checkpoint's own if None.
        options: What checkpoints of a series do not say of themselves.
        site: Hook name of the activations; the model's last site if None.
        examples: That representations are measured on, drawn at random from all.
        kernel_examples: That kernels are measured on; each takes a gradient for every direction. 0: no kernels.
        directions: Of the outputs: all where there are no more, else random signs.
        unrelated: Networks of the control; 0: none.
        most: Of a series' checkpoints, evenly spaced.
        seed: Of all draws.

    Raises:
        ConfigError: The networks have other weights, or a number is out of range. CheckpointError: A series holds fewer
            than two checkpoints. HookNameError: there are no neurons at the site.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import MLPConfig
        >>> from interp.training import TrainConfig, train
        >>> task = ModularTask("add", p=7, train_fraction=0.8)
        >>> configs = TrainConfig(steps=0), TrainConfig(steps=50)
        >>> start, end = (train(task, MLPConfig(16), one, show_progress=False).model for one in configs)
        >>> 0.1 < regime(start, end, task, kernel_examples=6, unrelated=3).last.relative_change < 10
        True
    """
    _check(examples, kernel_examples, directions, unrelated, most)
    subjects = _networks(before, after, task, options, site, most)
    with progress("regime", 2 + unrelated) as report:
        start = _Start(next(subjects), examples, kernel_examples, directions, seed)
        draws = []
        for i in range(unrelated):
            draws.append(start.alignments(start.unrelated(i)))
            report(2 + i, "unrelated networks")
        changes = tuple(start.change(subject) for subject in subjects)
    return start.result(changes, draws)


def _check(examples: int, kernel_examples: int, directions: int, unrelated: int, most: int) -> None:
    """Refuse numbers that are out of range."""
    limits = {"examples": (examples, 3, 5_000), "kernel_examples": (kernel_examples, 0, 1_000)}
    limits |= {
        "directions": (directions, 1, 100_000),
        "unrelated": (unrelated, 0, 1_000),
        "most": (most, 2, 100_000),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise ConfigError(f"{name}={value} is out of range; expected {low} to {high}")
    if kernel_examples in (1, 2):
        raise ConfigError(
            f"kernel_examples={kernel_examples} leave nothing when centred; give 3 or more, or 0"
        )


def _networks(
    before: Network | Path | str,
    after: Network | None,
    task: Task | None,
    options: OpenOptions | None,
    site: str | None,
    most: int,
) -> Iterator[Subject]:
    """The start and the later networks, one after another."""
    if isinstance(before, str | Path):
        if after is not None:
            raise ConfigError(
                f"a series ({str(before)!r}) and a later network; give two networks, or a series alone"
            )
        for opened in load_series(Path(before), options, most=most):
            yield subject_of(opened, task, site=site)
        return
    if after is None:
        raise ConfigError(
            "one network has nothing to be compared with; give a later one, or the folder of a series"
        )
    first = subject_of(before, task, site=site)
    yield first
    yield subject_of(after, first.task, site=site)


class _Start:
    """The network that later ones are compared with, and the examples that they are compared on."""

    def __init__(
        self, subject: Subject, examples: int, kernel_examples: int, directions: int, seed: int
    ) -> None:
        data = subject.task.dataset
        generator = np.random.default_rng(seed)
        self.inputs, self.kernel_inputs = (_some(data, n, generator) for n in (examples, kernel_examples))
        self.model, self.hook, self.seed = subject.model, neuron_site(subject.model, subject.site).hook, seed
        n_outputs = all_logits(subject.model, data.at(slice(0, 1))).shape[1]
        self.rows, self.exact = output_directions(n_outputs, directions, generator), n_outputs <= directions
        self.weights = weights_of(subject.model)
        self.kernels = self._kernels(subject.model)

    def unrelated(self, i: int) -> HookedModel:
        """A network with the start's weights in random places."""
        return dealt_anew(self.model, np.random.default_rng((self.seed, i)))

    def _kernels(self, model: HookedModel) -> dict[str, np.ndarray]:
        kernels = {"representation": representation(model, self.inputs, self.hook)}
        if len(self.kernel_inputs):
            kernels["kernel"] = tangent_kernel(model, self.kernel_inputs, self.rows)
        return kernels

    def alignments(self, model: HookedModel) -> dict[str, float | None]:
        """With the start, by the names of `ALIGNMENTS`."""
        other, values = self._kernels(model), dict.fromkeys(ALIGNMENTS)
        for name, kernel in other.items():
            for centred in (False, True):
                value = kernel_alignment(self.kernels[name], kernel, centred=centred)
                values[f"{name}_centred" if centred else name] = plain(value)
        return values

    def change(self, subject: Subject) -> RegimeChange:
        """Of a later network."""
        path = subject.source.path
        step = subject.source.step
        if step is None and path is not None:
            step = number_of(path)
        return RegimeChange(
            step=step,
            **weight_changes(self.weights, weights_of(subject.model)) | self.alignments(subject.model),
        )

    def result(self, changes: tuple[RegimeChange, ...], draws: list[dict[str, float | None]]) -> Regime:
        """All changes beside the alignments with unrelated networks; a `CheckpointError` without any change."""
        if not changes:
            raise CheckpointError(
                "the series holds fewer than two checkpoints to compare; give one of several"
            )
        others = {name: tuple(draw[name] for draw in draws) for name in ALIGNMENTS}
        ranks = {name: rank_of(weight) for name, weight in self.weights.items() if weight.ndim > 1}
        counts = len(self.inputs), len(self.kernel_inputs), len(self.rows), self.exact
        return Regime(changes, ranks, others, self.hook, *counts)


def _some(data: Dataset, n: int, generator: np.random.Generator) -> Tensor:
    rows = np.sort(generator.choice(len(data), min(n, len(data)), replace=False))
    return data.inputs[torch.as_tensor(rows, device=data.inputs.device)]


def representation(model: HookedModel, inputs: Tensor, hook: str) -> np.ndarray:
    """Gram matrix of the activations at a site: one number a neuron, as scores have them."""
    place = neuron_site(model, hook)
    with evaluation_mode(model):
        acts = [
            scored_activations(prefix_at(model, hook, some), place)
            for some in batches(inputs, BATCH, device_of(model))
        ]
    return gram(as_array(torch.cat(acts)))


def weights_of(model: HookedModel) -> dict[str, np.ndarray]:
    """Copies of all parameters by name."""
    return {name: as_array(weight).copy() for name, weight in model.named_parameters()}  # type: ignore[attr-defined]


def weight_changes(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> dict[str, Any]:
    """Relative change and sign similarity of all weights, and the former of each.

    Raises:
        ConfigError: They are those of different networks.
    """
    shapes = [{name: weight.shape for name, weight in weights.items()} for weights in (before, after)]
    if shapes[0] != shapes[1]:
        unlike = sorted(set(shapes[0].items()) ^ set(shapes[1].items()))[0]
        raise ConfigError(
            f"the networks have different weights, such as {unlike[0]!r} of shape {unlike[1]} in one of them; give two "
            "states of one network"
        )
    pair = list(before.values()), [after[name] for name in before]
    return {
        "relative_change": plain(relative_change(*pair)),
        "sign_similarity": plain(sign_similarity(*pair)),
        "by_weight": {name: plain(relative_change([before[name]], [after[name]])) for name in before},
    }


def rank_of(weight: np.ndarray) -> Rank:
    """Effective rank of a weight: of three axes the mean over the first, of more that of the first against the rest."""
    matrices = weight.reshape(len(weight), -1)[None] if weight.ndim > 3 else np.atleast_3d(weight.T).T
    full = min(matrices.shape[1:])
    if full > MOST_SIDE or not matrices.size:
        return Rank(None, full)
    return Rank(plain(float(np.mean([effective_rank(one) for one in matrices]))), full)
