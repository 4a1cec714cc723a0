"""Hypernetwork: a recurrent network reads a task's embedding and emits, neuron by neuron, the layer that solves it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp import ablate, adopt
from interp.lab.digits import shuffled_digits
from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.training import descend, seeded
from interp.lab.study import Record, StudyResult
from interp.markup import percentage
from interp.models import Adopted
from interp.models.taps import tap
from interp.progress import Report

EMBEDDING, HIDDEN, WEIGHTS, TARGET = "tap:embedding", "tap:hidden", "tap:weights", "tap:target"
SITES = (WEIGHTS, HIDDEN, TARGET, EMBEDDING)
TASKS, WIDTH, PIXELS, CLASSES = 6, 16, 64, 10
BATCH, UPDATES, TRAINED, DRAWS = 128, 1500, 1200, 8
CHOSEN, MOST = 4, 8
"""Dimensions of the embedding that are ablated, and up to how many the curve goes."""


class Hypernetwork(nn.Module):
    """A GRU that emits one neuron of the target layer a step: its incoming weights, its bias, and its outgoing weights.

    The weights depend on the task, so each example has its own; they are nobody's parameters.
    """

    def __init__(
        self,
        tasks: int,
        inputs: int,
        outputs: int,
        *,
        width: int = WIDTH,
        hidden: int = 32,
        neurons: int = 12,
    ) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.task = nn.Embedding(tasks, width)
        self.place = nn.Parameter(torch.randn(neurons, width))
        self.cell = nn.GRUCell(width, hidden)
        self.emit = nn.Linear(hidden, inputs + 1 + outputs)

    def forward(self, inputs: Float[Tensor, "example feature"]) -> Float[Tensor, "example output"]:
        """Logits of the target network; the first feature is the number of the task, the others are its inputs."""
        x = inputs[:, 1:]
        task = tap("embedding", self.task(inputs[:, 0].long()), loop=None)
        hidden = task.new_zeros(len(x), self.cell.hidden_size)
        rows = []
        for place in self.place:
            hidden = tap("hidden", self.cell(task + place, hidden))
            rows.append(tap("weights", self.emit(hidden)))
        weights = torch.stack(rows, 1)
        into, bias, out = weights.split([self.inputs, 1, self.outputs], 2)
        target = torch.tanh((into * x[:, None]).sum(2) + bias[:, :, 0])
        target = tap("target", target, loop=None)
        return (target[:, :, None] * out).sum(1)


def build(seed: int) -> Hypernetwork:
    """A small network with random weights drawn from a seed."""
    with seeded(seed):
        return Hypernetwork(3, 5, 2, width=4, hidden=6, neurons=4)


def example() -> Float[Tensor, "example feature"]:
    """Four random inputs of three tasks."""
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    x[:, 0] = torch.tensor([0.0, 1.0, 2.0, 1.0])
    return x


def digits(
    generator: torch.Generator,
) -> tuple[Float[Tensor, "image pixel"], Int[Tensor, " image"], Int[Tensor, "task digit"]]:
    """Scikit-learn's digits in random order, their numbers, and the class that each task gives to each digit.

    A task puts five of the ten digits, drawn at random, into one class and the rest into another, so that the image
    alone says nothing of the answer.
    """
    images, labels = shuffled_digits(generator)
    return images, labels, torch.rand(TASKS, CLASSES, generator=generator).argsort(1) % 2


def with_task(images: Float[Tensor, "example pixel"], task: int | Tensor) -> Float[Tensor, "example feature"]:
    """Inputs: a task's number before each image's pixels."""
    numbers = torch.as_tensor(task, dtype=images.dtype).expand(len(images))
    return torch.cat([numbers[:, None], images], 1)


def train(
    config: Config,
    seed: int,
    report: Report,
    data: tuple[Float[Tensor, "image pixel"], Int[Tensor, " image"], Int[Tensor, "task digit"]],
) -> Hypernetwork:
    """A network trained on all tasks together, with the first images."""
    images, labels, classes = data
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        network = Hypernetwork(TASKS, PIXELS, 2)

    def loss() -> Tensor:
        rows = torch.randint(TRAINED, (BATCH,), generator=generator)
        tasks = torch.randint(TASKS, (BATCH,), generator=generator)
        logits = network(with_task(images[rows], tasks))
        return nn.functional.cross_entropy(logits, classes[tasks, labels[rows]])

    descend(network.parameters(), loss, updates(config), report, lr=4e-3)
    return network.eval()


def updates(config: Config) -> int:
    """Updates of training."""
    return config.updates(UPDATES)


def scores(
    model: Adopted, images: Tensor, labels: Tensor, classes: Tensor, without: list[int]
) -> tuple[Float[Tensor, " task"], Float[Tensor, " task"]]:
    """Accuracy and log loss of each task, with dimensions of the embedding set to 0."""
    accuracy, loss = [], []
    with torch.no_grad(), ablate(model, without, site=EMBEDDING):
        for task, classes_of_task in enumerate(classes):
            logits, right = model(with_task(images, task)), classes_of_task[labels]
            accuracy.append((logits.argmax(1) == right).float().mean())
            loss.append(nn.functional.cross_entropy(logits, right))
    return torch.stack(accuracy), torch.stack(loss)


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train one; ablate dimensions that training examples show to be a task's, and random ones."""
    generator = torch.Generator().manual_seed(10_000 + seed)
    images, labels, classes = data = digits(generator)
    network = train(config, seed, report, data)
    model = adopt(network, SITES, example=with_task(images[:4], 0))
    seen, new = (images[:300], labels[:300], classes), (images[TRAINED:], labels[TRAINED:], classes)
    whole = scores(model, *new, [])[0]
    cost = (
        torch.stack([scores(model, *seen, [one])[1] for one in range(WIDTH)], 1)
        - scores(model, *seen, [])[1][:, None]
    )
    special = cost - (cost.sum(0) - cost) / (TASKS - 1)
    order = special.argsort(1, descending=True)
    lines: dict[str, list[float]] = {"its own task": [], "the other tasks": [], "random dimensions": []}
    for n in range(MOST + 1):
        own, others = _chosen(model, new, order[:, :n])
        random = [
            scores(model, *new, torch.randperm(WIDTH, generator=generator)[:n].tolist())[0].mean()
            for _ in range(DRAWS)
        ]
        for line, value in zip(lines.values(), (own, others, torch.stack(random).mean()), strict=True):
            line.append(float(value))
    numbers: dict[str, float | None] = {"whole": float(whole.mean())}
    for name, line in zip(("own", "others", "random"), lines.values(), strict=True):
        numbers[name] = line[CHOSEN]
    return Record(numbers, {"x": list(range(MOST + 1)), "lines": lines})


def _chosen(model: Adopted, new: tuple[Tensor, Tensor, Tensor], order: Tensor) -> tuple[Tensor, Tensor]:
    """Accuracy of a task and of the others, without the dimensions chosen for it; means over the tasks."""
    each = torch.stack([scores(model, *new, dimensions.tolist())[0] for dimensions in order])
    own = each.diagonal()
    return own.mean(), (each.sum() - own.sum()) / (each.numel() - TASKS)


def judge(result: StudyResult) -> list[str]:
    """Sentences on a task's dimensions against random ones, and on the other tasks."""
    numbers = result.all_over("whole", "own", "others", "random")
    assert numbers is not None
    whole, own, others, random = numbers
    fall, apart, spared, lost = (
        random.minus(own),
        others.minus(own),
        others.minus(random),
        whole.minus(others),
    )
    return [
        f"The emitted layers answer {whole.words(percentage)} of new images right. Without the {CHOSEN} of {WIDTH} "
        "dimensions of the embedding that are a task's by its cost on other images, they answer "
        f"{own.words(percentage)} of its own, {fall.verdict('less than', 'more than', 'not decidedly different from')} "
        f"without as many random dimensions, {random.words(percentage)}.",
        f"The other tasks keep {others.words(percentage)}, "
        f"{apart.verdict('more than', 'less than', 'not decidedly different from')} the task itself and "
        f"{spared.verdict('more than', 'less than', 'not decidedly different from')} without random dimensions"
        + (f"; they lose {lost.words(percentage)}." if lost.sign == 1 else "; no loss of theirs is decided."),
    ]


HOST = Host(
    title="Hypernetwork: tasks without dimensions of their embedding",
    about=(
        "Does an embedding that a hypernetwork turns into weights keep tasks apart? A GRU reads a task's embedding and "
        "emits a hidden layer of 12 neurons, one a step, with the weights to and from it, after the idea of recurrent "
        "hypernetworks that emit a network's weights task by task (dependency-preserving hypernetworks), not their "
        "algorithm: all tasks are trained together. Each of six tasks sorts scikit-learn's digits into two classes of "
        "five digits, drawn at random, so that an image alone says nothing of the answer. Dimensions of the embedding "
        "are set to 0 in the order of their cost to a task, above their mean cost to the other tasks, on images of "
        "training; accuracy is that of new images, beside random dimensions. Lines show it by how many are ablated."
    ),
    build=build,
    example=example,
    sites=SITES,
    measure=measure,
    units=updates,
    quantities={
        "whole": "accuracy",
        "own": f"accuracy of a task without its {CHOSEN} dimensions",
        "others": "accuracy of the other tasks without these",
        "random": "accuracy without as many random dimensions",
    },
    judge=judge,
    bars={
        "whole": "all dimensions",
        "own": "without its own",
        "others": "without another task's",
        "random": "without random ones",
    },
    lines=("dimensions ablated", "accuracy"),
)
