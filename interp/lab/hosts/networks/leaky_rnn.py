"""Recurrent network of leaky units, each with a time constant that is trained."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import PolynomialLR

from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.training import descend
from interp.lab.study import Record, StudyResult
from interp.lab.timescales.ablation import (
    BARS,
    LINES,
    QUANTITIES,
    SETS,
    accuracy,
    curves_by_delay,
    delay_numbers,
    delay_sentences,
    sets_by_time_constant,
)
from interp.lab.timescales.tasks import Recall, delayed_recall
from interp.models import adopt
from interp.models.taps import tap
from interp.progress import Report
from interp.time_scope import TimeScope

SYMBOLS, STEPS, WIDTH = 8, 26, 48
DELAYS = (1, 2, 4, 8, 12, 16, 20, 24)
SHORT, LONG = DELAYS[:3], DELAYS[-3:]
MIDDLE = 18  # the delay at which units are ablated for a part of the time
UPDATES, BATCH, TESTED = 2000, 128, 2000
SITE = "tap:hidden"


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
    return config.updates(UPDATES)


def trained(n_updates: int, generator: torch.Generator, report: Report) -> LeakyRNN:
    """A network that recalls symbols after all of `DELAYS`."""
    model = LeakyRNN(SYMBOLS, WIDTH, SYMBOLS, generator)

    def loss() -> Tensor:
        batch = delayed_recall(BATCH, DELAYS, generator, symbols=SYMBOLS, steps=STEPS)
        return cross_entropy(model(batch.inputs), batch.labels)

    descend(model.parameters(), loss, n_updates, report, lr=0.01, schedule=PolynomialLR)
    return model


def measure(config: Config, seed: int, report: Report) -> Record:
    """Accuracy after each delay, whole and without the units of longest or shortest time constants or random ones."""
    generator = torch.Generator().manual_seed(seed)
    network = trained(updates(config), generator, report)
    tau = network.tau.detach().numpy()
    sets = sets_by_time_constant(tau, np.random.default_rng(seed))

    def draw(delay: int) -> Recall:
        return delayed_recall(TESTED, [delay], generator, symbols=SYMBOLS, steps=STEPS)

    model = adopt(network, HOST.sites, example=draw(DELAYS[0]).inputs[:8])
    curves = curves_by_delay(model, SITE, sets, DELAYS, draw)
    numbers: dict[str, float | None] = {
        f"tau_{name}": float(tau[sets[name][0]].mean()) for name in ("shortest", "longest")
    }
    numbers |= delay_numbers(curves, DELAYS, SHORT, LONG)
    recall, shown = draw(MIDDLE), STEPS - 1 - MIDDLE
    whole = accuracy(model, SITE, recall)
    spans = {"before": TimeScope(until=shown - 1), "between": TimeScope(shown + 1, 2 * shown)}
    for span, during in spans.items():
        for name, draws in sets.items():
            left = np.mean([accuracy(model, SITE, recall, units, during) for units in draws])
            numbers[f"lost_{name}_{span}"] = whole - float(left)
    lines = {LINES[name]: curve.round(4).tolist() for name, curve in curves.items()}
    return Record(numbers, {"x": list(DELAYS), "lines": lines})


def judge(result: StudyResult) -> list[str]:
    """Memory at all; time constants against delays; and the time at which units are needed."""
    whole = result.over("whole_long")
    spans = result.all_over("lost_longest_before", "lost_longest_between")
    assert whole is not None
    assert spans is not None
    before, between = spans
    return [
        f"Symbols are recalled after {LONG[0]} to {LONG[-1]} steps in {whole.words('{:.1%}'.format)} of new examples; "
        f"chance is {1 / SYMBOLS:.1%}.",
        *delay_sentences(result, 1 / SYMBOLS),
        f"Ablated for {STEPS - 1 - MIDDLE} steps only, units of the longest time constants cost "
        f"{before.words('{:.1%}'.format)} before the symbol is shown, and {between.words('{:.1%}'.format)} while it is "
        "remembered: "
        + between.minus(before).verdict(
            "they hold it then", "they are needed before it comes", "which costs more is not decided"
        )
        + ".",
    ]


HOST = Host(
    title="Leaky units: longer time constants for longer delays?",
    about=(
        "A recurrent network of leaky units with trainable time constants, after the idea of arXiv 2309.12927, is "
        "trained to recall one of eight symbols under noise after delays of 1 to 24 steps. The thirds of the units "
        "with the longest, the middle and the shortest time constants, and as many random ones (five draws) are held "
        "at zero inside the loop, on new examples. The claim: units of long time constants cost long delays more than "
        "short ones, more than units of middle time constants do, and units of short ones do not. A set that leaves "
        "hardly more than chance after short delays decides nothing: random ones hold short time constants as well. "
        "A span of ablation before the symbol is the control for one of the same length while it is remembered. The "
        "figure shows accuracy lost, and accuracy by delay."
    ),
    build=build,
    example=example,
    sites=(SITE,),
    measure=measure,
    units=updates,
    quantities={
        "tau_shortest": "mean of the third of shortest time constants (steps)",
        "tau_longest": "mean of the third of longest time constants (steps)",
    }
    | QUANTITIES
    | {
        f"lost_{name}_{span}": f"lost with {words} ablated {when}"
        for name, words in SETS.items()
        for span, when in (("before", "before the symbol"), ("between", "after the symbol"))
    },
    judge=judge,
    bars=BARS,
    axis="accuracy lost (0 to 1)",
    lines=("delay (steps)", "accuracy"),
)
