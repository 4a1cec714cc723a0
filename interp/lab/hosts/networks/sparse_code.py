"""Winner-take-all modules that store an item in one trial, with a code that resembles those of similar items."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor, nn

from interp.hooks import capture
from interp.interventions import ablate
from interp.lab.hosts.host import Config, Host
from interp.lab.study import Record, StudyResult
from interp.models import HookedModel, adopt
from interp.models.taps import tap
from interp.progress import Report

MODULES, UNITS, FEATURES, ACTIVE = 24, 16, 80, 20  # modules, units of each; features, and those of an item
FAMILIES, SWAPS = 6, (0, 2, 4, 8, 12, 16)  # prototypes, and features in which items of each differ from it
REPLACED = (0, 2, 4, 6, 8, 10, 12)  # features of a cue that are not its item's
CUES, DRAWS = 6, 6  # cues of each item, draws of random modules
ARMS = {"familiar": "by familiarity", "random": "at random", "greedy": "always the best"}
SHARPNESS = {"familiar": (8.0, 2.0), "random": (0.0, 0.0), "greedy": (40.0, 0.0)}
SUPPORT, CODE = "tap:support[module]", "tap:code[module]"


class SparseCode(nn.Module):
    """Modules of binary units, one of which wins in each; weights from features to units are 0 or 1.

    The support of a unit is the share of a cue's features that it has weights from, on a scale where 0 is what a
    random cue would give it and 1 is all of them. `store` draws the winner of a
    module with odds ``exp(sharpness · familiarity ** power · support)``, where familiarity is the mean over modules of
    the largest support: what is new gets a random code, what is known nearly its own. It sets the weights of an item's
    features to its winners to 1. Recall takes the unit with most support; logits are the shares of modules whose winner
    is that of each stored item.

    Args:
        modules, units, features: Of each.
        sharpness, power: Of the choice of winners while storing.
    """

    def __init__(
        self, modules: int, units: int, features: int, *, sharpness: float = 8.0, power: float = 2.0
    ) -> None:
        super().__init__()
        self.sharpness, self.power = sharpness, power
        self.weights = nn.Parameter(torch.zeros(features, modules, units), requires_grad=False)
        self.codes = nn.Parameter(torch.zeros(0, modules, units), requires_grad=False)

    def support(self, cue: Float[Tensor, "example feature"]) -> Float[Tensor, "example module unit"]:
        """Share of a cue's features that each unit has weights from; 0 is the share of all features, 1 is all."""
        total = (cue @ self.weights.flatten(1)).unflatten(1, self.weights.shape[1:])
        chance = self.weights.mean(0)
        return (total / cue.sum(1)[:, None, None] - chance) / (1 - chance).clamp(min=0.1)

    def store(self, items: Float[Tensor, "item feature"], generator: torch.Generator) -> None:
        """Store items one after another, each in one trial."""
        codes = [*self.codes]
        for item in items:
            support = self.support(item[None])[0]
            familiarity = support.amax(1).mean()
            odds = (self.sharpness * familiarity**self.power * support).softmax(1)
            winners = torch.multinomial(odds, 1, generator=generator)
            code = torch.zeros_like(odds).scatter_(1, winners, 1.0)
            self.weights.copy_(torch.maximum(self.weights, item[:, None, None] * code))
            codes.append(code)
        self.codes = nn.Parameter(torch.stack(codes), requires_grad=False)

    def forward(self, cue: Float[Tensor, "example feature"]) -> Float[Tensor, "example item"]:
        """Share of modules that agree with each stored item."""
        support = tap("support", self.support(cue), "example module neuron", loop=None)
        winners = support.argmax(2, keepdim=True)
        code = torch.zeros_like(support).scatter_(2, winners, 1.0)
        code = tap("code", code, "example module neuron", loop=None)
        return code.flatten(1) @ self.codes.flatten(1).T / code.shape[1]


def swapped(
    items: Float[Tensor, "item feature"], n: int, generator: np.random.Generator
) -> Float[Tensor, "item feature"]:
    """Items with so many of their features replaced by others, drawn at random."""
    order = items * 2 + torch.from_numpy(generator.random(items.shape)).to(items)
    ranked = order.argsort(1, descending=True)
    active = int(items[0].sum())
    kept, new = ranked[:, : active - n], ranked[:, active : active + n]
    return torch.zeros_like(items).scatter_(1, torch.cat((kept, new), 1), 1.0)


def families(generator: np.random.Generator) -> Float[Tensor, "item feature"]:
    """Prototypes with items that differ from theirs in more and more features, in random order."""
    chosen = np.stack([generator.permutation(FEATURES)[:ACTIVE] for _ in range(FAMILIES)])
    prototypes = torch.zeros(FAMILIES, FEATURES).scatter_(1, torch.from_numpy(chosen), 1.0)
    items = torch.cat([swapped(prototypes, n, generator) for n in SWAPS])
    return items[torch.from_numpy(generator.permutation(len(items)))]


def similarity(items: Float[Tensor, "item feature"], codes: Float[Tensor, "item module unit"]) -> float:
    """Spearman correlation, over pairs of items, of shared features and shared winners; 0 where either is constant."""
    first, second = np.triu_indices(len(items), 1)
    shared = [(rows @ rows.T)[first, second].numpy() for rows in (items, codes.flatten(1))]
    return 0.0 if min(map(np.ptp, shared)) == 0 else float(spearmanr(*shared).statistic)


def recalled(model: Callable[[Tensor], Tensor], cues: Tensor, labels: Tensor) -> float:
    """Share of the cues whose largest logit is their item's."""
    with torch.no_grad():
        return (model(cues).argmax(1) == labels).double().mean().item()


def measure(config: Config, seed: int, report: Report) -> Record:
    """Store items by three choices of codes, recall them from spoilt cues, and ablate modules."""
    generator = np.random.default_rng([seed, 4])
    items = families(generator)
    labels = torch.arange(len(items)).repeat(CUES)
    cues = {n: swapped(items[labels], n, generator) for n in REPLACED}
    numbers, lines = dict[str, float | None](), dict[str, list[float]]()
    networks = {}
    for arm, (sharpness, power) in SHARPNESS.items():
        network = SparseCode(MODULES, UNITS, FEATURES, sharpness=sharpness, power=power)
        network.store(items, torch.Generator().manual_seed(seed))
        numbers[f"similarity_{arm}"] = similarity(items, network.codes)
        line = [recalled(network, cues[n], labels) for n in REPLACED]
        numbers |= {f"whole_{arm}": line[0], f"spoilt_{arm}": line[REPLACED.index(6)]}
        lines[f"codes {ARMS[arm]}"] = line
        networks[arm] = network
        report(len(networks), ARMS[arm])
    model = adopt(networks["familiar"], [SUPPORT, CODE], example=cues[0][:4])
    calibration = swapped(items[labels], 6, generator)  # other cues than those that recall is measured on
    numbers |= _ablated(model, calibration, cues[6], labels, generator)
    report(len(networks) + 1, "ablated")
    return Record(numbers, {"x": list(REPLACED), "lines": lines})


def _ablated(
    model: HookedModel, calibration: Tensor, cues: Tensor, labels: Tensor, generator: np.random.Generator
) -> dict[str, float | None]:
    """Recall without the modules whose winners lead most on other cues, and without as many random ones."""
    support = capture(model, calibration, SUPPORT)[SUPPORT]  # (example, module, unit)
    best = support.topk(2, dim=2).values
    clearest = (best[..., 0] - best[..., 1]).mean(0).argsort(descending=True).numpy()
    numbers: dict[str, float | None] = {}
    for percent in (25, 50, 75):
        n = MODULES * percent // 100
        with ablate(model, clearest[:n], site=CODE):
            numbers[f"clearest_{percent}"] = recalled(model, cues, labels)
        random = []
        for _ in range(DRAWS):
            with ablate(model, generator.permutation(MODULES)[:n], site=CODE):
                random.append(recalled(model, cues, labels))
        numbers[f"random_{percent}"] = float(np.mean(random))
    return numbers


def judge(result: StudyResult) -> list[str]:
    """Similarity of codes, recall after one trial, and the cost of modules."""
    over = {name: one for name in result.study.quantities if (one := result.over(name)) is not None}
    closer = over["similarity_familiar"].minus(over["similarity_random"])
    recall = {arm: over["spoilt_familiar"].minus(over[f"spoilt_{arm}"]) for arm in ("random", "greedy")}
    half = over["spoilt_familiar"].minus(over["random_50"])
    excess = over["random_50"].minus(over["clearest_50"])
    return [
        f"Shared winners follow shared features with a rank correlation of {over['similarity_familiar'].words()} when "
        f"codes are chosen by familiarity, {over['similarity_random'].words()} at random and "
        f"{over['similarity_greedy'].words()} always the best: "
        + closer.verdict("familiarity preserves similarity.", "the opposite of the claim.", "not decided."),
        f"After one trial {over['whole_familiar'].words()} of the items are recalled from whole cues and "
        f"{over['spoilt_familiar'].words()} with 6 of {ACTIVE} features replaced. Random codes recall "
        f"{over['spoilt_random'].words()} of these: familiarity "
        + recall["random"].verdict("helps recall.", "costs recall.", "is not decided to matter to it.")
        + f" Codes that are always the best recall {over['spoilt_greedy'].words()}: sharpening by familiarity "
        + recall["greedy"].verdict(
            "is better than that.", "is worse than that.", "is not decided to differ from it."
        ),
        f"Half of the modules at random cost {half.words()} of these, and three quarters leave "
        f"{over['random_75'].words()}: memory is "
        + (
            "spread over the modules."
            if half.high < over["spoilt_familiar"].low / 4
            else "not decided to be spread."
        ),
        f"The clearest half, by the lead of their winners on other cues, costs {excess.words()} more: "
        + excess.verdict(
            "clear modules hold more.", "the opposite.", "which modules go is not decided to matter."
        ),
    ]


def _small(seed: int) -> nn.Module:
    generator = np.random.default_rng(0)
    network = SparseCode(6, 5, FEATURES)
    network.store(families(generator)[:8], torch.Generator().manual_seed(seed))
    return network


def _example() -> Tensor:
    generator = np.random.default_rng(0)  # items that every small network has stored
    return swapped(families(generator)[:5], 4, generator)


HOST = Host(
    title="One-trial memory in winner-take-all modules",
    about=(
        "24 modules of 16 binary units; in each module one unit wins. An item of 20 of 80 features is stored in "
        "one trial: winners are drawn, the more sharply by their support the more familiar the item is, and "
        "weights of its features to its winners become 1. It follows the idea of memories of superposed sparse "
        "codes (Sparsey), where codes of similar items share winners, not its algorithm. 36 items of six families"
        " are stored; cues have some features replaced. Codes by familiarity are compared with random ones and "
        "with always the best supported. Modules are ablated at random, or those whose winners lead most on other"
        " cues. The claims: shared winners follow shared features, items are recalled after one trial, and half "
        "of the modules do with little loss. The figure shows recall against spoilt features."
    ),
    build=_small,
    example=_example,
    sites=(SUPPORT, CODE),
    measure=measure,
    units=lambda config: len(ARMS) + 1,
    quantities={
        **{
            f"similarity_{arm}": f"rank correlation of features and winners, {words}"
            for arm, words in ARMS.items()
        },
        **{f"whole_{arm}": f"recall from whole cues, {words}" for arm, words in ARMS.items()},
        **{f"spoilt_{arm}": f"recall, 6 of 20 features replaced, {words}" for arm, words in ARMS.items()},
        **{
            f"{name}_{percent}": f"recall from these without {percent} % of modules, {words}"
            for percent in (25, 50, 75)
            for name, words in (("clearest", "the clearest"), ("random", "random"))
        },
    },
    judge=judge,
    bars={
        "similarity_familiar": "similarity",
        "similarity_random": "random codes",
        "spoilt_familiar": "recall",
        "clearest_50": "without clearest half",
        "random_50": "random half",
        "random_75": "random 75 %",
    },
    axis="rank correlation, or recall (share)",
    lines=("features replaced (of 20)", "recall (share of cues)"),
)
