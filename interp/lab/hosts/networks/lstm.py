"""Two layers with memory cells of PyTorch (nn.LSTM): marks are counted, and the count is reset in the middle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.interventions import Edit, intervene
from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.recurrent import (
    CHOOSING,
    EVALUATED,
    Bench,
    activations,
    cost_sentence,
    generator_for,
    most,
    over_seeds,
    random_others,
    rounded,
    train_on,
)
from interp.lab.hosts.training import seeded
from interp.lab.study import Record, StudyResult
from interp.modes import Zero
from interp.progress import Report

STEPS, MOST, NOISE = 16, 8, 0.1
RESET = STEPS // 2 - 1
UNITS, ABLATED, UPDATES = 24, 8, 1500
SITES = ("lstm:hidden[0]", "lstm:hidden[1]", "lstm:cell[0]", "lstm:cell[1]")
CELLS = SITES[2:]


class Counter(nn.Module):
    """Two layers of memory cells over all steps; the last state of the second is read out."""

    def __init__(self, units: int = UNITS) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, units, num_layers=2, batch_first=True)
        self.readout = nn.Linear(units, MOST + 1)

    def forward(self, inputs: Float[Tensor, "example step feature"]) -> Float[Tensor, "example count"]:
        """Logits of the number of marks."""
        states, _ = self.lstm(inputs)
        return self.readout(states[:, -1])


def marks(inputs: Float[Tensor, "example step feature"]) -> Int[Tensor, "example step"]:
    """1 where a step is marked."""
    return (inputs[..., 0] > 0.5).long()


def draw(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A number of marks, each number as often, at random steps; the second feature is noise."""
    labels = torch.randint(MOST + 1, (number,), generator=generator)
    order = torch.rand(number, STEPS, generator=generator).argsort(1).argsort(1)
    marked = (order < labels[:, None]).float()
    return torch.stack([marked, NOISE * torch.randn(number, STEPS, generator=generator)], -1), labels


def build(seed: int) -> Counter:
    """Six units a layer, with random weights."""
    with seeded(seed):
        return Counter(units=6)


def example() -> Tensor:
    """Three examples of the task."""
    return draw(3, torch.Generator().manual_seed(0))[0]


def counting(
    values: Float[Tensor, "example time neuron"], inputs: Float[Tensor, "example step feature"]
) -> np.ndarray:
    """Squared correlation of each cell with the marks counted so far, over all examples and steps."""
    count = marks(inputs).cumsum(1).flatten().double()
    cells = values.flatten(0, 1).double()
    count, cells = count - count.mean(), cells - cells.mean(0)
    size = (cells.square().sum(0) * count.square().sum()).clamp_min(1e-30)
    return ((cells * count[:, None]).sum(0).square() / size).numpy()


def after_reset(bench: Bench, chosen: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Answers with cells of both layers at zero in the step `RESET`, where earlier marks exist.

    ``whole`` and ``later`` are the shares of answers with all marks and with later ones only; ``lost`` is by how many
    marks answers fall short, in all, as a share of the marks that were earlier.
    """
    edits = [Edit(site, np.array(cells), Zero(), during=str(RESET)) for site, cells in chosen.items()]
    with torch.no_grad(), intervene(bench.model, *edits):
        answers = bench.model(bench.inputs).argmax(-1)
    later = marks(bench.inputs)[:, RESET + 1 :].sum(1)
    tellable = later != bench.labels  # where both counts are the same, an answer says nothing
    answers, whole, later = answers[tellable], bench.labels[tellable], later[tellable]
    return {
        "whole": float((answers == whole).float().mean()),
        "later": float((answers == later).float().mean()),
        "lost": float((whole - answers).sum() / (whole - later).sum()),
    }


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train, choose cells that follow the count, and set them to zero in one step, in each layer and in both."""
    with seeded(seed):
        module = Counter()
    train_on(module, draw, units(config), seed, report, lr=1e-2)
    bench = Bench.of(module, HOST.sites, draw, seed)
    inputs, _ = draw(EVALUATED, generator_for(seed, CHOOSING))
    numbers: dict[str, float | None] = {"whole": bench.accuracy()}
    chosen: dict[str, list[int]] = {}
    for layer, site in enumerate(CELLS):
        score = counting(activations(bench.model, inputs, site), inputs)
        chosen[site] = most(score, ABLATED)
        numbers[f"correlation_{layer}"] = float(np.sqrt(score.max()))
        numbers[f"layer_{layer}"] = bench.accuracy(site, chosen[site], str(RESET))
        numbers[f"layer_{layer}_random"] = bench.random_accuracy(site, chosen[site], UNITS, str(RESET))
    draws = [random_others(UNITS, cells, bench.generator) for cells in chosen.values()]
    sets = [dict(zip(CELLS, pair, strict=True)) for pair in zip(*draws, strict=True)]
    others = [after_reset(bench, one) for one in sets]
    for name, value in after_reset(bench, chosen).items():
        numbers[f"both_{name}"] = value
        numbers[f"random_{name}"] = float(np.mean([one[name] for one in others]))
    steps = list(range(STEPS))
    lines = {
        f"counting cells, {layer} layer": rounded(
            bench.accuracy(site, chosen[site], str(step)) for step in steps
        )
        for layer, site in zip(("first", "second"), CELLS, strict=True)
    }
    lines["random others, first layer"] = rounded(
        bench.random_accuracy(CELLS[0], chosen[CELLS[0]], UNITS, str(step)) for step in steps
    )
    return Record(numbers, {"x": steps, "lines": lines, "chosen": chosen})


def units(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def judge(result: StudyResult) -> list[str]:
    """Sentences on counting cells of each layer against random ones, and on the count after a reset of both."""
    sentences = [
        cost_sentence(
            result,
            f"layer_{layer}",
            f"layer_{layer}_random",
            f"the {ABLATED} counting cells of the {name} layer at zero in step {RESET} only",
            "as many random others at zero in it",
        )
        for layer, name in enumerate(("first", "second"))
    ]
    numbers = over_seeds(result, "both_later", "both_whole", "both_lost", "random_later", "random_lost")
    first, second = over_seeds(result, "layer_0", "layer_1")
    layers, lost = second.minus(first), numbers[2].minus(numbers[4])
    later, whole, share, random_later, random_share = (one.words() for one in numbers)
    where = layers.verdict(
        "The first layer holds more of the count",
        "The second layer holds more of the count",
        "Which layer holds more of the count is not decided",
    )
    more = lost.verdict("more", "less", "not decidedly more")
    anew = numbers[0].minus(numbers[1]).verdict("does", "does not", "does not decidedly")
    return [
        *sentences,
        f"{where}: a reset of the first costs {layers.words()} more.",
        f"With the counting cells of both layers at zero in that step, {later} of the answers are the number of later "
        f"marks, and {whole} that of all marks; with random others {random_later} are the number of later marks. The "
        f"network {anew} count anew as a rule.",
        f"Answers then lose {share} of the earlier marks, {more} than with random others, {random_share}: the "
        f"difference is {lost.words()}.",
    ]


HOST = Host(
    title="nn.LSTM: counting cells",
    about=(
        f"Two layers with memory cells of PyTorch, trained to count up to {MOST} marks at random among {STEPS} steps. "
        f"In each layer, the {ABLATED} cells of {UNITS} that follow the count of marks most closely, on examples drawn "
        f"for this choice, are set to zero in step {RESET} only, inside the layer's loop. The claim: this costs more "
        "than as many random others; and set to zero in both layers, the cells begin to count anew, so that the "
        "answer becomes the number of later marks. Lines show the accuracy with cells at zero in each single step."
    ),
    build=build,
    example=example,
    sites=SITES,
    measure=measure,
    units=units,
    quantities={
        "whole": "accuracy, all cells",
        "correlation_0": "correlation with the count, best cell of the first layer",
        "correlation_1": "correlation with the count, best cell of the second layer",
        "layer_0": "accuracy, counting cells of the first layer reset",
        "layer_0_random": "accuracy, random others of the first layer reset",
        "layer_1": "accuracy, counting cells of the second layer reset",
        "layer_1_random": "accuracy, random others of the second layer reset",
        "both_whole": "answers with all marks, counting cells of both layers reset",
        "both_later": "answers with later marks only, counting cells of both layers reset",
        "both_lost": "share of earlier marks lost, counting cells of both layers reset",
        "random_whole": "answers with all marks, random others reset",
        "random_later": "answers with later marks only, random others reset",
        "random_lost": "share of earlier marks lost, random others reset",
    },
    judge=judge,
    bars={
        "whole": "all cells",
        "layer_0": "first layer, counting",
        "layer_0_random": "first layer, random",
        "layer_1": "second layer, counting",
        "layer_1_random": "second layer, random",
    },
    axis="accuracy (share of examples)",
    lines=("step at which cells are at zero", "accuracy (share of examples)"),
)
