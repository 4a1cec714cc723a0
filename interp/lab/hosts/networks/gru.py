"""Gated recurrent layer of PyTorch (nn.GRU): a latch that keeps the last symbol written."""

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
    over_seeds,
    rounded,
    train_on,
)
from interp.lab.hosts.training import seeded
from interp.lab.study import Record, StudyResult
from interp.progress import Report

SYMBOLS, STEPS, WRITTEN = 4, 16, 0.2
FIRST, SECOND = 3, 9  # steps of the two writings that evaluation examples have
BETWEEN, AFTER = f"{FIRST + 1}-{SECOND - 1}", f"{SECOND + 1}-{STEPS - 2}"
UNITS, ABLATED, UPDATES = 16, 8, 1500
SITE = "gru:hidden[0]"


class Latch(nn.Module):
    """A gated layer over all steps; its last state is read out."""

    def __init__(self, units: int = UNITS) -> None:
        super().__init__()
        self.gru = nn.GRU(SYMBOLS + 1, units, batch_first=True)
        self.readout = nn.Linear(units, SYMBOLS)

    def forward(self, inputs: Float[Tensor, "example step feature"]) -> Float[Tensor, "example symbol"]:
        """Logits of the symbol that was written last."""
        states, _ = self.gru(inputs)
        return self.readout(states[:, -1])


def _shown(
    written: Tensor, generator: torch.Generator, symbols: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, labels and symbols: a random symbol in each step, the last feature marks those to be written."""
    number = len(written)
    if symbols is None:
        symbols = torch.randint(SYMBOLS, (number, STEPS), generator=generator)
    inputs = torch.zeros(number, STEPS, SYMBOLS + 1)
    inputs.scatter_(2, symbols[..., None], 1.0)
    inputs[..., -1] = written.float()
    last = (written * torch.arange(1, STEPS + 1)).argmax(1)
    return inputs, symbols[torch.arange(number), last], symbols


def draw(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Symbols written at random steps, the first of which is always one, and the last three never."""
    written = torch.rand(number, STEPS, generator=generator) < WRITTEN
    written[:, 0], written[:, -3:] = True, False
    return _shown(written, generator)[:2]


def draw_twice(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two different symbols are written, always in the same steps; labels are the second ones."""
    written = torch.zeros(number, STEPS, dtype=torch.bool)
    written[:, [FIRST, SECOND]] = True
    symbols = torch.randint(SYMBOLS, (number, STEPS), generator=generator)
    further = torch.randint(1, SYMBOLS, (number,), generator=generator)
    symbols[:, SECOND] = (symbols[:, FIRST] + further) % SYMBOLS
    return _shown(written, generator, symbols)[:2]


def build(seed: int) -> Latch:
    """Eight units with random weights."""
    with seeded(seed):
        return Latch(units=8)


def example() -> Tensor:
    """Three examples of the task."""
    return draw(3, torch.Generator().manual_seed(0))[0]


def replaced(
    module: Latch, inputs: Float[Tensor, "example step feature"], states: Float[Tensor, "example step unit"]
) -> Float[Tensor, "example step unit"]:
    """Share of each unit's state that a step replaces: one minus the update gate of PyTorch's equations."""
    layer, size = module.gru, module.gru.hidden_size
    before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)
    rows = slice(size, 2 * size)
    driving, recurrent, *biases = (one[rows] for one in layer.all_weights[0])
    return 1 - torch.sigmoid(inputs @ driving.T + before @ recurrent.T + biases[0] + biases[1])


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train, choose units after the second writing, and ablate them between the writings and after both."""
    with seeded(seed):
        module = Latch()
    train_on(module, draw, units(config), seed, report, lr=1e-2)
    bench = Bench.of(module, HOST.sites, draw_twice, seed)
    inputs, labels = draw_twice(EVALUATED, generator_for(seed, CHOOSING))
    middle = (SECOND + STEPS) // 2
    chosen = most(class_spread(activations(bench.model, inputs, SITE)[:, middle], labels), ABLATED)
    numbers: dict[str, float | None] = {"whole": bench.accuracy()}
    for name, during in (("after", AFTER), ("between", BETWEEN)):
        numbers[name] = bench.accuracy(SITE, chosen, during)
        numbers[f"{name}_random"] = bench.random_accuracy(SITE, chosen, UNITS, during)
    with torch.no_grad():
        states = activations(bench.model, bench.inputs, SITE)
        share = replaced(module, bench.inputs, states)[..., chosen].mean((0, 2))
    written = [FIRST, SECOND]
    after = [step + 1 for step in written]
    others = [step for step in range(STEPS) if step not in written + after]
    for name, steps in (("written", written), ("next", after), ("not", others)):
        numbers[f"replaced_{name}"] = float(share[steps].mean())
    lines = {"selective units": rounded(share)}
    return Record(numbers, {"x": list(range(STEPS)), "lines": lines, "chosen": chosen})


def units(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def judge(result: StudyResult) -> list[str]:
    """Sentences on selective units against random ones, on the two scopes in time, and on the gates."""
    gates = over_seeds(result, "replaced_written", "replaced_next", "replaced_not")
    side = gates[0].minus(gates[2])
    verdict = side.verdict(
        "The gates open for a symbol to be written",
        "The gates open less for a symbol to be written",
        "That the gates open for it is not decided",
    )
    return [
        cost_sentence(
            result,
            "after",
            "after_random",
            f"the {ABLATED} selective units at zero after the last writing",
            "as many random others at zero",
        ),
        cost_sentence(
            result,
            "after",
            "between",
            "the selective units at zero after the last writing",
            "the same units at zero between the two writings",
        ),
        f"A step replaces {gates[0].words()} of the selective units' state where a symbol is written, "
        f"{gates[1].words()} one step later, and {gates[2].words()} elsewhere. {verdict}: the difference is "
        f"{side.words()}.",
    ]


HOST = Host(
    title="nn.GRU: a latch",
    about=(
        f"The gated recurrent layer of PyTorch, trained to name the last of {SYMBOLS} symbols that was marked to be "
        f"written, where every step shows a random symbol. It is measured on examples with two writings, in steps "
        f"{FIRST} and {SECOND} of {STEPS}. The {ABLATED} units of {UNITS} whose means for each symbol lie furthest "
        "apart after the second writing, on examples drawn for this choice, are held at zero inside the layer's "
        "loop. The claim: after the second writing they cost more than as many random others, and more than between "
        "the writings, where the state is to be overwritten. The line is the share of their state that each step "
        "replaces, computed from the layer's gates; writings should be its peaks."
    ),
    build=build,
    example=example,
    sites=(SITE,),
    measure=measure,
    units=units,
    quantities={
        "whole": "accuracy, all units",
        "after": "accuracy, selective units at zero after the writings",
        "after_random": "accuracy, random others at zero after the writings",
        "between": "accuracy, selective units at zero between the writings",
        "between_random": "accuracy, random others at zero between the writings",
        "replaced_written": "share of state replaced by a step that writes",
        "replaced_next": "share of state replaced by the step after one that writes",
        "replaced_not": "share of state replaced by any other step",
    },
    judge=judge,
    bars={
        "whole": "all units",
        "after": "selective, after",
        "after_random": "random, after",
        "between": "selective, between",
        "between_random": "random, between",
    },
    axis="accuracy (share of examples)",
    lines=("step", "state replaced (share)"),
)
