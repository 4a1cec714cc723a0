"""A chain of body segments with excitatory and inhibitory neurons that passes an oscillation on from head to tail."""

from __future__ import annotations

from math import pi

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.interventions import ablate
from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.training import descend
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import Record, StudyResult
from interp.models import HookedModel, adopt
from interp.models.taps import tap
from interp.progress import Report, shifted

SEGMENTS, STEPS, WINDOW = 6, 50, 26  # steps in all, and at the end of which amplitudes are measured
DELAY = 2.8  # steps by which each segment is to follow the one before it
LESIONS = (1, 2, 3, 4)  # segments with others before and behind, counted from 0
SHOWN = 2  # the one whose lesion the figure shows
STILL = 0.02  # amplitude up to which segments hardly move, so that a share of it tells nothing
UPDATES, BATCH, EXAMPLES, DRAWS = 300, 32, 64, 6
EXCITATORY, INHIBITORY = "tap:excitatory", "tap:inhibitory"
ARMS = {"signed": "with signs", "free": "without sign constraint"}


class Chain(nn.Module):
    """Segments that each bend by two muscles, which two excitatory and two inhibitory neurons drive.

    The excitatory neurons of a segment feel how far the segment before it bends to either side, those of the first one
    a commanded sine. They drive the muscles and the inhibitory neurons, which relax muscles. All are rectified and
    linear; ``bend[t] = 0.7 bend[t-1] + 0.3 tanh(one muscle - the other)``. Nothing else connects segments. Answers are
    amplitudes of the segments' bends over the last steps, ``sqrt(2)`` times their standard deviation.

    Args:
        segments: Of the body.
        signed: Weights keep the sign of their neuron: excitatory ones are positive, inhibitory ones negative.
        generator: Of the weights that training starts from.
    """

    def __init__(self, segments: int, generator: torch.Generator, *, signed: bool) -> None:
        super().__init__()
        self.signed = signed

        def drawn() -> nn.Parameter:
            return nn.Parameter(torch.randn(segments, 2, 2, generator=generator))

        self.felt, self.crossed, self.driven, self.relaxed = drawn(), drawn(), drawn(), drawn()

    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weights ``(segment, from, to)``: felt to excitatory, to inhibitory, to muscles, inhibitory to muscles."""
        if not self.signed:
            return self.felt, self.crossed, self.driven, self.relaxed
        return self.felt.abs(), self.crossed.abs(), self.driven.abs(), -self.relaxed.abs()

    def forward(self, command: Float[Tensor, "example command"]) -> Float[Tensor, "example segment"]:
        """Amplitude of each segment; commands are a frequency in cycles a step and an amplitude."""
        return 2**0.5 * self.bends(command)[:, -WINDOW:].std(1, correction=0)

    def bends(self, command: Float[Tensor, "example command"]) -> Float[Tensor, "example time segment"]:
        """The bend of each segment at every step; positive to one side."""
        felt, crossed, driven, relaxed = self.weights()
        n, segments = len(command), len(felt)
        bend, bends = torch.zeros(n, segments, dtype=command.dtype), []
        for step in range(STEPS):
            head = command[:, 1:] * torch.sin(2 * pi * step * command[:, :1])
            ahead = torch.cat((head, bend[:, :-1]), 1)
            sides = torch.stack((ahead.relu(), (-ahead).relu()), 2)
            excited = (sides[..., None] * felt).sum(2).relu()
            excited = tap("excitatory", excited.flatten(1)).unflatten(1, (segments, 2))
            inhibiting = (excited[..., None] * crossed).sum(2).relu()
            inhibiting = tap("inhibitory", inhibiting.flatten(1)).unflatten(1, (segments, 2))
            muscles = (excited[..., None] * driven).sum(2) + (inhibiting[..., None] * relaxed).sum(2)
            bend = 0.7 * bend + 0.3 * torch.tanh(muscles[..., 0] - muscles[..., 1])
            bends.append(bend)
        return torch.stack(bends, 1)


def commands(n: int, generator: torch.Generator) -> Float[Tensor, "example command"]:
    """Random frequencies from 0.04 to 0.06 cycles a step, and amplitudes from 0.4 to 0.8."""
    drawn = torch.rand(n, 2, generator=generator)
    return torch.stack((0.04 + 0.02 * drawn[:, 0], 0.4 + 0.4 * drawn[:, 1]), 1)


def error(network: Chain, command: Tensor) -> Tensor:
    """Mean squared difference of the last steps' bends from a sine that each segment passes on with a delay."""
    steps = torch.arange(STEPS - WINDOW, STEPS)[None, :, None]
    late = steps - DELAY * torch.arange(1, len(network.felt) + 1)
    target = command[:, None, 1:] * torch.sin(2 * pi * command[:, None, :1] * late)
    return (network.bends(command)[:, -WINDOW:] - target).square().mean()


def train(network: Chain, updates: int, generator: torch.Generator, report: Report) -> None:
    """Fit all weights to travelling sines of new commands at each update."""

    def loss() -> Tensor:
        return error(network, commands(BATCH, generator))

    descend(network.parameters(), loss, updates, report, lr=0.03, clip=None)


def amplitudes(model: HookedModel, command: Tensor) -> np.ndarray:
    """Mean amplitude of each segment, ``(segment,)``."""
    with torch.no_grad():
        return model(command).mean(0).double().numpy()


def lesioned(
    model: HookedModel,
    neurons: np.ndarray,
    command: Tensor,
    site: str = EXCITATORY,
    during: str | None = None,
) -> np.ndarray:
    """Amplitudes without some neurons."""
    with ablate(model, neurons, site=site, during=during):
        return amplitudes(model, command)


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train a chain with signs and one without, then ablate neurons of one segment, or as many random ones."""
    generator = torch.Generator().manual_seed(seed)
    updates = config.updates(UPDATES)
    numbers, lines = dict[str, float | None](), dict[str, list[float]]()
    for place, (arm, words) in enumerate(ARMS.items()):
        network = Chain(SEGMENTS, generator, signed=arm == "signed")
        start = commands(EXAMPLES, generator)
        with torch.no_grad():
            numbers[f"{arm}_start"] = error(network, start).item()
        part = shifted(report, place * updates, words)
        train(network, updates // 6, generator, part)
        with torch.no_grad():
            numbers[f"{arm}_sixth"] = error(network, start).item()
        train(network, updates - updates // 6, generator, shifted(part, updates // 6))
        command = commands(EXAMPLES, generator)
        with torch.no_grad():
            numbers[f"{arm}_error"] = error(network, command).item()
        model = adopt(network, [INHIBITORY, EXCITATORY], example=command[:4])
        values, curves = _lesions(model, command, np.random.default_rng([seed, place]))
        numbers |= {f"{arm}_{name}": value for name, value in values.items()}
        lines |= {f"{name}, {words}": curve for name, curve in curves.items()}
    report(2 * updates + 1, "ablated")
    return Record(numbers, {"x": list(range(1, SEGMENTS + 1)), "lines": lines})


def _lesions(
    model: HookedModel, command: Tensor, generator: np.random.Generator
) -> tuple[dict[str, float | None], dict[str, list[float]]]:
    """Amplitudes before and behind lesions, as shares of the intact ones, and those of one lesion by segment."""
    intact = amplitudes(model, command)
    shares: dict[str, list[float | None]] = {}
    curves = {"intact": intact.tolist()}
    for segment in LESIONS:
        own = np.array([2 * segment, 2 * segment + 1])
        cases = {
            "segment": lesioned(model, own, command),
            "inhibitory": lesioned(model, own, command, INHIBITORY),
            "passing": lesioned(model, own, command, during="-9"),
            "random": np.mean([lesioned(model, _scattered(generator), command) for _ in range(DRAWS)], 0),
        }
        for name, after in cases.items():
            for place, part in (("before", slice(0, segment)), ("behind", slice(segment + 1, None))):
                share = after[part].sum() / intact[part].sum() if intact[part].mean() > STILL else None
                shares.setdefault(f"{name}_{place}", []).append(share)
        if segment == SHOWN:
            curves |= {
                f"lesion of {segment + 1}": cases["segment"].tolist(),
                "random": cases["random"].tolist(),
            }
    moving = {name: [float(share) for share in each if share is not None] for name, each in shares.items()}
    values = {name: float(np.mean(each)) if each else None for name, each in moving.items()}
    return {"amplitude": float(intact.mean())} | values, curves


def _scattered(generator: np.random.Generator) -> np.ndarray:
    """Two neurons of two different segments."""
    segments = generator.permutation(SEGMENTS)[:2]
    return 2 * segments + generator.integers(0, 2, 2)


def judge(result: StudyResult) -> list[str]:
    """The chain with signs and without: how well it is trained, and amplitudes before and behind lesions."""
    over = {name: one for name in result.study.quantities if (one := result.over(name)) is not None}
    sooner, better = (over[f"free_{when}"].minus(over[f"signed_{when}"]) for when in ("sixth", "error"))
    return [
        *(_judged(over, arm, words) for arm, words in ARMS.items()),
        f"After a sixth of the training the error without the constraint is {sooner.words()} above that with it: "
        + sooner.verdict("signs speed up learning.", "signs slow it down.", "not decided.")
        + f" In the end it is {better.words()} above: "
        + better.verdict("signs help.", "signs are in the way.", "not decided."),
    ]


def _judged(over: dict[str, OverSeeds], arm: str, words: str) -> str:
    names = ("segment_behind", "segment_before", "random_behind", "inhibitory_behind", "passing_behind")
    behind, before, random, inhibitory, passing = (over.get(f"{arm}_{name}") for name in names)
    if behind is None or before is None or random is None or inhibitory is None or passing is None:
        amplitude = over[f"{arm}_amplitude"].words()
        return f"The chain {words} hardly moves in some seed (amplitude {amplitude}): lesions decide nothing."
    gap, control = before.minus(behind), random.minus(behind)
    return (
        f"The chain {words} has an amplitude of {over[f'{arm}_amplitude'].words()}. Without the excitatory neurons of "
        f"one segment {behind.words()} of it is left behind this segment and {before.words()} before it: "
        + gap.verdict("the oscillation ends at the lesion.", "the opposite of the claim.", "not decided.")
        + f" As many neurons of different segments leave {random.words()} in the same place: "
        + control.verdict(
            "they cost less than a whole segment.", "they cost more.", "not decided to be less costly."
        )
        + f" Without the segment's inhibitory neurons {inhibitory.words()} is left, and after a lesion of the first "
        f"ten steps {passing.words()}."
    )


def _small(seed: int) -> nn.Module:
    network = Chain(3, torch.Generator().manual_seed(seed), signed=True)
    with torch.no_grad():  # sides that differ, so that the oscillation is passed on
        network.felt.add_(2 * torch.eye(2))
        network.driven.add_(2 * torch.eye(2))
    return network


def _example() -> Tensor:
    return commands(5, torch.Generator().manual_seed(0))


HOST = Host(
    title="An oscillation travels down a chain of segments",
    about=(
        "Six body segments, each with two excitatory and two inhibitory neurons that drive its two muscles; a "
        "segment's excitatory neurons feel the bend of the segment before it, the first one's a commanded sine. "
        "It follows the idea of a swimmer with the sign-constrained motor circuit of C. elegans as its prior "
        "(arXiv 2201.05242), without its body and its reinforcement learning: weights are fitted to a travelling "
        "sine. The excitatory neurons of one segment are ablated, beside as many of different segments, the "
        "inhibitory ones of the same segment, and a lesion that passes before amplitudes are measured. The claim:"
        " behind the lesion the oscillation ends and before it it stays. Only bends connect segments, so that "
        "what is behind a lesion can move by an oscillation of its own alone, and nothing before it can change: that "
        "it stays there follows from the wiring and is no finding. The same is measured for a chain "
        "whose weights may have any sign. The figure shows amplitudes by segment."
    ),
    build=_small,
    example=_example,
    sites=(INHIBITORY, EXCITATORY),
    measure=measure,
    units=lambda config: 2 * config.updates(UPDATES) + 1,
    quantities={
        f"{arm}_{name}": f"{words}: {quantity}"
        for arm, words in ARMS.items()
        for name, quantity in {
            "start": "error before training",
            "sixth": "error after a sixth of the training",
            "error": "error in the end, new commands",
            "amplitude": "amplitude, intact",
            "segment_before": "before a lesion of one segment, of intact",
            "segment_behind": "behind it",
            "random_before": "before, as many of different segments",
            "random_behind": "behind, as many of different segments",
            "inhibitory_before": "before, inhibitory neurons of the segment",
            "inhibitory_behind": "behind, inhibitory neurons of the segment",
            "passing_before": "before, a lesion that has passed",
            "passing_behind": "behind, a lesion that has passed",
        }.items()
    },
    judge=judge,
    bars={
        f"{arm}_{name}": f"{words}: {quantity}"
        for arm, words in {"signed": "signs", "free": "free"}.items()
        for name, quantity in {
            "segment_before": "before",
            "segment_behind": "behind",
            "random_behind": "random, behind",
            "passing_behind": "passed, behind",
        }.items()
    },
    axis="amplitude (share of the intact one)",
    lines=("segment", "amplitude (1: the tanh's limit)"),
)
