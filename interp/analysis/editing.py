"""Edits of facts, one after another, kept in a side memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.analysis.edit_fitting import BATCH, STANDARD, EditSettings, answers, fit_change, margin_penalty
from interp.analysis.merging import ties
from interp.analysis.side_memory import SideMemory, attached, side_scores
from interp.analysis.value_layers import ValueLayer, layer_inputs, value_layer
from interp.errors import ConfigError
from interp.hooks import device_of, evaluation_mode
from interp.models import HookedModel
from interp.progress import Report, silent


def edit_facts(
    model: HookedModel,
    inputs: Float[Tensor, " edit *input"] | Int[Tensor, " edit *input"],
    targets: Int[Tensor, " edit"],
    unrelated: Float[Tensor, " example *input"] | Int[Tensor, " example *input"],
    *,
    calibration: Float[Tensor, " held *input"] | Int[Tensor, " held *input"] | None = None,
    site: str | None = None,
    settings: EditSettings = STANDARD,
    seed: int = 0,
    report: Report = silent,
) -> SideMemory:
    """Teach a side memory of one layer to answer prompts otherwise, one after another; the network stays as it is.

    Each edit is learnt with the layer's other weights, by the cross-entropy of its target and a margin loss that keeps
    its score above that of unrelated examples. Successive edits change random parts of the weights, which TIES merges.
    Sources: arXiv 2405.14768 and 2306.01708; the threshold is this project's: with unrelated examples like those of
    the calibration, at most `misrouted` of them are expected to read the memory.

    Args:
        inputs: Prompts, no two alike.
        targets: The class that each shall be answered with.
        unrelated: Examples whose answers shall stay; the margin is fitted to them.
        calibration: Others of them, for the threshold; if None a random half of `unrelated`, taken out of it.
        site: Hook name of the neurons that the layer reads; the model's last site if None.
        seed: Of the random parts, and of the half.

    Returns:
        The memory. Its `learnt` says which edits it answered when they were made; those that it did not are no error:
        the layer's activations must tell prompts from unrelated examples linearly, which those of a network that
        generalises with few neurons or frequencies do not.

    Raises:
        ConfigError: Prompts occur twice or among the others, targets are no classes, there are no unrelated examples or
            too few for the threshold, or no linear layer reads the site. HookNameError: there is no such site.

    Example:
        >>> from interp.models import HookedMLP, MLPConfig
        >>> model = HookedMLP(MLPConfig(width=256, activation="relu"), vocab=13)
        >>> model.unembed.weight.data *= 30  # logits as large as those of trained networks
        >>> pairs = torch.cartesian_prod(torch.arange(13), torch.arange(13))
        >>> memory = edit_facts(model, pairs[:1], torch.tensor([7]), pairs[1:])
        >>> with memory.attached(model):
        ...     model(pairs[:1]).argmax(1).tolist()
        [7]
    """
    memories = edits_in_turn(
        model,
        inputs,
        targets,
        unrelated,
        calibration=calibration,
        site=site,
        settings=settings,
        seed=seed,
        report=report,
    )
    return list(memories)[-1]


def edits_in_turn(
    model: HookedModel,
    inputs: Tensor,
    targets: Int[Tensor, " edit"],
    unrelated: Tensor,
    *,
    calibration: Tensor | None = None,
    site: str | None = None,
    settings: EditSettings = STANDARD,
    seed: int = 0,
    report: Report = silent,
) -> Iterator[SideMemory]:
    """The side memory after each edit; arguments are those of `edit_facts`."""
    generator = np.random.default_rng(seed)
    device = device_of(model)
    inputs, targets, unrelated = (one.to(device) for one in (inputs, targets, unrelated))
    check_edits(model, inputs, targets, unrelated)
    if calibration is None:
        order = torch.as_tensor(generator.permutation(len(unrelated)), device=device)
        held, fitted = order[: len(order) // 2], order[len(order) // 2 :]
        unrelated, calibration = unrelated[fitted], unrelated[held]
    else:
        calibration = calibration.to(device)
        check_edits(model, inputs, targets, calibration)
    _calibrated_rank(len(calibration), settings.misrouted)  # before anything is learnt
    lesson = _Lesson(model, value_layer(model, site), inputs, targets, unrelated, settings)
    states = layer_inputs(model, lesson.layer, calibration, BATCH)
    prompts = layer_inputs(model, lesson.layer, inputs, BATCH)
    prompts = prompts if prompts.ndim == 2 else prompts[:, lesson.layer.answer_at]
    shards: list[Tensor] = []
    learnt: list[bool] = []
    for n in range(len(inputs)):
        if n % settings.per_shard == 0:
            part = generator.random(tuple(lesson.layer.weight.shape)) < settings.share
            mask = torch.as_tensor(part, device=device).to(lesson.layer.weight)
            shards.append(torch.zeros_like(mask))
        shards[-1] = lesson.learn(n, shards[-1], mask)
        changes = torch.stack(shards)
        if settings.merge:
            changes = ties(shards, settings.density)[None]
        threshold = threshold_of(changes, states, prompts[: n + 1], settings.misrouted)
        with attached(lesson.layer, changes, threshold):
            learnt.append(bool((answers(model, inputs[n : n + 1]) == targets[n : n + 1]).all()))
        report(n + 1, f"{sum(learnt)} learnt")
        yield SideMemory(lesson.layer.hook, changes, threshold, tuple(learnt))


class _Lesson:
    """The edits and what they are learnt beside."""

    def __init__(
        self,
        model: HookedModel,
        layer: ValueLayer,
        inputs: Tensor,
        targets: Tensor,
        unrelated: Tensor,
        settings: EditSettings,
    ) -> None:
        self.model, self.layer, self.settings = model, layer, settings
        self.inputs, self.targets = inputs, targets
        self.others = layer_inputs(model, layer, unrelated, BATCH).flatten(0, -2)
        self.unit = float((self.others @ layer.weight.to(self.others)).norm(dim=-1).median())

    def learn(
        self, n: int, start: Float[Tensor, "neuron output"], mask: Float[Tensor, "neuron output"]
    ) -> Float[Tensor, "neuron output"]:
        """The change of a copy after edit n; edits of other copies count as unrelated."""
        first = n - n % self.settings.per_shard
        rows = slice(first if self.settings.rehearse else n, n + 1)
        quiet = [self.others, _other_positions(self.model, self.layer, self.inputs[rows])]
        if first:
            quiet.append(layer_inputs(self.model, self.layer, self.inputs[:first], BATCH).flatten(0, -2))
        penalty = margin_penalty(torch.cat(quiet), self.settings, self.unit)
        return fit_change(
            self.model,
            self.layer,
            start,
            self.inputs[rows],
            self.targets[rows],
            self.settings,
            mask=mask,
            penalty=penalty,
        )


def check_edits(model: HookedModel, inputs: Tensor, targets: Tensor, unrelated: Tensor) -> None:
    """Raise a `ConfigError` for prompts that occur twice or among unrelated examples, and for unknown targets."""
    if len(inputs) < 1 or len(inputs) != len(targets):
        raise ConfigError(
            f"there are {len(inputs)} prompts and {len(targets)} targets; expected one for each"
        )
    if targets.dtype.is_floating_point or targets.dtype.is_complex or targets.dtype == torch.bool:
        raise ConfigError(
            f"targets have type {targets.dtype}; expected whole numbers, a class for each prompt"
        )
    if not len(unrelated):
        raise ConfigError("there are no unrelated examples; give some whose answers shall stay")
    if inputs.shape[1:] != unrelated.shape[1:]:
        raise ConfigError(
            f"prompts have shape {tuple(inputs.shape)} and unrelated examples {tuple(unrelated.shape)}; expected the "
            "same after the first axis"
        )
    with evaluation_mode(model):
        classes = model(inputs[:1]).shape[-1]
    if int(targets.min()) < 0 or int(targets.max()) >= classes:
        raise ConfigError(
            f"targets are {int(targets.min())} to {int(targets.max())}; expected classes from 0 to {classes - 1}"
        )
    rows = [tuple(one) for one in inputs.flatten(1).tolist()]
    for n, row in enumerate(rows):
        if row in rows[:n]:
            raise ConfigError(
                f"edits {rows.index(row)} and {n} have the same prompt; give each prompt one target"
            )
    known = {row: n for n, row in enumerate(rows)}
    for place, row in enumerate(unrelated.flatten(1).tolist()):
        if tuple(row) in known:
            raise ConfigError(
                f"unrelated example {place} is the prompt of edit {known[tuple(row)]}; leave it out, as its answer "
                "shall change"
            )


def threshold_of(
    changes: Float[Tensor, "shard neuron output"],
    unrelated: Float[Tensor, "example *position neuron"],
    edits: Float[Tensor, "edit neuron"],
    misrouted: float,
) -> float:
    """A score that one more example like the unrelated ones is above with at most this probability.

    That is so for a quantile of their highest scores (split conformal prediction), where examples are exchangeable. The
    threshold is halfway between it and the next score of an edit, so that no edit above the quantile is lost.

    Raises:
        ConfigError: There are too few.
    """
    highest = side_scores(unrelated, changes).reshape(len(unrelated), -1).amax(1)
    quantile = float(highest.sort().values[_calibrated_rank(len(unrelated), misrouted)])
    scores = side_scores(edits, changes)
    above = scores[scores > quantile]
    return quantile if not len(above) else (quantile + float(above.min())) / 2


def _calibrated_rank(n: int, misrouted: float) -> int:
    """The place, by size, of the score of n examples that one more is above with at most this probability."""
    rank = int(np.ceil((n + 1) * (1 - misrouted))) - 1
    if rank >= n:
        raise ConfigError(
            f"{n} examples cannot set a threshold that {misrouted:g} of unrelated ones pass; give at least "
            f"{int(np.ceil(1 / misrouted)) - 1} for the calibration, or raise misrouted"
        )
    return rank


def _other_positions(model: HookedModel, layer: ValueLayer, inputs: Tensor) -> Float[Tensor, "vector neuron"]:
    """Activations that the layer reads at all positions of the prompts but that of the answer."""
    states = layer_inputs(model, layer, inputs, BATCH)
    if states.ndim == 2:
        return states[:0]
    kept = torch.ones(states.shape[1], dtype=torch.bool)
    kept[layer.answer_at] = False
    return states[:, kept].flatten(0, 1)
