"""Small files of every kind that the documentation's code reads, under the names that its pages use."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch
from foreign import draw, output_first, pairs, transformer
from guide_pages import ROOT
from language_models import TEXT, saved
from torch import Tensor, nn

import interp

P, WIDTH = 23, 60
TASK = interp.ModularTask("add", p=P, train_fraction=0.6, corrupt_fraction=0.35)
RECIPES = ROOT / "notebooks" / "recipes"
SMALL_RUN = {"p": P, "width": WIDTH, "steps": 40}
OWN_NETWORK = """\
import torch
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(2 * {p}, 16)
        self.mlp = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 16))
        self.fc = nn.Linear(16, 24)
        self.fc2 = nn.Linear(24, {p})

    def forward(self, tokens):
        return self.fc2(torch.relu(self.fc(self.mlp(self.embed(tokens).sum(1)))))


def build():
    return Network()
"""


def make_files(folder: Path) -> None:
    """Write what most pages use: a training run, a published network, an own one with its table, a language model."""
    train_run(folder / "runs" / "r0")
    exact = interp.analytic_mlp("add", p=P, width=WIDTH)
    interp.save_checkpoint(folder / "checkpoints" / "last", exact, TASK)
    interp.save_checkpoint(folder / "runs" / "exact" / "step-00000100", exact, TASK, step=100)
    published(folder / "pizza_18c9ev5v5p.pt")
    two_matrices(folder / "net.pth", exact)
    torch.save([(a, b) for a, b in pairs(P).tolist() if (a + 2 * b) % 3], folder / "train_data.pth")
    own_network(folder)
    tables(folder)
    language_model(folder / "checkpoint-500")
    texts(folder)
    (folder / "neurons.txt").write_text("0\n3\n5-9\n")
    (folder / "job.toml").write_text('out = "scored"\n[[files]]\npaths = ["runs/r0"]\n')
    recipes(folder)


def train_run(folder: Path, **shape: Any) -> None:
    """A series of checkpoints of a small network that memorises and generalises."""
    config = interp.TrainConfig(steps=300, save_every=100)
    interp.train(TASK, interp.MLPConfig(width=WIDTH, **shape), config, out=folder, show_progress=False)


def published(path: Path) -> None:
    """A transformer as Zhong et al. store it, untrained."""
    file = output_first(transformer(vocab=P, n_ctx=2, n_outputs=P))
    torch.save({name: torch.tensor(np.ascontiguousarray(array)) for name, array in file.items()}, path)


def two_matrices(path: Path, model: Any) -> None:
    """A closed-form network as an MLP over one-hot pairs."""
    first, second = model.state_dict()["embed.W_E"]
    weights = {"fc1.weight": torch.cat([first, second]).T, "fc2.weight": model.state_dict()["unembed.W_U"].T}
    torch.save({name: tensor.contiguous() for name, tensor in weights.items()}, path)


def own_network(folder: Path) -> None:
    """A module of one's own, a function that builds it, and two files of its weights."""
    (folder / "net.py").write_text(OWN_NETWORK.format(p=P))
    names: dict[str, Any] = {}
    exec(OWN_NETWORK.format(p=P), names)
    with torch.random.fork_rng():
        for seed, file in enumerate(("net.pt", "before.pt", "after.pt")):
            torch.manual_seed(seed)
            torch.save(names["build"]().state_dict(), folder / file)


def tables(folder: Path) -> None:
    """Examples with labels and split, as Parquet and as CSV, and properties of the same examples."""
    data = TASK.dataset
    left, right = data.inputs.T.numpy()
    frame = pandas.DataFrame(
        {
            "a": left,
            "b": right,
            "label": data.labels.numpy(),
            "true_label": data.true_labels.numpy(),
            "split": np.where(data.train.numpy(), "train", "test"),
        }
    )
    frame.to_parquet(folder / "examples.parquet")
    frame.to_csv(folder / "data.csv", index=False)
    frame.drop(columns=["true_label", "label"]).assign(label=frame["true_label"]).to_csv(
        folder / "pairs.csv", index=False
    )
    properties = pandas.DataFrame({"a is even": left % 2 == 0, "sum": left + right})
    properties.to_csv(folder / "properties.csv", index=False)


def language_model(folder: Path) -> Path:
    """A tiny Llama with random weights and a tokenizer of words."""
    return saved(folder, tokenizer=True)


def texts(folder: Path) -> None:
    """Texts that were trained on, held out and made up; and injected ones, with the step of their injection."""
    words = np.array(TEXT.split())
    rng = np.random.default_rng(0)
    rows = [
        {"text": " ".join(rng.choice(words, 28)), "split": split, "group": f"{split} {i % 3}"}
        for split in ("trained", "held-out", "control")
        for i in range(6)
    ]
    write_rows(folder / "texts.jsonl", rows)
    (folder / "texts.txt").write_text("".join(f"{row['text']}\n" for row in rows))
    injected = [{"text": row["text"], "prompt_tokens": 4, "step": 100} for row in rows[:4]]
    injected += [{"text": row["text"], "prompt_tokens": 4, "split": "control"} for row in rows[-3:]]
    write_rows(folder / "injected.jsonl", injected)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def recipes(folder: Path) -> None:
    """The project's recipes of training runs, of smaller networks, fewer steps and two seeds each."""
    for recipe in RECIPES.glob("*.toml"):
        place = folder / "notebooks" / "recipes" / recipe.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(smaller(recipe.read_text(encoding="utf-8")))


def smaller(recipe: str) -> str:
    """A grid of training runs with a small network, at most two values of every setting, and nothing expected."""
    grid = tomllib.loads(recipe)
    varied = {name: values[:2] for name, values in grid.get("grid", {}).items()}
    settings = {name: value for name, value in grid.items() if not isinstance(value, dict | list)}
    settings.pop("expect", None)
    lines = [f"{name} = {json.dumps(value)}" for name, value in (settings | SMALL_RUN).items()]
    return "\n".join([*lines, "", "[grid]", *(f"{name} = {json.dumps(v)}" for name, v in varied.items())])


def of_groups(folder: Path) -> None:
    """A network that composes permutations, which nothing is known of."""
    two_matrices(folder / "net.pt", interp.analytic_mlp("group:S4"))


def of_dialects(folder: Path) -> None:
    """Numbered checkpoints of another dialect, and a transformer whose dialect is named."""
    model = interp.analytic_mlp("add", p=P, width=WIDTH)
    for place in ("he_p23_quad", "zoo/he_p23"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for step in (100, 9800):
            arrays = {
                "mlp.W_in": model.state_dict()["embed.W_E"][0].T,
                "mlp.W_out": model.state_dict()["unembed.W_U"].T,
            }
            torch.save(
                {"model": {k: v.contiguous() for k, v in arrays.items()}}, folder / place / f"{step}.pth"
            )
    published(folder / "net.pt")


def of_language_series(folder: Path) -> None:
    """Checkpoints of a language model over its training, and nothing else below ``runs``."""
    shutil.rmtree(folder / "runs")
    for run, steps in {"a": (1,), "b": (1,)}.items():
        for _ in steps:
            language_model(folder / "runs" / run)


def of_interventions(folder: Path) -> None:
    """A network with BatchNorm beside that without, and a series of a language model."""
    train_run(folder / "runs" / "bn", norm="batch")
    for step in (0, 100, 200, 300, 400, 500):
        language_model(folder / "runs" / "lm" / f"step-{step}")


MORE_FILES: dict[str, Callable[[Path], None]] = {
    "groups": of_groups,
    "checkpoints": of_dialects,
    "batch": of_dialects,
    "memory": of_language_series,
    "interventions-and-training": of_interventions,
}
"""What some pages need beside that, by the page's name."""


class Recurrent(nn.Module):
    """Two layers of an LSTM over tokens, a cell that runs once a step, and memory slots that are tapped."""

    def __init__(self, vocab: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab, 8)
        self.lstm = nn.LSTM(8, 12, num_layers=2, batch_first=True)
        self.cell = nn.GRUCell(12, 10)
        self.out = nn.Linear(10, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        steps, _ = self.lstm(self.embed(tokens))
        state = steps.new_zeros(len(tokens), 10)
        for step in range(steps.shape[1]):
            state = interp.tap("hidden", self.cell(steps[:, step], state))
        slots = interp.tap("memory", state.reshape(-1, 2, 5), "example slot neuron")
        return self.out(slots.reshape(-1, 10))


def random_classifier(seed: int, inputs: int = 6, classes: int = 10) -> nn.Module:
    """A layer of neurons and a readout, untrained."""
    network = nn.Sequential(nn.Linear(inputs, 20), nn.ReLU(), nn.Linear(20, classes))
    arrays = draw(seed, weight=(classes, 20))
    with torch.no_grad():
        network[2].weight.copy_(torch.tensor(arrays["weight"]))
    return network
