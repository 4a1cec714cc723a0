"""Segment memory: a transformer reads a text in segments, and keeps one vector of each in a queue."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp import ablate, adopt
from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.training import descend, seeded
from interp.lab.study import Record, StudyResult
from interp.markup import percentage
from interp.models import Adopted
from interp.models.taps import tap
from interp.progress import Report

MEMORY, SUMMARY = "tap:memory[slot]", "tap:summary"
SITES = (SUMMARY, MEMORY)
SEGMENTS, LENGTH, NOISE, VALUES = 4, 16, 8, 6
KEYS = SEGMENTS
FIRST_KEY, FIRST_VALUE, FIRST_QUESTION = NOISE, NOISE + KEYS, NOISE + KEYS + VALUES
TOKENS = FIRST_QUESTION + KEYS
BATCH, UPDATES, EVALUATED, DRAWS = 64, 350, 600, 5


class Attention(nn.Module):
    """Attention of one head, with no biases, so that a memory of zeros adds nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))

    def forward(
        self, x: Float[Tensor, "example token width"], of: Float[Tensor, "example slot width"]
    ) -> Float[Tensor, "example token width"]:
        """Values of a second sequence, mixed for each token of the first."""
        scores = self.query(x) @ self.key(of).transpose(1, 2) / math.sqrt(x.shape[2])
        return torch.softmax(scores, 2) @ self.value(of)


class Block(nn.Module):
    """Self-attention, attention to the memories, and a layer of neurons."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.own, self.read = Attention(width), Attention(width)
        self.into, self.out = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(
        self, x: Float[Tensor, "example token width"], memory: Float[Tensor, "example slot width"]
    ) -> Float[Tensor, "example token width"]:
        """The residual stream after the block."""
        normal = self.norms[0](x)
        x = x + self.own(normal, normal)
        x = x + self.read(self.norms[1](x), memory)
        return x + self.out(torch.relu(self.into(self.norms[2](x))))


class SegmentMemory(nn.Module):
    """Two blocks that read one segment at a time; a vector of each segment is kept in a queue of a few slots.

    The newest vector is also the first token of the next segment. The queue outlives the call: segments may be given
    at once or in several calls, and `reset` empties it.
    """

    memory: Tensor

    def __init__(
        self, tokens: int, outputs: int, length: int, *, width: int = 32, slots: int = SEGMENTS
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.position = nn.Parameter(0.5 * torch.randn(length + 2, width))
        self.last = nn.Parameter(0.5 * torch.randn(width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(2))
        self.norm, self.answer = nn.LayerNorm(width), nn.Linear(width, outputs)
        self.register_buffer("memory", torch.zeros(1, slots, width), persistent=False)

    def reset(self) -> None:
        """Empty the memory."""
        self.memory = torch.zeros_like(self.memory[:1])

    def forward(self, inputs: Int[Tensor, "example segment token"]) -> Float[Tensor, "example output"]:
        """Logits at the last token; the memory starts as the call before left it.

        Raises:
            ValueError: The memory is of another number of examples.
        """
        n = len(inputs)
        if len(self.memory) not in (1, n):
            raise ValueError(
                f"the memory is of {len(self.memory)} examples and the input of {n}; reset() it first"
            )
        memory = self.memory.expand(n, -1, -1)
        for tokens in inputs.unbind(1):
            memory = tap("memory", memory, "example slot neuron", loop="segment")
            ends = memory[:, -1:], self.last.expand(n, 1, -1)
            x = torch.cat([ends[0], self.embedding(tokens), ends[1]], 1) + self.position
            for block in self.blocks:
                x = block(x, memory)
            x = self.norm(x)
            summary = tap("summary", x[:, -1], loop="segment")
            memory = torch.cat([memory[:, 1:], summary[:, None]], 1)
        self.memory = memory.detach()
        return self.answer(x[:, -2])


def build(seed: int) -> SegmentMemory:
    """A small network with random weights drawn from a seed."""
    with seeded(seed):
        return SegmentMemory(TOKENS, VALUES, LENGTH, width=8)


def example() -> Int[Tensor, "example segment token"]:
    """Three texts, each with a question in its last segment."""
    return texts(3, torch.Generator().manual_seed(0))[0]


def texts(
    n: int, generator: torch.Generator
) -> tuple[Int[Tensor, "example segment token"], Int[Tensor, " example"], Int[Tensor, " example"]]:
    """Four segments with one needle each, a key and its value among noise, and a fifth that asks for one of the keys.

    Returns:
        Texts, the values asked for, and the segments that these are in.
    """
    inputs = torch.randint(NOISE, (n, SEGMENTS + 1, LENGTH), generator=generator)
    keys = torch.rand(n, KEYS, generator=generator).argsort(1)
    values = torch.randint(VALUES, (n, SEGMENTS), generator=generator)
    places = torch.randint(LENGTH - 1, (n, SEGMENTS), generator=generator)
    asked = torch.randint(SEGMENTS, (n,), generator=generator)
    rows, segments = torch.arange(n), torch.arange(SEGMENTS)
    inputs[rows[:, None], segments, places] = FIRST_KEY + keys
    inputs[rows[:, None], segments, places + 1] = FIRST_VALUE + values
    inputs[:, -1, -1] = FIRST_QUESTION + keys[rows, asked]
    return inputs, values[rows, asked], asked


def train(config: Config, seed: int, report: Report) -> SegmentMemory:
    """A network trained to answer, its memory empty."""
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        network = SegmentMemory(TOKENS, VALUES, LENGTH)

    def loss() -> Tensor:
        inputs, labels, _ = texts(BATCH, generator)
        network.reset()
        return nn.functional.cross_entropy(network(inputs), labels)

    descend(network.parameters(), loss, updates(config), report, lr=3e-3)
    network.reset()
    return network.eval()


def updates(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def correct(model: Adopted, inputs: Tensor, labels: Tensor) -> Bool[Tensor, " example"]:
    """Questions that are answered from a memory that is empty at the first segment."""
    network = model.module
    assert isinstance(network, SegmentMemory)
    network.reset()
    with torch.no_grad():
        answers = model(inputs).argmax(1) == labels
    network.reset()
    return answers


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train one; empty or overwrite the memory of each segment, and answer questions about each."""
    network = train(config, seed, report)
    generator = torch.Generator().manual_seed(10_000 + seed)
    model = adopt(network, SITES, example=texts(4, generator)[0])
    network.reset()
    inputs, labels, asked = texts(EVALUATED, generator)
    others = texts(EVALUATED, generator)[0]
    emptied, overwritten, late = [], [], []
    for segment in range(SEGMENTS):
        with ablate(
            model, [segment], site=MEMORY, during=str(SEGMENTS)
        ):  # slots are in the order of segments then
            emptied.append(correct(model, inputs, labels))
        everything, at = range(network.norm.normalized_shape[0]), str(segment)
        with ablate(model, everything, "resample", site=SUMMARY, reference=others, seed=seed, during=at):
            overwritten.append(correct(model, inputs, labels))
        with ablate(model, everything, "zero", site=SUMMARY, during=at):
            late.append(correct(model, inputs, labels))
    whole = correct(model, inputs, labels).float()
    numbers: dict[str, float | None] = {"whole": float(whole.mean())}
    rows = torch.arange(EVALUATED)
    draws = [
        (asked + torch.randint(1, SEGMENTS, (EVALUATED,), generator=generator)) % SEGMENTS
        for _ in range(DRAWS)
    ]
    for name, each in (("emptied", emptied), ("overwritten", overwritten), ("unwritten", late)):
        answers = torch.stack(each).float()
        numbers[f"{name}_own"] = float(answers[asked, rows].mean())
        numbers[f"{name}_random"] = float(torch.stack([answers[other, rows] for other in draws]).mean())
    lines = {"all memories": [float(whole[asked == about].mean()) for about in range(SEGMENTS)]}
    for segment, answers in enumerate(overwritten):
        lines[f"segment {segment + 1} overwritten"] = [
            float(answers[asked == about].float().mean()) for about in range(SEGMENTS)
        ]
    return Record(numbers, {"x": list(range(1, SEGMENTS + 1)), "lines": lines})


def judge(result: StudyResult) -> list[str]:
    """Sentences on the memory of the segment that is asked about, against that of a random other one."""
    numbers = result.all_over(
        "whole", *(f"{name}_{which}" for name in CHANGES for which in ("own", "random"))
    )
    assert numbers is not None
    whole, *each = numbers
    sentences = [
        f"Questions are answered right in {whole.words(percentage)} of new texts (chance {percentage(1 / VALUES)})."
    ]
    for words, own, random in zip(CHANGES.values(), each[::2], each[1::2], strict=True):
        fall, cost = random.minus(own), whole.minus(random)
        side = fall.verdict("below", "above", "not decidedly apart from")
        harm = cost.verdict("which costs something too", "which costs nothing", "of which no cost is decided")
        sentences.append(
            f"{words}: {own.words(percentage)} for the segment that is asked about, {side} "
            f"{random.words(percentage)} for a random other one, {harm}."
        )
    return sentences


CHANGES = {
    "emptied": "With one slot emptied while the question is read",
    "overwritten": "With one segment's memory overwritten by that of another text as it is written",
    "unwritten": "With one segment's memory set to 0 as it is written",
}

HOST = Host(
    title="Segment memory: answers without the memory of one segment",
    about=(
        "Does the memory of a segment hold that segment, and nothing else? A small transformer reads four segments of "
        "16 tokens and a fifth that asks for a needle in one of them. Of each segment one vector is kept in a queue of "
        "four slots, which later segments attend to; the newest is a token of the next segment, so that a segment "
        "could reach later memories too. After the idea of hierarchical segment-level memory (HMT), not its "
        "algorithm. One memory is emptied while the question is read, or overwritten as it is written by that of "
        "another text, or set to 0: that of the segment which is asked about, and a random other one. The needle of "
        "another text has the key that is asked for in a quarter of cases, so that two values compete for the answer. "
        "Lines show accuracy by the segment that is asked about."
    ),
    build=build,
    example=example,
    sites=SITES,
    measure=measure,
    units=updates,
    quantities={"whole": "accuracy"}
    | {
        f"{name}_{which}": f"accuracy, {words}, {end}"
        for name, words in (
            ("emptied", "slot emptied"),
            ("overwritten", "overwritten"),
            ("unwritten", "set to 0"),
        )
        for which, end in (("own", "segment asked about"), ("random", "random other segment"))
    },
    judge=judge,
    bars={
        "whole": "all memories",
        "emptied_own": "slot emptied",
        "emptied_random": "another emptied",
        "overwritten_own": "overwritten",
        "overwritten_random": "another overwritten",
    },
    lines=("segment that is asked about", "accuracy"),
)
