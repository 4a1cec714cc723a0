"""The table of conformance: the committed page is what is computed, and what is wrong shows in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import conformance
import conforming
import pytest
import torch
from conformance import BLOCK, COLUMNS, PAGE, ROWS, WRONG, Conformance, Row, cells_of, table

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
COMMITTED = {line.split(" | ")[0].removeprefix("| "): line for line in PAGE.read_text().splitlines()}


@pytest.mark.parametrize(
    "columns", [slice(0, 3), pytest.param(slice(3, 5), marks=pytest.mark.slow)], ids=["hooks", "measurements"]
)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_committed_line_is_what_is_computed(row: Row, columns: slice) -> None:
    cells = cells_of(row, columns)
    assert not [cell for cell in cells if cell.startswith(WRONG)]
    (_, _, line, _) = table({row.name: cells}).split("\n")
    committed = COMMITTED[row.name].removesuffix(" |").split(" | ")[1:]
    assert len(committed) == len(COLUMNS)
    computed = line.removesuffix(" |").split(" | ")[1:]
    assert committed[columns] == computed, "run python tests/conformance.py and commit the page"


def test_the_page_has_these_lines_and_no_others() -> None:
    (block,) = BLOCK.findall(PAGE.read_text())
    names = [line.split(" | ")[0].removeprefix("| ") for line in block.splitlines()[2:]]
    assert names == [row.name for row in ROWS]
    assert not re.search(WRONG, block)


def no_zeros(*_: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda activations: activations


def test_what_is_wrong_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interp.modes.Zero.start", no_zeros)
    capture, ablate, gradients, audit, batch = Conformance(ROWS[0], tmp_path).cells()
    assert ablate.startswith("WRONG: AssertionError: logits without neurons are off by")
    assert gradients.startswith("WRONG: AssertionError: gradients are off by")
    assert (capture, audit, batch) == ("yes", "yes", "yes")


def test_weights_that_are_not_loaded_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interp.checkpoints.open.fill", lambda module, stored: [])
    cells = Conformance(ROWS[0], tmp_path).cells()
    assert all(cell.startswith(WRONG) for cell in cells[:3])


def test_other_neurons_and_crashes_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turned = Row("turned", "lstm", "body.rnn:output", neurons_last=lambda tensor: tensor.transpose(1, 2))
    assert cells_of(turned)[0].startswith("WRONG: AssertionError: activations of shape")

    def crash(*_: Any, **__: Any) -> None:
        raise TypeError("of no kind that is reported")

    monkeypatch.setattr(conformance.interp, "audit", crash)
    assert cells_of(ROWS[0])[COLUMNS.index("audit")] == "WRONG: TypeError: of no kind that is reported"
    assert conforming.mlp(0).read.weight.equal(conforming.mlp(0).read.weight)
