"""Prompt components: a frozen transformer learns new tasks by prefixes alone, mixed for each example."""

from __future__ import annotations

import copy
import math

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
from interp.progress import Report, shifted

COMPONENTS, FEATURES = "tap:components", "tap:features"
SITES = (FEATURES, COMPONENTS)
FIRST_CLASSES, TASKS, OF_TASK = 4, 3, 2
CLASSES = FIRST_CLASSES + 2 * TASKS
SIDE, PATCH, WIDTH, BLOCKS, LENGTH = 8, 2, 32, 2, 4
BATCH, UPDATES, TRAINED, DRAWS = 64, 300, 1200, 5


class Block(nn.Module):
    """Attention of one head, with a prefix of keys and values if there is one, and a layer of neurons."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.into, self.out = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(
        self,
        x: Float[Tensor, "example token width"],
        prefix: Float[Tensor, "example 2 length width"] | None = None,
    ) -> Float[Tensor, "example token width"]:
        """The residual stream after the block."""
        normal = self.norms[0](x)
        keys, values = self.key(normal), self.value(normal)
        if prefix is not None:
            keys, values = torch.cat([prefix[:, 0], keys], 1), torch.cat([prefix[:, 1], values], 1)
        scores = self.query(normal) @ keys.transpose(1, 2) / math.sqrt(x.shape[2])
        x = x + torch.softmax(scores, 2) @ values
        return x + self.out(torch.relu(self.into(self.norms[1](x))))


class Body(nn.Module):
    """A transformer of an image's patches."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.patch = nn.Linear(PATCH**2, width)
        self.first = nn.Parameter(0.5 * torch.randn(width))
        self.position = nn.Parameter(0.5 * torch.randn((SIDE // PATCH) ** 2 + 1, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        images: Float[Tensor, "example pixel"],
        prompt: Float[Tensor, "example block 2 length width"] | None = None,
    ) -> Float[Tensor, "example width"]:
        """Features of the images, at the token that stands for the whole."""
        n, across = len(images), SIDE // PATCH
        patches = images.view(n, across, PATCH, across, PATCH).transpose(2, 3).reshape(n, across**2, PATCH**2)
        x = torch.cat([self.first.expand(n, 1, -1), self.patch(patches)], 1) + self.position
        for place, block in enumerate(self.blocks):
            x = block(x, None if prompt is None else prompt[:, place])
        return self.norm(x[:, 0])


class Prompted(nn.Module):
    """A frozen body and head, and components of a prompt, which each example mixes by its features.

    The weight of a component is the cosine of the features, attended to by the component, and the component's key; the
    mixture is a prefix of keys and values in each block. `active` says how many components there are so far.
    """

    def __init__(
        self,
        components: int,
        *,
        width: int = WIDTH,
        blocks: int = BLOCKS,
        length: int = LENGTH,
    ) -> None:
        super().__init__()
        self.shape, self.active = (blocks, 2, length, width), components
        self.body, self.head = Body(width, blocks), nn.Linear(width, CLASSES)
        self.attention, self.key = (nn.Parameter(torch.randn(components, width)) for _ in range(2))
        self.prompt = nn.Parameter(0.5 * torch.randn(components, math.prod(self.shape)))
        self.requires_grad_(False)
        for one in (self.attention, self.key, self.prompt):
            one.requires_grad_(True)

    def forward(self, images: Float[Tensor, "example pixel"]) -> Float[Tensor, "example output"]:
        """Logits of all classes."""
        query = self.body(images)
        alike = nn.functional.cosine_similarity(query[:, None] * self.attention, self.key, dim=2)
        share = tap("components", alike, "example slot", loop=None)
        mixed = share[:, : self.active] @ self.prompt[: self.active]
        features = self.body(images, mixed.view(len(images), *self.shape))
        return self.head(tap("features", features, loop=None))


def build(seed: int) -> Prompted:
    """A small network with random weights drawn from a seed."""
    with seeded(seed):
        return Prompted(4, width=6, length=2)


def example() -> Float[Tensor, "example pixel"]:
    """Three random images."""
    return torch.rand(3, SIDE**2, generator=torch.Generator().manual_seed(0))


def digits(generator: torch.Generator) -> tuple[Float[Tensor, "image pixel"], Int[Tensor, " image"]]:
    """Scikit-learn's digits in random order; which digit has which number of class is drawn too."""
    images, labels = shuffled_digits(generator)
    return images, torch.randperm(CLASSES, generator=generator)[labels]


def classes_of(task: int) -> slice:
    """Classes of a task; those before the first one are what the body is trained on."""
    return slice(FIRST_CLASSES + 2 * task, FIRST_CLASSES + 2 * task + 2)


def components_of(task: int) -> list[int]:
    """Components that were trained on a task."""
    return list(range(OF_TASK * task, OF_TASK * (task + 1)))


def pretrained(
    config: Config,
    seed: int,
    report: Report,
    images: Float[Tensor, "image pixel"],
    labels: Int[Tensor, " image"],
) -> Prompted:
    """A network whose body and head were trained on the first classes, with random components."""
    with seeded(seed):
        network = Prompted(OF_TASK * TASKS)
    parameters = [*network.body.parameters(), *network.head.parameters()]
    rows, generator = torch.nonzero(labels < FIRST_CLASSES)[:, 0], torch.Generator().manual_seed(seed)
    for one in parameters:
        one.requires_grad_(True)

    def loss() -> Tensor:
        batch = rows[torch.randint(len(rows), (BATCH,), generator=generator)]
        logits = network.head(network.body(images[batch]))[:, :FIRST_CLASSES]
        return nn.functional.cross_entropy(logits, labels[batch])

    descend(parameters, loss, updates(config), shifted(report, 0, "body"), lr=3e-3, clip=None)
    for one in parameters:
        one.requires_grad_(False)
    return network


def learn_tasks(
    network: Prompted,
    tasks: list[int],
    n: int,
    generator: torch.Generator,
    report: Report,
    images: Float[Tensor, "image pixel"],
    labels: Int[Tensor, " image"],
    frozen: int = 0,
) -> None:
    """Train the components after the frozen first few on some tasks in turn; each task sees its own classes only."""
    parameters = [network.attention, network.key, network.prompt]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    for update in range(n):
        classes = classes_of(tasks[update % len(tasks)])
        rows = torch.nonzero((labels >= classes.start) & (labels < classes.stop))[:, 0]
        batch = rows[torch.randint(len(rows), (BATCH,), generator=generator)]
        logits = network(images[batch])[:, classes]
        loss = nn.functional.cross_entropy(logits, labels[batch] - classes.start)
        optimizer.zero_grad()
        loss.backward()
        for one in parameters:
            assert one.grad is not None
            one.grad[:frozen] = 0
        optimizer.step()
        report(update + 1, f"loss {loss.item():.2f}")


def updates(config: Config) -> int:
    """Updates of training, of the body and of the components for each task."""
    return config.updates(UPDATES)


def accuracy(
    model: Adopted, images: Tensor, labels: Tensor, without: list[int]
) -> tuple[Float[Tensor, " task"], Float[Tensor, " task"]]:
    """Accuracy and log loss of each task among its own classes, with the weights of some components set to 0."""
    right, losses = [], []
    with torch.no_grad(), ablate(model, without, site=COMPONENTS):
        for task in range(TASKS):
            classes = classes_of(task)
            rows = (labels >= classes.start) & (labels < classes.stop)
            logits, own = model(images[rows])[:, classes], labels[rows] - classes.start
            right.append((logits.argmax(1) == own).float().mean())
            losses.append(nn.functional.cross_entropy(logits, own))
    return torch.stack(right), torch.stack(losses)


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train components on all tasks together and on one after another; ablate a task's own, another's, random ones."""
    generator = torch.Generator().manual_seed(10_000 + seed)
    images, labels = digits(generator)
    seen, new = (images[:TRAINED], labels[:TRAINED]), (images[TRAINED:], labels[TRAINED:])
    together, n = pretrained(config, seed, report, *seen), updates(config)
    in_turn = copy.deepcopy(together)
    learn_tasks(together, [*range(TASKS)], TASKS * n, generator, shifted(report, n, "together"), *seen)
    for task in range(TASKS):
        in_turn.active = OF_TASK * (task + 1)
        watched = shifted(report, (1 + TASKS + task) * n, f"task {task + 1}")
        learn_tasks(in_turn, [task], n, generator, watched, *seen, frozen=OF_TASK * task)
    model, turns = (adopt(one.eval(), SITES, example=images[:4]) for one in (together, in_turn))
    every = range(OF_TASK * TASKS)
    cost = torch.stack([accuracy(model, *seen, [one])[1] for one in every], 1)
    special = cost - (cost.sum(0) - cost) / (TASKS - 1)
    chosen = special.argmax(1)
    without = torch.stack([accuracy(model, *new, [one])[0] for one in every])
    own = without[chosen, torch.arange(TASKS)]
    others = torch.stack([without[chosen[task - 1], task] for task in range(TASKS)])
    random = (without.sum(0) - own) / (len(every) - 1)
    whole, nothing = (accuracy(model, *new, one)[0] for one in ([], [*every]))
    turn_whole = accuracy(turns, *new, [])[0]
    later = torch.stack([accuracy(turns, *new, [*every[OF_TASK * (k + 1) :]])[0][k] for k in range(TASKS)])
    turn_own = torch.stack([accuracy(turns, *new, components_of(k))[0][k] for k in range(TASKS)])
    turn_random = torch.stack([_without_random(turns, new, task, generator) for task in range(TASKS)])
    numbers = {"whole": whole, "nothing": nothing, "own": own, "others": others, "random": random}
    earlier = {
        "turn_first": turn_whole[:-1],
        "turn_later": later[:-1],
        "turn_own": turn_own[:-1],
        "turn_random": turn_random[:-1],
    }
    last = {"turn_last": turn_whole[-1:], "turn_last_own": turn_own[-1:]}
    lines = {
        "all components": whole,
        "without its own": own,
        "in turn: all components": turn_whole,
        "in turn: without later ones": later,
    }
    return Record(
        {name: float(value.mean()) for name, value in (numbers | earlier | last).items()},
        {"x": list(range(1, TASKS + 1)), "lines": {name: line.tolist() for name, line in lines.items()}},
    )


def _without_random(
    model: Adopted, new: tuple[Tensor, Tensor], task: int, generator: torch.Generator
) -> Float[Tensor, ""]:
    """Accuracy of a task without as many random components of other tasks as it has."""
    others = torch.tensor([one for other in range(TASKS) if other != task for one in components_of(other)])
    sets = [others[torch.randperm(len(others), generator=generator)[:OF_TASK]] for _ in range(DRAWS)]
    return torch.stack([accuracy(model, *new, one.tolist())[0][task] for one in sets]).mean()


def judge(result: StudyResult) -> list[str]:
    """Sentences on a task's own component against others, and on tasks learnt one after another."""
    numbers = result.all_over("whole", "nothing", "own", "others", "random")
    turns = result.all_over(
        "turn_first", "turn_later", "turn_own", "turn_random", "turn_last", "turn_last_own"
    )
    assert numbers is not None
    assert turns is not None
    whole, nothing, own, others, random = numbers
    first, later, turn_own, turn_random, last, last_own = turns
    fall, cost, apart = random.minus(own), whole.minus(random), turn_random.minus(turn_own)
    return [
        f"Prompts alone bring the frozen network from {nothing.words(percentage)} to {whole.words(percentage)} where "
        f"all tasks are trained together. Without the component that other images show to be a task's own, its "
        f"accuracy is {own.words(percentage)}, "
        f"{fall.verdict('less than', 'more than', 'not decidedly different from')} without a random other one, "
        f"{random.words(percentage)}.",
        f"Without the component of another task it is {others.words(percentage)}; a random other component "
        + cost.verdict(
            "costs something too, so components are shared.", "costs nothing.", "has no decided cost."
        ),
        f"Learnt one after another, earlier tasks end at {first.words(percentage)}; with later components ablated, "
        f"as they were learnt, at {later.words(percentage)}, "
        f"{later.minus(first).verdict('more', 'less', 'not decidedly different')}; without their own at "
        f"{turn_own.words(percentage)}, "
        f"{apart.verdict('less than', 'more than', 'not decidedly different from')} without as many random others, "
        f"{turn_random.words(percentage)}. The last task goes from {last.words(percentage)} to "
        f"{last_own.words(percentage)} without its own.",
    ]


HOST = Host(
    title="Prompt components: tasks without a component of their own",
    about=(
        "Does a component of a prompt belong to one task? A small transformer is trained on four of scikit-learn's "
        "digits and frozen, with its random readouts of six others. Three tasks of two digits each are learnt by a "
        "prefix of keys and values in each block alone, a sum of six components that each image weights by the cosine "
        "of its features with a key, after the idea of CODA-Prompt (arXiv 2211.13218), without its orthogonality and "
        "its classifier. Components are trained on all tasks together, or two a task one after another, the earlier "
        "ones frozen. The weight of one is set to 0: the one whose absence costs a task most above the others, on "
        "images of training; that of another task; and every other one. Accuracy is that among a task's two digits, "
        "on new images. Lines show it by task."
    ),
    build=build,
    example=example,
    sites=SITES,
    measure=measure,
    units=lambda config: updates(config) * (1 + 2 * TASKS),
    quantities={
        "whole": "accuracy, tasks together",
        "nothing": "accuracy without all components",
        "own": "accuracy without the task's component",
        "others": "accuracy without another task's component",
        "random": "accuracy without a random other component",
        "turn_first": "one after another: accuracy of earlier tasks",
        "turn_later": "the same without later components",
        "turn_own": "the same without their own",
        "turn_random": "the same without as many random others",
        "turn_last": "one after another: accuracy of the last task",
        "turn_last_own": "the same without its own",
    },
    judge=judge,
    bars={
        "nothing": "no prompt",
        "whole": "all components",
        "own": "without its own",
        "others": "without another task's",
        "random": "without a random one",
        "turn_first": "in turn: earlier tasks",
        "turn_later": "… without later ones",
    },
    lines=("task", "accuracy"),
)
