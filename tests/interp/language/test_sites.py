"""Numbering of neurons and heads over layers."""

import numpy as np
import pytest
from language_models import tiny

from interp.errors import ConfigError
from interp.language.opening import open_language_model
from interp.language.sites import HEADS, NEURONS, units_of


def test_units_are_numbered_layer_by_layer() -> None:
    model = open_language_model(tiny())
    units = model.units(NEURONS)
    assert (units.layer * 32 + units.unit).tolist() == list(range(64))
    assert units.slice_of(1) == slice(32, 64)
    chosen = np.random.default_rng(0).choice(64, 9, replace=False)
    again = [
        place * 32 + unit
        for place, hook in enumerate(site.hook for site in units.sites)
        for unit in units.by_site(chosen).get(hook, np.array([], int))
    ]
    assert again == sorted(chosen.tolist())
    assert [site.width for site in model.units(HEADS).sites] == [8, 8]


def test_an_unknown_kind_of_unit_is_an_error() -> None:
    with pytest.raises(
        ConfigError, match="unknown kind of unit 'experts'; expected one of 'neurons', 'heads'"
    ):
        units_of([], "experts")
