"""Neurons of a denoising network that carry memorised images, and what is left without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from interp.errors import ConfigError
from interp.interventions import intervene
from interp.lab.diffusion.carriers import carrier_scores, edits, random_like, select
from interp.lab.diffusion.denoising import generate, train_denoiser
from interp.lab.diffusion.figure import diffusion_figure
from interp.lab.diffusion.samples import Bench, digits, overlap
from interp.lab.over_seeds import OverSeeds
from interp.lab.sets import Candidate, chosen_neurons, search_sets
from interp.lab.study import Record, Study, StudyResult
from interp.markup import number, percentage
from interp.models import Adopted
from interp.progress import Report

SHARES = (0.01, 0.012, 0.014, 0.016, 0.018, 0.02, 0.023, 0.027, 0.031)
LIMIT, MOST = 0.2, 50
FRESH = 10_000  # what is reported begins from other noise than what sets were chosen on
CHUNK = 20


@dataclass(frozen=True)
class Config:
    """The networks, and what is done to them.

    Args:
        n_images: How many images are memorised, at most 50.
        copies: How often each of them is in the training set.
        width: Neurons in each of two hidden layers.
        steps: Updates of each network.
        sparsity: Weight of the mean activation in the loss.
        n_samples: Images that each network makes.
        n_candidates: Sets of neurons that are tried.
        longest: How many neurons are chosen one by one, each by what it does after those before it.
        allowed: By how much the Fréchet distance may grow, as a share, when a set is chosen.
        n_random: Random sets of neurons for the control.
    """

    n_images: int = 4
    copies: int = 40
    width: int = 256
    steps: int = 3000
    sparsity: float = 0.03
    n_samples: int = 2000
    n_candidates: int = 162
    longest: int = 18
    allowed: float = 0.18
    n_random: int = 10

    def __post_init__(self) -> None:
        least = {"n_samples": 200, "n_images": 1, "copies": 1, "width": 64, "steps": 1, "n_candidates": 1}
        for name, value in (least | {"longest": 1, "n_random": 1}).items():
            if getattr(self, name) < value:
                raise ConfigError(f"{name}={getattr(self, name)} is below {value}")
        if self.n_images > MOST:
            raise ConfigError(f"n_images={self.n_images} is above {MOST}; expected 1 to {MOST} images")
        if self.sparsity < 0 or self.allowed < 0:
            raise ConfigError(f"sparsity={self.sparsity} and allowed={self.allowed} must be 0 or more")


@dataclass(eq=False)
class Maker:
    """Makes images without some neurons, judges them, and reports how far that has come."""

    bench: Bench
    n_samples: int
    report: Report
    done: int

    def samples(self, model: Adopted, gone: Sequence[int] | np.ndarray, start: int) -> np.ndarray:
        """Images that a denoiser makes from the noise of seed `start`."""
        self.report(self.done, f"images without {len(gone)} neurons")
        self.done += CHUNK
        with intervene(model, *edits(model, gone)):
            made = generate(model, self.n_samples, self.bench.images.shape[1], seed=start)
        return made.double().numpy()

    def judged(self, model: Adopted, gone: Sequence[int] | np.ndarray, start: int) -> dict[str, float]:
        """What `Bench.judged` says of them."""
        return self.bench.judged(self.samples(model, gone, start))


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train the network with and without duplicates, find the neurons, take them out, and make images again."""
    images, features = digits()
    picked = images[np.random.default_rng(seed).choice(len(images), config.n_images, replace=False)]
    bench = Bench(picked.double().numpy(), images.double().numpy(), features)
    copied = torch.cat([images, picked.repeat(config.copies - 1, 1)])
    networks = {}
    for place, (name, pictures) in enumerate({"without": images, "with": copied}.items()):
        networks[name] = train_denoiser(
            pictures,
            width=config.width,
            steps=config.steps,
            sparsity=config.sparsity,
            seed=seed,
            report=lambda done, note="", before=place * config.steps: report(before + done, note),
        )
    model = networks["with"]
    report(2 * config.steps, "scores")
    scores = carrier_scores(model, bench.memorised, bench.images, config.longest, seed)
    maker = Maker(bench, config.n_samples, report, 2 * config.steps + CHUNK * config.longest)
    gone, best, tried = _chosen(maker, networks, scores, config, seed)
    start = FRESH + seed
    made = {name: maker.samples(networks[name], [], start) for name in ("without", "with")}
    made["pruned"] = maker.samples(model, gone, start)
    judged = {name: bench.judged(samples) for name, samples in made.items()}
    draws = [random_like(gone, config.width, FRESH * seed + i) for i in range(config.n_random)]
    random = [maker.judged(model, draw, start) for draw in draws]
    judged["random"] = {key: float(np.mean([one[key] for one in random])) for key in random[0]}
    numbers: dict[str, float | None] = {
        f"{key}_{name}": value for name, found in judged.items() for key, value in found.items()
    }
    for name in ("pruned", "random"):
        numbers[f"rise_{name}"] = judged[name]["rest"] / judged["with"]["rest"] - 1
    numbers["size"] = float(len(gone))
    intervals = {name: bench.interval(samples, seed) for name, samples in made.items()}
    numbers["overlap"] = float(overlap(intervals["pruned"], intervals["without"]))
    curves = {
        "intervals": intervals,
        "random": random,
        "candidates": [asdict(one) for one in tried],
        "chosen": asdict(best),
    }
    return Record(numbers, curves)


def _chosen(
    maker: Maker, networks: dict[str, Adopted], scores: dict[str, np.ndarray], config: Config, seed: int
) -> tuple[np.ndarray, Candidate, list[Candidate]]:
    """The neurons to take out, chosen on noise of its own; and all sets that were tried."""

    def effect(gone: np.ndarray) -> tuple[float, float]:
        found = maker.judged(networks["with"], gone, seed)
        return -found["near"], -found["rest"]

    target = maker.judged(networks["without"], [], seed)["near"]
    most = (1 + config.allowed) * -effect(np.array([], int))[1]
    site = np.arange(2 * config.width) // config.width
    tried = search_sets(effect, scores, shares=SHARES, site=site, n_candidates=config.n_candidates, seed=seed)
    best = select(tried, target, most)
    gone = chosen_neurons(scores[best.score], best.share, np.isin(site, best.sites))
    return gone, best, tried


NETWORKS = {
    "without": "without duplicates",
    "with": "with duplicates",
    "pruned": "with, its neurons of the images taken out",
    "random": "with, random neurons taken out",
}
QUANTITIES = {
    "near": "distance of the nearest 1 % of samples to a memorised image",
    "mean": "distance of a sample to the nearest memorised image",
    "copies": "share of samples that are copies",
    "rest": "Fréchet distance of the other samples",
    "all": "Fréchet distance of all samples",
}


def judge(result: StudyResult) -> list[str]:
    """Whether images were memorised, whether that is gone without the neurons, and what it costs."""
    copies = result.difference("copies_with", "copies_without")
    before, after = result.over("near_with"), result.over("near_pruned")
    gap, gain = (
        result.difference("near_pruned", "near_without"),
        result.difference("near_pruned", "near_random"),
    )
    names = ("rise_pruned", "rise_random", "overlap", "size")
    rise, random, overlaps, size = (result.over(name) for name in names)
    assert copies and before and after and gap and gain  # noqa: PT018 - every seed has every number
    assert rise and random and overlaps and size  # noqa: PT018
    if copies.sign != 1:
        memorised = "Whether duplicates make the network copy these images is not decided"
    else:
        told = [result.over(f"copies_{name}") for name in ("with", "without")]
        shares = [percentage(found.mean) for found in told if found is not None]
        memorised = (
            f"With duplicates {shares[0]} of the samples are copies of these images, without {shares[1]}"
        )
    back = {
        1: "further away than without duplicates",
        -1: "still nearer than without duplicates",
        None: "not decidedly different from the level without duplicates",
    }[gap.sign]
    beyond = {1: "further than", -1: "less far than", None: "not decidedly further than"}[gain.sign]
    at_most = f"at most {percentage(LIMIT)}"
    if rise.high <= LIMIT:
        cost = f"is {at_most}"
    else:
        cost = f"is above {percentage(LIMIT)}" if rise.low > LIMIT else f"is not decidedly {at_most}"
    return [
        f"{memorised}.",
        f"Without {number(size.mean)} neurons on average the nearest samples move from "
        f"a distance of {number(before.mean)} to {number(after.mean)}, {back} (difference {_told(gap)}); "
        f"the intervals of single networks overlap in {int(sum(overlaps.values))} of {len(result.seeds)} seeds. "
        f"That is {beyond} without as many random neurons.",
        f"What this adds to the Fréchet distance of the other samples {cost}: {_told(rise, percentage)}; "
        f"random neurons add {_told(random, percentage)}.",
    ]


def _told(found: OverSeeds, words: Callable[[float], str] = number) -> str:
    """A mean with its interval, if there is one."""
    if len(found.values) < 2:
        return words(found.mean)
    return f"{words(found.mean)}, interval {words(found.low)} to {words(found.high)}"


STUDY = Study(
    name="diffusion",
    title="Neurons of memorised images in a diffusion model",
    about=(
        "A small diffusion model learns scikit-learn's digits, among which a few images occur many times, until it "
        "makes copies of them; another learns the digits alone. Neurons are ranked by how they respond to noisy "
        "versions of the memorised images and of others, and by what happens without them; sets of the highest are "
        "taken out (zero), and the set is chosen, on noise of its own, that brings the samples nearest to a memorised "
        "image back to the distance they have without duplicates, at little cost for all others (the idea is that of "
        "arXiv 2406.18566). The figure shows, on fresh noise, that distance and the Fréchet distance of samples that "
        "are no copies to the real images in a classifier's features, for both networks, without these neurons and "
        "without as many random ones; and all sets that were tried."
    ),
    config=Config,
    measure=measure,
    units=lambda config: (
        2 * config.steps + CHUNK * (config.longest + config.n_candidates + config.n_random + 5)
    ),
    quantities={
        f"{key}_{name}": f"{words}, {which}"
        for key, words in QUANTITIES.items()
        for name, which in NETWORKS.items()
    }
    | {"rise_pruned": "growth of the others' Fréchet distance", "size": "neurons taken out"},
    judge=judge,
    draw=diffusion_figure,
)
