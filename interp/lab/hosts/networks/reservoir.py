"""A random reservoir of integrate-and-fire units with a trained linear read-out, on handwritten digits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.hooks import capture
from interp.interventions import ablate
from interp.lab.digits import shuffled_digits
from interp.lab.hosts.host import Config, Host
from interp.lab.study import Record, StudyResult
from interp.models import HookedModel, adopt
from interp.models.taps import tap
from interp.progress import Report

PIXELS, DIGITS, UNITS, STEPS = 64, 10, 300, 20
TRAINED_ON = 1200  # of the 1797 digits; the others are measured on
RIDGE = 10.0
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # of the units that are ablated
SIGMAS = (0.1, 0.3, 1.0)  # noise of the device, as a multiple of the weights' standard deviation
DRAWS = 5
SITE = "tap:spikes"


class Reservoir(nn.Module):
    """Integrate-and-fire units with fixed random weights that see pixels as spike trains; a linear layer reads counts.

    ``v[t] = decay v[t-1] (1 - s[t-1]) + x[t] A + s[t-1] W`` and ``s[t] = 1`` where ``v[t] >= 1``. A pixel of
    brightness b is a spike at step t where ``floor(b (t + 1))`` is above ``floor(b t)``: b spikes a step on average.
    Logits are linear in each unit's share of steps with a spike.

    Args:
        units: Of the reservoir.
        generator: Of all random weights.
    """

    recurrent: Tensor
    sensory: Tensor

    def __init__(self, units: int, generator: torch.Generator, *, decay: float = 0.8) -> None:
        super().__init__()
        self.decay = decay
        joined = torch.rand(units, units, generator=generator) < 0.1
        signs = torch.where(torch.rand(units, 1, generator=generator) < 0.8, 1.0, -4.0)  # a fifth inhibits
        sizes = torch.rand(units, units, generator=generator)
        self.register_buffer("recurrent", (joined * signs * sizes * 3 / units).fill_diagonal_(0))
        seen = torch.rand(PIXELS, units, generator=generator) < 0.2
        self.register_buffer("sensory", seen * torch.randn(PIXELS, units, generator=generator) * 0.3)
        self.readout = nn.Linear(units, DIGITS)
        with torch.no_grad():
            self.readout.weight.copy_(torch.randn(DIGITS, units, generator=generator) / units**0.5)
            self.readout.bias.zero_()

    def forward(self, image: Float[Tensor, "example pixel"]) -> Float[Tensor, "example digit"]:
        """Logits of images with brightness in [0, 1]."""
        return self.readout(self.rates(image))

    def rates(self, image: Float[Tensor, "example pixel"]) -> Float[Tensor, "example unit"]:
        """Share of the steps at which each unit fires."""
        potential = torch.zeros(len(image), len(self.recurrent), dtype=image.dtype)
        spikes, counts = torch.zeros_like(potential), torch.zeros_like(potential)
        for step in range(STEPS):
            seen = torch.floor(image * (step + 1)) - torch.floor(image * step)
            potential = self.decay * potential * (1 - spikes) + seen @ self.sensory + spikes @ self.recurrent
            spikes = tap("spikes", (potential >= 1).to(image.dtype))
            counts = counts + spikes
        return counts / STEPS


def fit_readout(network: Reservoir, images: Tensor, labels: Tensor) -> None:
    """Set the read-out to the ridge regression from rates to one-hot labels, on images that it is trained on."""
    with torch.no_grad():
        rates = network.rates(images).double()
        targets = nn.functional.one_hot(labels, DIGITS).double()
        mean, centre = rates.mean(0), targets.mean(0)
        centred = rates - mean
        matrix = centred.T @ centred + RIDGE / STEPS * torch.eye(centred.shape[1], dtype=torch.float64)
        weight = torch.linalg.solve(matrix, centred.T @ (targets - centre))
        network.readout.weight.copy_(weight.T)
        network.readout.bias.copy_(centre - mean @ weight)


def accuracy(model: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> float:
    """Share of the images whose largest logit is their label's."""
    with torch.no_grad():
        return (model(images).argmax(1) == labels).double().mean().item()


def noisy(network: Reservoir, sigma: float, generator: torch.Generator) -> Reservoir:
    """A copy whose fixed weights, where they are not 0, have normal noise of `sigma` times their standard deviation."""
    copy = Reservoir(len(network.recurrent), torch.Generator().manual_seed(0), decay=network.decay)
    copy.load_state_dict(network.state_dict())
    for weights in (copy.recurrent, copy.sensory):
        device = torch.randn(weights.shape, generator=generator) * weights[weights != 0].std()
        weights += sigma * device * (weights != 0)
    return copy


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train the read-out, ablate units by their weight in it, at random and for some steps, and disturb the weights."""
    generator = torch.Generator().manual_seed(seed)
    images, labels = shuffled_digits(generator)
    train, test = (images[:TRAINED_ON], labels[:TRAINED_ON]), (images[TRAINED_ON:], labels[TRAINED_ON:])
    network = Reservoir(UNITS, generator)
    fit_readout(network, *train)
    model = adopt(network, [SITE], example=images[:4])
    rates = capture(model, train[0], SITE)[SITE].mean(
        1
    )  # (example, neuron): criteria see trained images only
    weight = network.readout.weight.detach().norm(dim=0) * rates.std(0)
    ranked = torch.argsort(weight, descending=True).numpy()
    numbers: dict[str, float | None] = {
        "rate": rates.mean().item(),
        "silent": (rates.std(0) == 0).double().mean().item(),
        "pixels": _pixels(train, test),
    }
    report(1, "read-out")
    active = np.flatnonzero(rates.std(0).numpy())  # the others cost nothing, and would flatter the criterion
    orders = [np.random.default_rng([seed, draw]).permutation(active) for draw in range(DRAWS)]
    largest, random = [], []
    for share in SHARES:
        n = round(share * UNITS)
        largest.append(_without(model, ranked[:n], test))
        random.append(float(np.mean([_without(model, one[:n], test) for one in orders])))
        report(1 + len(largest), f"{share:.0%} ablated")
    numbers |= {"intact": largest[0]}
    for share in (0.2, 0.5):
        at, percent = SHARES.index(share), round(share * 100)
        numbers |= {f"largest_{percent}": largest[at], f"random_{percent}": random[at]}
    for name, during in (("early", f"-{STEPS // 2 - 1}"), ("late", f"{STEPS // 2}-")):
        halves = [_without(model, one[: UNITS // 5], test, during) for one in orders]
        numbers[f"random_{name}"] = float(np.mean(halves))
    numbers |= _disturbed(network, train, test, generator)
    report(2 + len(SHARES), "noise")
    lines = {"by read-out weight": largest, "random": random}
    return Record(numbers, {"x": list(SHARES), "lines": lines})


def _without(
    model: HookedModel, units: np.ndarray, test: tuple[Tensor, Tensor], during: str | None = None
) -> float:
    with ablate(model, units, site=SITE, during=during):
        return accuracy(model, *test)


def _pixels(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> float:
    """Accuracy of the same regression from pixels: the baseline without a reservoir."""
    inputs = [
        torch.cat((images.double(), torch.ones(len(images), 1, dtype=torch.float64)), 1)
        for images, _ in (train, test)
    ]
    targets = nn.functional.one_hot(train[1], DIGITS).double()
    matrix = inputs[0].T @ inputs[0] + RIDGE / STEPS * torch.eye(PIXELS + 1, dtype=torch.float64)
    weight = torch.linalg.solve(matrix, inputs[0].T @ targets)
    return ((inputs[1] @ weight).argmax(1) == test[1]).double().mean().item()


def _disturbed(
    network: Reservoir, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], generator: torch.Generator
) -> dict[str, float | None]:
    """Accuracy with noise on the fixed weights, with the read-out as it was and trained again."""
    numbers: dict[str, float | None] = {}
    for sigma in SIGMAS:
        kept, again = [], []
        for _ in range(DRAWS):
            device = noisy(network, sigma, generator)
            kept.append(accuracy(device, *test))
            fit_readout(device, *train)
            again.append(accuracy(device, *test))
        numbers |= {f"kept_{sigma:g}": float(np.mean(kept)), f"again_{sigma:g}": float(np.mean(again))}
    return numbers


def judge(result: StudyResult) -> list[str]:
    """The reservoir against pixels, units by read-out weight against random ones, halves of the time, and noise."""
    over = {name: one for name in result.study.quantities if (one := result.over(name)) is not None}
    intact, least, most = over["intact"], f"{SIGMAS[0]:g}", f"{SIGMAS[-1]:g}"
    gain, time = intact.minus(over["pixels"]), over["random_late"].minus(over["random_early"])
    excess = {percent: over[f"random_{percent}"].minus(over[f"largest_{percent}"]) for percent in (20, 50)}
    spared = intact.minus(over["random_20"])
    lost, saved = intact.minus(over[f"kept_{most}"]), over[f"again_{most}"].minus(over[f"kept_{most}"])
    small = intact.minus(over[f"kept_{least}"])
    return [
        f"The read-out is right on {intact.words()} of unseen digits. The same regression on pixels gets "
        f"{over['pixels'].words()}: the reservoir "
        + gain.verdict("adds to it.", "loses some of it.", "is not decided to add to it."),
        *(
            f"Without the {percent} % of units with the largest weights accuracy is {one.words()} lower than without "
            "as many random ones: "
            + one.verdict("read-out weight tells what matters.", "the claim does not hold.", "not decided.")
            for percent, one in excess.items()
        ),
        f"A random fifth of the units costs {spared.words()}. Ablated in the earlier half of the steps only it leaves "
        f"{over['random_early'].words()}, in the later half {over['random_late'].words()}: "
        + time.verdict(
            "early spikes matter more.", "late spikes matter more.", "not decided which matters more."
        ),
        f"Noise of {least} of the weights' spread costs {small.words()} and of {most} costs {lost.words()}; a read-out "
        f"trained again on the noisy device returns {saved.words()} of it: "
        + saved.verdict("it makes up for the device.", "it does not help.", "not decided."),
    ]


def _small(seed: int) -> nn.Module:
    return Reservoir(40, torch.Generator().manual_seed(seed))


def _example() -> Tensor:
    return torch.rand(5, PIXELS, generator=torch.Generator().manual_seed(0))


HOST = Host(
    title="A spiking reservoir reads digits",
    about=(
        "300 integrate-and-fire units with fixed random weights, a fifth of them inhibitory, see each of scikit-"
        "learn's digits as spike trains of 20 steps; only a linear read-out of their rates is trained, by ridge "
        "regression on 1200 digits. It follows the idea of liquid-state machines on resistive memory, whose fixed"
        " weights are the device's own randomness, not their hardware or their contrastive read-out. On the other"
        " 597 digits: accuracy without the units that have the largest read-out weights (norm times the spread of"
        " the unit's rate on trained digits) beside as many random ones; without a random fifth in one half of "
        "the steps; and with normal noise on the fixed weights, before and after the read-out is trained again. "
        "The claims: weight tells which units matter, and a trained read-out makes up for the device's noise. The"
        " figure shows both curves of ablation."
    ),
    build=_small,
    example=_example,
    sites=(SITE,),
    measure=measure,
    units=lambda config: 2 + len(SHARES),
    quantities={
        "intact": "accuracy on unseen digits",
        "pixels": "accuracy of the regression on pixels",
        "rate": "spikes of a unit a step",
        "silent": "share of units with the same rate on all digits",
        "largest_20": "without 20 % by read-out weight",
        "random_20": "without 20 % at random",
        "largest_50": "without 50 % by read-out weight",
        "random_50": "without 50 % at random",
        "random_early": "without 20 % at random in the first half",
        "random_late": "without 20 % at random in the second half",
        **{
            f"{name}_{sigma:g}": f"noise {sigma:g}, read-out {words}"
            for sigma in SIGMAS
            for name, words in (("kept", "as it was"), ("again", "trained again"))
        },
    },
    judge=judge,
    bars={
        "intact": "intact",
        "pixels": "pixels only",
        "largest_20": "20 % by weight",
        "random_20": "20 % random",
        "kept_1": "noise 1",
        "again_1": "trained again",
    },
    axis="accuracy (share of digits)",
    lines=("units ablated (share)", "accuracy (share of digits)"),
)
