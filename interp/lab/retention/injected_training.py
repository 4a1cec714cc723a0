"""A small language model in training: background text, then facts injected into it, probed at every depth."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch.nn.functional import cross_entropy

from interp.lab.retention.fact_language import TARGET, FactLanguage, Facts, fact_language
from interp.language.injections import COMPOSITION, PARAPHRASE, VERBATIM
from interp.language.small import small_language_model
from interp.progress import Report

DUPLICATED, PARAPHRASED, NEVER = "duplicated", "paraphrased", "never"
ARMS = (DUPLICATED, PARAPHRASED)
WRONG = "wrong"
BATCHES = (16, 128)
BACKGROUND_BATCH, LR, BETAS, WEIGHT_DECAY = 32, 3e-3, (0.9, 0.98), 0.01
KNOWN = 120
"""Facts of the background text that come again and again."""
AT_ONCE = 2
"""Injected sentences of each arm in a batch."""


@dataclass(frozen=True, eq=False)
class Injected:
    """Facts by arm, and the wordings that each is injected in.

    Attributes:
        facts: Of `ARMS` and `NEVER`, as many each.
        order: Wording of each exposure, by arm, ``(exposure, fact)``; the last wording of a relation is never in it.
    """

    facts: Mapping[str, Facts]
    order: Mapping[str, Int[np.ndarray, "exposure fact"]]

    def injected_wordings(self, arm: str) -> list[list[int]]:
        """The different wordings that each fact is injected in; of the control, those of paraphrased facts."""
        order = self.order[PARAPHRASED if arm == NEVER else arm]
        return [sorted(set(column)) for column in order.T.tolist()]


def draw_injected(
    language: FactLanguage, facts: Facts, exposures: int, generator: np.random.Generator
) -> Injected:
    """Deal facts to the arms; a duplicated fact keeps one wording, a paraphrased one goes through all but the last."""
    n, wordings = len(facts) // 3, language.wordings.shape[1] - 1
    dealt = {arm: facts.take(np.arange(i * n, (i + 1) * n)) for i, arm in enumerate((*ARMS, NEVER))}
    own = np.stack([generator.permutation(wordings) for _ in range(n)], axis=1)
    order = {
        DUPLICATED: np.broadcast_to(own[:1], (exposures, n)),
        PARAPHRASED: own[np.arange(exposures) % wordings],
    }
    return Injected(dealt, order)


@dataclass(frozen=True, eq=False)
class Learner:
    """A network in training, with the state of its optimiser and of its text."""

    network: Any
    optimizer: torch.optim.Optimizer
    language: FactLanguage
    known: Facts
    generator: np.random.Generator

    def update(self, batch: int, injected: Int[np.ndarray, "row token"] | None = None) -> float:
        """One update on background text, some of whose rows are given ones; the loss."""
        rows = self.language.background(batch, self.known, self.generator)
        if injected is not None:
            rows[: len(injected)] = injected
        ids = torch.from_numpy(rows)
        logits = self.network(input_ids=ids, use_cache=False).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def branch(self) -> Learner:
        """A copy that goes on by itself, from the same state with the same text."""
        network = copy.deepcopy(self.network)
        optimizer = _optimizer(network)
        optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
        return Learner(network, optimizer, self.language, self.known, copy.deepcopy(self.generator))


def _optimizer(network: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), LR, betas=BETAS, weight_decay=WEIGHT_DECAY)


def learn_background(steps: int, n_injected: int, seed: int, report: Report) -> tuple[Learner, Facts]:
    """A small Llama that knows the language and the known facts, and as many facts that no text has."""
    generator = np.random.default_rng(seed)
    language = fact_language(generator)
    drawn = language.draw(KNOWN + n_injected, generator)
    known, others = drawn.take(np.arange(KNOWN)), drawn.take(np.arange(KNOWN, KNOWN + n_injected))
    network = small_language_model(
        language.vocab, layers=2, d_model=64, d_mlp=256, heads=4, context=16, seed=seed
    )
    network.train().requires_grad_(True)
    learner = Learner(network, _optimizer(network), language, known, generator)
    for step in range(steps):
        loss = learner.update(BACKGROUND_BATCH)
        if (step + 1) % 50 == 0 or step + 1 == steps:
            report(step + 1, f"loss {loss:.2f}")
    return learner, others


def injections(learner: Learner, injected: Injected) -> Iterator[tuple[int, np.ndarray]]:
    """The injected rows of every update, with the first of the facts that they are of; a round is one exposure each."""
    n = len(injected.facts[DUPLICATED])
    for exposure in range(len(injected.order[DUPLICATED])):
        for first in range(0, n, AT_ONCE):
            rows = np.arange(first, min(first + AT_ONCE, n))
            sentences = [
                learner.language.say(injected.facts[arm].take(rows), injected.order[arm][exposure, rows])
                for arm in ARMS
            ]
            yield first, np.concatenate(sentences)


def probe_rows(language: FactLanguage, injected: Injected, arm: str) -> dict[str, np.ndarray]:
    """Sentences that probe an arm's facts, by depth, ``(probe, fact, token)``; verbatim ones once for each wording.

    ``wrong`` is verbatim with another object of the relation.
    """
    facts, n = injected.facts[arm], len(injected.facts[arm])
    every = injected.injected_wordings(arm)
    wordings = np.array(every).T
    other = Facts(facts.names, facts.relation, (facts.answer + 1) % language.objects.shape[1])
    last = np.full(n, language.wordings.shape[1] - 1)
    return {
        VERBATIM: np.stack([language.say(facts, one) for one in wordings]),
        PARAPHRASE: language.say(facts, last)[None],
        COMPOSITION: language.compose(facts)[None],
        WRONG: np.stack([language.say(other, one) for one in wordings]),
    }


@torch.no_grad()
def answer_log_probability(network: Any, rows: Int[np.ndarray, "row token"]) -> Float[np.ndarray, " row"]:
    """Log probability of each sentence's answer after the tokens before it."""
    ids = torch.from_numpy(rows)
    logits = network(input_ids=ids[:, :TARGET], use_cache=False).logits[:, -1]
    chosen = logits.log_softmax(-1).gather(1, ids[:, TARGET, None])[:, 0]
    return chosen.double().numpy()
