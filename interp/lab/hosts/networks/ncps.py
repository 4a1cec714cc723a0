"""Closed-form continuous-time cell of ncps (CfCCell): how long ago a mark was, at irregular times."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.recurrent import (
    CHOOSING,
    EVALUATED,
    Bench,
    activations,
    class_spread,
    cost_sentence,
    generator_for,
    most,
    over_seeds,
    rounded,
    train_on,
)
from interp.lab.hosts.training import seeded
from interp.lab.study import Record, StudyResult
from interp.models.taps import tap
from interp.progress import Report

STEPS, LAST_MARK, MARKED, NOISE = 12, 5, 3, 0.1
EDGES = (4.2, 7.0, 10.5)  # between the four classes of elapsed time, which are about as frequent
BEFORE, AFTER = f"-{MARKED - 1}", f"{MARKED + 1}-"
UNITS, ABLATED, UPDATES = 24, 8, 1000
RATE, GATE, HIDDEN = "cell.time_a:output", "cell.sigmoid:output", "tap:hidden"


class Clock(nn.Module):
    """A closed-form cell in a loop: ``h = (1 - g) tanh(f1) + g tanh(f2)`` with ``g = sigmoid(a dt + b)``.

    ``f1``, ``f2``, ``a`` and ``b`` are linear in a hidden layer of the input and the state before; ``dt`` is the time
    since the last step, which the cell gets nowhere else.
    """

    def __init__(self, units: int = UNITS) -> None:
        super().__init__()
        from ncps.torch import CfCCell

        self.cell = CfCCell(2, units, backbone_units=units, backbone_layers=1)
        self.readout = nn.Linear(units, len(EDGES) + 1)

    def forward(self, inputs: Float[Tensor, "example step feature"]) -> Float[Tensor, "example class"]:
        """Logits of how long ago the mark was; the third feature is the time since the step before."""
        hidden = inputs.new_zeros(len(inputs), self.readout.in_features)
        for step in range(inputs.shape[1]):
            hidden, _ = self.cell(inputs[:, step, :2], hidden, inputs[:, step, 2:])
            hidden = tap("hidden", hidden)
        return self.readout(hidden)


def elapsed(inputs: Float[Tensor, "example step feature"]) -> Float[Tensor, "example step"]:
    """Time since the mark at each step; 0 before it."""
    since = (inputs[..., 0] > 0.5).float().cumsum(1)  # 1 from the mark on
    after = torch.cat([torch.zeros_like(since[:, :1]), since[:, :-1]], 1)
    return (inputs[..., 2] * after).cumsum(1)


def _marked(marks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Examples with marks at given steps: mark, noise, and spans that are long in some examples and short in others."""
    number = len(marks)
    spans = 0.2 + torch.empty(number, STEPS).exponential_(1.25, generator=generator)
    inputs = torch.zeros(number, STEPS, 3)
    inputs[torch.arange(number), marks, 0] = 1.0
    inputs[..., 1] = NOISE * torch.randn(number, STEPS, generator=generator)
    inputs[..., 2] = spans * (0.2 + 1.6 * torch.rand(number, 1, generator=generator))
    return inputs, torch.bucketize(elapsed(inputs)[:, -1].contiguous(), torch.tensor(EDGES))


def draw(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Examples with the mark in one of the steps 1 to `LAST_MARK`."""
    return _marked(torch.randint(1, LAST_MARK + 1, (number,), generator=generator), generator)


def draw_at(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Examples with the mark in the step `MARKED`, so that steps before and after it are the same in all."""
    return _marked(torch.full((number,), MARKED), generator)


def build(seed: int) -> Clock:
    """Six units with random weights."""
    with seeded(seed):
        return Clock(units=6)


def example() -> Tensor:
    """Three examples of the task."""
    return draw(3, torch.Generator().manual_seed(0))[0]


def following(
    values: Float[Tensor, "example time neuron"], times: Float[Tensor, "example time"]
) -> Float[np.ndarray, " neuron"]:
    """Correlation over examples of each unit with elapsed time, in size, as a mean over the steps after the mark.

    Within a step, so that units which only count steps follow no time.
    """
    sizes = []
    for step in range(MARKED + 1, STEPS):
        pairs = np.column_stack([times[:, step].numpy(), values[:, step].numpy()])
        sizes.append(np.abs(np.corrcoef(pairs.T)[0, 1:]))
    return np.mean(sizes, axis=0)


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train, choose units by their last states, and take elapsed time from their gates before and after the mark."""
    with seeded(seed):
        module = Clock()
    train_on(module, draw, units(config), seed, report, lr=5e-3)
    bench = Bench.of(module, HOST.sites, draw_at, seed, **HOST.settings)
    inputs, labels = draw_at(EVALUATED, generator_for(seed, CHOOSING))
    states = activations(bench.model, inputs, HIDDEN)
    chosen = most(class_spread(states[:, -1], labels), ABLATED)
    everything = list(range(UNITS))
    numbers: dict[str, float | None] = {
        "whole": bench.accuracy(),
        "clocks": bench.accuracy(RATE, chosen, AFTER),
        "clocks_random": bench.random_accuracy(RATE, chosen, UNITS, AFTER),
        "clocks_before": bench.accuracy(RATE, chosen, BEFORE),
        "no_clock": bench.accuracy(RATE, everything),
        "frequent": float(bench.labels.bincount().max()) / len(bench.labels),
        "correlation": float(following(states, elapsed(inputs)).max()),
    }
    steps = list(range(STEPS))
    lines = {
        "clocks of selective units": rounded(bench.accuracy(RATE, chosen, str(step)) for step in steps),
        "clocks of all units": rounded(bench.accuracy(RATE, everything, str(step)) for step in steps),
    }
    return Record(numbers, {"x": steps, "lines": lines, "chosen": chosen})


def units(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def judge(result: StudyResult) -> list[str]:
    """Sentences on the clocks of selective units against random ones, before and after the mark, and on all clocks."""
    none, frequent, correlation = over_seeds(result, "no_clock", "frequent", "correlation")
    side = none.minus(frequent).verdict("above", "below", "not decidedly beside")
    return [
        cost_sentence(
            result,
            "clocks",
            "clocks_random",
            f"no clock in the {ABLATED} selective units after the mark",
            "none in as many random others",
        ),
        cost_sentence(
            result,
            "clocks",
            "clocks_before",
            "no clock in the selective units after the mark",
            "none in the same units before it",
        ),
        f"Without any clock, accuracy is {none.words()}, {side} that of the most frequent answer, {frequent.words()}. "
        f"The unit that follows elapsed time most closely does so with a correlation of {correlation.words()}.",
    ]


HOST = Host(
    title="ncps: clocks in the gates",
    about=(
        "The closed-form continuous-time cell of ncps (arXiv 2106.13898), trained to tell how long ago a mark was, in "
        f"{len(EDGES) + 1} classes, from {STEPS} steps at irregular times. The time between two steps enters nothing "
        "but the gates, where each unit multiplies it by a rate of its own; a rate at zero takes the unit's clock "
        f"away and leaves the rest. The {ABLATED} units of {UNITS} whose last states for each class lie furthest "
        "apart, on examples drawn for this choice, lose their clocks. The claim: after the mark this costs more than "
        "in as many random others, and more than before the mark. Lines show the accuracy without clocks in each "
        "single step."
    ),
    build=build,
    example=example,
    sites=(HIDDEN, GATE, RATE),
    measure=measure,
    units=units,
    quantities={
        "whole": "accuracy, all clocks",
        "clocks": "accuracy, no clock in selective units after the mark",
        "clocks_random": "accuracy, no clock in random others after the mark",
        "clocks_before": "accuracy, no clock in selective units before the mark",
        "no_clock": "accuracy, no clock at all",
        "frequent": "accuracy of the most frequent answer",
        "correlation": "correlation with elapsed time, best unit",
    },
    judge=judge,
    bars={
        "whole": "all clocks",
        "clocks": "selective, after the mark",
        "clocks_random": "random, after the mark",
        "clocks_before": "selective, before the mark",
        "no_clock": "no clock at all",
    },
    axis="accuracy (share of examples)",
    lines=("step without clocks", "accuracy (share of examples)"),
    settings={"loop": "time"},
    package="ncps",
)
