"""Leaky-memory neuron: synaptic traces and memory units of many time constants, updated by a small MLP."""

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
    curves_by_delay,
    decoded,
    delay_numbers,
    delay_sentences,
    sets_by_time_constant,
)
from interp.lab.timescales.tasks import Recall, spike_recall
from interp.models import adopt
from interp.models.taps import tap
from interp.progress import Report

SYMBOLS, STEPS, MEMORY, LONGEST = 6, 42, 48, 60.0
DELAYS = (1, 2, 4, 8, 16, 24, 32, 40)
SHORT, LONG = DELAYS[:3], DELAYS[-3:]
UPDATES, BATCH, TESTED = 1200, 128, 1000
SITE = "tap:memory"


class LeakyMemory(nn.Module):
    """A leaky-memory (ELM) neuron, arXiv 2306.16922, with a logit for each class as its read-out.

    Synapses keep traces ``s_t = k_s s_{t-1} + w_s x_t``, memory units ``m_t = k_m m_{t-1} + strength (1 - k_m)
    tanh(MLP(s_t, k_m m_{t-1}))``, with ``k = exp(-1 / tau)``. The time constants of memory units stay as they are:
    log-spaced from 1 step to the longest. Inputs are ``(example, time, synapse)``; logits, ``(example, output)``, are
    read from the memory at the last step.
    """

    k_trace: Tensor
    k_memory: Tensor

    def __init__(
        self,
        synapses: int,
        memory: int,
        outputs: int,
        generator: torch.Generator,
        *,
        hidden: int = 64,
        longest: float = LONGEST,
        tau_trace: float = 2.0,
        strength: float = 5.0,
    ) -> None:
        super().__init__()
        self.strength = strength
        self.register_buffer("k_trace", torch.full((synapses,), np.exp(-1 / tau_trace)))
        self.register_buffer("k_memory", (-1 / torch.logspace(0, np.log10(longest), memory)).exp())
        self.synapse = nn.Parameter(torch.full((synapses,), 0.5))
        self.first = nn.Linear(synapses + memory, hidden)
        self.second = nn.Linear(hidden, memory)
        self.readout = nn.Linear(memory, outputs, bias=False)
        for layer in (self.first, self.second, self.readout):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    @property
    def tau(self) -> Float[Tensor, " neuron"]:
        """Time constants of the memory units in steps."""
        return -1 / self.k_memory.log()

    def forward(self, inputs: Float[Tensor, "example time synapse"]) -> Float[Tensor, "example output"]:
        """Logits at the last step."""
        trace = inputs.new_zeros(len(inputs), len(self.k_trace))
        memory = inputs.new_zeros(len(inputs), len(self.k_memory))
        for spikes in inputs.unbind(1):
            trace = tap("trace", self.k_trace * trace + self.synapse * spikes)
            kept = self.k_memory * memory
            change = self.second(self.first(torch.cat([trace, kept], 1)).relu()).tanh()
            memory = tap("memory", kept + self.strength * (1 - self.k_memory) * change)
        logits: Tensor = self.readout(memory)
        return logits


def build(seed: int) -> LeakyMemory:
    """Six memory units with random weights."""
    return LeakyMemory(4, 6, 3, torch.Generator().manual_seed(seed), hidden=5)


def example() -> Tensor:
    """Four inputs of five steps."""
    return (torch.rand(4, 5, 4, generator=torch.Generator().manual_seed(0)) < 0.4).float()


def updates(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def trained(config: Config, generator: torch.Generator, report: Report) -> LeakyMemory:
    """A neuron that recalls bursts of spikes after all of `DELAYS`."""
    model = LeakyMemory(4 * SYMBOLS, MEMORY, SYMBOLS, generator)

    def loss() -> Tensor:
        batch = spike_recall(BATCH, DELAYS, generator, symbols=SYMBOLS, steps=STEPS)
        return cross_entropy(model(batch.inputs), batch.labels)

    descend(model.parameters(), loss, updates(config), report, lr=5e-3, schedule=PolynomialLR)
    return model


def measure(config: Config, seed: int, report: Report) -> Record:
    """Accuracy after each delay without memory units of longest or shortest time constants or random ones."""
    generator = torch.Generator().manual_seed(seed)
    network = trained(config, generator, report)
    sets = sets_by_time_constant(network.tau.numpy(), np.random.default_rng(seed))

    def draw(delay: int) -> Recall:
        return spike_recall(TESTED, [delay], generator, symbols=SYMBOLS, steps=STEPS)

    model = adopt(network, HOST.sites, example=draw(DELAYS[0]).inputs[:8])
    curves = curves_by_delay(model, SITE, sets, DELAYS, draw)
    numbers = delay_numbers(curves, DELAYS, SHORT, LONG)
    known, new = draw(LONG[-1]), draw(LONG[-1])
    for name, draws in sets.items():
        numbers[f"decoded_{name}"] = float(np.mean([decoded(model, SITE, one, known, new) for one in draws]))
    lines = {LINES[name]: curve.round(4).tolist() for name, curve in curves.items()}
    return Record(numbers, {"x": list(DELAYS), "lines": lines})


def judge(result: StudyResult) -> list[str]:
    """Memory at all; time constants against delays; and where a read-out finds the symbol."""
    numbers = result.all_over("whole_long", "decoded_longest", "decoded_shortest")
    apart = result.difference("decoded_longest", "decoded_shortest")
    assert numbers is not None
    assert apart is not None
    whole, longest, shortest = (one.words("{:.1%}".format) for one in numbers)
    return [
        f"Bursts of spikes are recalled after {LONG[0]} to {LONG[-1]} steps in {whole} of new examples; chance is "
        f"{1 / SYMBOLS:.1%}.",
        *delay_sentences(result, 1 / SYMBOLS),
        f"After {LONG[-1]} steps a linear read-out of the memory units of the longest time constants names the symbol "
        f"in {longest} of new examples, one of the shortest in {shortest}: "
        + apart.verdict(
            f"the former hold more of it (by {apart.words('{:.1%}'.format)})",
            f"the latter hold more of it (by {(-apart.mean):.1%})",
            "which hold more is not decided",
        )
        + ". What can be read from units is not what the answer needs: ablation tells that.",
    ]


HOST = Host(
    title="A leaky-memory neuron: slow units for long delays?",
    about=(
        "A leaky-memory neuron (ELM, arXiv 2306.16922): leaky synaptic traces, and memory units whose time constants "
        f"are spread from 1 to {LONGEST:.0f} steps and stay as they are, updated by a small MLP. It is trained to "
        "recall which of six groups of synapses had a burst of spikes 1 to 40 steps ago, in a background of spikes; "
        "classes instead of the paper's continuous output. The thirds of the memory units with the longest, the "
        "middle and the shortest time constants, and as many random ones (five draws) are held at zero inside the "
        "loop, on new examples. The claim: slow units cost long delays more than short ones, more than units of middle "
        "time constants do, and fast units do not. "
        "The figure shows accuracy lost, and accuracy by delay."
    ),
    build=build,
    example=example,
    sites=("tap:trace", SITE),
    measure=measure,
    units=updates,
    quantities=QUANTITIES
    | {
        f"decoded_{name}": f"symbol decoded after {LONG[-1]} steps from {words}"
        for name, words in SETS.items()
    },
    judge=judge,
    bars=BARS,
    axis="accuracy lost (0 to 1)",
    lines=("delay (steps)", "accuracy"),
)
