"""Hyperactive neurons in ensembles of small networks that each know two digits: silenced from a threshold on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.analysis.hyperactive import Hyperactive, hyperactive
from interp.lab.communities.functions import TRAINED, train_digits
from interp.lab.digits import shuffled_digits
from interp.lab.study import StudyResult
from interp.models import adopt

SLICES = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
"""The digits of each network."""
CALIBRATION = 400
"""Images that counts and the threshold rest on; those after them are the test."""
KINDS = {"prototypes": "sparse prototypes", "trained": "trained rectified layers"}
NEURONS, FIRING = {"prototypes": 20, "trained": 40}, 0.1
"""Neurons of a network; share of its own images that each prototype responds to."""
SHARE = "{:.1%}".format

QUANTITIES = {
    f"hyperactive_{kind}_{name}": f"hyperactive, {words}: {meaning}"
    for kind, words in KINDS.items()
    for name, meaning in {
        "unchanged": "accuracy of the unchanged ensemble",
        "silenced": "share of neurons that is silenced",
        "accuracy": "accuracy without them",
        "random": "accuracy without as many random ones",
        "gain": "gain over the unchanged ensemble",
        "outside": "share of other digits that a neuron responds to",
    }.items()
}


def measure_hyperactive(seed: int) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Numbers of one seed, and accuracy against the share of the neurons that is silenced."""
    numbers: dict[str, float | None] = {}
    curves: dict[str, Any] = {}
    for kind in KINDS:
        result = measure_ensemble(kind, seed)
        at = result.chosen
        values = {
            "unchanged": float(result.test[-1]),
            "silenced": float(result.silenced[at]),
            "accuracy": float(result.test[at]),
            "random": float(result.random[:, at].mean()),
            "gain": result.gain,
            "outside": float(result.outside.mean()),
            "interior": float(result.interior),
        }
        numbers |= {f"hyperactive_{kind}_{name}": value for name, value in values.items()}
        curves[kind] = {
            "silenced": result.silenced.round(4).tolist(),
            "test": result.test.round(4).tolist(),
            "random": result.random.mean(0).round(4).tolist(),
        }
    return numbers, curves


def measure_ensemble(kind: str, seed: int) -> Hyperactive:
    """The ensemble of a kind, one network for each pair of digits, without its hyperactive neurons."""
    generator = torch.Generator().manual_seed(seed)
    images, digits = shuffled_digits(generator)
    if kind == "prototypes":
        images = images / images.norm(dim=1, keepdim=True)
    networks = []
    for classes in SLICES:
        own = torch.isin(digits[:TRAINED], torch.tensor(classes))
        some, labels = images[:TRAINED][own], digits[:TRAINED][own] - classes[0]
        if kind == "prototypes":
            network = prototype_network(some, labels, NEURONS[kind], len(classes), seed)
        else:
            network = train_digits(some, labels, NEURONS[kind], len(classes), generator)
        networks.append(adopt(network, ["1:output"], example=images[:4]))
    later = TRAINED + CALIBRATION
    calibration = images[TRAINED:later], digits[TRAINED:later]
    return hyperactive(networks, SLICES, calibration, (images[later:], digits[later:]), seed=seed)


def prototype_network(
    images: Float[Tensor, "image pixel"], classes: Int[Tensor, " image"], n: int, n_classes: int, seed: int
) -> nn.Sequential:
    """Prototypes by k-means, each assigned to the class that it responds to most; the answer is their mean response.

    A prototype responds above a threshold of its own, set so that it responds to the share `FIRING` of the network's
    images, as homeostasis does in the source; learning by spikes is left out.
    """
    from sklearn.cluster import KMeans

    centres = KMeans(n, n_init=1, random_state=seed).fit(images.double().numpy()).cluster_centers_
    prototypes = torch.as_tensor(centres / np.linalg.norm(centres, axis=1, keepdims=True)).float()
    likeness = images @ prototypes.T
    threshold = torch.quantile(likeness, 1 - FIRING, dim=0)
    response = (likeness - threshold).relu()
    means = torch.stack([response[classes == one].mean(0) for one in range(n_classes)])
    assigned = nn.functional.one_hot(means.argmax(0), n_classes).float().T
    first, last = nn.Linear(images.shape[1], n), nn.Linear(n, n_classes, bias=False)
    with torch.no_grad():
        first.weight.copy_(prototypes)
        first.bias.copy_(-threshold)
        last.weight.copy_(assigned / assigned.sum(1, keepdim=True).clamp_min(1))
    return nn.Sequential(first, nn.ReLU(), last)


def hyperactive_findings(result: StudyResult) -> list[str]:
    """Accuracy without hyperactive neurons beside random ones, in both kinds of ensembles."""
    return [_finding(result, kind, words) for kind, words in KINDS.items()]


def _finding(result: StudyResult, kind: str, words: str) -> str:
    prefix = f"hyperactive_{kind}_"
    over = result.all_over(
        *(prefix + name for name in ("unchanged", "silenced", "accuracy", "random", "outside"))
    )
    gain, random = result.over(prefix + "gain"), result.difference(prefix + "accuracy", prefix + "random")
    assert over is not None
    assert gain is not None
    assert random is not None
    unchanged, silenced, accuracy, by_chance, outside = (one.words(SHARE) for one in over)
    n = sum(value == 1.0 for value in result.each(prefix + "interior"))
    verdict = gain.verdict("more", "fewer", "not decidedly more")
    above = random.verdict("more", "fewer", "not decidedly more")
    return (
        f"Hyperactive neurons, {words}: a neuron responds to {outside} of the images of other networks' digits. "
        f"Calibration images choose to silence some but not all neurons in {n} of {len(result.seeds)} seeds "
        f"({silenced} of them). Of the test images {accuracy} are right then, {verdict} than unchanged "
        f"({unchanged}) and {above} than with as many random ones silenced ({by_chance})."
    )
