"""Edited facts in a routed side memory, beside fine-tuning and other rules when the memory is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from interp.analysis.edit_fitting import EditSettings, answers
from interp.analysis.edit_quality import EditQuality, Examples
from interp.analysis.side_memory import ALWAYS, SideMemory
from interp.errors import ConfigError
from interp.lab.side_memory.arms import ARMS, Bench, Edited, at_stops, chosen_rate
from interp.lab.side_memory.figure import side_memory_figure
from interp.lab.side_memory.findings import findings
from interp.lab.side_memory.knowledge import (
    Edits,
    Knowledge,
    edits_of,
    facts_in_words,
    knowing_model,
    split_facts,
)
from interp.lab.study import Record, Settings, Study, setting
from interp.models import SmallTransformer
from interp.progress import Report

MEASURES = {
    "reliability": "edits answered",
    "generality": "paraphrases answered",
    "locality": "unrelated kept",
}
STOPS = ("1", "5", "all")
TUNED = ("tuned", "every", "l2", "kept")
TRAINED = ("side", "whole", "alone", "free")
"""Side memories that are trained; others are the first one, merged or read by another rule."""
STEPS = 10
"""Of progress, for each of these, and for the choice of each rate."""


@dataclass(frozen=True)
class Config(Settings):
    """The facts, the model that knows them, and their edits."""

    relations: int = setting(6, "How many relations; even.", "[4, inf)")
    subjects: int = setting(60, "Subjects, each of which has one object for every relation.", "[10, inf)")
    objects: int = setting(20, "Objects of each pair of relations.", "[2, inf)")
    wordings: int = setting(
        3, "Wordings of each relation: the first is edited, the others paraphrase it.", "[2, inf)"
    )
    d_mlp: int = setting(512, "Neurons.", "[1, inf)")
    updates: int = setting(200, "Updates on all facts.", "[1, inf)")
    lr: float = setting(0.01, "Learning rate of these.", "(0, inf)")
    weight_decay: float = setting(1.0, "Decoupled.", "[0, inf)")
    edits: int = setting(20, "Facts that are edited, one after another.", "[6, inf)")
    tuning: int = setting(10, "Other facts that are edited while learning rates are chosen.", "[1, inf)")
    steps: int = setting(100, "Updates of one edit, at most.", "[1, inf)")
    per_shard: int = setting(5, "Successive edits that share one copy of the weights.", "[1, inf)")
    share: float = setting(0.25, "Random part of the weights that one copy may change.", "(0, 1]")
    misrouted: float = setting(0.02, "Share of unrelated examples that may read the memory.", "(0, 1)")

    def __post_init__(self) -> None:
        super().__post_init__()
        facts = self.relations * self.subjects
        if self.edits + self.tuning > facts // 2:
            raise ConfigError(
                f"edits={self.edits} and tuning={self.tuning} are more than half of the {facts} facts"
            )

    @property
    def stops(self) -> dict[str, int]:
        """Numbers of edits after which is measured, by their names."""
        return dict(zip(STOPS, (1, 5, self.edits), strict=True))


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train a model on facts, edit some of them in every way, and ask for edits, paraphrases and other facts."""
    knowledge = facts_in_words(config, seed)
    model = knowing_model(config, knowledge, seed, report)
    right = answers(model, knowledge.inputs) == knowledge.labels
    numbers: dict[str, float | None] = {
        "known": float(right[~knowledge.held_out].double().mean()),
        "known_wordings": float(right[knowledge.held_out].double().mean()),
    }
    bench, tuning, shares_subject = _benches(config, knowledge, model, seed)
    done, rates = config.updates, {}
    rows: list[tuple[str, EditQuality]] = []
    for arm in TUNED:
        rates[arm] = chosen_rate(tuning, arm)
        report(done := done + STEPS, f"rate of {ARMS[arm]}")
        for stop, edited in at_stops(bench.tuned(arm, *rates[arm]), config.stops).items():
            rows.append((stop, bench.quality(edited, arm, config.stops[stop])))
        numbers[f"subject_{arm}"] = _kept(bench, edited, shares_subject)  # after all edits
        report(done := done + STEPS, ARMS[arm])
    for arm in TRAINED:
        for stop, memory in at_stops(bench.side_memories(arm), config.stops).items():
            rows += [(stop, row) for row in _routed(bench, memory, arm, config.stops[stop])]
        numbers |= _routing(bench, memory, arm)
        numbers[f"subject_{arm}"] = _kept(bench, partial(memory.attached, model), shares_subject)
        report(done := done + STEPS, ARMS[arm])
    for stop, row in rows:
        numbers |= {f"{name}_{row.method}_{stop}": getattr(row, name) for name in MEASURES}
    chosen = {arm: {"rate": rate, "penalty": penalty} for arm, (rate, penalty) in rates.items()}
    return Record(numbers, {"stops": config.stops, "rates": chosen, "measured": len(bench.examples.measured)})


def _benches(
    config: Config, knowledge: Knowledge, model: SmallTransformer, seed: int
) -> tuple[Bench, Bench, Tensor]:
    """The edits that are measured, those that rates are chosen with, and which measured rows have an edited subject."""
    generator = np.random.default_rng([seed, 43])
    sets = split_facts(config.relations * config.subjects, config.edits, config.tuning, generator)
    inputs = {name: knowledge.inputs[knowledge.rows(facts).flatten()] for name, facts in sets.items()}
    settings = EditSettings(
        steps=config.steps, per_shard=config.per_shard, share=config.share, misrouted=config.misrouted
    )

    def bench(edits: Edits, measured: Tensor) -> Bench:
        examples = Examples(
            edits.inputs, edits.targets, edits.paraphrases, measured, answers(model, measured)
        )
        return Bench(model, edits, inputs["fitted"], inputs["calibration"], examples, settings, seed)

    edited, tuning = (edits_of(knowledge, sets[name], generator) for name in ("edited", "tuning"))
    same = torch.isin(inputs["measured"][:, 0], edited.inputs[:, 0])
    return bench(edited, inputs["measured"]), bench(tuning, inputs["choosing"]), same


def _routed(bench: Bench, memory: SideMemory, arm: str, n: int) -> list[EditQuality]:
    """Answers of a memory read by its score; of the first one merged and read by other rules too."""
    model = bench.model
    rows = [bench.quality(partial(memory.attached, model), arm, n)]
    if arm == "side":
        merged = bench.merged(memory)
        rows += [
            bench.quality(partial(merged.attached, model), "merged", n),
            bench.quality(partial(memory.attached, model, ALWAYS), "always", n),
            bench.routed_at_random(memory, n),
        ]
    return rows


def _routing(bench: Bench, memory: SideMemory, arm: str) -> dict[str, float | None]:
    """Shares that read the memory after all edits, and how well its score tells paraphrases from other examples."""
    groups = {
        "edits": bench.edits.inputs,
        "paraphrases": bench.edits.paraphrases.flatten(0, 1),
        "unrelated": bench.examples.measured,
    }
    scores = {
        name: memory.scores(bench.model, one).reshape(len(one), -1).max(1) for name, one in groups.items()
    }
    read = {f"read_{name}_{arm}": float((one > memory.threshold).mean()) for name, one in scores.items()}
    first, second = scores["paraphrases"], scores["unrelated"]
    area = stats.mannwhitneyu(first, second).statistic / (len(first) * len(second))
    return {**read, f"auc_{arm}": float(area), f"learnt_{arm}": float(np.mean(memory.learnt))}


def _kept(bench: Bench, edited: Edited, rows: Tensor) -> float | None:
    """Locality of facts whose subject has an edited fact; None if none is measured."""
    if not rows.any():
        return None
    few = replace(bench.examples, measured=bench.examples.measured[rows], before=bench.examples.before[rows])
    return few.quality(bench.model, edited(), "", len(bench.edits.inputs)).locality


STUDY = Study(
    name="side-memory",
    title="Edited facts in a routed side memory",
    about=(
        "Can facts be edited one after another without a change of everything else (WISE, arXiv 2405.14768)? The model "
        "of the study facts learns the object of every subject and relation, each relation in three wordings. Twenty "
        "facts get another object. A side memory holds other weights of the layer that reads the neurons: each five "
        "successive edits have a copy of their own, of which a random quarter is changed, and a margin loss keeps "
        "the change of the layer's output small for unrelated examples and large for edits. The copy with the largest "
        "change is read where that is above a threshold, which at most 2 % of other unrelated examples pass. Controls: "
        "copies "
        "merged by TIES (arXiv 2306.01708); one copy of all weights, with all edits learnt together or each alone; no "
        "margin loss; a memory that is always read, or at random as often; and fine-tuning of the same matrix, of all "
        "weights, with an L2 penalty, and with all edits and unrelated answers learnt together, at rates chosen by "
        "other edits. Measured are edits (reliability), their other wordings (generality), and facts that nothing was "
        "fitted to (locality). The figure shows each after one, five and all edits."
    ),
    config=Config,
    measure=measure,
    units=lambda config: config.updates + STEPS * (2 * len(TUNED) + len(TRAINED)),
    quantities={
        "known": "facts known",
        "known_wordings": "facts known in wordings that were held out",
        **{
            f"{measure}_{arm}_{stop}": f"{words}, {ARMS[arm]}, after {stop}"
            for arm in ARMS
            for measure, words in MEASURES.items()
            for stop in STOPS
        },
        **{f"subject_{arm}": f"kept of the same subjects, {ARMS[arm]}" for arm in (*TRAINED, *TUNED)},
        **{
            f"read_{group}_{arm}": f"{group} that read it, {ARMS[arm]}"
            for arm in TRAINED
            for group in ("edits", "paraphrases", "unrelated")
        },
        **{f"auc_{arm}": f"area under the curve of the score, {ARMS[arm]}" for arm in TRAINED},
        **{f"learnt_{arm}": f"edits learnt when they came, {ARMS[arm]}" for arm in TRAINED},
    },
    judge=findings,
    draw=side_memory_figure,
)
