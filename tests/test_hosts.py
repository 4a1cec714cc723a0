"""Every network with state passes the conformance suite, and the committed table is what the suite computes."""

from __future__ import annotations

from functools import cache

import conforming_hosts
import pytest
import torch
from conforming_hosts import BLOCK, PAGE, PROPERTIES, Case, cell, line

from interp.hooks import capture
from interp.lab.hosts.host import HOSTS

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning"
)
FIRST = "leaky-rnn"
FEW = (FIRST, "lstm", "segment-memory", "fast-weights")
"""Of every kind: a tap in a loop, a recurrent layer, state between calls, memory without neurons."""


@cache
def case(name: str) -> Case:
    """Built once a worker; no property leaves anything in it."""
    return Case(name)


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("check", [name for name in PROPERTIES if name != "batch"])
def test_a_host_has_every_property(name: str, check: str) -> None:
    assert cell(case(name), PROPERTIES[check])


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTS)
def test_every_host_has_every_property_and_its_committed_line_is_what_is_computed(name: str) -> None:
    (block,) = BLOCK.findall(PAGE.read_text())
    assert line(name) in block.splitlines(), "run python tests/conforming_hosts.py and commit the page"


def test_a_batch_job_measures_a_host_from_a_file() -> None:
    assert cell(case(FIRST), PROPERTIES["batch"]) == "yes"


def test_the_page_has_these_hosts_and_no_others() -> None:
    (block,) = BLOCK.findall(PAGE.read_text())
    assert [row.split(" | ")[0].strip("| `") for row in block.splitlines()[2:]] == list(HOSTS)


def test_an_intervention_that_ignores_time_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interp.time_scope.TimeScope.__contains__", lambda scope, step: True)
    with pytest.raises(AssertionError, match="tap:hidden"):
        PROPERTIES["ablated in time"](case(FIRST))


def test_a_hook_that_stays_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    own = case(FIRST)

    def leaking(model: object, inputs: torch.Tensor, names: object) -> object:
        own.model.hook_dict["tap:hidden"].register_forward_hook(lambda *_: None)
        return capture(own.model, inputs, "tap:hidden")

    monkeypatch.setattr(conforming_hosts.interp, "capture", leaking)
    try:
        with pytest.raises(AssertionError):
            PROPERTIES["nothing left"](own)
    finally:
        own.model.hook_dict["tap:hidden"]._forward_hooks.clear()


def test_a_capture_of_other_numbers_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    def shifted(model: object, inputs: torch.Tensor, names: list[str]) -> dict[str, torch.Tensor]:
        return {name: tensor + 1 for name, tensor in capture(case(FIRST).model, inputs, names).items()}

    monkeypatch.setattr(conforming_hosts.interp, "capture", shifted)
    with pytest.raises(AssertionError, match="tap:hidden"):
        PROPERTIES["capture"](case(FIRST))
