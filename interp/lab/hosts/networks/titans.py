"""Neural memory of titans-pytorch (NeuralMemory): weights that learn at test time recall a value by its key."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

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
    rounded,
    train_on,
)
from interp.lab.hosts.training import seeded
from interp.lab.study import Record, StudyResult
from interp.models.taps import tap
from interp.progress import Report

KEYS, VALUES, PAIRS, AGAIN = 16, 8, 6, 4
FROZEN = PAIRS // 2
SIZE, ABLATED, UPDATES = 24, 8, 450
KEY = "memory.to_keys:output"
SURPRISE, UPDATE, MEMORY, SLOTS = "tap:surprise", "tap:update", "tap:memory", "tap:memory[slot]"
WEIGHTS = "weights.0"  # the only tensor of a memory of one layer


class Memory(nn.Module):
    """A memory of one layer, whose weights take a step of gradient descent with momentum for each pair.

    ``S = eta S - theta grad |k W - v|^2`` and ``W = (1 - alpha) W + S``, where key, value, ``eta``, ``theta`` and
    ``alpha`` are computed of the pair. A query then reads ``q W``. The axis ``slot`` of ``W`` is the key's.
    """

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        from titans_pytorch import MemoryMLP, NeuralMemory

        self.embedding = nn.Linear(KEYS + VALUES, size)
        self.memory = NeuralMemory(
            size,
            model=MemoryMLP(size, depth=1),
            batch_size=1,
            mem_model_norm_add_residual=False,
            default_step_transform_max_lr=4.0,
            init_decay_bias=-4.0,  # a memory that forgets half of itself at each step learns nothing at first
        )
        self.readout = nn.Linear(size, VALUES)

    def forward(self, inputs: Float[Tensor, "example step feature"]) -> Float[Tensor, "example value"]:
        """Logits of the value whose key the last step shows; all other steps are stored."""
        seen = self.embedding(inputs)
        weights, state = dict(self.memory.init_weights(len(inputs)).items()), None
        for step in range(inputs.shape[1] - 1):
            pair = seen[:, step : step + 1]
            _, after, (surprise, _) = self.memory.store_memories(pair, weights, state)
            tap("surprise", surprise[:, 0])
            learnt, momentum = after.states
            update = tap("update", learnt[WEIGHTS] - weights[WEIGHTS], "example slot neuron")
            weights = {WEIGHTS: tap("memory", weights[WEIGHTS] + update, "example slot neuron")}
            state = weights, momentum
        read = self.memory.retrieve_memories(seen[:, -1:], {WEIGHTS: weights[WEIGHTS][:, None]})
        return self.readout(read[:, 0])


def _pairs(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs of different keys with their values and the query's step still empty, and keys and values themselves."""
    keys = torch.rand(number, KEYS, generator=generator).argsort(1)[:, :PAIRS]
    values = torch.randint(VALUES, (number, PAIRS), generator=generator)
    inputs = torch.zeros(number, PAIRS + 1, KEYS + VALUES)
    inputs[:, :PAIRS].scatter_(2, keys[..., None], 1.0)
    inputs[:, :PAIRS].scatter_(2, KEYS + values[..., None], 1.0)
    return inputs, keys, values


def draw(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs of a key and a value, drawn anew for each example, and one of the keys again as the query."""
    inputs, keys, values = _pairs(number, generator)
    rows, asked = torch.arange(number), torch.randint(PAIRS, (number,), generator=generator)
    inputs[rows, -1, keys[rows, asked]] = 1.0
    return inputs, values[rows, asked]


def asked_step(inputs: Float[Tensor, "example step feature"]) -> Int[np.ndarray, " example"]:
    """The step that stored the pair which the query asks for."""
    same = (inputs[:, :-1, :KEYS] * inputs[:, -1:, :KEYS]).sum(-1)
    return same.argmax(1).numpy()


def build(seed: int) -> Memory:
    """A memory of six by six, with random weights."""
    with seeded(seed):
        return Memory(size=6)


def example() -> Tensor:
    """Three examples of the task."""
    return draw(3, torch.Generator().manual_seed(0))[0]


def surprises(bench: Bench, generator: torch.Generator) -> tuple[float, float]:
    """Mean surprise in the step `AGAIN`: of a pair that the first step has stored already, and of a new one."""
    inputs, _, _ = _pairs(EVALUATED, generator)
    again = inputs.clone()
    again[:, AGAIN] = again[:, 0]
    return tuple(float(activations(bench.model, one, SURPRISE)[:, AGAIN].mean()) for one in (again, inputs))  # type: ignore[return-value]


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train, then skip updates of the memory step by step, stop them half-way, and ablate slots of what was stored."""
    with seeded(seed):
        module = Memory()
    train_on(module, draw, units(config), seed, report, lr=1e-2)
    bench = Bench.of(module, HOST.sites, draw, seed, **HOST.settings)
    asked, everything = asked_step(bench.inputs), list(range(SIZE))
    skipped = np.array([bench.right(UPDATE, everything, str(step)) for step in range(PAIRS)])
    own = asked[None] == np.arange(PAIRS)[:, None]
    frozen = bench.right(UPDATE, everything, f"{FROZEN}-")
    inputs, _ = draw(EVALUATED, generator_for(seed, CHOOSING))
    stored = activations(bench.model, inputs, MEMORY)[:, -1]
    chosen, last = most(stored.square().mean((0, 2)).numpy(), ABLATED), str(PAIRS - 1)
    again, new = surprises(bench, generator_for(seed, CHOOSING))
    numbers: dict[str, float | None] = {
        "whole": bench.accuracy(),
        "own": float(skipped[own].mean()),
        "other": float(skipped[~own].mean()),
        "own_last": float(skipped[-1][own[-1]].mean()),
        "own_before": float(skipped[:-1][own[:-1]].mean()),
        "frozen_later": float(frozen[asked >= FROZEN].mean()),
        "frozen_earlier": float(frozen[asked < FROZEN].mean()),
        "slots": bench.accuracy(SLOTS, chosen, last),
        "slots_random": bench.random_accuracy(SLOTS, chosen, SIZE, last),
        "surprise_again": again,
        "surprise_new": new,
    }
    lines = {
        "asked for this pair": rounded(right[here].mean() for right, here in zip(skipped, own, strict=True)),
        "for another": rounded(right[~here].mean() for right, here in zip(skipped, own, strict=True)),
    }
    return Record(numbers, {"x": list(range(PAIRS)), "lines": lines, "chosen": chosen})


def units(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def judge(result: StudyResult) -> list[str]:
    """Sentences on skipped and frozen updates, on slots against random ones, and on surprise."""
    again, new = over_seeds(result, "surprise_again", "surprise_new")
    side = new.minus(again).verdict("less", "more", "not decidedly less")
    return [
        cost_sentence(
            result,
            "own",
            "other",
            "the update skipped that stores the pair which is asked for",
            "another pair's update skipped",
        ),
        cost_sentence(
            result,
            "own_last",
            "own_before",
            "the last update skipped for the last pair, which no later step's momentum can carry on",
            "the update of their own skipped for the pairs before",
        ),
        cost_sentence(
            result,
            "frozen_later",
            "frozen_earlier",
            f"the memory frozen from step {FROZEN} on for pairs shown since",
            "the same memory for pairs shown before",
        ),
        cost_sentence(
            result,
            "slots",
            "slots_random",
            f"the {ABLATED} slots with the largest weights at zero once all is stored",
            "as many random others at zero",
        ),
        f"A pair that is stored already surprises the memory by {again.words()}, {side} than a new one, {new.words()}.",
    ]


HOST = Host(
    title="titans-pytorch: updates at test time",
    about=(
        "A neural memory whose weights are updated at test time, after Titans (arXiv 2501.00663), in the package "
        f"titans-pytorch; of one layer here, so that it is a matrix. It is shown {PAIRS} pairs of a key and a value, "
        "drawn anew for each example, and asked for the value of one key; all it can keep of them is the matrix. The "
        "claim: to skip the update that stores a pair costs its recall and no other's, most of all for the last "
        "pair, as momentum carries part of each update into the steps that follow; a memory that is frozen half-way "
        f"recalls the earlier pairs only; the {ABLATED} of {SIZE} rows with the largest weights, on examples drawn "
        "for this choice, cost more than as many random others; and a pair surprises less when it is shown again, "
        "where surprise is the memory's error at the pair before the update. Lines show the accuracy with one step's "
        "update skipped. Hooks cannot see inside the update: the package computes its gradient of one example at a "
        "time under torch.func, so sites are the keys that go into it and taps of its result."
    ),
    build=build,
    example=example,
    sites=(KEY, SURPRISE, UPDATE, SLOTS, MEMORY),
    measure=measure,
    units=units,
    quantities={
        "whole": "accuracy, all updates",
        "own": "accuracy, update of the asked pair skipped",
        "other": "accuracy, update of another pair skipped",
        "own_last": "accuracy for the last pair, its update skipped",
        "own_before": "accuracy for the pairs before, their updates skipped",
        "frozen_later": "accuracy for later pairs, memory frozen half-way",
        "frozen_earlier": "accuracy for earlier pairs, memory frozen half-way",
        "slots": "accuracy, largest slots at zero",
        "slots_random": "accuracy, random other slots at zero",
        "surprise_again": "surprise at a pair shown again",
        "surprise_new": "surprise at a new pair",
    },
    judge=judge,
    bars={
        "whole": "all updates",
        "own": "own update skipped",
        "other": "another's skipped",
        "frozen_later": "frozen before",
        "frozen_earlier": "frozen after",
        "slots": "largest slots",
        "slots_random": "random slots",
    },
    axis="accuracy (share of examples)",
    lines=("step whose update is skipped", "accuracy (share of examples)"),
    settings={"loop": "time"},
    package="titans_pytorch",
)
