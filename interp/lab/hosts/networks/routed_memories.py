"""Routed memories: linear attention whose router sends each pair to two of four memories, and one that all share."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp import ablate, adopt, capture
from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.pairs import Pairs, random_pairs
from interp.lab.hosts.training import descend, seeded
from interp.lab.study import Record, StudyResult
from interp.markup import percentage
from interp.models import Adopted
from interp.models.taps import tap
from interp.progress import Report, shifted

MEMORY, ROUTE = "tap:memory[slot]", "tap:route"
SITES = (ROUTE, MEMORY)
KEYS, VALUES, PAIRS, WIDTH, MEMORIES = 64, 16, 32, 12, 4
BATCH, UPDATES, EVALUATED, DRAWS = 48, 400, 800, 5
HALF = PAIRS // 2
LENGTHS = (8, 16, 24, 32, 40, 48)
"""Numbers of pairs at which the networks are compared; they are trained on one of them."""


class RoutedMemories(nn.Module):
    """Sums of outer products of keys and values, one sum a memory, read by a key.

    A softmax over the memories chooses the `top` ones that a key's pair is added to and read from, and how much of it;
    a further memory, the last slot, takes and gives all pairs. With one memory and none that is shared it is plain
    linear attention with decay.
    """

    def __init__(
        self,
        keys: int,
        values: int,
        *,
        memories: int = MEMORIES,
        top: int = 2,
        shared: bool = True,
        width: int = WIDTH,
        value_width: int = WIDTH,
    ) -> None:
        super().__init__()
        self.top, self.shared = top, shared
        self.key = nn.Embedding(keys, width)
        self.value = nn.Embedding(values + 1, value_width, padding_idx=values)  # a question has no value
        self.router = nn.Embedding(keys, memories)
        self.keep = nn.Parameter(torch.full((memories + shared,), 4.0))
        self.norm, self.answer = nn.LayerNorm(value_width), nn.Linear(value_width, values)

    def route(self, keys: Int[Tensor, " example"]) -> Float[Tensor, "example slot"]:
        """Shares of the memories, 0 except for the chosen, which sum to 1; and 1 for one that is shared."""
        scores = torch.softmax(self.router(keys), 1)
        least = scores.topk(self.top, 1).values[:, -1:]
        chosen = scores * (scores >= least)
        share = chosen / chosen.sum(1, keepdim=True)
        return torch.cat([share, torch.ones_like(share[:, :1])], 1) if self.shared else share

    def forward(self, inputs: Int[Tensor, "example time 2"]) -> Float[Tensor, "example output"]:
        """Logits of the value that belongs to the last step's key; each step is a key and a value."""
        keep = torch.sigmoid(self.keep)[:, None, None]
        memory = keep.new_zeros(len(inputs), len(keep), self.key.embedding_dim, self.value.embedding_dim)
        for pair in inputs.unbind(1):
            key = nn.functional.normalize(self.key(pair[:, 0]), dim=1)
            share = tap("route", self.route(pair[:, 0]), "example slot")
            product = key[:, :, None] * self.value(pair[:, 1])[:, None, :]
            memory = keep * memory + share[:, :, None, None] * product[:, None]
            memory = tap("memory", memory, "example slot row neuron")
        mixed = (share[:, :, None, None] * memory).sum(1)
        return self.answer(self.norm((key[:, :, None] * mixed).sum(1)))


NETWORKS: dict[str, dict[str, Any]] = {
    "routed": {},
    "single": {"memories": 1, "top": 1, "shared": False},
    "large": {"memories": 1, "top": 1, "shared": False, "width": WIDTH * (MEMORIES + 1)},
}
"""The network; one memory of the size of one of its five; and one memory of the size of all five."""


def build(seed: int) -> RoutedMemories:
    """A small network with random weights drawn from a seed."""
    with seeded(seed):
        return RoutedMemories(KEYS, VALUES, width=5, value_width=4)


def example() -> Int[Tensor, "example time 2"]:
    """Three sequences of pairs, each with a question at its end."""
    return sequences(3, torch.Generator().manual_seed(0), pairs=7)[0]


def sequences(n: int, generator: torch.Generator, pairs: int = PAIRS) -> Pairs:
    """Sequences of random pairs and a question, the values asked for, and the steps at which these were shown."""
    return random_pairs(n, KEYS, VALUES, pairs, generator)


def train(config: Config, seed: int, report: Report, which: str = "routed") -> RoutedMemories:
    """One of `NETWORKS`, trained with a small cost for routes that some memories have more of than others."""
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        network = RoutedMemories(KEYS, VALUES, **NETWORKS[which])

    def loss() -> Tensor:
        inputs, labels, _ = sequences(BATCH, generator)
        mean = torch.softmax(network.router.weight, 1).mean(0)
        balance = len(mean) * (mean**2).sum() - 1
        return nn.functional.cross_entropy(network(inputs), labels) + balance

    descend(network.parameters(), loss, updates(config), shifted(report, 0, which), lr=1e-2, clip=None)
    return network.eval()


def updates(config: Config) -> int:
    """Updates of training of each network."""
    return config.updates(UPDATES)


def correct(
    model: Adopted, inputs: Tensor, labels: Tensor, slot: int | None = None, during: str = "0-"
) -> Bool[Tensor, " example"]:
    """Questions that are answered, with a memory kept empty during some steps."""
    with torch.no_grad():
        if slot is None:
            return model(inputs).argmax(1) == labels
        with ablate(model, [slot], site=MEMORY, during=during):
            return model(inputs).argmax(1) == labels


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train the network and its two rivals; empty the memory that the key asked for is routed to, or another."""
    models = {}
    generator = torch.Generator().manual_seed(10_000 + seed)
    for place, which in enumerate(NETWORKS):
        network = train(config, seed, shifted(report, place * updates(config)), which)
        models[which] = adopt(network, SITES, example=sequences(4, generator)[0])
    model = models["routed"]
    inputs, labels, asked = sequences(EVALUATED, generator)
    numbers = {which: float(correct(one, inputs, labels).float().mean()) for which, one in models.items()}
    share = capture(model, inputs, ROUTE)[ROUTE][:, -1, :MEMORIES]
    order, rows = share.argsort(1, descending=True), torch.arange(EVALUATED)
    numbers["evenness"] = float(order[:, 0].bincount(minlength=MEMORIES).max() / EVALUATED)
    without = _by_slot(model, inputs, labels, str(PAIRS))
    kinds = {"first": order[:, 0], "second": order[:, 1], "unrouted": order[:, 2]}
    for name, slot in (kinds | {"shared": torch.full_like(asked, MEMORIES)}).items():
        numbers[name] = float(without[slot, rows].mean())
    others = [order[rows, _draw(1, MEMORIES, generator)] for _ in range(DRAWS)]
    numbers["random"] = float(torch.stack([without[slot, rows] for slot in others]).mean())
    once, early = _by_slot(model, inputs, labels, str(HALF - 1)), asked < HALF
    for name, part in (("early", early), ("late", ~early)):
        numbers[name] = float(once[order[:, 0], rows][part].mean())
        numbers[f"{name}_whole"] = float(correct(model, inputs, labels)[part].float().mean())
    lines: dict[str, list[float]] = {title: [] for title in TITLES.values()}
    for pairs in LENGTHS:
        inputs, labels, _ = sequences(EVALUATED, generator, pairs)
        for which, title in TITLES.items():
            lines[title].append(float(correct(models[which], inputs, labels).float().mean()))
    return Record(numbers, {"x": list(LENGTHS), "lines": lines})


def _draw(low: int, high: int, generator: torch.Generator) -> Int[Tensor, " example"]:
    return torch.randint(low, high, (EVALUATED,), generator=generator)


def _by_slot(model: Adopted, inputs: Tensor, labels: Tensor, during: str) -> Float[Tensor, "slot example"]:
    each = [correct(model, inputs, labels, slot, during) for slot in range(MEMORIES + 1)]
    return torch.stack(each).float()


def judge(result: StudyResult) -> list[str]:
    """Sentences on the memories of the key that is asked for, on time, and on one memory against several."""
    numbers = result.all_over(*NETWORKS, *ABLATED, "early", "early_whole", "late", "late_whole")
    assert numbers is not None
    routed, single, large, first, second, shared, random, unrouted, *times = numbers
    early, late = times[1].minus(times[0]), times[3].minus(times[2])
    fall, less = random.minus(first), routed.minus(single)
    size, noise = routed.minus(large), routed.minus(shared)
    return [
        f"Answers are right in {routed.words(percentage)} of sequences; with the memory emptied that the key is mainly "
        f"routed to, in {first.words(percentage)}, "
        f"{fall.verdict('less than', 'more than', 'not decidedly different from')} with a random other one, "
        f"{random.words(percentage)}. Without the second memory they are right in {second.words(percentage)}, and "
        f"without one that the key is not routed to in {unrouted.words(percentage)}.",
        f"Without the shared memory they are right in {shared.words(percentage)}: "
        + noise.verdict(
            "it holds part of the answers.",
            "it adds more interference than it holds of the answer.",
            "neither a use nor a harm of it is decided.",
        ),
        f"Emptied once, after pair {HALF}, the main memory costs {early.words(percentage)} for pairs shown before and "
        f"{late.words(percentage)} for pairs shown after.",
        f"One memory of the same size answers {single.words(percentage)}, "
        f"{less.verdict('less than', 'more than', 'not decidedly different from')} the routed ones; one that is as "
        f"large as all five answers {large.words(percentage)}, to which the routed ones are "
        f"{size.verdict('superior', 'inferior', 'not decidedly different')}: "
        + size.verdict(
            "routing helps beyond size.",
            "size does more against interference than routing.",
            "routing is not decidedly better than size alone.",
        ),
    ]


TITLES = {"routed": "four routed and one shared", "single": "one memory", "large": "one as large as all five"}
ABLATED = ("first", "second", "shared", "random", "unrouted")

HOST = Host(
    title="Routed memories: recall without the memory that a key is routed to",
    about=(
        "Are pairs kept where a router sends them? Linear attention adds products of keys and values to two of four "
        "memories, which a softmax of the key chooses, and to one that all share, after the idea of mixtures of "
        "memories (MoM), not its algorithm; the router reads the key alone. Sequences show 32 pairs and ask for one. "
        "As the question is read one memory is emptied: the first or second that its key is routed to, the shared one, "
        "a random other one, or one that it is not routed to, which the network by its construction does not read. "
        "Two rivals are trained beside it: one memory of the size of each of the five, and one as large as all five, "
        "with longer keys. Lines show accuracy by the number of pairs; all are trained on 32."
    ),
    build=build,
    example=example,
    sites=SITES,
    measure=measure,
    units=lambda config: updates(config) * len(NETWORKS),
    quantities={
        "routed": "accuracy, routed memories",
        "single": "accuracy, one memory",
        "large": "accuracy, one as large as all five",
        "first": "without the first memory of the key",
        "second": "without the second",
        "random": "without a random one but the first",
        "unrouted": "without one it is not routed to",
        "shared": "without the shared one",
        "early": f"first memory emptied once after pair {HALF}, pairs before",
        "early_whole": "the same pairs, nothing emptied",
        "late": f"first memory emptied once after pair {HALF}, pairs after",
        "late_whole": "the same pairs, nothing emptied",
        "evenness": "share of questions whose first memory is the most used",
    },
    judge=judge,
    bars={
        "routed": "routed memories",
        "first": "without its first",
        "second": "without its second",
        "random": "without a random other",
        "shared": "without the shared",
        "single": "one memory",
        "large": "one as large",
    },
    lines=("pairs", "accuracy"),
)
