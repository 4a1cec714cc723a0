"""Fast weights: a memory whose weights learn at test time, from the error of what they predict."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp import ablate, adopt, capture
from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.pairs import Pairs, random_pairs
from interp.lab.hosts.training import descend, seeded
from interp.lab.study import Record, StudyResult
from interp.markup import number, percentage
from interp.models import Adopted
from interp.models.taps import tap
from interp.progress import Report

MEMORY, UPDATE, SURPRISE = "tap:memory", "tap:update", "tap:surprise"
SITES = (SURPRISE, UPDATE, MEMORY)
KEYS, VALUES, PAIRS, WIDTH = 64, 16, 24, 24
BATCH, UPDATES, EVALUATED, DRAWS = 64, 500, 800, 5
HALF, ROWS = PAIRS // 2, WIDTH // 4


class FastWeights(nn.Module):
    """A matrix for each example that is trained, while the network runs, to turn keys into values.

    At each step the gradient of the squared error of its prediction, with momentum, is added to it, and it decays:
    S = momentum S - rate (M k - v) k', M = (1 - forget) M + S. The rate depends on the pair; rate, momentum and
    forgetting are learnt with the embeddings, through all steps.
    """

    def __init__(self, keys: int, values: int, *, width: int = WIDTH) -> None:
        super().__init__()
        self.key = nn.Embedding(keys, width)
        self.value = nn.Embedding(values + 1, width, padding_idx=values)  # a question has no value
        self.rate = nn.Linear(2 * width, 1)
        self.momentum = nn.Parameter(torch.tensor(-1.0))
        self.forget = nn.Parameter(torch.tensor(-4.0))
        self.answer = nn.Linear(width, values)

    def forward(self, inputs: Int[Tensor, "example time 2"]) -> Float[Tensor, "example output"]:
        """Logits of the value that belongs to the last step's key; each step is a key and a value."""
        width = self.answer.in_features
        memory = self.momentum.new_zeros(len(inputs), width, width)
        update = torch.zeros_like(memory)
        momentum, forget = torch.sigmoid(self.momentum), torch.sigmoid(self.forget)
        for pair in inputs[:, :-1].unbind(1):
            key, value = nn.functional.normalize(self.key(pair[:, 0]), dim=1), self.value(pair[:, 1])
            rate = torch.sigmoid(self.rate(torch.cat([key, value], 1)))
            error = tap("surprise", (memory * key[:, None]).sum(2) - value)
            gradient = error[:, :, None] * key[:, None]
            update = tap("update", momentum * update - rate[:, :, None] * gradient, "example neuron input")
            memory = tap("memory", (1 - forget) * memory + update, "example neuron input")
        key = nn.functional.normalize(self.key(inputs[:, -1, 0]), dim=1)
        return self.answer((memory * key[:, None]).sum(2))


def build(seed: int) -> FastWeights:
    """A small network with random weights drawn from a seed."""
    with seeded(seed):
        return FastWeights(KEYS, VALUES, width=5)


def example() -> Int[Tensor, "example time 2"]:
    """Three sequences of pairs, each with a question at its end."""
    return sequences(3, torch.Generator().manual_seed(0), pairs=6)[0]


def sequences(n: int, generator: torch.Generator, pairs: int = PAIRS) -> Pairs:
    """Sequences of random pairs and a question, the values asked for, and the steps at which these were shown."""
    return random_pairs(n, KEYS, VALUES, pairs, generator)


def train(config: Config, seed: int, report: Report) -> FastWeights:
    """A network trained through the updates of its memory."""
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        network = FastWeights(KEYS, VALUES)

    def loss() -> Tensor:
        inputs, labels, _ = sequences(BATCH, generator)
        return nn.functional.cross_entropy(network(inputs), labels)

    descend(network.parameters(), loss, updates(config), report, lr=1e-2)
    return network.eval()


def updates(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def correct(model: Adopted, inputs: Tensor, labels: Tensor) -> Bool[Tensor, " example"]:
    """Questions that are answered."""
    with torch.no_grad():
        return model(inputs).argmax(1) == labels


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train one; stop its memory's updates after half of the steps, or at as many random steps; empty rows of it."""
    network = train(config, seed, report)
    generator = torch.Generator().manual_seed(10_000 + seed)
    model = adopt(network, SITES, example=sequences(4, generator)[0])
    inputs, labels, asked = sequences(EVALUATED, generator)
    whole = correct(model, inputs, labels).float()
    with ablate(model, range(WIDTH), site=UPDATE, during=f"{HALF}-"):
        frozen = correct(model, inputs, labels).float()
    stopped, others = [], []
    for _ in range(DRAWS):
        steps = torch.randperm(PAIRS, generator=generator)[:HALF]
        with ablate(model, range(WIDTH), site=UPDATE, during=",".join(map(str, sorted(steps.tolist())))):
            answers, at = correct(model, inputs, labels).float(), torch.isin(asked, steps)
        stopped.append(float(answers[at].mean()))
        others.append(float(answers[~at].mean()))
    numbers: dict[str, float | None] = {"stopped": sum(stopped) / DRAWS, "others": sum(others) / DRAWS}
    for name, part in (("early", asked < HALF), ("late", asked >= HALF)):
        numbers[name], numbers[f"{name}_frozen"] = float(whole[part].mean()), float(frozen[part].mean())
    numbers |= _rows(model, generator) | _surprise(model, generator)
    by_step = [asked == step for step in range(PAIRS)]
    lines = {
        title: [float(answers[at].mean()) for at in by_step]
        for title, answers in (("updates throughout", whole), (f"none after {HALF} pairs", frozen))
    }
    return Record(numbers, {"x": list(range(1, PAIRS + 1)), "lines": lines})


def _rows(model: Adopted, generator: torch.Generator) -> dict[str, float | None]:
    """Accuracy without the rows whose absence costs other sequences most, and without as many random ones."""
    inputs, labels, _ = sequences(EVALUATED, generator)
    costs = []
    for row in range(WIDTH):
        with ablate(model, [row], site=MEMORY), torch.no_grad():
            costs.append(float(nn.functional.cross_entropy(model(inputs), labels)))
    worst = torch.tensor(costs).argsort(descending=True)[:ROWS].tolist()
    inputs, labels, _ = sequences(EVALUATED, generator)
    each = [worst] + [torch.randperm(WIDTH, generator=generator)[:ROWS].tolist() for _ in range(DRAWS)]
    answers = []
    for rows in each:
        with ablate(model, rows, site=MEMORY):
            answers.append(float(correct(model, inputs, labels).float().mean()))
    whole = float(correct(model, inputs, labels).float().mean())
    return {"rows_whole": whole, "rows": answers[0], "rows_random": sum(answers[1:]) / DRAWS}


def _surprise(model: Adopted, generator: torch.Generator) -> dict[str, float | None]:
    """Mean length of the error at the second half of the steps: where pairs come again, and where they are new."""
    inputs, _, _ = sequences(EVALUATED, generator)
    again = inputs.clone()
    again[:, HALF:PAIRS] = inputs[:, :HALF]
    lengths = [capture(model, x, SURPRISE)[SURPRISE].norm(dim=2)[:, HALF:].mean() for x in (again, inputs)]
    return {"surprise_again": float(lengths[0]), "surprise_new": float(lengths[1])}


def judge(result: StudyResult) -> list[str]:
    """Sentences on stopped updates, on rows of the memory, and on surprise."""
    numbers = result.all_over("early", "early_frozen", "late", "late_frozen", "stopped", "others")
    rest = result.all_over("rows", "rows_random", "surprise_again", "surprise_new")
    assert numbers is not None
    assert rest is not None
    early, early_frozen, late, late_frozen, stopped, others = numbers
    rows, rows_random, again, new = rest
    lost, kept = late.minus(late_frozen), early_frozen.minus(early)
    fall, less = rows_random.minus(rows), new.minus(again)
    return [
        f"Without updates after pair {HALF}, recall of later pairs goes from {late.words(percentage)} to "
        f"{late_frozen.words(percentage)} (chance {percentage(1 / VALUES)}), "
        f"{lost.verdict('a loss', 'a gain', 'no decided change')}; of earlier ones from {early.words(percentage)} to "
        f"{early_frozen.words(percentage)}, {kept.verdict('a gain', 'a loss', 'no decided change')}.",
        f"Without updates at as many random steps, {stopped.words(percentage)} of the pairs shown at these are "
        f"recalled, and {others.words(percentage)} of the others.",
        f"Without the {ROWS} of {WIDTH} rows of the memory that cost other sequences most, {rows.words(percentage)} "
        f"are recalled, {fall.verdict('less than', 'more than', 'not decidedly different from')} without as many "
        f"random ones, {rows_random.words(percentage)}.",
        f"The surprise at a pair that comes again is {again.words(number)}, "
        f"{less.verdict('less than', 'more than', 'not decidedly different from')} at a new pair at the same steps, "
        f"{new.words(number)}.",
    ]


HOST = Host(
    title="Fast weights: recall after the memory stops learning",
    about=(
        "Is a pair kept by the update of the step that shows it? A matrix for each example learns at test time to "
        "turn keys into values, by gradient descent with momentum and forgetting on its own error, the surprise, after "
        "the idea of memories that learn at test time (Titans, arXiv 2501.00663), with one linear layer as the memory. "
        f"Sequences show {PAIRS} pairs and ask for one. Updates are set to 0 from a step on, or at as many random "
        "steps; forgetting goes on. Rows of the matrix are emptied: those whose absence costs other sequences most, "
        "and random ones. The surprise is compared where pairs come again and where new ones come at the same steps. "
        "Lines show recall by the step at which the pair was shown."
    ),
    build=build,
    example=example,
    sites=SITES,
    measure=measure,
    units=updates,
    quantities={
        "early": "recall of earlier pairs",
        "early_frozen": f"the same, no updates after {HALF} pairs",
        "late": "recall of later pairs",
        "late_frozen": f"the same, no updates after {HALF} pairs",
        "stopped": "recall of pairs at random steps without update",
        "others": "recall of the other pairs then",
        "rows_whole": "recall, all rows",
        "rows": f"recall without the {ROWS} rows that cost most",
        "rows_random": "recall without as many random rows",
        "surprise_again": "surprise at pairs that come again",
        "surprise_new": "surprise at new pairs at the same steps",
    },
    judge=judge,
    bars={
        "early": "earlier pairs",
        "early_frozen": "earlier, frozen",
        "late": "later pairs",
        "late_frozen": "later, frozen",
        "stopped": "random steps, theirs",
        "others": "random steps, others",
        "rows": "without costly rows",
        "rows_random": "without random rows",
    },
    lines=("step at which the pair is shown", "recall"),
)
