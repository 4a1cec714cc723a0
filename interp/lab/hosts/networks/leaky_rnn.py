"""Recurrent network of leaky units, each with a time constant that is trained."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from interp.lab.hosts.host import Config, Host
from interp.lab.study import Record, StudyResult
from interp.lab.timescales.tasks import delayed_recall
from interp.models.taps import Tap, listening, tap
from interp.progress import Report

SYMBOLS, STEPS, WIDTH = 8, 26, 48
DELAYS = (1, 2, 4, 8, 12, 16, 20, 24)
SHORT, LONG = DELAYS[:3], DELAYS[-3:]
MIDDLE = 18  # the delay at which units are ablated for a part of the time
UPDATES, BATCH, TESTED, DRAWS = 2000, 128, 2000, 5
SETS = {
    "longest": "longest time constants",
    "shortest": "shortest time constants",
    "random": "as many random ones",
}
LINES = {"whole": "all units"} | {name: f"without {words}" for name, words in SETS.items()}


class LeakyRNN(nn.Module):
    """A recurrent network whose units forget at rates of their own.

    ``h_t = (1 - 1/tau) h_{t-1} + 1/tau phi(W h_{t-1} + U x_t + b)`` with ``tau`` of at least 1 step for each unit; the
    equation of arXiv 2309.12927, with phi = tanh unless another is given. Inputs are ``(example, time, channel)``;
    logits, ``(example, output)``, are read from the state at the last step.

    Args:
        longest: Time constants are drawn log-uniformly between 1 and so many steps before training.
        generator: Draws time constants and weights.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        outputs: int,
        generator: torch.Generator,
        *,
        longest: float = 20.0,
        phi: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.input = nn.Linear(channels, width)
        self.recurrent = nn.Linear(width, width, bias=False)
        self.readout = nn.Linear(width, outputs)
        self.phi = nn.Tanh() if phi is None else phi
        tau = longest ** torch.rand(width, generator=generator)
        self.log_excess = nn.Parameter((tau - 1).clamp_min(1e-3).log())
        for layer in (self.input, self.recurrent, self.readout):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    @property
    def tau(self) -> Float[Tensor, " neuron"]:
        """Time constants in steps, above 1: ``1 + exp(log_excess)``."""
        return 1 + self.log_excess.exp()

    def forward(self, inputs: Float[Tensor, "example time channel"]) -> Float[Tensor, "example output"]:
        """Logits at the last step."""
        rate = 1 / self.tau
        hidden = inputs.new_zeros(len(inputs), len(rate))
        for drive in self.input(inputs).unbind(1):
            hidden = (1 - rate) * hidden + rate * self.phi(drive + self.recurrent(hidden))
            hidden = tap("hidden", hidden)
        logits: Tensor = self.readout(hidden)
        return logits


def build(seed: int) -> LeakyRNN:
    """Six units with random weights."""
    return LeakyRNN(3, 6, 3, torch.Generator().manual_seed(seed))


def example() -> Tensor:
    """Four inputs of five steps."""
    return torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0))


def updates(config: Config) -> int:
    """Updates of training."""
    return max(1, round(UPDATES * config.effort))


def trained(config: Config, generator: torch.Generator, report: Report) -> LeakyRNN:
    """A network that recalls symbols after all of `DELAYS`."""
    model = LeakyRNN(SYMBOLS, WIDTH, SYMBOLS, generator)
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    decay = torch.optim.lr_scheduler.PolynomialLR(optimiser, updates(config))
    for update in range(updates(config)):
        batch = delayed_recall(BATCH, DELAYS, generator, symbols=SYMBOLS, steps=STEPS)
        loss = cross_entropy(model(batch.inputs), batch.labels)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        decay.step()
        report(update + 1, f"loss {loss.item():.2f}")
    return model


def measure(config: Config, seed: int, report: Report) -> Record:
    """Accuracy after each delay, whole and without the units of longest or shortest time constants or random ones."""
    generator = torch.Generator().manual_seed(seed)
    model = trained(config, generator, report)
    tau = model.tau.detach().numpy()
    order, n = np.argsort(tau), WIDTH // 3
    draws = np.random.default_rng(seed)
    random = [draws.choice(WIDTH, n, replace=False) for _ in range(DRAWS)]
    sets = {"longest": [order[-n:]], "shortest": [order[:n]], "random": random}
    curves = {name: np.zeros(len(DELAYS)) for name in ("whole", *SETS)}
    for place, delay in enumerate(DELAYS):
        recall = delayed_recall(TESTED, [delay], generator, symbols=SYMBOLS, steps=STEPS)
        accuracy = partial(_accuracy, model, recall.inputs, recall.labels)
        curves["whole"][place] = accuracy([])
        for name, units in sets.items():
            curves[name][place] = np.mean([accuracy(one) for one in units])
    short, long = np.isin(DELAYS, SHORT), np.isin(DELAYS, LONG)
    numbers: dict[str, float | None] = {
        "tau_shortest": float(tau[order[:n]].mean()),
        "tau_longest": float(tau[order[-n:]].mean()),
        "whole_short": float(curves["whole"][short].mean()),
        "whole_long": float(curves["whole"][long].mean()),
    }
    for name in SETS:
        lost = curves["whole"] - curves[name]
        after_short, after_long = float(lost[short].mean()), float(lost[long].mean())
        numbers |= {
            f"lost_{name}_short": after_short,
            f"lost_{name}_long": after_long,
            f"excess_{name}": after_long - after_short,
        }
    numbers |= _over_time(model, sets, generator)
    lines = {LINES[name]: curve.round(4).tolist() for name, curve in curves.items()}
    return Record(numbers, {"x": list(DELAYS), "lines": lines})


def _over_time(
    model: LeakyRNN, sets: dict[str, list[np.ndarray]], generator: torch.Generator
) -> dict[str, float | None]:
    """Accuracy lost where units are ablated before the symbol is shown, and for as long while it is remembered."""
    recall = delayed_recall(TESTED, [MIDDLE], generator, symbols=SYMBOLS, steps=STEPS)
    shown = STEPS - 1 - MIDDLE
    spans = {"before": range(shown), "between": range(shown + 1, 2 * shown + 1)}
    whole = _accuracy(model, recall.inputs, recall.labels, [])
    return {
        f"lost_{name}_{span}": whole
        - float(np.mean([_accuracy(model, recall.inputs, recall.labels, one, steps) for one in units]))
        for span, steps in spans.items()
        for name, units in sets.items()
    }


@torch.no_grad()
def _accuracy(
    model: LeakyRNN, inputs: Tensor, labels: Tensor, units: np.ndarray | list[int], steps: range | None = None
) -> float:
    """Accuracy with units held at zero, at some steps or at all."""
    step = -1

    def zeroed(call: Tap, value: Tensor) -> Tensor:
        nonlocal step
        step += 1
        if steps is not None and step not in steps:
            return value
        return value.index_fill(1, torch.as_tensor(units), 0.0)

    with listening(zeroed) if len(units) else nullcontext():
        return (model(inputs).argmax(1) == labels).float().mean().item()


def judge(result: StudyResult) -> list[str]:
    """Memory at all; time constants against delays; and the time at which units are needed."""
    numbers = {name: over for name in result.records[0].numbers if (over := result.over(name)) is not None}
    long, chance = numbers["whole_long"], 1 / SYMBOLS
    sentences = [
        f"Symbols are recalled after {LONG[0]} to {LONG[-1]} steps in {long.words('{:.1%}'.format)} of new examples; "
        f"chance is {chance:.1%}."
    ]
    for name in ("longest", "shortest"):
        excess, beside = numbers[f"excess_{name}"], result.difference(f"excess_{name}", "excess_random")
        assert beside is not None
        lost = [numbers[f"lost_{name}_{delay}"].words("{:.1%}".format) for delay in ("short", "long")]
        sentences.append(
            f"Without the third of the units that has the {SETS[name]}, {lost[0]} are lost after short delays and "
            f"{lost[1]} after long ones: long delays "
            + excess.verdict("lose more", "lose less", "do not decidedly lose more or less")
            + f" (difference {excess.words('{:.3f}'.format)}), "
            + beside.verdict("by more than", "by less than", "which is not decidedly apart from")
            + " without as many random ones."
        )
    before, between = numbers["lost_longest_before"], numbers["lost_longest_between"]
    steps = STEPS - 1 - MIDDLE
    sentences.append(
        f"Ablated for {steps} steps only, units of the longest time constants cost {before.words('{:.1%}'.format)} "
        f"before the symbol is shown, and {between.words('{:.1%}'.format)} while it is remembered: "
        + between.minus(before).verdict(
            "their state holds it then", "they are needed before, which is odd", "not decided"
        )
        + "."
    )
    return sentences


HOST = Host(
    title="Leaky units: longer time constants for longer delays?",
    about=(
        "A recurrent network of leaky units with trainable time constants, after the idea of arXiv 2309.12927, is "
        "trained to recall one of eight symbols under noise after delays of 1 to 24 steps. The third of the units with "
        "the longest time constants, the third with the shortest, and as many random ones (five draws) are held at "
        "zero inside the loop, on new examples. The claim: units of long time constants cost long delays more than "
        "short ones, and units of short time constants do not. A span of ablation before the symbol is the control "
        "for one of the same length while it is remembered. The figure shows accuracy lost, and accuracy by delay."
    ),
    build=build,
    example=example,
    sites=("tap:hidden",),
    measure=measure,
    units=updates,
    quantities={
        "tau_shortest": "mean of the third of shortest time constants (steps)",
        "tau_longest": "mean of the third of longest time constants (steps)",
        "whole_short": "accuracy, short delays",
        "whole_long": "accuracy, long delays",
    }
    | {
        f"lost_{name}_{delay}": f"lost without {words}, {delay} delays"
        for name, words in SETS.items()
        for delay in ("short", "long")
    }
    | {f"excess_{name}": f"long minus short delays: lost without {words}" for name, words in SETS.items()}
    | {
        f"lost_{name}_{span}": f"lost with {words} ablated {span_words}"
        for name, words in SETS.items()
        for span, span_words in (("before", "before the symbol"), ("between", "after the symbol"))
    },
    judge=judge,
    bars={f"lost_{name}_{delay}": f"{name}, {delay} delays" for name in SETS for delay in ("short", "long")},
    axis="accuracy lost",
    lines=("delay (steps)", "accuracy"),
)
