"""Subnetworks by masks of many kinds, rewound to their first weights and trained again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from interp.data import Dataset, ModularTask
from interp.errors import ConfigError
from interp.lab.event_times import sooner, times_in_words
from interp.lab.study import Record, Settings, Study, StudyResult, setting
from interp.lab.tickets import masked_networks as networks
from interp.lab.tickets import masks as masking
from interp.lab.tickets.figure import tickets_figure
from interp.lab.tickets.masked_networks import SOLVED, Trained, Weights
from interp.progress import Report, shifted
from interp.subject import score
from interp.training import TrainConfig

ARMS = {
    "dense": "no mask",
    "ticket": "the mask of the end",
    "ticket_gen": "the mask when it generalises",
    "ticket_mem": "the mask when memorised",
    "random": "a random mask",
    "snip": "the SNIP mask",
    "label": "the mask of generalizing neurons",
    "any": "the mask of random neurons",
    "l1": "no mask, but the ticket's L1 norm",
    "l2": "no mask, but the ticket's L2 norm",
}
TIMES = {"mem": "memorised at (step)", "gen": "generalises at (step)", "tau": "generalises / memorised"}
MOMENTS = {"mem": "when memorised", "gen": "when it generalises", "end": "at the end"}
STAGES = {
    "pruned": "at once",
    "retrained": "after training",
    "regrown": "after regrowth and training",
    "unpruned": "after training without pruning",
}
QUANTITIES = {
    **{f"{time}_{arm}": f"{words}: {when}" for time, when in TIMES.items() for arm, words in ARMS.items()},
    "generalizing": "share of neurons labelled generalizing",
    "survivors_generalizing": "weights kept of generalizing neurons (share)",
    "survivors_others": "weights kept of other neurons (share)",
    "auc_ticket": "AUROC of weights kept for the label, ticket",
    "auc_random": "AUROC of weights kept for the label, random mask",
    "distance_mem": "Jaccard distance from the last mask, when memorised",
    "distance_gen": "Jaccard distance from the last mask, when it generalises",
    "distance_random": "Jaccard distance from the last mask, random mask",
    **{f"{s}_{m}": f"pruned {MOMENTS[m]}: held-out accuracy {STAGES[s]}" for m in MOMENTS for s in STAGES},
}
BETWEEN = 10  # measurements from one mask to the next where masks are compared over training


@dataclass(frozen=True)
class Config(Settings):
    """Settings of the networks, the masks and the recovery."""

    p: int = setting(53, "The modulus of the addition.")
    wide: int = setting(128, "Length of an embedding.", "[1, inf)")
    width: int = setting(96, "Hidden neurons.", "[1, inf)")
    train_fraction: float = setting(0.5, "Share of all pairs that is trained on.")
    weight_decay: float = setting(1.0, "Of AdamW.", "[0, inf)")
    lr: float = setting(1e-3, "Learning rate.", "(0, inf)")
    pruned: float = setting(0.4, "Share of each matrix that masks leave out.", "(0, 1)")
    trained: int = setting(
        6000, "Steps of the dense network, whose last weights give the ticket.", "[1, inf)"
    )
    limit: int = setting(
        3000, "Steps after which a retrained network that does not generalise is given up.", "[1, inf)"
    )
    every: int = setting(50, "Steps between measurements.", "[1, inf)")
    cut: float = setting(
        0.7,
        "Share of each matrix pruned to see what recovers; regrowth then moves 3 in 10 of the rest.",
        "(0, 1)",
    )
    recovery: int = setting(200, "Steps of that recovery.", "[1, inf)")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trained < self.limit:
            raise ConfigError(f"trained={self.trained} is below limit={self.limit}, which all arms are given")

    def training(self, steps: int) -> TrainConfig:
        """So many steps with these settings."""
        return TrainConfig(steps, self.lr, self.weight_decay, log_every=self.every)


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train the dense network, make every mask, retrain each from the first weights, and prune at three moments."""
    task = ModularTask("add", config.p, config.train_fraction, seed=seed)
    first = networks.first_weights(config.p, config.wide, config.width, seed)
    whole = {name: torch.ones_like(weight).bool() for name, weight in first.items()}
    how, part = config.training(config.trained), shifted(report, 0, "without a mask")
    whole_run = {"until_generalised": False, "keep": True}
    (dense,) = networks.train_masked(task.dataset, [first], [whole], how, report=part, **whole_run)
    moments = {"mem": dense.memorised, "gen": dense.generalised, "end": config.trained}
    kept = {moment: dense.kept[step] for moment, step in moments.items() if step is not None}
    table = score(networks.as_mlp(dense.weights), task)
    generalizing = np.asarray(table["label"]) == "generalizing"
    effect = np.nan_to_num(table["rule_effect"].astype(float), nan=-np.inf)
    order = np.argsort(np.lexsort((effect, generalizing))).astype(float)
    masks = _masks(config, seed, task.dataset, first, kept, order)
    starts = [first] * len(masks) + [masking.with_norm(first, masks["ticket"], power) for power in (1, 2)]
    training, part = config.training(config.limit), shifted(report, config.trained, "with masks")
    retrained = networks.train_masked(
        task.dataset, starts, [*masks.values(), whole, whole], training, report=part
    )
    arms = {"dense": dense, **dict(zip([*masks, "l1", "l2"], retrained, strict=True))}
    numbers = _times(arms, config.limit) | {"generalizing": float(generalizing.mean())}
    chosen, others, numbers["auc_ticket"] = masking.survival(masks["ticket"], generalizing)
    numbers |= {"survivors_generalizing": chosen, "survivors_others": others}
    numbers["auc_random"] = masking.survival(masks["random"], generalizing)[2]
    over_training = [masking.magnitude_mask(weights, config.pruned) for weights in dense.kept.values()]
    distances = masking.mask_distances(over_training, BETWEEN) | {"steps": list(dense.steps)}
    for moment in ("mem", "gen"):
        at = moments[moment]
        numbers[f"distance_{moment}"] = None if at is None else distances["to_end"][dense.steps.index(at)]
    numbers["distance_random"] = masking.jaccard_distance(masks["random"], masks["ticket"])
    results = masking.plasticity(
        task.dataset, list(kept.values()), config.cut, config.training(config.recovery)
    )
    by_moment = dict(zip(kept, results, strict=True))
    numbers |= {f"{s}_{m}": by_moment.get(m, {}).get(s) for m in MOMENTS for s in STAGES}
    report(config.trained + config.limit + config.recovery)
    return Record(numbers, {"moments": moments, "distances": distances})


def _masks(
    config: Config, seed: int, data: Dataset, first: Weights, kept: Mapping[str, Weights], order: np.ndarray
) -> dict[str, Weights]:
    """The masks by arm; no mask of a moment that did not come."""
    tickets = {moment: masking.magnitude_mask(weights, config.pruned) for moment, weights in kept.items()}
    ticket, any_order = tickets["end"], np.random.default_rng(seed).permutation(order)
    masks: dict[str, Weights] = {"ticket": ticket}
    masks |= {f"ticket_{moment}": mask for moment, mask in tickets.items() if moment != "end"}
    masks |= {"random": masking.shuffled(ticket, seed), "snip": masking.snip_mask(first, data, config.pruned)}
    return masks | {
        "label": masking.neuron_mask(order, ticket),
        "any": masking.neuron_mask(any_order, ticket),
    }


def _times(arms: Mapping[str, Trained], limit: int) -> dict[str, float | None]:
    """When each arm memorised and generalised, None where not by the limit, and how many times later."""
    numbers: dict[str, float | None] = {}
    for arm in ARMS:
        times = (arms[arm].memorised, arms[arm].generalised) if arm in arms else (None, None)
        mem, gen = (None if time is None or time > limit else float(time) for time in times)
        tau = gen / mem if mem and gen else None
        numbers |= {f"mem_{arm}": mem, f"gen_{arm}": gen, f"tau_{arm}": tau}
    return numbers


def judge(result: StudyResult) -> list[str]:
    """Sentences on masks, norms, neurons and recovery."""
    limit = result.config.limit
    each = [f"{words}: {times_in_words(result.each(f'gen_{arm}'), limit)}" for arm, words in ARMS.items()]
    norm = dict.fromkeys(("l1", "l2"), ", so that its smaller norm alone does not explain it")
    others = [arm for arm in ARMS if arm not in ("ticket", "any")]
    return [
        f"{SOLVED:.0%} of the unseen pairs are right: {'; '.join(each)}.",
        *(_compared(result, "ticket", other, norm.get(other, "")) for other in others),
        _compared(result, "label", "any", ", so that it matters which neurons are kept"),
        _compared(result, "any", "dense"),
        *_differences(result),
    ]


def _compared(result: StudyResult, first: str, second: str, then: str = "") -> str:
    test = sooner(result.each(f"gen_{first}"), result.each(f"gen_{second}"), result.config.limit)
    verdict = {
        -1: f"generalises sooner than {ARMS[second]}{then}",
        1: f"generalises later than {ARMS[second]}",
        None: f"against {ARMS[second]}: not decided which generalises sooner",
    }[test.sign]
    return f"{ARMS[first].capitalize()} {verdict} ({test.words()})."


def _differences(result: StudyResult) -> Iterator[str]:
    """Pairs of numbers of the same networks, and what their difference decides."""
    pairs = [("auc_ticket", "auc_random"), ("distance_mem", "distance_gen")]
    pairs += [(f"regrown_{moment}", f"retrained_{moment}") for moment in MOMENTS]
    for first, second in pairs:
        words = f"{QUANTITIES[first][0].upper()}{QUANTITIES[first][1:]}"
        numbers = result.all_over(first, second)
        if numbers is None:
            yield f"{words}, and {QUANTITIES[second]}: not known in every seed."
            continue
        one, other = numbers
        difference = one.minus(other)
        verdict = difference.verdict("more than", "less than", "not decided whether it differs from")
        values = f"{one.mean:.3f}, {verdict} {other.mean:.3f}, {QUANTITIES[second]}"
        yield f"{words}: {values}; difference {difference.words('{:+.3f}'.format)}."


STUDY = Study(
    name="tickets",
    title="Does a subnetwork carry the generalisation?",
    about=(
        "A network that generalises late is pruned; what is left is rewound to its first weights and trained again "
        "(arXiv 2310.19470). Masks by size are taken at the end, when the network generalises and when it has only "
        "memorised. Controls of equal sparsity: random weights, SNIP (arXiv 1810.02340), and the ticket's embeddings "
        "with generalizing or with random neurons. Networks without a mask start as they are, or with the ticket's "
        "norm. Held-out pairs whose swapped pair is trained on do not count: one embedding serves both operands. "
        "Left: when each generalises; open marks were given up. Right: how far the mask is from the last one, and "
        "what recovers after harder pruning, with and without growing as many connections (GraNet, arXiv 2106.10404)."
    ),
    config=Config,
    measure=measure,
    units=lambda config: config.trained + config.limit + config.recovery,
    quantities=QUANTITIES,
    judge=judge,
    draw=tickets_figure,
)
