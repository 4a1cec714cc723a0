"""What each answer was, against the same decision made example by example."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from interp.data import Dataset, ModularTask
from interp.explorer.session import CODES, answer_codes
from interp.plots import ANSWERS

DATA = ModularTask("add", p=11, train_fraction=0.6, corrupt_fraction=0.5, seed=1).dataset


def name_of(data: Dataset, example: int, as_labelled: float, as_true: float, tolerance: float) -> str:
    """What an answer is called that has these margins."""
    if not data.split_known:
        return "right" if as_true > tolerance else "wrong"
    if data.corrupted[example]:
        if as_labelled > tolerance:
            return "corrupted, as labelled"
        return "corrupted, as true" if as_true > tolerance else "corrupted, neither"
    if data.train[example]:
        return "trained on, right" if as_labelled > tolerance else "trained on, wrong"
    return "held out, right" if as_true > tolerance else "held out, wrong"


@pytest.mark.parametrize("tolerance", [0.0, 0.5])
def test_each_answer_is_what_its_margins_and_its_kind_make_it(tolerance: float) -> None:
    margins = torch.randn(2, len(DATA), generator=torch.Generator().manual_seed(0))
    margins[0] = torch.where(DATA.labels == DATA.true_labels, margins[1], margins[0])
    codes = answer_codes(margins, DATA, tolerance)
    assert codes.shape == (121,)
    for i, code in enumerate(codes.tolist()):
        expected = name_of(DATA, i, float(margins[0, i]), float(margins[1, i]), tolerance)
        assert list(ANSWERS)[code] == expected
    assert len(set(codes.tolist())) == 7


def test_without_a_known_split_answers_are_right_or_wrong() -> None:
    nobody = torch.zeros_like(DATA.train)
    data = replace(DATA, train=nobody, corrupted=nobody, split_known=False)
    margins = torch.randn(2, len(DATA), generator=torch.Generator().manual_seed(1))
    codes = answer_codes(margins, data)
    expected = [name_of(data, i, 0, float(margins[1, i]), 0) for i in range(len(data))]
    assert [list(CODES)[code] for code in codes] == expected
    assert {"right", "wrong"} == set(expected)


def test_a_margin_of_exactly_the_tolerance_is_no_answer() -> None:
    margins = torch.full((2, len(DATA)), 0.25)
    for tolerance, right in ((0.25, False), (0.249, True)):
        names = {list(CODES)[code] for code in answer_codes(margins, DATA, tolerance)}
        expected = {"held out, right", "trained on, right", "corrupted, as labelled"}
        assert names == (
            expected if right else {"held out, wrong", "trained on, wrong", "corrupted, neither"}
        )


def test_a_label_that_was_redrawn_to_the_right_one_counts_as_labelled() -> None:
    lucky = DATA.corrupted & (DATA.labels == DATA.true_labels)
    assert lucky.any()
    codes = answer_codes(torch.ones(2, len(DATA)), DATA)
    assert set(codes[lucky.numpy()].tolist()) == {CODES["corrupted, as labelled"]}
