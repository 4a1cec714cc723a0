"""Spiking units whose synapses are strengthened by a slow trace of their own spikes, as by astrocytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.hooks import capture
from interp.interventions import ablate
from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.training import descend
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import Record, StudyResult
from interp.models import HookedModel, adopt
from interp.models.taps import tap
from interp.progress import Report, shifted

SYMBOLS, DISTRACTORS, UNITS, ASTROCYTES = 4, 4, 64, 16
STEPS, SHOWN, GO = 24, 2, 2  # in all; steps that show the cue, and steps at the end that ask for it
DELAYS = (1, 2, 4, 8, 12, 18)  # steps between both
SHORT, LONG = DELAYS[0], DELAYS[-1]
UPDATES, BATCH, EXAMPLES, DRAWS = 400, 128, 512, 4
SPIKES, TRACE = "tap:spikes", "tap:trace"
CASES = {"intact": "intact", "zero": "no trace", "shuffled": "traces of others", "random": "random units"}
ARMS = {"layer": "plain layer", "loop": "recurrent layer"}


class Astrocytes(nn.Module):
    """Integrate-and-fire units in groups; a slow trace of each group's spikes multiplies the gain of its synapses.

    ``v[t] = decay v[t-1] (1 - s[t-1]) + (1 + k c[t-1]) (x[t] A) + s[t-1] W``, ``s[t] = 1`` where ``v[t] >= 1``, and
    ``c[t] = slow c[t-1] + (1 - slow) m[t]`` with m the share of the group's units that fire. Logits are linear in the
    spikes of the last steps. Gradients pass the threshold as through a sigmoid.

    Args:
        units: A multiple of `astrocytes`, the number of groups.
        channels: Of the input.
        recurrent: Units have weights to each other; otherwise W is 0.
        slow, decay: Factors that a trace, and a potential, keep each step.
    """

    def __init__(
        self,
        units: int,
        astrocytes: int,
        channels: int,
        generator: torch.Generator,
        *,
        recurrent: bool,
        slow: float = 0.95,
        decay: float = 0.7,
    ) -> None:
        super().__init__()
        self.slow, self.decay, self.astrocytes = slow, decay, astrocytes
        self.sensory = nn.Parameter(torch.randn(channels, units, generator=generator) * 0.7)
        weights = torch.randn(units, units, generator=generator) * 0.5 / units**0.5
        self.recurrent = nn.Parameter(
            weights if recurrent else torch.zeros_like(weights), requires_grad=recurrent
        )
        self.gain = nn.Parameter(torch.full((astrocytes,), 4.0))
        self.readout = nn.Linear(units, SYMBOLS)
        with torch.no_grad():
            self.readout.weight.copy_(torch.randn(SYMBOLS, units, generator=generator) / units**0.5)
            self.readout.bias.zero_()

    def forward(self, inputs: Float[Tensor, "example time channel"]) -> Float[Tensor, "example symbol"]:
        """Logits of the symbol that the cue showed."""
        n, steps, group = len(inputs), inputs.shape[1], self.recurrent.shape[0] // self.astrocytes
        potential = torch.zeros(n, self.astrocytes * group, dtype=inputs.dtype)
        spikes, counts = torch.zeros_like(potential), torch.zeros_like(potential)
        trace = torch.zeros(n, self.astrocytes, dtype=inputs.dtype)
        for step in range(steps):
            gain = (1 + self.gain * trace).repeat_interleave(group, dim=1)
            current = gain * (inputs[:, step] @ self.sensory) + spikes @ self.recurrent
            potential = self.decay * potential * (1 - spikes) + current
            spikes = tap("spikes", _fire(potential))
            fired = spikes.unflatten(1, (self.astrocytes, group)).mean(2)
            trace = tap("trace", self.slow * trace + (1 - self.slow) * fired)
            if step >= steps - GO:
                counts = counts + spikes
        return self.readout(counts / GO)


def _fire(potential: Tensor) -> Tensor:
    """1 where the threshold is reached, with the gradient of a sigmoid."""
    smooth = torch.sigmoid(4 * (potential - 1))
    return (potential >= 1).to(potential.dtype) + (smooth - smooth.detach())


def delayed_recall(
    n: int, delays: tuple[int, ...], generator: torch.Generator
) -> tuple[Float[Tensor, "example time channel"], Tensor]:
    """Sequences that show a symbol, then random distractors only, then a go signal; and the symbol of each.

    Channels: symbols, distractors, go. Distractors fire at a fifth of all steps. Before the cue they are alone, too.
    """
    symbols = torch.randint(SYMBOLS, (n,), generator=generator)
    delay = torch.tensor(delays)[torch.randint(len(delays), (n,), generator=generator)]
    inputs = torch.zeros(n, STEPS, SYMBOLS + DISTRACTORS + 1)
    inputs[:, :, SYMBOLS:-1] = (torch.rand(n, STEPS, DISTRACTORS, generator=generator) < 0.2).float()
    inputs[:, -GO:, -1] = 1
    begin = STEPS - GO - delay - SHOWN
    for step in range(SHOWN):
        inputs[torch.arange(n), begin + step, symbols] = 1
    return inputs, symbols


def train(network: Astrocytes, updates: int, generator: torch.Generator, report: Report) -> None:
    """Fit all weights to sequences of every delay, new ones at each update."""

    def loss() -> Tensor:
        inputs, symbols = delayed_recall(BATCH, DELAYS, generator)
        return nn.functional.cross_entropy(network(inputs), symbols)

    descend(network.parameters(), loss, updates, report, lr=0.005, clip=None)


def accuracy(model: Callable[[Tensor], Tensor], inputs: Tensor, symbols: Tensor) -> float:
    """Share of the sequences whose largest logit is their symbol's."""
    with torch.no_grad():
        return (model(inputs).argmax(1) == symbols).double().mean().item()


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train two networks on all delays, then ablate traces, exchange them, or ablate as many random units."""
    generator = torch.Generator().manual_seed(seed)
    updates = config.updates(UPDATES)
    numbers, lines = dict[str, float | None](), dict[str, list[float]]()
    for place, arm in enumerate(ARMS):
        network = Astrocytes(UNITS, ASTROCYTES, SYMBOLS + DISTRACTORS + 1, generator, recurrent=arm == "loop")
        train(network, updates, generator, shifted(report, place * updates, ARMS[arm]))
        model = adopt(network, [SPIKES, TRACE], example=delayed_recall(4, DELAYS, generator)[0])
        draws, cases = np.random.default_rng([seed, place]), {case: list[float]() for case in CASES}
        for delay in DELAYS:
            examples = delayed_recall(EXAMPLES, (delay,), generator)
            for case, value in _cases(model, examples, draws).items():
                cases[case].append(value)
        for case, line in cases.items():
            numbers |= {f"{arm}_{case}_short": line[0], f"{arm}_{case}_long": line[-1]}
        examples = delayed_recall(EXAMPLES, (LONG,), generator)
        numbers |= {f"{arm}_{name}": value for name, value in _timed(model, examples).items()}
        lines |= {f"{ARMS[arm]}, {words}": cases[case] for case, words in CASES.items() if case != "shuffled"}
    report(2 * updates + 1, "ablated")
    return Record(numbers, {"x": list(DELAYS), "lines": lines})


def _timed(model: HookedModel, examples: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Accuracy at the long delay without traces before the cue and in two steps of the delay; the trace at its end."""
    first, numbers = STEPS - GO - LONG - SHOWN, {}
    for name, during in (("before", f"-{first - 1}"), ("delay", f"{first + 8}-{first + 9}")):
        with ablate(model, np.arange(ASTROCYTES), site=TRACE, during=during):
            numbers[name] = accuracy(model, *examples)
    trace = capture(model, examples[0], TRACE)[TRACE][:, -GO - 1]  # (example, neuron), before the go signal
    return numbers | {"trace": trace.mean().item()}


def _cases(
    model: HookedModel, examples: tuple[Tensor, Tensor], generator: np.random.Generator
) -> dict[str, float]:
    """Accuracy intact, without traces, with those of other sequences, and without as many random units."""
    everything = np.arange(ASTROCYTES)
    values = {"intact": accuracy(model, *examples)}
    with ablate(model, everything, site=TRACE):
        values["zero"] = accuracy(model, *examples)
    with ablate(model, everything, "resample", site=TRACE, reference=examples[0]):
        values["shuffled"] = accuracy(model, *examples)
    random = []
    for _ in range(DRAWS):
        with ablate(model, generator.permutation(UNITS)[:ASTROCYTES], site=SPIKES):
            random.append(accuracy(model, *examples))
    return values | {"random": float(np.mean(random))}


def judge(result: StudyResult) -> list[str]:
    """Costs of traces at long and short delays, beside random units, and by the steps at which they are ablated."""
    over = {name: one for name in result.study.quantities if (one := result.over(name)) is not None}
    return [sentence for arm, words in ARMS.items() for sentence in _judged(over, arm, words)]


def _judged(over: dict[str, OverSeeds], arm: str, words: str) -> list[str]:
    def cost(case: str, delay: str) -> OverSeeds:
        return over[f"{arm}_intact_{delay}"].minus(over[f"{arm}_{case}_{delay}"])

    long, short = cost("zero", "long"), cost("zero", "short")
    content = cost("shuffled", "long")
    random = over[f"{arm}_random_long"].minus(over[f"{arm}_zero_long"])
    time = over[f"{arm}_before"].minus(over[f"{arm}_delay"])
    intact = [over[f"{arm}_intact_{delay}"].words() for delay in ("short", "long")]
    return [
        f"A {words} is right in {intact[0]} after a delay of {SHORT} step and in {intact[1]} after {LONG} (chance "
        f"{1 / SYMBOLS:g}). Without traces it loses {long.words()} at the long delay: "
        + long.verdict("long recall needs them.", "it is better without.", "not decided to be a cost.")
        + f" At the short one it loses {short.words()}: "
        + short.verdict(
            "short recall needs them, too.", "it is better without.", "not decided to be a cost."
        ),
        f"A {words}: the cost is {long.minus(short).words()} larger at the long delay, which "
        + long.minus(short).verdict("is the claim.", "is the opposite of the claim.", "decides nothing.")
        + f" As many random units cost {cost('random', 'long').words()} there, "
        + random.verdict("less than traces.", "more than traces.", "not decided to be less than traces.")
        + f" Traces of other sequences cost {content.words()}: "
        + content.verdict("traces hold the cue.", "the opposite of a cost.", "not decided to be a cost.")
        + f" Traces at 0 in two steps of the delay leave {time.words()} less than at 0 before the cue: "
        + time.verdict("they carry it.", "the opposite of the claim.", "not decided."),
    ]


def _small(seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    network = Astrocytes(16, 4, SYMBOLS + DISTRACTORS + 1, generator, recurrent=True)
    with torch.no_grad():
        network.sensory.mul_(2)  # enough spikes at every step for each to matter
        network.recurrent.mul_(4)
    return network


def _example() -> Tensor:
    return delayed_recall(5, DELAYS, torch.Generator().manual_seed(0))[0]


HOST = Host(
    title="Slow traces carry a cue over a delay",
    about=(
        "64 integrate-and-fire units in 16 groups; a slow leaky trace of each group's spikes multiplies the gain "
        "of its synapses, as an astrocyte might, after the idea of astrocyte-modulated spiking networks "
        "(AstroSNN), whose abstract gives no equations. The network sees one of four symbols for two steps, "
        "random distractors for a delay, and a go signal at which it answers; it is trained on delays of 1 to 18 "
        "steps. On new sequences traces are set to 0, exchanged between sequences, or left while as many random "
        "units are ablated; and set to 0 in two steps of the delay or in all steps before the cue. All of it is "
        "done for a plain layer, and for one whose units have trained weights to each other, where memory need "
        "not be in traces. The claim: recall over long delays drops without traces, over short ones it does not. "
        "The figure shows accuracy against the delay."
    ),
    build=_small,
    example=_example,
    sites=(SPIKES, TRACE),
    measure=measure,
    units=lambda config: 2 * config.updates(UPDATES) + 1,
    quantities={
        f"{arm}_{name}": f"{words}: {quantity}"
        for arm, words in ARMS.items()
        for name, quantity in {
            **{
                f"{case}_{delay}": f"{shown}, {delay} delay"
                for case, shown in CASES.items()
                for delay in ("short", "long")
            },
            "before": "no trace before the cue, long delay",
            "delay": "no trace in two steps of the long delay",
            "trace": "mean trace before the go signal",
        }.items()
    },
    judge=judge,
    bars={
        f"{arm}_{case}_{delay}": f"{ARMS[arm].split()[0]}, {delay}: {CASES[case]}"
        for arm in ARMS
        for delay in ("long", "short")
        for case in ("intact", "zero", "random")
    },
    axis="accuracy (share of sequences)",
    lines=("delay (steps)", "accuracy (share of sequences)"),
)
