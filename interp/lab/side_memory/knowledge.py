"""Facts of the study `facts` in several wordings of each relation, the model that knows them, and edits of some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.data import Dataset
from interp.lab.facts.study import Config as FactsConfig
from interp.lab.facts.study import language_model, random_facts
from interp.models import SmallTransformer
from interp.progress import Report

SETS = ("edited", "tuning", "fitted", "calibration", "choosing", "measured")
"""Disjoint sets of facts, with all wordings of each: those that are edited; those edited only while rates are chosen;
those that the margin is fitted to, that the threshold is set by, that rates are chosen by, and that are measured."""


@runtime_checkable
class Sizes(Protocol):
    """Settings of the facts and the model."""

    @property
    def relations(self) -> int: ...

    @property
    def subjects(self) -> int: ...

    @property
    def objects(self) -> int: ...

    @property
    def wordings(self) -> int: ...

    @property
    def d_mlp(self) -> int: ...

    @property
    def updates(self) -> int: ...

    @property
    def lr(self) -> float: ...

    @property
    def weight_decay(self) -> float: ...

    @property
    def edits(self) -> int: ...

    @property
    def tuning(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Every fact in every wording.

    Attributes:
        inputs: Subject and relation in one of its wordings; the wordings of a fact are successive rows.
        held_out: True for wordings of facts that the model is not trained on; never the first one.
    """

    inputs: Int[Tensor, "example token"]
    labels: Int[Tensor, " example"]
    held_out: Bool[Tensor, " example"]
    wordings: int
    objects: int
    classes: int

    def rows(self, facts: Int[np.ndarray, " fact"]) -> Int[Tensor, "fact wording"]:
        """The rows of some facts."""
        return torch.from_numpy(facts[:, None] * self.wordings + np.arange(self.wordings))


def facts_in_words(sizes: Sizes, seed: int) -> Knowledge:
    """Facts as `interp.lab.facts` draws them; a quarter of all wordings but the first is held out of training."""
    facts = random_facts(
        FactsConfig(relations=sizes.relations, subjects=sizes.subjects, objects=sizes.objects), seed
    )
    n, words = len(facts.labels), sizes.wordings
    subject, relation = (one.repeat_interleave(words) for one in facts.inputs.T)
    wording = torch.arange(words).repeat(n)
    inputs = torch.stack([subject, relation * words + wording], 1)
    generator = np.random.default_rng(seed)
    held_out = torch.from_numpy(generator.random(n * words) < 0.25) & (wording > 0)
    labels = facts.labels.repeat_interleave(words)
    return Knowledge(inputs, labels, held_out, words, sizes.objects, facts.n_classes)


def knowing_model(sizes: Sizes, knowledge: Knowledge, seed: int, report: Report) -> SmallTransformer:
    """The model of `interp.lab.facts`, trained on all wordings that are not held out."""
    settings = FactsConfig(
        relations=sizes.relations * sizes.wordings,
        subjects=sizes.subjects,
        objects=sizes.objects,
        d_mlp=sizes.d_mlp,
        steps=sizes.updates,
        lr=sizes.lr,
        weight_decay=sizes.weight_decay,
    )
    trained = ~knowledge.held_out
    labels, none = knowledge.labels[trained], torch.zeros(int(trained.sum()), dtype=torch.bool)
    data = Dataset(
        knowledge.inputs[trained], labels, labels, none, none, knowledge.classes, split_known=False
    )
    return language_model(settings, data, seed, report)


@dataclass(frozen=True, eq=False)
class Edits:
    """Facts that are edited: prompts in the first wording, new objects, and the other wordings.

    Attributes:
        facts: Their numbers.
    """

    facts: Int[np.ndarray, " edit"]
    inputs: Int[Tensor, "edit token"]
    targets: Int[Tensor, " edit"]
    paraphrases: Int[Tensor, "edit paraphrase token"]


def edits_of(knowledge: Knowledge, facts: Int[np.ndarray, " edit"], generator: np.random.Generator) -> Edits:
    """Another random object for each fact, of the same relation."""
    rows = knowledge.rows(facts)
    old = knowledge.labels[rows[:, 0]]
    moved = torch.from_numpy(generator.integers(1, knowledge.objects, len(facts)))
    first = old // knowledge.objects * knowledge.objects
    targets = first + (old - first + moved) % knowledge.objects
    return Edits(facts, knowledge.inputs[rows[:, 0]], targets, knowledge.inputs[rows[:, 1:]])


def split_facts(
    n: int, edits: int, tuning: int, generator: np.random.Generator
) -> dict[str, Int[np.ndarray, " fact"]]:
    """Random disjoint sets of the facts, by the names of `SETS`; what is not edited is dealt out 3 : 3 : 1 : 3."""
    order = generator.permutation(n)
    rest = n - edits - tuning
    shares = np.cumsum([3, 3, 1]) / 10
    ends = [edits, edits + tuning, *(edits + tuning + (rest * shares).astype(int))]
    return dict(zip(SETS, np.split(order, ends), strict=True))
