"""Leaky integrate-and-fire cells that store patterns by one Hebbian step and recall them from fragments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.hooks import capture
from interp.interventions import ablate
from interp.lab.hosts.host import Config, Host
from interp.lab.study import Record, StudyResult
from interp.models import HookedModel, adopt
from interp.models.taps import tap
from interp.progress import Report

CELLS, ACTIVE, STORED = 200, 20, 10  # cells, cells of one pattern, patterns
STEPS, CUE_STEPS, WINDOW = 30, 10, 10  # in all, with the cue present, and read at the end
FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # of a pattern's cells that a cue shows
LOADS = {"10 disjoint": 0, "10 random": 10, "40 random": 40, "80 random": 80}
SHARES = tuple(tenth / 10 for tenth in range(10))  # of all cells that are ablated
CUES, DRAWS = 4, 4  # cues of every pattern, draws of random cells
SMOOTH = 0.3  # a tenth of the cells that costs more than this is a cliff; an even fall costs 0.1 each
SITE = "tap:spikes"


class HebbianLIF(nn.Module):
    """Recurrent integrate-and-fire cells whose weights are sums of outer products of patterns, less an inhibition.

    ``v[t] = decay v[t-1] (1 - s[t-1]) + s[t-1] W + drive cue[t]`` and ``s[t] = 1`` where ``v[t] >= 1``. The cue is
    present in the first steps. Logits are overlaps of the last steps' rates with each stored pattern: mean rate of its
    cells less that of all others, 1 for perfect recall.

    Args:
        patterns: ``(pattern, cell)`` of 0 and 1.
        strength: Weight that a cell of a pattern gets from all others of it together.
        inhibition: Taken from every cell when as many cells fire as a pattern has.
    """

    def __init__(
        self,
        patterns: Float[Tensor, "pattern cell"],
        *,
        strength: float = 4.0,
        inhibition: float = 2.0,
        decay: float = 0.6,
        drive: float = 1.5,
    ) -> None:
        super().__init__()
        self.decay, self.drive = decay, drive
        active = patterns.sum(1).mean()
        stored = (patterns.T @ patterns).fill_diagonal_(0)
        self.recurrent = nn.Parameter((strength * stored - inhibition) / active, requires_grad=False)
        members, others = patterns / patterns.sum(1, keepdim=True), 1 - patterns
        readout = (members - others / others.sum(1, keepdim=True)).T.contiguous()
        self.readout = nn.Parameter(readout, requires_grad=False)

    def forward(self, cue: Float[Tensor, "example cell"]) -> Float[Tensor, "example pattern"]:
        """Overlap of the activity that a cue leaves with every stored pattern."""
        potential, spikes, rates = torch.zeros_like(cue), torch.zeros_like(cue), torch.zeros_like(cue)
        for step in range(STEPS):
            current = spikes @ self.recurrent
            if step < CUE_STEPS:
                current = current + self.drive * cue
            potential = self.decay * potential * (1 - spikes) + current
            spikes = tap("spikes", (potential >= 1).to(cue.dtype))
            if step >= STEPS - WINDOW:
                rates = rates + spikes / WINDOW
        return rates @ self.readout


def random_patterns(n: int, generator: np.random.Generator) -> Float[Tensor, "pattern cell"]:
    """Patterns of as many random cells each; disjoint ones for ``n=0``, as many as there is room for."""
    if n == 0:
        order = generator.permutation(CELLS).reshape(-1, ACTIVE)
    else:
        order = np.stack([generator.permutation(CELLS)[:ACTIVE] for _ in range(n)])
    return torch.zeros(len(order), CELLS).scatter_(1, torch.from_numpy(order), 1.0)


def fragments(
    patterns: Float[Tensor, "pattern cell"], fraction: float, n: int, generator: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Cues that show a random part of a pattern's cells, ``(pattern · n, cell)``, and the pattern of each."""
    labels = torch.arange(len(patterns)).repeat(n)
    rows = patterns[labels]
    order = rows * (1 + torch.from_numpy(generator.random(rows.shape)).to(rows))
    shown = order.topk(max(1, round(fraction * ACTIVE)), dim=1).indices
    return torch.zeros_like(rows).scatter_(1, shown, 1.0), labels


def overlaps(model: Callable[[Tensor], Tensor], cues: Tensor, labels: Tensor) -> Tensor:
    """Overlap of each example with its own pattern, ``(example,)``."""
    with torch.no_grad():
        return model(cues).gather(1, labels[:, None])[:, 0]


def measure(config: Config, seed: int, report: Report) -> Record:
    """Store patterns in one step each, recall them, ablate or silence cells, let one pattern decay."""
    generator = np.random.default_rng([seed, 2])
    lines = {}
    for done, (words, load) in enumerate(LOADS.items()):
        patterns = random_patterns(load, generator)
        network = HebbianLIF(patterns)
        cued = (fragments(patterns, fraction, CUES, generator) for fraction in FRACTIONS)
        lines[words] = [overlaps(network, *cue).mean().item() for cue in cued]
        report(done + 1, words)
    half = FRACTIONS.index(0.5)
    numbers: dict[str, float | None] = {
        f"cue_{words.replace(' ', '_')}": line[half] for words, line in lines.items()
    }
    patterns = random_patterns(STORED, generator)
    cues, labels = fragments(patterns, 0.5, CUES, generator)
    network = HebbianLIF(patterns)
    model = adopt(network, [SITE], example=cues[:4])
    last = capture(model, cues, SITE)[SITE][:, -WINDOW:]  # (example, time, cell)
    numbers["active"] = last.sum(2).mean().item()
    numbers |= _ablated(model, cues, labels, generator) | _own_cells(model, patterns, cues, labels, generator)
    report(len(LOADS) + 1, "ablated")
    numbers |= _silenced(model, cues, labels) | _decayed(patterns, cues, labels)
    report(len(LOADS) + 2, "decayed")
    return Record(numbers, {"x": list(FRACTIONS), "lines": lines})


def _ablated(
    model: HookedModel, cues: Tensor, labels: Tensor, generator: np.random.Generator
) -> dict[str, float | None]:
    """Overlap without a growing share of random cells, and the largest fall by a tenth of the cells."""
    curves = []
    for _ in range(2 * DRAWS):
        order, curve = generator.permutation(CELLS), []
        for share in SHARES:
            with ablate(model, order[: round(share * CELLS)], site=SITE):
                curve.append(overlaps(model, cues, labels).mean().item())
        curves.append(curve)
    mean = np.mean(curves, 0)
    shown: dict[str, float | None] = {
        f"without_{share:.0%}": float(mean[SHARES.index(share)]) for share in (0, 0.2, 0.5, 0.8)
    }
    return shown | {"steepest": float(-np.diff(mean).min())}


def _own_cells(
    model: HookedModel, patterns: Tensor, cues: Tensor, labels: Tensor, generator: np.random.Generator
) -> dict[str, float | None]:
    """Overlap of a pattern, and of all others, without half of its cells and without as many random cells."""
    own, others, random = [], [], []
    for place, pattern in enumerate(patterns):
        members = generator.permutation(np.flatnonzero(pattern.numpy()))[: ACTIVE // 2]
        with ablate(model, members, site=SITE):
            values = overlaps(model, cues, labels)
        own.append(values[labels == place].mean().item())
        others.append(values[labels != place].mean().item())
        for _ in range(DRAWS):
            with ablate(model, generator.permutation(CELLS)[: ACTIVE // 2], site=SITE):
                random.append(overlaps(model, cues, labels)[labels == place].mean().item())
    return {"own": float(np.mean(own)), "others": float(np.mean(others)), "random": float(np.mean(random))}


def _silenced(model: HookedModel, cues: Tensor, labels: Tensor) -> dict[str, float | None]:
    """Overlap when no cell fires for five steps, during the cue and after it."""
    numbers: dict[str, float | None] = {}
    for name, steps in (("during", "3-7"), ("after", "13-17")):
        with ablate(model, np.arange(CELLS), site=SITE, during=steps):
            numbers[f"silent_{name}"] = overlaps(model, cues, labels).mean().item()
    return numbers


def _decayed(patterns: Tensor, cues: Tensor, labels: Tensor) -> dict[str, float | None]:
    """Overlap of a pattern whose part of the weights has decayed to a tenth, and of all others."""
    own, others = [], []
    for place, pattern in enumerate(patterns):
        network = HebbianLIF(patterns)
        part = HebbianLIF(pattern[None], inhibition=0.0).recurrent
        network.recurrent.sub_(0.9 * part)
        values = overlaps(network, cues, labels)
        own.append(values[labels == place].mean().item())
        others.append(values[labels != place].mean().item())
    return {"decayed_own": float(np.mean(own)), "decayed_others": float(np.mean(others))}


def judge(result: StudyResult) -> list[str]:
    """Recall by load, the fall as cells are ablated, a pattern's own cells against random ones, decay, and silence."""
    over = {name: one for name in result.study.quantities if (one := result.over(name)) is not None}
    cues = [over[name] for name in over if name.startswith("cue")]
    loads = ", ".join(f"{one.words()} of {words}" for one, words in zip(cues, LOADS, strict=True))
    steepest, intact = over["steepest"], over["without_0%"]
    own, decay = over["random"].minus(over["own"]), intact.minus(over["decayed_own"])
    spared, late = intact.minus(over["decayed_others"]), over["silent_during"].minus(over["silent_after"])
    fall = "in a way that is not decided, the costliest tenth being close to"
    if steepest.high < SMOOTH:
        fall = "without a cliff, no tenth of the cells costing"
    elif steepest.low > SMOOTH:
        fall = "over a cliff, one tenth of the cells costing more than"
    return [
        f"From half of its cells a pattern is recalled with overlap {loads}: load "
        + cues[0]
        .minus(cues[-1])
        .verdict("degrades recall.", "improves recall.", "is not decided to matter."),
        f"As random cells are ablated recall falls {fall} {SMOOTH:g} (the costliest {steepest.words()}; in an even "
        f"fall 0.1 each). A fifth of the cells leaves an overlap of {over['without_20%'].words()}, half of them "
        f"{over['without_50%'].words()}, where a fall in proportion would leave 0.8 and 0.5 of {intact.words()}.",
        f"Half of a pattern's own cells cost {own.words()} more overlap than as many random ones: "
        + own.verdict("memory is in its own cells.", "the claim does not hold.", "this is not decided."),
        f"Weights of one pattern that decay to a tenth cost it {decay.words()}, and each other {spared.words()}: "
        + decay.minus(spared).verdict("it is forgotten and they are not.", "not it alone.", "not decided."),
        f"Five silent steps after the cue leave {late.words()} less overlap than five while it is present: "
        + late.verdict(
            "after the cue the recalled pattern is in spikes alone.",
            "the claim does not hold.",
            "not decided.",
        ),
    ]


def _small(seed: int) -> nn.Module:
    own = random_patterns(2, np.random.default_rng(seed + 1))
    return HebbianLIF(torch.cat((random_patterns(3, np.random.default_rng(0)), own)))


def _example() -> Tensor:
    generator = np.random.default_rng(0)  # patterns that every small network has stored
    return fragments(random_patterns(3, generator), 0.5, 2, generator)[0]


HOST = Host(
    title="A spiking network recalls stored patterns from fragments",
    about=(
        "200 recurrent leaky integrate-and-fire cells store patterns of 20 cells, each in one Hebbian step (a sum"
        " of outer products, with an inhibition that all cells share), after the idea of the spiking content-"
        "addressable memory modelled on hippocampal CA3, not its algorithm or its hardware. A cue shows a part of"
        " a pattern's cells for ten steps; recall is the overlap of the last ten of thirty steps with the "
        "pattern: mean rate of its cells less that of the others. Cells are ablated at random; half of a "
        "pattern's own cells are compared with as many random ones; the part of the weights that one pattern has "
        "decays; all cells are silent for five steps during the cue or after it. The claims: recall degrades with"
        " load, falls smoothly as cells are ablated, depends on a pattern's own cells, and decay forgets one "
        "pattern alone. How steep the fall is depends on the strength of the weights: weaker ones recall less and"
        " fall over a cliff. The figure shows overlaps, and overlap against the share of a pattern that its cue "
        "shows."
    ),
    build=_small,
    example=_example,
    sites=(SITE,),
    measure=measure,
    units=lambda config: len(LOADS) + 2,
    quantities={
        "cue_10_disjoint": "overlap, half cue, 10 disjoint patterns",
        "cue_10_random": "overlap, half cue, 10 random patterns",
        "cue_40_random": "overlap, half cue, 40 random patterns",
        "cue_80_random": "overlap, half cue, 80 random patterns",
        "active": "cells that fire at a time at the end",
        "without_0%": "overlap, no cell ablated",
        "without_20%": "overlap without 20 % of cells",
        "without_50%": "overlap without 50 % of cells",
        "without_80%": "overlap without 80 % of cells",
        "steepest": "largest fall by a tenth of the cells",
        "own": "overlap without half of the pattern's own cells",
        "random": "overlap without as many random cells",
        "others": "overlap of other patterns without these own cells",
        "silent_during": "overlap, silent for steps of the cue",
        "silent_after": "overlap, silent for steps after the cue",
        "decayed_own": "overlap of a decayed pattern",
        "decayed_others": "overlap of the others",
    },
    judge=judge,
    bars={
        "without_0%": "intact",
        "without_50%": "without 50 %",
        "own": "without half its cells",
        "random": "as many random",
        "decayed_own": "decayed",
        "decayed_others": "others",
        "silent_during": "silent in cue",
        "silent_after": "silent after",
    },
    axis="overlap (1: recalled whole)",
    lines=("cue (share of the pattern)", "overlap (1: recalled whole)"),
)
