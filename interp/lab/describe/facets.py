"""Facets of neurons: lobes against known frequencies, and clusters of the images that excite classes of digits."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.analysis.facet_records import Facets
from interp.analysis.facets import facets
from interp.data import ModularTask, TableTask
from interp.lab.digits import shuffled_digits
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import StudyResult
from interp.models import HookedMLP, HookedModel, MLPConfig, adopt, analytic_mlp
from interp.subject import Subject
from interp.training import TrainConfig, train
from probes.facets import LEVEL, valley_p_value

P, WIDTH = 31, 48
NETWORKS = {"closed": "closed form, squares", "square": "trained, squares", "relu": "trained, ReLU"}
AXES = {"answer": "the answer", "left": "an operand"}
HIDDEN, UPDATES, IMAGES = 24, 150, 900
CLASSES = (1, 4)
GAUSSIAN = 10
SHARE = "{:.1%}".format

QUANTITIES: dict[str, str] = (
    {
        f"facets_{name}_{axis}": f"lobes over {over} as its frequency gives, {words}"
        for name, words in NETWORKS.items()
        for axis, over in AXES.items()
    }
    | {f"facets_{name}_periodic": f"periodic neurons, {words}" for name, words in NETWORKS.items()}
    | {
        "facets_chance": "lobes over the answer, frequencies dealt anew",
        "facets_untrained": "untrained neurons whose lobes are decided",
        "facets_digits_accuracy": "held-out digits answered",
        **{f"facets_class_{digit}": f"facets of the class neuron {digit}" for digit in CLASSES},
        "facets_classes": "class neurons with two facets or more",
        "facets_hidden": "hidden neurons with two facets or more",
        "facets_untrained_hidden": "the same, untrained",
        "facets_union": "neurons planted for two digits with two facets or more",
        "facets_union_purity": "agreement of their facets with the digits",
        "facets_gaussian": "Gaussian clouds with two facets or more",
        "facets_prototype": "prototypes that are answered as their class",
        "facets_prototype_noise": "the same from images of noise",
    }
)
"""Names in words of the numbers that `measure_facets` gives."""


def measure_facets(seed: int) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Numbers named in `QUANTITIES`, and what the figure shows, of one seed: ready for JSON."""
    numbers, lobes = _modular(seed)
    of_digits, images = _digits(seed)
    return numbers | of_digits, {"lobes": lobes, "digits": images}


def _modular(seed: int) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Lobes of periodic neurons against those that their frequency gives, by network and axis."""
    numbers: dict[str, float | None] = {}
    shown: dict[str, Any] = {}
    generator = np.random.default_rng(seed)
    for name, subject, folded in _networks(seed):
        table = subject.table
        periodic = np.flatnonzero((table["frequency_share"] >= 0.9) & (table["agreement"] == 1))
        frequency = table["frequency"][periodic]
        numbers[f"facets_{name}_periodic"] = float(len(periodic) / subject.width)
        for axis in AXES:
            result = facets(subject, neurons=periodic, along=axis, steps=0)
            expected = _folded(2 * frequency) if axis == "left" and folded else frequency
            counts = np.array([count or 0 for count in result.counts])
            numbers[f"facets_{name}_{axis}"] = _share(counts == expected)
            if axis == "answer":
                shown[name] = {"frequency": frequency.tolist(), "lobes": counts.tolist()}
                if name == "closed":
                    numbers["facets_chance"] = _share(counts == generator.permutation(expected))
    untrained = HookedMLP(MLPConfig(width=WIDTH), vocab=P, seed=seed).eval()
    decided = [count is not None for count in facets(untrained, ModularTask("add", P), steps=0).counts]
    numbers["facets_untrained"] = float(np.mean(decided))
    return numbers, shown


def _networks(seed: int) -> Iterator[tuple[str, Subject, bool]]:
    """Name, network, and if its neurons are squares, so that an operand's frequency is doubled."""
    task = ModularTask("add", P, train_fraction=0.8, seed=seed)
    yield "closed", Subject(analytic_mlp(task, width=WIDTH, seed=seed), task), True
    for name in ("square", "relu"):
        config = TrainConfig(seed=seed, steps=400, lr=0.01, weight_decay=2.0 if name == "relu" else 5.0)
        shape = MLPConfig(width=2 * WIDTH, activation=name)
        yield name, Subject(train(task, shape, config, show_progress=False).model, task), name == "square"


def _folded(frequency: Int[np.ndarray, " neuron"]) -> Int[np.ndarray, " neuron"]:
    """The frequency up to half of all positions that looks the same on them."""
    below: Int[np.ndarray, " neuron"] = np.minimum(frequency % P, -frequency % P)
    return below


def _digits(seed: int) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Facets of a small network's neurons on all images, and of their controls."""
    generator = torch.Generator().manual_seed(seed)
    images, digits = shuffled_digits(generator)
    network = nn.Sequential(nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-1, 1, generator=generator).mul_(HIDDEN**-0.5)
    untrained = deepcopy(network)
    _fit(network, images[:IMAGES], digits[:IMAGES])
    with torch.no_grad():
        right = network(images[IMAGES:]).argmax(1) == digits[IMAGES:]
    task = TableTask.from_arrays(images, digits)
    trained = _adopted(network, images)
    classes = facets(trained, task, site="2:output", seed=seed)
    union, purity = _unions(network, images, digits, seed)
    numbers = {
        "facets_digits_accuracy": float(right.double().mean()),
        **{f"facets_class_{digit}": float(classes.neurons[digit].count or 0) for digit in CLASSES},
        "facets_classes": _several(classes),
        "facets_hidden": _several(facets(trained, task, site="1:output", steps=0, seed=seed)),
        "facets_untrained_hidden": _several(
            facets(_adopted(untrained, images), task, site="1:output", steps=0, seed=seed)
        ),
        "facets_union": union,
        "facets_union_purity": purity,
        "facets_gaussian": _gaussian(images, classes, seed),
        **_prototypes(network, classes, images, generator),
    }
    chosen = classes.neurons[CLASSES[0]]
    shown = {
        "prototypes": None if chosen.prototypes is None else np.round(chosen.prototypes, 3).tolist(),
        "counts": [one.count for one in classes.neurons],
        "p_values": [one.p_value for one in classes.neurons],
    }
    return numbers, shown


def _fit(network: nn.Module, images: Float[Tensor, "image pixel"], digits: Int[Tensor, " image"]) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.01)
    for _ in range(UPDATES):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), digits).backward()
        optimizer.step()


def _adopted(network: nn.Module, images: Float[Tensor, "image pixel"]) -> HookedModel:
    return adopt(network.eval(), ["1:output", "2:output"], example=images[:4])


class _Either(nn.Module):
    """The larger logit of each pair of neighbouring digits."""

    def forward(self, x: Float[Tensor, "image digit"]) -> Float[Tensor, "image pair"]:
        return torch.maximum(x[:, ::2], x[:, 1::2])


def _unions(
    network: nn.Sequential, images: Float[Tensor, "image pixel"], digits: Int[Tensor, " image"], seed: int
) -> tuple[float, float | None]:
    """Neurons that answer to either of two digits, of which it is known that they have two facets.

    Returns:
        The share with two facets or more, and the mean adjusted Rand index of the facets of these with the digits.
    """
    from sklearn.metrics import adjusted_rand_score

    planted = nn.Sequential(
        network, _Either(), nn.Linear(5, 10)
    )  # the last layer only makes it a network of ten classes
    model = adopt(planted.eval(), ["1:output"], example=images[:4])
    result = facets(model, TableTask.from_arrays(images, digits), steps=0, top=0.2, seed=seed)
    agreement = []
    for one in result.neurons:
        if (one.count or 0) >= 2:
            label = np.repeat(np.arange(len(one.members)), [len(facet) for facet in one.members])
            agreement.append(adjusted_rand_score(digits.numpy()[np.concatenate(one.members)], label))
    return _several(result), float(np.mean(agreement)) if agreement else None


def _gaussian(images: Float[Tensor, "image pixel"], classes: Facets, seed: int) -> float:
    """Share of Gaussian clouds, with the covariance of the images of class neurons, that pass for two facets."""
    generator, p_values = np.random.default_rng(seed), []
    for draw in range(GAUSSIAN):
        one = classes.neurons[draw % len(classes.neurons)]
        own = images.double().numpy()[np.concatenate(one.members)]
        cloud = generator.normal(size=(len(own), len(own))) @ (own - own.mean(0)) / len(own) ** 0.5
        p_values.append(valley_p_value(cloud, seed=seed))
    return _share(np.array(p_values) <= LEVEL) or 0.0


def _prototypes(
    network: nn.Sequential, classes: Facets, images: Float[Tensor, "image pixel"], generator: torch.Generator
) -> dict[str, float | None]:
    """Share of the prototypes that the network answers as their class, and of as many images of noise."""
    each = [(one.neuron, one.prototypes) for one in classes.neurons if one.prototypes is not None]
    owners = np.repeat([neuron for neuron, _ in each], [len(one) for _, one in each])
    inputs = torch.as_tensor(np.concatenate([one for _, one in each]))
    noise = torch.rand(inputs.shape, generator=generator) * images.max()
    with torch.no_grad():
        answers = [network(some).argmax(1).numpy() == owners for some in (inputs, noise)]
    return {"facets_prototype": _share(answers[0]), "facets_prototype_noise": _share(answers[1])}


def _several(result: Facets) -> float:
    """Share of the neurons that have two facets or more."""
    return float(np.mean([(count or 0) >= 2 for count in result.counts]))


def _share(mask: np.ndarray) -> float | None:
    return float(mask.mean()) if len(mask) else None


def facets_findings(result: StudyResult) -> list[str]:
    """Sentences about lobes, classes of digits and prototypes, and what the seeds do not decide."""
    return [_of_lobes(result), _of_classes(result), _of_hidden(result), _of_prototypes(result)]


def _words(result: StudyResult, name: str, shown: Any = SHARE) -> str:
    """The mean of a number with its interval; of the seeds that have it, if not all do."""
    known = [value for value in result.each(name) if value is not None]
    if not known:
        return "unknown"
    missing = len(result.seeds) - len(known)
    return OverSeeds.of(known).words(shown) + (f" ({missing} seeds without it)" if missing else "")


def _of_lobes(result: StudyResult) -> str:
    each = "; ".join(
        f"{words} {_words(result, f'facets_{name}_answer')} over the answer and "
        f"{_words(result, f'facets_{name}_left')} over an operand, of the "
        f"{_words(result, f'facets_{name}_periodic')} of the neurons that are periodic"
        for name, words in NETWORKS.items()
    )
    return (
        f"Facets as lobes: neurons whose number of lobes is the one that their weights' frequency gives (k over the "
        f"answer; over an operand k for ReLU, and 2k folded at half of the modulus for squares): {each}. With "
        f"frequencies dealt anew {_words(result, 'facets_chance')} would agree. Of untrained neurons "
        f"{_words(result, 'facets_untrained')} have a number that operands in random orders do not explain."
    )


def _of_classes(result: StudyResult) -> str:
    each = [result.each(f"facets_class_{digit}") for digit in CLASSES]
    shown = " and ".join(
        f"{digit} has {', '.join(f'{value or 0:.0f}' for value in values)}"
        for digit, values in zip(CLASSES, each, strict=True)
    )
    several = [
        digit for digit, values in zip(CLASSES, each, strict=True) if all((one or 0) >= 2 for one in values)
    ]
    others = [str(digit) for digit in CLASSES if digit not in several]
    verdict = f"{' and '.join(map(str, several)) or 'Neither'} has several in every seed."
    if others:
        verdict += (
            f" For {' and '.join(others)} a single cloud is not rejected in each of them, which is no proof of one "
            "facet: several that overlap cannot be told from one."
        )
    return (
        f"Facets as clusters: by seed, the class neuron of the digit {shown} (0: not decided). {verdict} Of all ten "
        f"classes {_words(result, 'facets_classes')} have two or more. The controls: "
        f"{_words(result, 'facets_gaussian')} of the Gaussian clouds with the covariance of their images, and "
        f"{_words(result, 'facets_union')} of neurons that were planted for two digits, whose facets agree with the "
        f"digits by {_words(result, 'facets_union_purity', '{:.2f}'.format)} (adjusted Rand index)."
    )


def _of_hidden(result: StudyResult) -> str:
    more = result.difference("facets_hidden", "facets_untrained_hidden")
    assert more is not None
    verdict = more.verdict("more than", "less than", "not decidedly more or less than")
    return (
        f"Of the hidden neurons {_words(result, 'facets_hidden')} have two facets or more, {verdict} of the same "
        f"neurons untrained ({_words(result, 'facets_untrained_hidden')}): the images themselves lie in clusters, so "
        "that the facets of a neuron say as much of what it is given as of the neuron."
    )


def _of_prototypes(result: StudyResult) -> str:
    return (
        "Prototypes of the facets of class neurons are answered as their class in "
        f"{_words(result, 'facets_prototype')} of the cases, images of noise in "
        f"{_words(result, 'facets_prototype_noise')}."
    )
