"""Labels from 1, gaps and classes without examples, against networks whose answers are known."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from interp.data import Dataset, TableTask
from interp.errors import ConfigError
from interp.measuring.evaluation import measure_logits
from interp.measuring.numbering import numbered, numbering_of

ANSWERS = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2, 3, 4])


def table(labels: Tensor) -> TableTask:
    return TableTask.from_arrays(torch.arange(len(labels)), labels)


def logits(n_outputs: int) -> Tensor:
    """Of a network that gives `ANSWERS`."""
    return one_hot(ANSWERS, n_outputs).float()


@pytest.mark.parametrize(
    ("labels", "n_outputs", "message"),
    [
        (
            ANSWERS + 1,
            5,
            "labels run from 1 to 5, and the network has 5 outputs, classes 0 to 4: label 5 has none. Labels minus 1 "
            "would be right in 100.0 %: write the table so",
        ),
        (ANSWERS + 7, 5, "label 7 has none. Labels minus 7 would be right in 100.0 %"),
        (
            ANSWERS * 10,
            5,
            "labels run from 0 to 40, without 1, 2, 3, 4, 5, 6, 7, 8 and 28 more, and the network has 5",
        ),
        (ANSWERS * 10, 5, "Labels numbered from 0 without gaps would be right in 100.0 %"),
        (
            torch.arange(10) + 1,
            5,
            "label 5 has none. Is this table, or the output that is read, the network's own?",
        ),
    ],
)
def test_a_label_without_an_output_is_told_in_the_words_of_the_table(
    labels: Tensor, n_outputs: int, message: str
) -> None:
    task = table(labels)
    with pytest.raises(ConfigError, match=re.escape(message)):
        numbered(task, logits(n_outputs))
    with pytest.raises(ConfigError, match=re.escape(message)):
        measure_logits(logits(n_outputs), task.dataset)


@pytest.mark.parametrize(
    ("labels", "n_outputs", "notes"),
    [
        (ANSWERS, 5, []),
        (ANSWERS, 7, ["the network has 7 outputs, all of which are used; no example has classes 5 to 6"]),
        (
            ANSWERS + 1,
            6,
            [
                "labels run from 1 to 5, and no example has class 0; labels minus 1 would be right in 100.0 % instead "
                "of 0.0 %: is that how it was trained?"
            ],
        ),
        (torch.where(ANSWERS == 3, 2, ANSWERS), 5, ["labels run from 0 to 4, without 3"]),
    ],
)
def test_what_fits_is_noted(labels: Tensor, n_outputs: int, notes: list[str]) -> None:
    task, numbering = numbered(table(labels), logits(n_outputs))
    assert list(numbering.sentences())[: len(notes)] == notes or notes[0] in next(numbering.sentences())
    assert task.dataset.n_classes == n_outputs
    by_hand = sum(int(a) == int(b) for a, b in zip(ANSWERS, labels, strict=True)) / len(labels)
    assert numbering.accuracy == measure_logits(logits(n_outputs), task.dataset).accuracy.all == by_hand


def test_a_network_trained_from_one_is_not_asked_about() -> None:
    (note,) = numbering_of(one_hot(ANSWERS + 1, 6).float(), table(ANSWERS + 1).dataset).sentences()
    assert note == "labels run from 1 to 5, and no example has class 0"


def test_ties_are_no_answers() -> None:
    assert numbering_of(torch.zeros(10, 6), table(ANSWERS + 1).dataset).shifted == 0


def test_corrupted_labels_count_as_they_were_trained_on() -> None:
    none = torch.zeros(10, dtype=torch.bool)
    data = Dataset(torch.arange(10), ANSWERS + 1, (ANSWERS + 1) % 5 + 1, ~none, none, 6)
    assert numbering_of(logits(6), data).shifted == 1
