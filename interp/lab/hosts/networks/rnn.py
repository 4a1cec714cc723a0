"""Recurrent layer of PyTorch (nn.RNN): one symbol is held over a noisy delay."""

from __future__ import annotations

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
    rounded,
    train_on,
)
from interp.lab.hosts.training import seeded
from interp.lab.study import Record, StudyResult
from interp.progress import Report

SYMBOLS, SHOWN, STEPS, NOISE = 4, 2, 14, 0.2
DELAY, MIDDLE = f"{SHOWN + 1}-{STEPS - 2}", (SHOWN + STEPS) // 2
UNITS, ABLATED, UPDATES = 32, 6, 3000
SITE = "rnn:hidden[0]"


class Recall(nn.Module):
    """A layer of tanh units over all steps; its last state is read out."""

    def __init__(self, units: int = UNITS) -> None:
        super().__init__()
        self.rnn = nn.RNN(SYMBOLS, units, batch_first=True)
        self.readout = nn.Linear(units, SYMBOLS)

    def forward(self, inputs: Float[Tensor, "example step symbol"]) -> Float[Tensor, "example symbol"]:
        """Logits of the symbol that was shown."""
        states, _ = self.rnn(inputs)
        return self.readout(states[:, -1])


def draw(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noise in every step, and one symbol in the third."""
    labels = torch.randint(SYMBOLS, (number,), generator=generator)
    inputs = NOISE * torch.randn(number, STEPS, SYMBOLS, generator=generator)
    inputs[torch.arange(number), SHOWN, labels] += 1.0
    return inputs, labels


def build(seed: int) -> Recall:
    """Eight units with random weights."""
    with seeded(seed):
        return Recall(units=8)


def example() -> Tensor:
    """Three examples of the task."""
    return draw(3, torch.Generator().manual_seed(0))[0]


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train, choose units in the middle of the delay, and ablate them in the delay and before the symbol."""
    with seeded(seed):
        module = Recall()
    train_on(module, draw, units(config), seed, report)
    bench = Bench.of(module, HOST.sites, draw, seed)
    inputs, labels = draw(EVALUATED, generator_for(seed, CHOOSING))
    chosen = most(class_spread(activations(bench.model, inputs, SITE)[:, MIDDLE], labels), ABLATED)
    numbers: dict[str, float | None] = {"whole": bench.accuracy()}
    for name, during in (("delay", DELAY), ("before", f"-{SHOWN - 1}")):
        numbers[name] = bench.accuracy(SITE, chosen, during)
        numbers[f"{name}_random"] = bench.random_accuracy(SITE, chosen, UNITS, during)
    steps = list(range(STEPS - 1))
    selective = [bench.accuracy(SITE, chosen, str(step)) for step in steps]
    others = [bench.random_accuracy(SITE, chosen, UNITS, str(step)) for step in steps]
    numbers |= {"writing": selective[SHOWN], "holding": selective[MIDDLE]}
    lines = {"selective units": rounded(selective), "random others": rounded(others)}
    return Record(numbers, {"x": steps, "lines": lines, "chosen": chosen})


def units(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def judge(result: StudyResult) -> list[str]:
    """Sentences on selective units against random ones, and on the delay against the steps before the symbol."""
    return [
        cost_sentence(
            result,
            "delay",
            "delay_random",
            f"the {ABLATED} selective units at zero during the delay",
            "as many random others at zero",
        ),
        cost_sentence(
            result,
            "delay",
            "before",
            "the selective units at zero during the delay",
            "the same units at zero before the symbol is shown",
        ),
        cost_sentence(
            result,
            "writing",
            "holding",
            "the selective units at zero in the one step that shows the symbol",
            "them at zero in one step in the middle of the delay",
        ),
    ]


HOST = Host(
    title="nn.RNN: a symbol held over a delay",
    about=(
        f"The recurrent layer of PyTorch, trained to name one of {SYMBOLS} symbols that was shown in step {SHOWN} of "
        f"{STEPS}, with noise in every step. Its hidden state is all the memory that there is. The "
        f"{ABLATED} units of {UNITS} whose means for each symbol lie furthest apart in the middle of the delay, on "
        "examples drawn for this choice, are held at zero inside the layer's loop. The claim: during the delay they "
        "cost more than as many random others, and more than before the symbol is shown. A single step at zero tells "
        "writing from holding: the step that shows the symbol, and one in the middle of the delay. Lines show the "
        "accuracy with the units at zero in each single step."
    ),
    build=build,
    example=example,
    sites=(SITE,),
    measure=measure,
    units=units,
    quantities={
        "whole": "accuracy, all units",
        "delay": "accuracy, selective units at zero in the delay",
        "delay_random": "accuracy, random others at zero in the delay",
        "before": "accuracy, selective units at zero before the symbol",
        "before_random": "accuracy, random others at zero before the symbol",
        "writing": "accuracy, selective units at zero as the symbol is shown",
        "holding": "accuracy, selective units at zero in one step of the delay",
    },
    judge=judge,
    bars={
        "whole": "all units",
        "delay": "selective, in the delay",
        "delay_random": "random, in the delay",
        "before": "selective, before the symbol",
    },
    axis="accuracy (share of examples)",
    lines=("step at which units are at zero", "accuracy (share of examples)"),
)
