"""Key-value memory with a recurrent controller: a pair is bound in one step, in a slot that is free."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp import ablate, adopt, capture
from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.training import descend, seeded
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import Record, StudyResult
from interp.markup import percentage
from interp.models import Adopted
from interp.models.taps import tap
from interp.progress import Report

MEMORY = "tap:memory[slot]"
SITES = ("tap:hidden", "tap:write", "tap:read", MEMORY)
STEPS, PAIRS, BITS, VALUES, SLOTS = 12, 8, 12, 8, 10
SEEN, UNSEEN = (1, 2, 3, 5, 6, 7), (0, 4)
"""Offsets between a key's number and a value: pairs of training, and pairs held back from it."""
KNOWN_KEYS, BATCH, UPDATES, EVALUATED = 48, 64, 1200, 600
QUERY, PLACE = STEPS - 1, 4
"""The step of the question, and the step of the pair that is asked for when slots are ablated."""


class KeyValue(nn.Module):
    """A GRU that writes each step's content into slots of a memory and reads them by a key.

    A slot is chosen by a softmax that avoids slots already written to; its content is a key and a value, and reading
    compares a query with the keys. Only what is read of the memory reaches the answer.
    """

    def __init__(
        self, features: int, values: int, *, hidden: int = 32, slots: int = SLOTS, width: int = 16
    ) -> None:
        super().__init__()
        self.width = width
        self.controller = nn.GRUCell(features + width, hidden)
        self.gate = nn.Linear(hidden + features, 1)
        self.free = nn.Linear(hidden, slots)
        self.avoid = nn.Parameter(torch.tensor(8.0))
        self.content = nn.Linear(hidden + features, 2 * width)
        self.query = nn.Linear(hidden + features, width)
        self.answer = nn.Linear(width, values)
        nn.init.normal_(self.free.bias, std=2.0)  # the first write has to prefer some slot

    def forward(self, inputs: Float[Tensor, "example time feature"]) -> Float[Tensor, "example output"]:
        """Logits of the value that the last step asks for."""
        n, slots = len(inputs), self.free.out_features
        hidden = inputs.new_zeros(n, self.controller.hidden_size)
        memory = inputs.new_zeros(n, slots, 2 * self.width)
        written, read = inputs.new_zeros(n, slots), inputs.new_zeros(n, self.width)
        for x in inputs.unbind(1):
            hidden = tap("hidden", self.controller(torch.cat([x, read], 1), hidden))
            state = torch.cat([hidden, x], 1)
            slot = torch.softmax(self.free(hidden) - self.avoid * written, 1)
            write = tap("write", torch.sigmoid(self.gate(state)) * slot, "example slot")
            written = written + write
            share = write[:, :, None]
            memory = memory * (1 - share) + share * self.content(state)[:, None]
            memory = tap("memory", memory, "example slot neuron")
            keys, values = memory.split(self.width, 2)
            match = (keys * self.query(state)[:, None]).sum(2)
            weights = tap("read", torch.softmax(match, 1), "example slot")
            read = (weights[:, :, None] * values).sum(1)
        return self.answer(read)


def build(seed: int) -> KeyValue:
    """A small network with random weights drawn from a seed."""
    with seeded(seed):
        return KeyValue(BITS + VALUES + 1, VALUES, hidden=8, slots=5, width=4)


def example() -> Float[Tensor, "example time feature"]:
    """Three sequences of pairs, each with a question at its end."""
    generator = torch.Generator().manual_seed(0)
    keys = random_keys(KNOWN_KEYS, generator)
    return sequences(keys, 3, generator)[0]


def random_keys(n: int, generator: torch.Generator) -> Float[Tensor, "key bit"]:
    """Keys of random signs."""
    return torch.randint(2, (n, BITS), generator=generator) * 2.0 - 1


def sequences(
    keys: Float[Tensor, "key bit"],
    n: int,
    generator: torch.Generator,
    *,
    offsets: Sequence[int] = SEEN,
    place: int | None = None,
) -> tuple[Float[Tensor, "example time feature"], Int[Tensor, " example"], Int[Tensor, "example step"]]:
    """Random pairs at random steps, and a question: inputs, the values asked for, and the pairs' steps.

    Args:
        keys: A sequence's keys are drawn of these.
        offsets: A pair's value is its key's number and one of these, modulo the number of values.
        place: Step at which the pair that is asked for is shown; None: drawn.

    Returns:
        The third holds the steps of the pairs, that of the pair asked for first.
    """
    chosen = torch.rand(n, len(keys), generator=generator).argsort(1)[:, :PAIRS]
    offset = torch.tensor(offsets)[torch.randint(len(offsets), (n, PAIRS), generator=generator)]
    values = (chosen + offset) % VALUES
    steps = torch.rand(n, QUERY, generator=generator).argsort(1)[:, :PAIRS]
    if place is not None:  # the first pair takes that step, and gives its own to the pair that had it
        steps = torch.where(steps == place, steps[:, :1], steps)
        steps[:, 0] = place
    rows, inputs = torch.arange(n)[:, None], torch.zeros(n, STEPS, BITS + VALUES + 1)
    inputs[rows, steps, :BITS] = keys[chosen]
    inputs[rows, steps, BITS + values] = 1.0
    inputs[:, QUERY, :BITS] = keys[chosen[:, 0]]
    inputs[:, QUERY, -1] = 1.0
    return inputs, values[:, 0], steps


def train(config: Config, seed: int, report: Report) -> tuple[KeyValue, Float[Tensor, "key bit"]]:
    """A network trained on pairs of known keys, and these keys."""
    generator = torch.Generator().manual_seed(seed)
    keys = random_keys(KNOWN_KEYS, generator)
    with seeded(seed):
        network = KeyValue(BITS + VALUES + 1, VALUES)

    def loss() -> Tensor:
        inputs, labels, _ = sequences(keys, BATCH, generator)
        return nn.functional.cross_entropy(network(inputs), labels)

    descend(network.parameters(), loss, updates(config), report, lr=5e-3)
    return network, keys


def updates(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def correct(
    model: Adopted, inputs: Tensor, labels: Tensor, slots: Sequence[int] = (), during: str = "0-"
) -> Bool[Tensor, " example"]:
    """Questions that are answered with these slots kept empty during some steps."""
    with torch.no_grad(), ablate(model, slots, site=MEMORY, during=during):
        return model(inputs).argmax(1) == labels


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train one, and empty the slot that the pair asked for was written to, another pair's slot, or any other."""
    network, keys = train(config, seed, report)
    generator = torch.Generator().manual_seed(10_000 + seed)
    model = adopt(network.eval(), SITES, example=sequences(keys, 4, generator)[0])
    new = random_keys(KNOWN_KEYS, generator)
    numbers: dict[str, float | None] = {}
    for name, of, offsets in (("seen", keys, SEEN), ("unseen", keys, UNSEEN), ("new", new, range(VALUES))):
        inputs, labels, _ = sequences(of, EVALUATED, generator, offsets=offsets)
        numbers[name] = float(correct(model, inputs, labels).float().mean())
    inputs, labels, steps = sequences(new, EVALUATED, generator, offsets=range(VALUES), place=PLACE)
    write = capture(model, inputs, "tap:write")["tap:write"]
    slots, rows = write.argmax(2), torch.arange(EVALUATED)
    own, other = slots[:, PLACE], slots[rows, steps[:, 1]]
    random = (own + torch.randint(1, write.shape[2], (EVALUATED,), generator=generator)) % write.shape[2]
    numbers["distinct"] = float((own != other).float().mean())
    numbers["written"] = float(write[:, PLACE].max(1).values.mean())
    numbers["blank"] = float(_blank(write, steps).mean())
    elsewhere = own != other
    numbers["whole"] = float(correct(model, inputs, labels)[elsewhere].float().mean())
    after = _by_slot(model, inputs, labels, f"{PLACE}-").float()
    for name, chosen in (("own", own), ("other", other), ("random", random)):
        numbers[name] = float(after[chosen, rows][elsewhere].mean())
    numbers |= _two_slots(model, inputs, labels, write[:, PLACE], generator)
    lines: dict[str, list[float]] = {"its own slot": [], "a random other slot": []}
    for step in range(STEPS):
        once = _by_slot(model, inputs, labels, str(step)).float()
        for line, chosen in zip(lines.values(), (own, random), strict=True):
            line.append(float(once[chosen, rows].mean()))
    return Record(numbers, {"x": list(range(-PLACE, STEPS - PLACE)), "lines": lines})


def _by_slot(model: Adopted, inputs: Tensor, labels: Tensor, during: str) -> Bool[Tensor, "slot example"]:
    return torch.stack([correct(model, inputs, labels, [slot], during) for slot in range(SLOTS)])


def _two_slots(
    model: Adopted, inputs: Tensor, labels: Tensor, write: Tensor, generator: torch.Generator
) -> dict[str, float | None]:
    """Accuracy without the two slots that most of the pair was written to, and without two random others."""
    sets = list(combinations(range(SLOTS), 2))
    answers = torch.stack([correct(model, inputs, labels, slots, f"{PLACE}-") for slots in sets]).float()
    order = write.argsort(1, descending=True)
    drawn = torch.rand(len(order), SLOTS - 2, generator=generator).argsort(1)[:, :2]
    numbers: dict[str, float | None] = {"written_two": float(write.gather(1, order[:, :2]).sum(1).mean())}
    for name, chosen in (("two", order[:, :2]), ("two_random", order[:, 2:].gather(1, drawn))):
        places = [sets.index((min(slots), max(slots))) for slots in chosen.tolist()]
        numbers[name] = float(answers[places, torch.arange(len(places))].mean())
    return numbers


def _blank(write: Float[Tensor, "example time slot"], steps: Int[Tensor, "example pair"]) -> Tensor:
    """Total weight of writing at steps that show no pair."""
    shown = torch.zeros(len(write), STEPS, dtype=torch.bool)
    shown[torch.arange(len(write))[:, None], steps] = True
    shown[:, QUERY] = True
    return write.sum(2)[~shown]


def judge(result: StudyResult) -> list[str]:
    """Sentences on the pair's own slot against others, and on pairs and keys that are new."""
    numbers = result.all_over(
        "whole", "own", "random", "other", "written", "two", "two_random", "written_two"
    )
    binding = result.all_over("seen", "unseen", "new")
    assert numbers is not None
    assert binding is not None
    whole, own, random, other, written, two, two_random, written_two = numbers
    seen, unseen, new = binding
    fall, beside, more = random.minus(own), whole.minus(other), two_random.minus(two)
    return [
        f"Answers are right in {whole.words(percentage)} of sequences; with the slot emptied that the pair was "
        f"written to, in {own.words(percentage)}, {_level(own)}, which is "
        f"{fall.verdict('less than', 'more than', 'not decidedly different from')} with a random other slot "
        f"emptied, {random.words(percentage)}.",
        f"With another pair's slot emptied they are right in {other.words(percentage)}: "
        + beside.verdict("it costs something too.", "it costs nothing.", "no cost of it is decided."),
        f"The write weight of that slot is {written.words()}, of the two largest together {written_two.words()}; with "
        f"both emptied answers are right in {two.words(percentage)}, {_level(two)}, which is "
        f"{more.verdict('less than', 'more than', 'not decidedly different from')} with two random others emptied, "
        f"{two_random.words(percentage)}.",
        f"One-shot binding: {seen.words(percentage)} for combinations that training showed, "
        f"{unseen.words(percentage)} for combinations of key and value that it never showed, and "
        f"{new.words(percentage)} for keys that it never showed.",
    ]


def _level(over: OverSeeds) -> str:
    """Where an accuracy is beside chance."""
    chance = 1 / VALUES
    place = "below" if over.high < chance else "above" if over.low > chance else "not decidedly beside"
    return f"{place} chance ({percentage(chance)})"


HOST = Host(
    title="Key-value memory: recall without the slot that a pair was written to",
    about=(
        "Where does a memory network keep a pair that it saw once? A GRU controller writes each step's key and value "
        "into one of ten slots and reads them by key, after the idea of memory-augmented controllers (fast and slow "
        "learning of neural memory controllers) and of dual-coding memory for one-shot word learning, not after "
        "their algorithms. Sequences of 12 steps show 8 pairs and ask for one. The slot with the largest write "
        "weight at the pair's step is kept empty from that step on; so is another pair's slot, a random other one, and "
        "the two with the largest weights. Answers are also counted for combinations of key and value held back from "
        "training, and for keys that training never showed. Lines show a slot emptied at one step only, before the "
        "pair is shown or after."
    ),
    build=build,
    example=example,
    sites=SITES,
    measure=measure,
    units=updates,
    quantities={
        "seen": "accuracy, combinations of training",
        "unseen": "accuracy, combinations held back",
        "new": "accuracy, new keys",
        "whole": "accuracy before ablation, new keys",
        "own": "without the pair's own slot",
        "other": "without another pair's slot",
        "random": "without a random other slot",
        "two": "without the two slots it was mostly written to",
        "two_random": "without two random others",
        "written_two": "the two largest write weights, summed",
        "written": "largest write weight at the pair's step",
        "blank": "total write weight at blank steps",
        "distinct": "share of pairs whose slot is not shared",
    },
    judge=judge,
    bars={
        "seen": "combinations of training",
        "unseen": "combinations held back",
        "new": "new keys",
        "own": "without its slot",
        "other": "without another pair's slot",
        "random": "without a random slot",
        "two": "without its two slots",
        "two_random": "without two random slots",
    },
    lines=("step at which the slot is emptied, from the pair on", "accuracy"),
)
