"""Neurons of a denoising network that carry memorised images, and what is left without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from interp.interventions import intervene
from interp.lab.diffusion.denoising import generate, train_denoiser
from interp.lab.diffusion.figure import diffusion_figure
from interp.lab.diffusion.neuron_scores import edits, neuron_scores, random_like, select
from interp.lab.diffusion.samples import Bench, digits, overlap
from interp.lab.sets import Candidate, chosen_neurons, search_sets
from interp.lab.study import Record, Settings, Study, StudyResult, setting
from interp.markup import number, percentage
from interp.models import Adopted
from interp.progress import Report, shifted

SHARES = (0.01, 0.012, 0.014, 0.016, 0.018, 0.02, 0.023, 0.027, 0.031)
LIMIT, MOST = 0.2, 50
FRESH = 10_000  # what is reported begins from other noise than what sets were chosen on
CHUNK = 20


@dataclass(frozen=True)
class Config(Settings):
    """The networks, and what is done to them."""

    n_images: int = setting(4, "How many images are memorised, at most 50.", "[1, 50]")
    copies: int = setting(40, "How often each of them is in the training set.", "[1, inf)")
    width: int = setting(256, "Neurons in each of two hidden layers.", "[64, inf)")
    steps: int = setting(3000, "Updates of each network.", "[1, inf)")
    sparsity: float = setting(0.03, "Weight of the mean activation in the loss.", "[0, inf)")
    n_samples: int = setting(2000, "Images that each network makes.", "[200, inf)")
    n_candidates: int = setting(162, "Sets of neurons that are tried.", "[1, inf)")
    longest: int = setting(
        18, "How many neurons are chosen one by one, each by what it does after those before it.", "[1, inf)"
    )
    allowed: float = setting(
        0.18, "By how much the Fréchet distance may grow, as a share, when a set is chosen.", "[0, inf)"
    )
    n_random: int = setting(10, "Random sets of neurons for the control.", "[1, inf)")


@dataclass(eq=False)
class Maker:
    """A source of images without some neurons, that reports how far that has come."""

    bench: Bench
    n_samples: int
    report: Report
    done: int

    def samples(self, model: Adopted, gone: Sequence[int] | np.ndarray, start: int) -> np.ndarray:
        """Images that a denoiser makes from the noise of seed `start`."""
        self.report(self.done, f"images without {len(gone)} neurons")
        self.done += CHUNK
        with intervene(model, *edits(model, gone)):
            pictures = generate(model, self.n_samples, self.bench.images.shape[1], seed=start)
        return pictures.double().numpy()


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train the network with and without duplicates, rank the neurons, take some out, and make images again."""
    images, features = digits()
    picked = images[np.random.default_rng(seed).choice(len(images), config.n_images, replace=False)]
    bench = Bench(picked.double().numpy(), images.double().numpy(), features)
    copied = torch.cat([images, picked.repeat(config.copies - 1, 1)])
    settings = {name: getattr(config, name) for name in ("width", "steps", "sparsity")}
    networks = {
        name: train_denoiser(pictures, **settings, seed=seed, report=shifted(report, place * config.steps))
        for place, (name, pictures) in enumerate({"without": images, "with": copied}.items())
    }
    model = networks["with"]
    report(2 * config.steps, "scores")
    scores = neuron_scores(model, bench.memorised, bench.images, config.longest, seed)
    maker = Maker(bench, config.n_samples, report, 2 * config.steps + CHUNK * config.longest)
    gone, best, tried = _chosen(maker, networks, scores, config, seed)
    start = FRESH + seed
    samples = {name: maker.samples(networks[name], [], start) for name in ("without", "with")}
    samples["pruned"] = maker.samples(model, gone, start)
    measured = {name: bench.measured(pictures) for name, pictures in samples.items()}
    draws = [random_like(gone, config.width, FRESH * seed + i) for i in range(config.n_random)]
    random = [bench.measured(maker.samples(model, draw, start)) for draw in draws]
    measured["random"] = {key: float(np.mean([one[key] for one in random])) for key in random[0]}
    numbers: dict[str, float | None] = {
        f"{key}_{name}": value for name, values in measured.items() for key, value in values.items()
    }
    for name in ("pruned", "random"):
        numbers[f"rise_{name}"] = measured[name]["rest"] / measured["with"]["rest"] - 1
    numbers["size"] = float(len(gone))
    intervals = {name: bench.interval(pictures, seed) for name, pictures in samples.items()}
    numbers["overlap"] = float(overlap(intervals["pruned"], intervals["without"]))
    curves = {"intervals": intervals, "random": random, "chosen": asdict(best)}
    return Record(numbers, curves | {"candidates": [asdict(one) for one in tried]})


def _chosen(
    maker: Maker, networks: dict[str, Adopted], scores: dict[str, np.ndarray], config: Config, seed: int
) -> tuple[np.ndarray, Candidate, list[Candidate]]:
    """The neurons to take out, chosen on noise of its own; and all sets that were tried."""

    def effect(gone: np.ndarray) -> tuple[float, float]:
        measured = maker.bench.measured(maker.samples(networks["with"], gone, seed))
        return -measured["near"], -measured["rest"]

    target = maker.bench.measured(maker.samples(networks["without"], [], seed))["near"]
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
    """Sentences on whether images were memorised, whether that is gone without the neurons, and the cost."""
    names = ("copies_with", "copies_without", "near_with", "near_pruned", "near_without", "near_random")
    numbers = result.all_over(*names, "rise_pruned", "rise_random", "overlap", "size")
    assert numbers is not None
    copies, none, before, after, level, other, rise, random, overlaps, size = numbers
    memorised = (
        f"With duplicates {percentage(copies.mean)} of the samples are copies of these images, "
        f"without {percentage(none.mean)}"
    )
    if copies.minus(none).sign != 1:
        memorised = "Whether duplicates make the network copy these images is not decided"
    gap = after.minus(level)
    back = gap.verdict(
        "further away than without duplicates",
        "still nearer than without duplicates",
        "not decidedly different from the level without duplicates",
    )
    beyond = after.minus(other).verdict("further than", "less far than", "not decidedly further than")
    cost = "is above" if rise.low > LIMIT else "is not decidedly at most"
    cost = f"{'is at most' if rise.high <= LIMIT else cost} {percentage(LIMIT)}"
    return [
        f"{memorised}.",
        f"Without {number(size.mean)} neurons on average the nearest samples move from "
        f"a distance of {number(before.mean)} to {number(after.mean)}, {back} (difference {gap.words()}); "
        f"the intervals of single networks overlap in {int(sum(overlaps.values))} of {len(result.seeds)} seeds. "
        f"That is {beyond} without as many random neurons.",
        f"What this adds to the Fréchet distance of the other samples {cost}: {rise.words(percentage)}; "
        f"random neurons add {random.words(percentage)}.",
    ]


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
