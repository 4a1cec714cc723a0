"""Outputs and classes of users' own modules: used, or an error in the table's words."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from interp.checkpoints.open import load_checkpoint
from interp.errors import ConfigError
from interp.measuring.evaluation import accuracy

P = 11
NET = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, outputs=11, both=False, turned=False):
        super().__init__()
        self.both, self.turned = both, turned
        self.fc1, self.fc2 = nn.Linear(22, 120, bias=False), nn.Linear(120, outputs, bias=False)
    def forward(self, x):
        pairs = [nn.functional.one_hot(x[:, i], 11) for i in (0, 1)]
        features = self.fc1(torch.cat(pairs, 1).float()) ** 2
        logits = self.fc2(features)
        if self.turned:
            return {"a": logits, "b": logits}
        return (features, logits) if self.both else logits
def net(): return Net()
def wide(): return Net(12)
def narrow(): return Net(5)
def both(): return Net(both=True)
def both_wide(): return Net(12, both=True)
def alike(): return Net(turned=True)
"""


def saved(folder: Path, first: int = 0, outputs: int = P) -> dict[str, Path]:
    """Closed-form weights for addition modulo 11, in the first outputs, and its table with labels from `first`."""
    generator = np.random.default_rng(1)
    frequency = np.repeat(np.arange(1, 6), 24)[:, None] * 2 * np.pi / P
    phase, a = generator.uniform(0, 2 * np.pi, (120, 2)), np.arange(P)
    into = np.concatenate([np.cos(frequency * a + phase[:, [i]]) for i in (0, 1)], axis=1)
    out = np.zeros((outputs, 120))
    out[:P] = np.cos(frequency * a + phase.sum(1, keepdims=True)).T
    weights = {"fc1.weight": torch.tensor(into).float(), "fc2.weight": torch.tensor(out).float()}
    torch.save(weights, folder / "net.pt")
    rows = (f"{i},{j},{(i + j) % P + first}" for i, j in product(range(P), repeat=2))
    (folder / "table.csv").write_text("\n".join(["a,b,label", *rows]) + "\n")
    (folder / "net.py").write_text(NET)
    return {"path": folder / "net.pt", "table": folder / "table.csv"}


def opened(files: dict[str, Path], name: str, **options: object):
    given = {"table": files["table"]} if "task" not in options else {}
    model = f"{files['path'].parent}/net.py:{name}"
    return load_checkpoint(files["path"], model=model, sites=("fc2:input",), **given, **options)


@pytest.mark.parametrize("options", [{}, {"task": "add", "p": P}])
def test_features_before_logits(tmp_path: Path, options: dict[str, object]) -> None:
    result = opened(saved(tmp_path), "both", **options)
    assert accuracy(result.model, result.task).all == 1.0
    assert "[0] (3, 120), [1] (3, 11); [1] (3, 11) is read as the logits" in result.notes[0]


def test_nothing_says_which_output(tmp_path: Path) -> None:
    files = saved(tmp_path, outputs=12)
    with pytest.raises(ConfigError, match=r"\[0\] \(3, 120\), \[1\] \(3, 12\), and 11 classes are asked for"):
        opened(files, "both_wide")
    result = opened(files, "both_wide", output="1")
    assert accuracy(result.model, result.task).all == 1.0
    files = saved(tmp_path)
    with pytest.raises(ConfigError, match=r"\.a \(3, 11\), \.b \(3, 11\).*\(--output b\)"):
        opened(files, "alike")
    assert accuracy(*_pair(opened(files, "alike", output="a"))).all == 1.0


def _pair(result):
    return result.model, result.task


def test_labels_from_1_with_as_many_outputs(tmp_path: Path) -> None:
    message = (
        "labels run from 1 to 11, and the network has 11 outputs, classes 0 to 10: label 11 has none. Labels minus 1 "
        "would be right in 100.0 %"
    )
    with pytest.raises(ConfigError, match=message):
        opened(saved(tmp_path, first=1), "net")


def test_labels_from_1_with_one_more_output(tmp_path: Path) -> None:
    result = opened(saved(tmp_path, first=1, outputs=12), "wide")
    assert result.notes == (
        "labels run from 1 to 11, and no example has class 0; labels minus 1 would be right in 100.0 % instead of "
        "0.0 %: is that how it was trained?",
    )
    assert accuracy(result.model, result.task).all == 0


def test_outputs_without_examples_are_used(tmp_path: Path) -> None:
    result = opened(saved(tmp_path, outputs=12), "wide")
    assert result.task.dataset.n_classes == 12
    assert result.notes == ("the network has 12 outputs, all of which are used; no example has class 11",)
    assert accuracy(result.model, result.task).all == 1.0


def test_outputs_beyond_an_operations_results(tmp_path: Path) -> None:
    result = opened(saved(tmp_path, outputs=12), "wide", task="add", p=P)
    note = (
        "of 12 outputs the first 11 are read as the task's results; 0.0 % of the answers are among the others"
    )
    assert result.notes == (note,)
    assert accuracy(result.model, result.task).all == 1.0
    files = saved(tmp_path)
    weights = torch.load(files["path"])
    torch.save(weights | {"fc2.weight": weights["fc2.weight"][:5]}, files["path"])
    with pytest.raises(
        ConfigError, match="the network has 5 outputs, and the task 11 results; is --p another one"
    ):
        opened(files, "narrow", task="add", p=P)


def relabelled(files: dict[str, Path], words: list[str]) -> None:
    """The same table with another word for each class."""
    header, *rows = files["table"].read_text().split()
    pairs = (row.rsplit(",", 1) for row in rows)
    files["table"].write_text(
        "\n".join([header, *(f"{pair},{words[int(label)]}" for pair, label in pairs)]) + "\n"
    )


@pytest.mark.parametrize("name", ["net", None])
@pytest.mark.parametrize("words", [[str(i - 1) for i in range(P)], [f"class{i:02}" for i in range(P)]])
def test_labels_of_another_kind_come_with_the_accuracy_that_numbers_would_give(
    words: list[str], name: str | None, tmp_path: Path
) -> None:
    files = saved(tmp_path)
    relabelled(files, words)
    offer = r"Numbered so, 100\.0 % of the network's answers would be right"
    with pytest.raises(ConfigError, match=offer):
        opened(files, name) if name else load_checkpoint(files["path"], table=files["table"])
    relabelled(saved(tmp_path), words[::-1])
    with pytest.raises(ConfigError, match=r"Numbered so, \d\.\d % of the network's"):
        opened(files, name) if name else load_checkpoint(files["path"], table=files["table"])


def test_labels_that_no_numbering_mends_come_without_an_offer(tmp_path: Path) -> None:
    files = saved(tmp_path)
    for words in (["-100", *map(str, range(1, P))], [f"{i}.5" for i in range(P)]):
        relabelled(saved(tmp_path), words)
        with pytest.raises(ConfigError, match="expected whole numbers") as caught:
            opened(files, "net")
        assert "Numbered so" not in str(caught.value)
