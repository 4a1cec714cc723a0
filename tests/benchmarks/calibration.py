"""How often p-values and labels are wrong where there is nothing to find: networks that obey each null hypothesis.

python tests/benchmarks/calibration.py [--short] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from plotly.subplots import make_subplots
from scipy.stats import kstest
from sklearn.datasets import load_digits
from torch import nn

import interp
from interp.data import ModularTask, TableTask
from interp.models import (
    HookedMLP,
    HookedModel,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    adopt,
)
from interp.plots.canvas import NEUTRAL, line
from probes.labels import DEAD, GENERALIZING, MEMORIZING
from probes.null import benjamini_hochberg

P, WIDTH, ALPHA, ALL = 23, 128, 0.01, "all"
FULL, SHORT = 20, 2
IMAGES = Path(__file__).parents[2] / "notebooks" / "images" / "calibration.png"
RESULTS = Path(__file__).parents[2] / "notebooks" / "results" / "calibration.json"
RULE, MEMORY, PERIODIC, IPR = "rule_p", "memory_p", "p_value", "p_null"
TITLES = {RULE: "serves the rule", MEMORY: "serves memory", PERIODIC: "is periodic", IPR: "has a high IPR"}
CLAIMED = {RULE: GENERALIZING, MEMORY: MEMORIZING, PERIODIC: GENERALIZING, IPR: GENERALIZING}
LEVELS = np.geomspace(1e-3, 1, 40)

Labels = np.ndarray
Draw = tuple[HookedModel, Any]


def mlp(seed: int, depth: int = 2) -> HookedModel:
    activation = "square" if depth == 2 else "relu"
    return HookedMLP(MLPConfig(width=WIDTH, depth=depth, activation=activation), vocab=P, seed=seed)


def transformer(seed: int) -> HookedModel:
    config = TransformerConfig(d_model=32, n_heads=4, d_head=8, d_mlp=WIDTH)
    return SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P), seed=seed)


def cnn(seed: int) -> HookedModel:
    torch.manual_seed(seed)
    convolutions = (nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Conv2d(12, 24, 3), nn.ReLU(), nn.Flatten())
    return adopt(
        nn.Sequential(*convolutions, nn.Linear(24 * 16, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10)), ["7:input"]
    )


def own(seed: int) -> HookedModel:
    """A module whose site is followed by another layer: effects are measured by removal."""
    torch.manual_seed(seed)
    hidden = (nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 64), nn.ReLU())
    return adopt(nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10)), ["3:input"])


NETWORKS: dict[str, Callable[[int], HookedModel]] = {
    "MLP": mlp, "MLP of depth 3": partial(mlp, depth=3), "transformer": transformer, "CNN": cnn, "own module": own
}  # fmt: skip
ON_DIGITS = ("CNN", "own module")


@cache
def images() -> tuple[np.ndarray, Labels]:
    pixels, labels = load_digits(return_X_y=True)
    return pixels.reshape(-1, 1, 8, 8).astype(np.float32) / 16, labels.astype(np.int64)


def examples(network: str) -> tuple[np.ndarray, Labels, int]:
    """Inputs, true labels and number of classes of a network's task."""
    if network in ON_DIGITS:
        return *images(), 10
    data = ModularTask("add", p=P).dataset
    return data.inputs.numpy(), data.true_labels.numpy(), P


def fit(model: HookedModel, inputs: np.ndarray, labels: Labels, steps: int = 150) -> HookedModel:
    """The network after full-batch training."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005, weight_decay=0.1)
    x, y = torch.as_tensor(inputs), torch.as_tensor(labels)
    model.train(True)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model.train(False)


def shifted(labels: Labels, n_classes: int, generator: np.random.Generator) -> Labels:
    """Wrong labels, uniform over the wrong classes."""
    return (labels + generator.integers(1, n_classes, len(labels))) % n_classes


def confused(model: HookedModel, inputs: np.ndarray, labels: Labels, n_classes: int) -> Labels:
    """For each example the class that the network takes its class for most easily."""
    with torch.no_grad():
        logits = model(torch.as_tensor(inputs)).numpy()
    means = np.stack([logits[labels == c].mean(0) for c in range(n_classes)])
    np.fill_diagonal(means, -np.inf)
    return means.argmax(1)[labels]


def untrained(network: str, seed: int) -> Draw:
    inputs, true, n_classes = examples(network)
    generator = np.random.default_rng(seed)
    train = generator.random(len(true)) < 0.6
    labels = np.where(train & (generator.random(len(true)) < 0.3), shifted(true, n_classes, generator), true)
    return NETWORKS[network](seed), task_of(network, inputs, labels, true, train)


def random_labels(network: str, seed: int) -> Draw:
    inputs, true, n_classes = examples(network)
    generator = np.random.default_rng(seed)
    train = generator.random(len(true)) < 0.6
    labels = np.where(train, generator.integers(0, n_classes, len(true)), true)
    model = fit(NETWORKS[network](seed), inputs[train], labels[train])
    return model, task_of(network, inputs, labels, true, train)


def permuted(network: str, seed: int) -> Draw:
    """A network that was trained on right labels, asked about held-out labels in a random order."""
    model, inputs, true, train, generator, _ = clean(network, seed)
    asked = true.copy()
    asked[~train] = generator.permutation(true[~train])
    return model, TableTask.from_arrays(inputs, asked, train=train)


def halves(network: str, seed: int, noise: str = "") -> Draw:
    """Held-out examples of a network that was trained on others; some pass for trained on, with wrong labels."""
    model, inputs, true, train, generator, n_classes = clean(network, seed)
    inputs, true = inputs[~train], true[~train]
    asked = generator.random(len(true)) < 0.5
    wrong = {
        "": true,
        "symmetric": shifted(true, n_classes, generator),
        "pair": (true + 1) % n_classes,
        "confusable": confused(model, inputs, true, n_classes),
    }[noise]
    labels = np.where(asked & (generator.random(len(true)) < 0.4), wrong, true)
    arrays = {"true_labels": true, "train": asked, "n_classes": n_classes}
    return model, TableTask.from_arrays(inputs, labels, **arrays)


def clean(network: str, seed: int) -> tuple[Any, ...]:
    """A network trained on right labels of 40 % of the examples, and what it was trained on."""
    inputs, true, n_classes = examples(network)
    generator = np.random.default_rng(seed)
    train = generator.random(len(true)) < 0.4
    return fit(NETWORKS[network](seed), inputs[train], true[train]), inputs, true, train, generator, n_classes


def task_of(network: str, inputs: np.ndarray, labels: Labels, true: Labels, train: np.ndarray) -> Any:
    known = {} if network in ON_DIGITS else {"task": "add", "p": P}
    return TableTask.from_arrays(inputs, labels, true_labels=true, train=train, **known)


TRAINED = ("MLP", "transformer", "CNN", "own module")
NULLS: dict[str, tuple[Callable[[str, int], Draw], Sequence[str], Sequence[str]]] = {
    "untrained": (untrained, tuple(NETWORKS), (RULE, MEMORY, PERIODIC, IPR)),
    "random labels": (random_labels, TRAINED, (RULE, PERIODIC, IPR)),
    "permuted test labels": (permuted, TRAINED, (RULE,)),
    "halves of held-out examples": (halves, TRAINED, (MEMORY,)),
    **{
        f"never-trained labels, {noise}": (partial(halves, noise=noise), TRAINED, (MEMORY,))
        for noise in ("symmetric", "pair", "confusable")
    },
}
"""By name: how a network and its task are drawn, for which networks, and the p-values that are uniform there."""


@dataclass
class Row:
    """One p-value under one null hypothesis, from several networks of one kind."""

    p: str
    null: str
    network: str
    values: list[np.ndarray]
    labelled: list[np.ndarray]

    def to_dict(self) -> dict[str, Any]:
        p = np.concatenate(self.values)
        discovered = [int((benjamini_hochberg(one) <= ALPHA).sum()) for one in self.values]
        return {
            "p": self.p,
            "null": self.null,
            "network": self.network,
            "networks": len(self.values),
            "neurons": len(p),
            "below": float((p <= ALPHA).mean()),
            "ks": float(kstest(p, "uniform").statistic),
            "ks_too_small": float(kstest(p, "uniform", alternative="greater").statistic),
            "false_discoveries": sum(discovered),
            "networks_with_any": int(np.count_nonzero(discovered)),
            "labelled": float(np.concatenate(self.labelled).mean()),
            "quantiles": np.quantile(p, LEVELS).round(6).tolist(),
        }


def measure(count: int) -> Iterator[dict[str, Any]]:
    """Rows for each null hypothesis and p-value that is uniform there: one a kind of network, and one of all."""
    for name, (draw, networks, columns) in NULLS.items():
        pooled = [Row(column, name, ALL, [], []) for column in columns]
        for network in networks:
            rows = [Row(column, name, network, [], []) for column in columns]
            for seed in range(count):
                table = interp.score(*draw(network, seed), seed=seed)
                alive = table.where(table["label"] != DEAD)
                for row, total in zip(rows, pooled, strict=True):
                    p = alive[row.p]
                    if not np.isnan(p).all():
                        for one in (row, total):
                            one.values.append(p[~np.isnan(p)])
                            one.labelled.append(alive["label"] == CLAIMED[row.p])
            yield from (row.to_dict() for row in rows if row.values)
        yield from (row.to_dict() for row in pooled)


def qq_plots(rows: Sequence[dict[str, Any]]) -> Any:
    """Quantiles of each p-value under every null against those of a uniform variable."""
    figure = make_subplots(
        1, len(TITLES), subplot_titles=[f"p-value that it {title}" for title in TITLES.values()]
    )
    palette = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
    colours = dict(zip(NULLS, palette, strict=True))
    seen = set[str]()
    for row in (row for row in rows if row["network"] == ALL):
        at, name = 1 + [*TITLES].index(row["p"]), row["null"]
        trace = line(
            LEVELS, np.maximum(row["quantiles"], 1e-4), name, colours[name], width=1.5, legendgroup=name
        )
        figure.add_trace(trace.update(showlegend=name not in seen), row=1, col=at)
        seen.add(name)
    for at in range(1, len(TITLES) + 1):
        diagonal = line([1e-3, 1], [1e-3, 1], "uniform", NEUTRAL, dash="dot", showlegend=at == 1)
        figure.add_trace(diagonal, row=1, col=at)
    figure.update_xaxes(type="log", range=[-3, 0], title="share of neurons", gridcolor="#DDD", dtick=1)
    figure.update_yaxes(type="log", range=[-3.3, 0], gridcolor="#DDD", dtick=1)
    figure.update_yaxes(title="have a p-value up to", col=1)
    return figure.update_layout(
        template="none", width=1200, height=480, margin={"t": 50, "b": 110, "r": 20}, font={"size": 13},
        legend={"orientation": "h", "y": -0.2},
    )  # fmt: skip


def main() -> None:
    """Print one line for each p-value and null; without --short, write the committed JSON and picture too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help=f"{SHORT} networks of each kind instead of {FULL}"
    )
    parser.add_argument("--out", type=Path, help="folder for calibration.json and, in full, calibration.png")
    given = parser.parse_args()
    start, rows = perf_counter(), []
    print(f"{'p-value':9} {'null':34} {'network':15} neurons  p<.01    KS  small  false  nets  labelled")
    for row in measure(SHORT if given.short else FULL):
        rows.append(row)
        print(
            f"{row['p']:9} {row['null']:34} {row['network']:15} {row['neurons']:7} {row['below']:6.2%} "
            f"{row['ks']:5.3f}  {row['ks_too_small']:5.3f} {row['false_discoveries']:6} "
            f"{row['networks_with_any']:2}/{row['networks']:3} {row['labelled']:8.2%}",
            flush=True,
        )
    print(f"{perf_counter() - start:.0f} seconds")
    results, picture = RESULTS, IMAGES
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        results, picture = given.out / RESULTS.name, given.out / IMAGES.name
    if given.out is not None or not given.short:
        results.write_text(json.dumps({"alpha": ALPHA, "rows": rows}, indent=1) + "\n")
    if not given.short:
        from rendering import save_image

        save_image(qq_plots(rows), picture)


if __name__ == "__main__":
    main()
