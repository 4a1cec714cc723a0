"""A causal transformer on the spikes of a simulated network, whose attention is read as its connections."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.hooks import capture
from interp.interventions import ablate
from interp.lab.hosts.host import Config, Host
from interp.lab.hosts.simulated_spikes import HUBS, NEURONS, auc, connections, follow_graph, simulate
from interp.lab.hosts.training import descend
from interp.lab.study import Record, StudyResult
from interp.models import HookedModel, adopt
from interp.models.taps import tap
from interp.progress import Report

CONTEXT = 32
BLANK = NEURONS  # the token in place of one that is hidden
BINS, WINDOWS = 8000, 600  # steps of simulation to train on; sequences of each held-out set
LAYERS, HEADS, WIDTH = 2, 2, 48
UPDATES, BATCH, HIDDEN, DRAWS = 900, 32, 0.1, 20
EARLIEST = 16  # position from which attention is read, so that rows have as many keys to share it, nearly
PATTERNS = tuple(f"tap:pattern{layer}[head]" for layer in range(LAYERS))
OUTPUTS = tuple(f"tap:heads{layer}[head]" for layer in range(LAYERS))


class SpikeTransformer(nn.Module):
    """A causal transformer whose tokens are the neurons that fire, in the order of time; it predicts the next one.

    Args:
        tokens: Of the vocabulary.
        context: Longest sequence.
        width, heads, layers: Of the transformer; each layer has attention and a perceptron of twice the width.
    """

    def __init__(
        self, tokens: int, context: int, width: int, heads: int, layers: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.heads, self.layers = heads, layers

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=generator) / shape[-2] ** 0.5)

        self.tokens, self.positions = drawn(tokens, width), drawn(context, width)
        self.joint = nn.ParameterList(
            [drawn(width, 3 * width) for _ in range(layers)]
        )  # queries, keys, values
        self.back = nn.ParameterList([drawn(width, width) for _ in range(layers)])
        self.wide = nn.ParameterList([drawn(width, 2 * width) for _ in range(layers)])
        self.narrow = nn.ParameterList([drawn(2 * width, width) for _ in range(layers)])
        self.unembed = drawn(width, tokens)

    def forward(self, tokens: Int[Tensor, "example position"]) -> Float[Tensor, "example token"]:
        """Logits of the token that follows a sequence."""
        return self.predictions(tokens)[:, -1]

    def predictions(self, tokens: Int[Tensor, "example position"]) -> Float[Tensor, "example position token"]:
        """Logits of the token that follows each position."""
        stream = self.tokens[tokens] + self.positions[: tokens.shape[1]]
        for layer in range(self.layers):
            stream = stream + self._attention(layer, _normal(stream))
            stream = stream + (_normal(stream) @ self.wide[layer]).relu() @ self.narrow[layer]
        return _normal(stream) @ self.unembed

    def _attention(self, layer: int, stream: Tensor) -> Tensor:
        n, length, width = stream.shape
        joint = (stream @ self.joint[layer]).view(n, length, 3, self.heads, width // self.heads)
        queries, keys, values = joint.permute(2, 0, 3, 1, 4)  # each (example, head, position, neuron)
        scores = queries @ keys.transpose(2, 3) / (width // self.heads) ** 0.5
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        pattern = scores.masked_fill(future, -torch.inf).softmax(3)
        pattern = tap(f"pattern{layer}", pattern, "example head query key", loop=None)
        outputs = (pattern @ values).transpose(1, 2)
        outputs = tap(f"heads{layer}", outputs, "example position head neuron", loop=None)
        return outputs.reshape(n, length, width) @ self.back[layer]


def _normal(stream: Tensor) -> Tensor:
    return nn.functional.layer_norm(stream, stream.shape[-1:])


def windows(
    tokens: Int[Tensor, " token"], n: int, generator: torch.Generator
) -> Int[Tensor, "example position"]:
    """Random stretches of as many tokens as the context has, and the token after them."""
    starts = torch.randint(len(tokens) - CONTEXT, (n,), generator=generator)
    return tokens[starts[:, None] + torch.arange(CONTEXT + 1)]


def train(
    network: SpikeTransformer, tokens: Tensor, updates: int, generator: torch.Generator, report: Report
) -> None:
    """Fit predictions of the next token; a tenth of the tokens that are shown is hidden."""

    def loss() -> Tensor:
        rows = windows(tokens, BATCH, generator)
        hidden = torch.rand(BATCH, CONTEXT, generator=generator) < HIDDEN
        logits = network.predictions(rows[:, :-1].masked_fill(hidden, BLANK))
        return nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())

    descend(network.parameters(), loss, updates, report, lr=0.002, clip=None)


def attention_graph(
    patterns: Float[Tensor, "example query key"], sources: Tensor, targets: Tensor
) -> Float[np.ndarray, "neuron neuron"]:
    """Mean attention to a token of the row's neuron where the query stands for the column's neuron.

    Args:
        patterns: Attention, averaged over heads and layers.
        sources: Neuron of each key, ``(example, key)``.
        targets: Neuron that each query stands for, ``(example, query)``.
    """
    sums, counts = torch.zeros(NEURONS * NEURONS), torch.zeros(NEURONS * NEURONS)
    seen = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).tril()
    seen[:EARLIEST] = False
    pairs = sources[:, None, :] * NEURONS + targets[:, :, None]
    chosen = pairs[:, seen].flatten()
    sums.index_add_(0, chosen, patterns[:, seen].flatten())
    counts.index_add_(0, chosen, torch.ones(len(chosen)))
    return (sums / counts.clamp(min=1)).view(NEURONS, NEURONS).numpy()


def measure(config: Config, seed: int, report: Report) -> Record:
    """Simulate, train, read the graph from attention, hide tokens of hubs and ablate heads."""
    draws, generator = np.random.default_rng([seed, 10]), torch.Generator().manual_seed(seed)
    graph = connections(draws)
    tokens, others = simulate(graph, BINS, draws), simulate(graph, BINS // 2, draws)
    network = SpikeTransformer(NEURONS + 1, CONTEXT, WIDTH, HEADS, LAYERS, generator)
    updates = config.updates(UPDATES)
    train(network, tokens, updates, generator, report)
    middle = len(others) // 2
    choosing, test = (
        windows(others[:middle], WINDOWS, generator),
        windows(others[middle:], WINDOWS, generator),
    )
    model = adopt(network, [*PATTERNS, *OUTPUTS], example=test[:4, :-1])
    numbers = _graphs(model, test, graph, draws)
    numbers |= dict(zip(("all_follow", "own_follow"), auc(follow_graph(tokens), graph), strict=True))
    numbers |= _hidden(model, test, draws) | _heads(model, choosing, test)
    share = torch.bincount(test[:, -1], minlength=NEURONS).double() / len(test)
    numbers["frequency"] = -(share * share.clamp(min=1e-9).log()).sum().item()
    report(updates + 1, "measured")
    distances = list(range(1, 11))
    return Record(numbers, {"x": distances, "lines": _by_distance(model, test, distances)})


def _mean_pattern(model: HookedModel, rows: Tensor) -> Tensor:
    captured = capture(model, rows[:, :-1], list(PATTERNS))
    return torch.stack([captured[site].mean(1) for site in PATTERNS]).mean(0)  # (example, query, key)


def _graphs(
    model: HookedModel, rows: Tensor, graph: np.ndarray, draws: np.random.Generator
) -> dict[str, float | None]:
    """AUC of attention from the predicted token, and from the token of the query, against true and shuffled graphs."""
    patterns, numbers = _mean_pattern(model, rows), dict[str, float | None]()
    for name, targets in (("next", rows[:, 1:]), ("query", rows[:, :-1])):
        estimate = attention_graph(patterns, rows[:, :-1], targets)
        numbers[f"all_{name}"], numbers[f"own_{name}"] = auc(estimate, graph)
        shuffled = []
        for _ in range(DRAWS):
            other = graph.copy()  # as many targets of each hub, which are others
            other[:HUBS, HUBS:] = draws.permuted(graph[:HUBS, HUBS:], axis=1)
            shuffled.append(auc(estimate, other))
        numbers[f"all_{name}_shuffled"], numbers[f"own_{name}_shuffled"] = np.mean(shuffled, 0).tolist()
    return numbers


def _loss(model: HookedModel, inputs: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return nn.functional.cross_entropy(model(inputs), labels).item()


def _hidden(model: HookedModel, rows: Tensor, draws: np.random.Generator) -> dict[str, float | None]:
    """Loss with the hubs' tokens hidden in the last eight positions, and with as many others."""
    inputs, labels = rows[:, :-1], rows[:, -1]
    late = torch.arange(CONTEXT) >= CONTEXT - 8
    hubs = (inputs < HUBS) & late
    score = torch.from_numpy(draws.random(inputs.shape)).masked_fill((inputs < HUBS) | ~late, 2.0)
    others = score.argsort(1).argsort(1) < hubs.sum(1, keepdim=True)
    others &= score < 2.0
    return {
        "loss": _loss(model, inputs, labels),
        "loss_hubs": _loss(model, inputs.masked_fill(hubs, BLANK), labels),
        "loss_others": _loss(model, inputs.masked_fill(others, BLANK), labels),
    }


def _heads(model: HookedModel, choosing: Tensor, rows: Tensor) -> dict[str, float | None]:
    """Loss without the head that attends most to hubs on other sequences, and without one of the others."""
    captured = capture(model, choosing[:, :-1], list(PATTERNS))
    hubs = (choosing[:, :-1] < HUBS).float()
    shares, losses = [], []
    for layer in range(LAYERS):
        last = captured[PATTERNS[layer]][:, :, -1]  # (example, head, key)
        shares += (last * hubs[:, None]).sum(2).mean(0).tolist()
        for head in range(HEADS):
            with ablate(model, [head], site=OUTPUTS[layer]):
                losses.append(_loss(model, rows[:, :-1], rows[:, -1]))
    best = int(np.argmax(shares))
    return {
        "share": shares[best],
        "loss_head": losses[best],
        "loss_heads": float(np.mean(np.delete(losses, best))),
    }


def _by_distance(model: HookedModel, rows: Tensor, distances: list[int]) -> dict[str, list[float]]:
    """Mean attention of the last position to tokens of hubs and to others, by their distance."""
    last, hub = _mean_pattern(model, rows)[:, -1], rows[:, :-1] < HUBS
    cases = {"tokens of hubs": hub, "other tokens": ~hub}
    return {
        words: [last[:, -one][chosen[:, -one]].mean().item() for one in distances]
        for words, chosen in cases.items()
    }


def judge(result: StudyResult) -> list[str]:
    """The graph from attention against chance, a shuffled graph and counting; hidden tokens; heads."""
    over = {name: one for name in result.study.quantities if (one := result.over(name)) is not None}
    sentences = [
        f"The transformer predicts unseen spikes at {over['loss'].words()} nats, their frequencies alone at "
        f"{over['frequency'].words()}."
    ]
    for name, words in (
        ("next", "at the position that predicts the target"),
        ("query", "at the target's own token"),
    ):
        own, chance = over[f"own_{name}"], over[f"own_{name}_shuffled"]
        sentences.append(
            f"Attention {words} ranks a hub's targets above other neurons with an AUC of {own.words()}, and shuffled "
            f"targets with {chance.words()}: "
            + own.minus(chance).verdict(
                "it shows connections.", "it hides them.", "not decided to be above chance."
            )
            + f" Over all pairs the AUC is {over[f'all_{name}'].words()}, and "
            f"{over[f'all_{name}_shuffled'].words()} remains for shuffled targets, as it tells hubs from others."
        )
    counting = over["own_follow"].minus(over["own_next"])
    hubs, heads = over["loss_hubs"].minus(over["loss_others"]), over["loss_head"].minus(over["loss_heads"])
    return [
        *sentences,
        f"Counting spikes that follow within six gives {over['own_follow'].words()}: "
        + counting.verdict("attention is worse than that.", "attention is better.", "not decided to differ."),
        f"Recent tokens of hubs hidden cost {hubs.words()} nats more than as many others: "
        + hubs.verdict("predictions rest on hubs.", "the opposite of the claim.", "not decided."),
        f"The head that attends most to hubs costs {heads.words()} nats more than one of the others: "
        + heads.verdict("it matters most.", "others matter more.", "not decided."),
    ]


def _small(seed: int) -> nn.Module:
    return SpikeTransformer(10, 12, 16, 2, LAYERS, torch.Generator().manual_seed(seed))


def _example() -> Tensor:
    return torch.randint(10, (5, 12), generator=torch.Generator().manual_seed(0))


HOST = Host(
    title="Connections of a spiking network, from a transformer's attention",
    about=(
        "24 integrate-and-fire neurons are simulated; three hubs drive seven others each, one step later. A "
        "causal transformer of two layers predicts the next of their spikes, whose tokens are neurons in the "
        "order of time, after the idea of transformers on neural data that infer connectivity from attention "
        "(Neuroformer), not its architecture. Mean attention from a target to a source, over heads and layers, is"
        " scored against the true graph by the area under the ROC curve: within the 21 possible targets of each "
        "hub, and over all pairs; beside a graph with shuffled targets, and beside counting which spikes follow. "
        "The hubs' tokens of the last eight positions are hidden beside as many others; the head that attends "
        "most to hubs, on other sequences, is ablated beside the other heads. The figure shows the last "
        "position's attention by distance."
    ),
    build=_small,
    example=_example,
    sites=(*PATTERNS, *OUTPUTS),
    measure=measure,
    units=lambda config: config.updates(UPDATES) + 1,
    quantities={
        "own_next": "AUC in a hub's targets, attention where the target is predicted",
        "own_next_shuffled": "the same, shuffled targets",
        "own_query": "AUC in a hub's targets, attention of the target's token",
        "own_query_shuffled": "the same, shuffled targets",
        "own_follow": "AUC in a hub's targets, counting",
        "all_next": "AUC over all pairs, where the target is predicted",
        "all_next_shuffled": "the same, shuffled targets",
        "all_query": "AUC over all pairs, the target's token",
        "all_query_shuffled": "the same, shuffled targets",
        "all_follow": "AUC over all pairs, counting",
        "loss": "loss on unseen spikes (nats)",
        "frequency": "loss of frequencies alone",
        "loss_hubs": "loss, hubs' recent tokens hidden",
        "loss_others": "loss, as many others hidden",
        "share": "attention to hubs of the head with most",
        "loss_head": "loss without that head",
        "loss_heads": "loss without one of the others",
    },
    judge=judge,
    bars={
        "own_next": "target predicted",
        "own_next_shuffled": "shuffled",
        "own_query": "target's token",
        "own_follow": "counting",
        "all_next": "all pairs",
        "all_next_shuffled": "all, shuffled",
    },
    axis="AUC (0.5: chance)",
    lines=("distance (tokens)", "attention of the last position (share)"),
)
