"""Spiking neurons of snntorch (Leaky): is a symbol held over a silent delay by spikes or by membrane potentials?"""

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
from interp.models.taps import tap
from interp.progress import Report

SYMBOLS, SHOWN, CUE, STEPS, NOISE = 4, 1, 9, 12, 0.1
DELAY, MIDDLE = f"{SHOWN + 1}-{CUE - 1}", (SHOWN + CUE) // 2
UNITS, ABLATED, UPDATES, LEAK = 32, 16, 600, 0.9
SPIKES, MEMBRANE = "tap:spikes", "tap:membrane"


class Spiking(nn.Module):
    """Recurrent leaky integrate-and-fire neurons; spikes from the cue on are counted and read out.

    ``U[t] = beta U[t-1] + I[t] - R[t]`` with ``I[t] = W x[t] + V S[t-1] + b`` and ``S[t] = U[t] > 1``; ``R[t]`` is 1
    after a spike. ``beta`` is learnt for each neuron.
    """

    def __init__(self, units: int = UNITS) -> None:
        super().__init__()
        from snntorch import Leaky  # takes a second to import

        self.current = nn.Linear(SYMBOLS + 1, units)
        self.recurrent = nn.Linear(units, units, bias=False)
        self.neurons = Leaky(beta=torch.full((units,), LEAK), learn_beta=True)
        self.readout = nn.Linear(units, SYMBOLS)
        self._forget()

    def _forget(self) -> None:
        """Empty what the cell keeps of its last step, with gradients: here nothing goes on to another call."""
        self.neurons.mem = self.neurons.reset = self.readout.weight.new_zeros(0)

    def forward(self, inputs: Float[Tensor, "example step feature"]) -> Float[Tensor, "example symbol"]:
        """Logits of the symbol that was shown."""
        try:
            return self.readout(self._counts(inputs))
        finally:  # after an error too
            self._forget()

    def _counts(self, inputs: Float[Tensor, "example step feature"]) -> Float[Tensor, "example neuron"]:
        """Spikes of each neuron from the cue on."""
        membrane = spikes = counts = inputs.new_zeros(len(inputs), self.readout.in_features)
        for step in range(inputs.shape[1]):
            current = self.current(inputs[:, step]) + self.recurrent(spikes)
            spikes, membrane = self.neurons(current, membrane)
            spikes, membrane = tap("spikes", spikes), tap("membrane", membrane)
            if step >= CUE:
                counts = counts + spikes
        return counts


def draw(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weak noise in every step, one symbol in the second, and the cue in the last feature from step `CUE` on."""
    labels = torch.randint(SYMBOLS, (number,), generator=generator)
    inputs = NOISE * torch.randn(number, STEPS, SYMBOLS + 1, generator=generator)
    inputs[torch.arange(number), SHOWN, labels] += 1.0
    inputs[:, CUE:, -1] += 1.0
    return inputs, labels


def build(seed: int) -> Spiking:
    """Ten neurons with random weights, and a current that makes all of them fire."""
    with seeded(seed):
        module = Spiking(units=10)
    nn.init.constant_(module.current.bias, 0.4)
    return module


def example() -> Tensor:
    """Three examples of the task."""
    return draw(3, torch.Generator().manual_seed(0))[0]


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train, choose neurons by their potentials in the middle of the delay, and ablate potentials and spikes."""
    with seeded(seed):
        module = Spiking()
    train_on(module, draw, units(config), seed, report, lr=5e-3)
    bench = Bench.of(module, HOST.sites, draw, seed)
    inputs, labels = draw(EVALUATED, generator_for(seed, CHOOSING))
    chosen = most(class_spread(activations(bench.model, inputs, MEMBRANE)[:, MIDDLE], labels), ABLATED)
    everything = list(range(UNITS))
    fired = activations(bench.model, bench.inputs, SPIKES).mean((0, 2))
    numbers: dict[str, float | None] = {
        "whole": bench.accuracy(),
        "membrane": bench.accuracy(MEMBRANE, chosen, DELAY),
        "membrane_random": bench.random_accuracy(MEMBRANE, chosen, UNITS, DELAY),
        "spikes": bench.accuracy(SPIKES, chosen, DELAY),
        "spikes_random": bench.random_accuracy(SPIKES, chosen, UNITS, DELAY),
        "all_membranes": bench.accuracy(MEMBRANE, everything, DELAY),
        "all_spikes": bench.accuracy(SPIKES, everything, DELAY),
        "rate": float(fired[SHOWN + 1 : CUE].mean()),
    }
    steps = list(range(STEPS))
    lines = {
        "potentials of all": rounded(bench.accuracy(MEMBRANE, everything, str(step)) for step in steps),
        "spikes of all": rounded(bench.accuracy(SPIKES, everything, str(step)) for step in steps),
    }
    return Record(numbers, {"x": steps, "lines": lines, "chosen": chosen, "fired": rounded(fired)})


def units(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def judge(result: StudyResult) -> list[str]:
    """Sentences on potentials of selective neurons against random ones, and against their spikes."""
    potentials, spikes, rate = over_seeds(result, "all_membranes", "all_spikes", "rate")
    side = spikes.minus(potentials)
    holder = side.verdict(
        "Potentials hold the symbol", "Spikes hold the symbol", "Which holds it is not decided"
    )
    return [
        cost_sentence(
            result,
            "membrane",
            "membrane_random",
            f"the potentials of the {ABLATED} selective neurons at zero during the delay",
            "as many random others at zero",
        ),
        cost_sentence(
            result,
            "membrane",
            "spikes",
            "the potentials of the selective neurons at zero during the delay",
            "the same neurons silent in the same steps",
        ),
        cost_sentence(
            result,
            "spikes",
            "spikes_random",
            "the selective neurons silent during the delay",
            "as many random others silent",
        ),
        f"In the delay a neuron fires in {rate.words()} of the steps. All potentials at zero during it leave an "
        f"accuracy of {potentials.words()}; no spikes during it, {spikes.words()}. {holder}: the difference is "
        f"{side.words()}.",
    ]


HOST = Host(
    title="snntorch: potentials or spikes",
    about=(
        f"Leaky integrate-and-fire neurons of snntorch with recurrent weights, trained to name one of {SYMBOLS} "
        f"symbols by their spikes after a cue in step {CUE}; the symbol is shown in step {SHOWN} of {STEPS}. Spikes "
        "that go round could hold it over the delay, and so could membrane potentials that leak slowly. The "
        f"{ABLATED} neurons of {UNITS} whose potentials for each symbol lie furthest apart in the middle of the "
        "delay, on examples drawn for this choice, are ablated. The claim: their potentials at zero during the delay "
        "cost more than those of as many random others, and more than no spikes of theirs. Lines show the "
        "accuracy with all potentials at zero, or no spikes, in each single step."
    ),
    build=build,
    example=example,
    sites=(SPIKES, MEMBRANE),
    measure=measure,
    units=units,
    quantities={
        "whole": "accuracy, all neurons",
        "membrane": "accuracy, selective potentials at zero in the delay",
        "membrane_random": "accuracy, random potentials at zero in the delay",
        "spikes": "accuracy, selective neurons silent in the delay",
        "spikes_random": "accuracy, random others silent in the delay",
        "all_membranes": "accuracy, all potentials at zero in the delay",
        "all_spikes": "accuracy, all neurons silent in the delay",
        "rate": "spikes for each neuron and step of the delay",
    },
    judge=judge,
    bars={
        "whole": "all neurons",
        "membrane": "selective potentials",
        "membrane_random": "random potentials",
        "spikes": "selective spikes",
        "spikes_random": "random spikes",
        "all_membranes": "all potentials",
        "all_spikes": "all spikes",
    },
    axis="accuracy (share of examples)",
    lines=("step of the ablation", "accuracy (share of examples)"),
    package="snntorch",
)
