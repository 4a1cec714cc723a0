"""The ways to edit facts that the study compares, each after one, five and all edits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional as F

from interp.analysis.direct_edits import tuned_in_turn
from interp.analysis.edit_fitting import EditSettings, answers
from interp.analysis.edit_quality import EditQuality, Examples, share_of
from interp.analysis.editing import edits_in_turn, threshold_of
from interp.analysis.merging import ties
from interp.analysis.side_memory import ALWAYS, SideMemory, attached
from interp.analysis.value_layers import layer_inputs, value_layer
from interp.lab.side_memory.knowledge import Edits
from interp.models import SmallTransformer

ARMS = {
    "side": "side memory",
    "merged": "copies merged by TIES",
    "whole": "one copy of all weights",
    "alone": "one copy, each edit learnt alone",
    "free": "without the margin loss",
    "always": "always read",
    "random": "read at random",
    "tuned": "fine-tuning of the matrix",
    "every": "fine-tuning of all weights",
    "l2": "fine-tuning with an L2 penalty",
    "kept": "fine-tuning with all edits and unrelated answers",
}
RATES = (0.03, 0.1, 0.3)
"""Of Adam, as a share of the root mean square of the matrix; a tenth of each for all weights."""
PENALTIES = (1.0, 10.0, 100.0)
MATRIX_KEPT = 128
"""Unrelated examples that fine-tuning learns with every edit."""

Edited = Callable[[], AbstractContextManager[Any]]
"""The network with edits, inside a block."""


@dataclass(frozen=True, eq=False)
class Bench:
    """A network, its edits, and the unrelated examples that each method may use.

    Attributes:
        examples: Edits, paraphrases, and what locality is measured on.
    """

    model: SmallTransformer
    edits: Edits
    fitted: Tensor
    calibration: Tensor
    examples: Examples
    settings: EditSettings
    seed: int

    def side_memories(self, arm: str) -> Iterator[SideMemory]:
        """The side memory of an arm after each edit."""
        n = len(self.edits.inputs)
        settings = {
            "side": self.settings,
            "whole": replace(self.settings, per_shard=n, share=1.0),
            "alone": replace(self.settings, per_shard=n, share=1.0, rehearse=False),
            "free": replace(self.settings, weight=0.0),
        }[arm]
        sets = self.edits.inputs, self.edits.targets, self.fitted
        return edits_in_turn(
            self.model, *sets, calibration=self.calibration, settings=settings, seed=self.seed
        )

    def merged(self, memory: SideMemory) -> SideMemory:
        """The copies of a memory as one, with a threshold of its own."""
        changes = ties(list(memory.changes), self.settings.density)[None]
        layer = value_layer(self.model)
        unrelated = layer_inputs(self.model, layer, self.calibration)
        prompts = layer_inputs(self.model, layer, self.edits.inputs[: len(memory.learnt)])[:, layer.answer_at]
        threshold = threshold_of(changes, unrelated, prompts, self.settings.misrouted)
        return replace(memory, changes=changes, threshold=threshold)

    def quality(self, edited: Edited, arm: str, edits: int) -> EditQuality:
        """Answers after so many edits."""
        return self.examples.quality(self.model, edited(), arm, edits)

    def routed_at_random(self, memory: SideMemory, edits: int) -> EditQuality:
        """Answers where the decisions of the memory are dealt anew over all prompts that are measured."""
        asked = [
            self.examples.inputs[:edits],
            self.edits.paraphrases[:edits].flatten(0, 1),
            self.examples.measured,
        ]
        decisions = memory.reads(self.model, torch.cat(asked))
        dealt = np.random.default_rng(self.seed).permutation(decisions)
        parts = np.split(dealt, np.cumsum([len(one) for one in asked])[:-1])
        targets = self.edits.targets[:edits]
        repeated = targets.repeat_interleave(self.edits.paraphrases.shape[1])
        reliability, generality, locality = (
            share_of(self._answers(memory, inputs, route), expected)
            for inputs, route, expected in zip(
                asked, parts, (targets, repeated, self.examples.before), strict=True
            )
        )
        return EditQuality("random", edits, reliability, generality, locality, float(parts[2].mean()))

    def _answers(self, memory: SideMemory, inputs: Tensor, route: Bool[np.ndarray, " example"]) -> Tensor:
        with memory.attached(self.model, route):
            return answers(self.model, inputs)

    def tuned(self, arm: str, rate: float, penalty: float = 0.0) -> Iterator[Edited]:
        """The network after each edit in its weights."""
        inputs, targets = self.edits.inputs, self.edits.targets
        if arm == "every":
            yield from _all_weights(self.model, inputs, targets, rate / 10, self.settings)
            return
        layer = value_layer(self.model)
        kept = self.fitted[:: max(1, len(self.fitted) // MATRIX_KEPT)] if arm == "kept" else None
        settings = replace(self.settings, lr=rate)
        for change in tuned_in_turn(
            self.model, inputs, targets, settings=settings, l2=penalty, kept=kept, rehearse=arm == "kept"
        ):
            yield partial(attached, layer, change[None], 0.0, ALWAYS)


def _all_weights(
    model: SmallTransformer, inputs: Tensor, targets: Tensor, rate: float, settings: EditSettings
) -> Iterator[Edited]:
    """Fine-tuning of every parameter, each with a step in proportion to the root mean square of its weights."""
    twin = deepcopy(model)
    for n in range(len(inputs)):
        groups = [
            {"params": [one], "lr": rate * float(one.detach().square().mean().sqrt())}
            for one in twin.parameters()
        ]
        optimizer = torch.optim.Adam(groups)
        for _ in range(settings.steps):
            loss = F.cross_entropy(twin(inputs[n : n + 1]), targets[n : n + 1])
            if float(loss.detach()) < settings.enough:
                break
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        state = {name: tensor.clone() for name, tensor in twin.state_dict().items()}
        yield partial(_other_weights, model, state)


@contextmanager
def _other_weights(model: SmallTransformer, state: Mapping[str, Tensor]) -> Iterator[None]:
    """The network with other weights inside the block."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    try:
        yield
    finally:
        model.load_state_dict(before)


def chosen_rate(bench: Bench, arm: str) -> tuple[float, float]:
    """The learning rate and the penalty with the best mean of reliability, generality and locality after all edits."""

    def worth(rate: float, penalty: float) -> float:
        *_, last = bench.tuned(arm, rate, penalty)
        result = bench.quality(last, arm, len(bench.edits.inputs))
        return float(np.mean([result.reliability, result.generality or 0.0, result.locality]))

    rates = [(rate, penalty) for rate in RATES for penalty in (PENALTIES if arm == "l2" else (0.0,))]
    return max(rates, key=lambda one: worth(*one))


def at_stops(each: Iterable[Any], stops: Mapping[str, int]) -> dict[str, Any]:
    """Of what there is after each edit, that after the numbers of edits that are measured."""
    after = dict(enumerate(each, 1))
    return {name: after[n] for name, n in stops.items()}
