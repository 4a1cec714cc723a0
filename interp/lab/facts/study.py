"""Neurons of a language model that carry the facts of one relation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch.nn import functional as F

from interp.data import Dataset
from interp.errors import ConfigError, choose
from interp.lab.contrast.scores import contrast_scores
from interp.lab.facts.figure import facts_figure
from interp.lab.over_seeds import OverSeeds
from interp.lab.sets import chosen_neurons
from interp.lab.study import Record, Settings, Study, StudyResult, setting
from interp.markup import percentage
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.measuring.evaluation import margins
from interp.measuring.logits import whole_of
from interp.models import Prompt, SmallTransformer, TransformerConfig
from interp.progress import Report

MULTIPLES = (1, 2, 4)  # so many times the share of neurons is taken out
TIMES = 3  # the neurons of a relation should cost its facts so many times what random ones cost
SCORES = ("contrast", "selected", "average_precision", "auroc", "mean_ratio", "z")
KINDS = {
    "own": "the relation's facts",
    "related": "facts with the same objects",
    "unrelated": "facts with other objects",
    "random": "all facts to random neurons",
}


@dataclass(frozen=True)
class Config(Settings):
    """The facts, the language model and what is taken out of it."""

    relations: int = setting(6, "How many relations; even, as each shares its objects with one other.")
    subjects: int = setting(60, "Subjects, each of which has one object for every relation.", "[1, inf)")
    objects: int = setting(20, "Objects of each pair of relations.", "[1, inf)")
    d_model: int = setting(64, "Width of the residual stream.", "[1, inf)")
    d_mlp: int = setting(256, "Neurons.", "[1, inf)")
    steps: int = setting(600, "Updates on all facts.", "[1, inf)")
    lr: float = setting(0.003, "Learning rate.", "(0, inf)")
    weight_decay: float = setting(2.0, "Decoupled.", "[0, inf)")
    score: str = setting("contrast", f"What neurons are ranked by, one of {', '.join(SCORES)}.")
    share: float = setting(
        0.05,
        "Share of the neurons that is taken out for each relation; twice and four times as many as well.",
    )
    n_random: int = setting(20, "Random sets of neurons for each control.", "[1, inf)")

    def __post_init__(self) -> None:
        choose("score", self.score, SCORES)
        if self.relations < 4 or self.relations % 2:
            raise ConfigError(f"relations={self.relations} is odd or below 4; expected 4, 6, 8 …")
        super().__post_init__()
        if not 0 < self.share * MULTIPLES[-1] <= 1 or round(self.share * self.d_mlp) < 1:
            raise ConfigError(f"share={self.share} is no neuron, or above {1 / MULTIPLES[-1]:g}")


def random_facts(config: Config, seed: int) -> Dataset:
    """Every (subject, relation) with a random object; relations 0 and 1, 2 and 3 … draw from the same objects.

    They come relation by relation; nothing is held out, since no rule tells an unseen fact.
    """
    generator = np.random.default_rng(seed)
    relation, subject = np.divmod(np.arange(config.relations * config.subjects), config.subjects)
    objects = relation // 2 * config.objects + generator.integers(0, config.objects, len(relation))
    labels, none = torch.from_numpy(objects), torch.zeros(len(relation), dtype=torch.bool)
    inputs = torch.from_numpy(np.stack([subject, relation], axis=1))
    n_classes = config.relations // 2 * config.objects
    return Dataset(inputs, labels, labels, none, none, n_classes, split_known=False)


def language_model(config: Config, data: Dataset, seed: int, report: Report) -> SmallTransformer:
    """A transformer of one layer that reads "subject relation" and is trained to say the object."""
    shape = TransformerConfig(
        d_model=config.d_model, n_heads=4, d_head=max(1, config.d_model // 4), d_mlp=config.d_mlp, causal=True
    )
    vocab, prompt = config.subjects + config.relations, Prompt(((0, 0), (1, config.subjects)))
    model = SmallTransformer(shape, vocab, data.n_classes, prompt, seed=seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=config.weight_decay
    )
    model.readout_only = True
    for step in range(config.steps):
        loss = F.cross_entropy(model(data.inputs), data.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 50 == 0 or step + 1 == config.steps:
            report(step + 1, f"loss {loss.item():.3f}")
    model.readout_only = False
    return model.eval()


def group_order(
    cached: CachedPass, group: Int[np.ndarray, " example"], which: int, score: str
) -> Int[np.ndarray, " neuron"]:
    """All neurons, those first that serve the examples of one group more than those of the others, by a score."""
    inside = torch.from_numpy(group == which)
    activations = whole_of(cached.activations)
    scores = contrast_scores(activations[inside], activations[~inside], cached.readout)
    return chosen_neurons(scores[choose("score", score, tuple(scores))], 1.0)


def group_margins(cached: CachedPass, gone: Int[np.ndarray, " chosen"]) -> Float[np.ndarray, " example"]:
    """Margin of each example's label over the best other one, without some neurons; right if above 0."""
    logits = cached.logits_after(torch.as_tensor(gone, device=cached.logits.device))
    return margins(logits, cached.data.labels).double().cpu().numpy() - cached.tolerance


def group_effect(
    cached: CachedPass, group: Int[np.ndarray, " example"], gone: Int[np.ndarray, " chosen"]
) -> Float[np.ndarray, "two group"]:
    """Accuracy that each group loses without some neurons, and the share of its examples whose margin grows."""
    before, after = (group_margins(cached, chosen) for chosen in (gone[:0], gone))
    size = np.bincount(group)
    lost = np.bincount(group, (before > 0).astype(float) - (after > 0))
    return np.stack([lost, np.bincount(group, after > before)]) / size


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train a model on facts, and take out the neurons of each relation in turn."""
    data = random_facts(config, seed)
    model = language_model(config, data, seed, report)
    cached, group = cached_pass(model, data), data.inputs[:, 1].numpy()
    sizes = [round(times * config.share * cached.width) for times in MULTIPLES]
    generator = np.random.default_rng(seed)

    def effects(orders: list[np.ndarray]) -> np.ndarray:  # (order, size, lost or helped, relation)
        return np.array([[group_effect(cached, group, order[:size]) for size in sizes] for order in orders])

    orders = [group_order(cached, group, r, config.score) for r in range(config.relations)]
    chosen = effects(orders)
    random = effects([generator.permutation(cached.width) for _ in range(config.n_random)])
    numbers: dict[str, float | None] = {"known": float((group_margins(cached, orders[0][:0]) > 0).mean())}
    numbers |= _by_kind(chosen, random)
    halves = [
        [group_effect(cached, group, order[start : sizes[1] : 2])[0, r] for start in (0, 1)]
        for r, order in enumerate(orders)
    ]
    parts = float(np.sum(halves))
    numbers["additivity"] = float(chosen[:, 1, 0].trace()) / parts if parts > 0 else None
    every = range(config.relations)
    numbers |= {f"lost_{r}_{q}": float(chosen[r, 0, 0, q]) for r in every for q in every}
    numbers |= {f"lost_random_{q}": float(random[:, 0, 0, q].mean()) for q in every}
    return Record(numbers, {"sizes": sizes, "shares": [size / cached.width for size in sizes]})


def _by_kind(chosen: np.ndarray, random: np.ndarray) -> dict[str, float | None]:
    """Means over the facts of the relation itself, of the one with the same objects, and of the others."""
    one, other = np.indices(chosen.shape[:1] * 2)
    masks = {"own": one == other, "related": other == (one ^ 1), "unrelated": one // 2 != other // 2}
    lost: dict[str, float | None] = {}
    for place, times in enumerate(MULTIPLES):
        lost |= {f"{kind}_{times}": float(chosen[:, place, 0][mask].mean()) for kind, mask in masks.items()}
        lost[f"random_{times}"] = float(random[:, place, 0].mean())
    own = chosen[:, 0, 0].diagonal()
    return lost | {
        "excess": float(own.mean() - TIMES * random[:, 0, 0].mean()),
        "beyond": float((own > np.quantile(random[:, 0, 0], 0.975, axis=0)).mean()),
        "helped": float(chosen[:, 0, 1][~masks["own"]].mean()),
        "helped_random": float(random[:, 0, 1].mean()),
    }


def judge(result: StudyResult) -> list[str]:
    """Sentences on the relation's own facts against random neurons, other relations, and facts that gain."""
    numbers = result.all_over("own_1", "random_1", "known", "excess")
    assert numbers is not None
    own, random, known, excess = numbers
    decided = excess.verdict("more than", "less than", "not decidedly more than")
    related = "facts of the relation with the same objects"
    first = (
        f"The models know {percentage(known.mean)} of the facts. Without the {percentage(result.config.share)} of the "
        f"neurons that serve a relation most, {_words(own)} of its facts are lost, {decided} {TIMES} times what as "
        f"many random neurons cost, {_words(random)}."
    )
    costs = (
        _compared(result, "own_1", "related_1", "its own facts", related),
        _compared(result, "related_1", "unrelated_1", related, "facts of other relations"),
    )
    than = "facts gain without random neurons"
    helped = _compared(result, "helped", "helped_random", "other relations' facts", than)
    return [first, *(f"Taking a relation's neurons out costs {c}." for c in costs), f"It helps {helped}."]


def _compared(result: StudyResult, one: str, other: str, facts: str, than: str) -> str:
    difference = result.difference(one, other)
    assert difference is not None
    side = difference.verdict("more", "less", "neither decidedly more nor less")
    return f"{facts} {side} than {than} (difference {_words(difference)})"


def _words(over: OverSeeds) -> str:
    return over.words(lambda value: percentage(round(value, 3) + 0.0))  # no -0


STUDY = Study(
    name="facts",
    title="Neurons that carry the facts of one relation",
    about=(
        "Does a language model keep the facts of one relation in neurons of their own (arXiv 2502.17355)? A small "
        "transformer learns an object for each subject and relation; relations come in pairs that share their objects. "
        "Neurons are ranked by how much more they serve the facts of one relation than the others, and taken out. The "
        "squares show what is lost of each relation, for the neurons of each, with random neurons in the last row; the "
        "lines show how the loss grows with the number of neurons."
    ),
    config=Config,
    measure=measure,
    units=lambda config: config.steps,
    quantities={
        "known": "facts known",
        **{
            f"{kind}_{times}": f"lost of {words}, {times} × the share"
            for times in MULTIPLES
            for kind, words in KINDS.items()
        },
        "excess": f"own facts lost above {TIMES} times those lost to random neurons",
        "beyond": "relations that lose more than to 95 % of random sets",
        "helped": "other facts that gain",
        "helped_random": "facts that gain without random neurons",
        "additivity": "effect of all over the sum of two halves",
    },
    judge=judge,
    draw=facts_figure,
)
