"""Facets in the study of descriptions: what its numbers compare, and sentences that follow them."""

import numpy as np
import pytest
import torch

from interp.lab.describe.facets import QUANTITIES, P, _folded, _unions, facets_findings, measure_facets
from interp.lab.study import Record, Settings, Study, StudyResult

STUDY = Study("describe", "", "", Settings, Record, lambda config: 1, QUANTITIES, facets_findings, None)


def result_of(*numbers):
    records = tuple(Record(dict.fromkeys(QUANTITIES, 0.5) | one, {}) for one in numbers)
    return StudyResult(STUDY, Settings(), tuple(range(len(records))), records)


def test_a_doubled_frequency_is_folded_as_its_square_looks():
    for k in range(1, (P - 1) // 2 + 1):
        power = np.abs(np.fft.rfft(np.cos(2 * np.pi * k * np.arange(P) / P) ** 2))[1:]
        assert _folded(np.array([2 * k]))[0] == power.argmax() + 1


def test_the_sentences_follow_the_numbers():
    several = result_of(
        *[{"facets_class_1": 3.0, "facets_class_4": 1.0, "facets_hidden": 0.9 + i / 100} for i in range(3)]
    )
    lobes, classes, hidden, prototypes = facets_findings(several)
    assert "1 has several in every seed. For 4 a single cloud is not rejected" in classes
    assert "decidedly" not in hidden
    assert "more than" in hidden
    one = facets_findings(
        result_of({"facets_class_1": 0.0, "facets_class_4": 1.0, "facets_union_purity": None})
    )
    assert "Neither has several in every seed. For 1 and 4" in one[1]
    assert "unknown" in one[1]
    assert "not decidedly" in one[2]
    assert all(text.endswith(".") for text in (lobes, classes, hidden, prototypes))


def test_neurons_for_two_digits_are_found_to_have_two_facets():
    digits = torch.arange(600) % 10
    images = 3 * torch.nn.functional.one_hot(digits, 10).float()
    images += 0.3 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    share, purity = _unions(torch.nn.Sequential(torch.nn.Identity()), images, digits, 0)
    assert share == 1
    assert purity == pytest.approx(1, abs=0.02)


@pytest.mark.slow
def test_a_seed_has_every_number_and_lobes_match_frequencies():
    numbers, curves = measure_facets(5)
    assert set(numbers) == set(QUANTITIES)
    for name in ("closed", "square", "relu"):
        assert numbers[f"facets_{name}_answer"] > 0.9
        assert len(curves["lobes"][name]["lobes"]) == len(curves["lobes"][name]["frequency"])
    assert numbers["facets_untrained"] < 0.1 < numbers["facets_digits_accuracy"]
