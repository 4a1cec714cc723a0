"""The study of tickets: its masks and numbers on a tiny network, and what it says of made-up ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from figures import check_figure

from interp.errors import ConfigError
from interp.lab.running import run_study
from interp.lab.study import Record, StudyResult, study_called
from interp.lab.tickets.masked_networks import LAYERS, first_weights, train_masked
from interp.lab.tickets.masks import magnitude_mask, with_norm
from interp.lab.tickets.study import ARMS, QUANTITIES, Config, judge, measure
from interp.progress import silent
from interp.training import TrainConfig

TINY = Config(
    p=7, wide=16, width=32, train_fraction=0.6, trained=400, limit=400, every=5, recovery=20, lr=1e-2
)


@pytest.fixture(scope="module")
def record() -> Record:
    return measure(TINY, 0, silent)


def test_the_table_has_every_arm_and_knows_nothing_of_moments_that_did_not_come(record: Record) -> None:
    numbers = record.numbers
    assert set(QUANTITIES) == set(numbers)
    moments = record.curves["moments"]
    assert moments["mem"] is not None
    assert moments["end"] == 400
    for arm in ARMS:
        mem, gen, tau = (numbers[f"{what}_{arm}"] for what in ("mem", "gen", "tau"))
        assert mem is None or 0 <= mem <= 400
        assert tau == (None if None in (mem, gen) else gen / mem)
    if moments["gen"] is None:
        assert numbers["gen_ticket_gen"] is numbers["distance_gen"] is numbers["regrown_gen"] is None
    assert record.curves["distances"]["to_end"][-1] == 0
    mem = record.curves["distances"]["steps"].index(moments["mem"])
    assert numbers["distance_mem"] == record.curves["distances"]["to_end"][mem]


def test_the_ticket_is_the_first_weights_under_the_mask_of_the_last(record: Record) -> None:
    """The same arm by hand, from functions that have tests of their own."""
    from interp.data import ModularTask

    data = ModularTask("add", 7, 0.6, seed=0).dataset
    first = first_weights(7, 16, 32, 0)
    whole = {name: torch.ones_like(first[name]).bool() for name in LAYERS}
    how = TrainConfig(400, 1e-2, 1.0, log_every=5)
    dense = train_masked(data, [first], [whole], how, until_generalised=False, keep=True)[0]
    mask = magnitude_mask(dense.weights, 0.4)
    again = train_masked(data, [first], [mask], replace(how, steps=400))[0]
    assert record.numbers["mem_ticket"] == again.memorised is not None
    assert record.numbers["gen_ticket"] == again.generalised
    for arm, power in (("l1", 1), ("l2", 2)):
        start = with_norm(first, mask, power)
        alone = train_masked(data, [start], [whole], replace(how, steps=400))[0]
        assert record.numbers[f"mem_{arm}"] == alone.memorised
        assert record.numbers[f"gen_{arm}"] == alone.generalised
    size = [int(m.sum()) for m in mask.values()]
    assert size == [round(0.6 * w.numel()) for w in first.values()]


def test_the_dense_network_is_given_up_at_the_same_step_as_the_others(record: Record) -> None:
    late = record.curves["moments"]["mem"]
    short = measure(replace(TINY, limit=late - 5), 0, silent)
    assert short.curves["moments"]["mem"] == late
    assert record.numbers["mem_dense"] == late
    assert short.numbers["mem_dense"] is None


def made_up(**lists: Any) -> StudyResult:
    """A result with these numbers for each of five seeds; every other time is 2000 plus some noise."""
    generator = np.random.default_rng(0)
    numbers: dict[str, list[float | None]] = {
        name: list(generator.normal(0.5, 0.1, 5)) for name in QUANTITIES
    }
    for arm in ARMS:
        numbers[f"gen_{arm}"] = [2000 + 50 * float(x) for x in generator.integers(-5, 6, 5)]
    numbers |= lists
    steps = [0, 100, 6000]
    curves = {
        "moments": {"mem": 100, "gen": 100, "end": 6000},
        "distances": {"steps": steps, "to_end": [0.5, 0.4, 0.0], "moved": [None, 0.2, 0.1]},
    }
    records = [Record({name: values[i] for name, values in numbers.items()}, curves) for i in range(5)]
    return StudyResult(study_called("tickets"), Config(), tuple(range(5)), tuple(records))


def sentence(result: StudyResult, start: str) -> str:
    found = [text for text in judge(result) if text.startswith(start)]
    assert len(found) == 1
    return found[0]


SOON, LATE = [800.0, 850, 900, 850, 800], [2900.0, 2800, 2850, 2900, 2950]
NEVER = [None] * 5


def test_the_norm_explains_the_ticket_only_if_matched_networks_are_as_soon() -> None:
    start = "The mask of the end {}no mask, but the ticket's L1 norm"
    soon = sentence(made_up(gen_ticket=SOON), start.format("generalises sooner than "))
    assert "so that its smaller norm alone does not explain it" in soon
    same = sentence(made_up(gen_ticket=SOON, gen_l1=SOON), start.format("against "))
    assert "not decided which generalises sooner" in same
    assert "explain" not in same
    late = sentence(made_up(gen_ticket=LATE), start.format("generalises later than "))
    assert "explain" not in late


def test_masks_that_never_generalise_are_later_and_counted() -> None:
    found = made_up(gen_ticket=SOON, gen_random=NEVER, gen_snip=[None, 2900, None, None, None])
    assert "a random mask: in 0 of 5 seeds by step 3000" in judge(found)[0]
    assert "the SNIP mask: in 1 of 5 seeds, at 2900" in judge(found)[0]
    text = sentence(found, "The mask of the end generalises sooner than a random mask")
    assert "sooner in 5 of 5, later in 0; exact log-rank p = 0.0079" in text
    assert "not decided" in sentence(
        made_up(gen_ticket=NEVER, gen_random=NEVER), "The mask of the end against a random"
    )


def test_neurons_matter_only_if_random_ones_are_later() -> None:
    matters = made_up(gen_label=SOON, gen_any=LATE)
    assert "it matters which neurons" in sentence(
        matters, "The mask of generalizing neurons generalises sooner"
    )
    assert "later" in sentence(
        made_up(gen_label=LATE, gen_any=SOON), "The mask of generalizing neurons generalises later"
    )


def test_regrowth_is_judged_by_the_difference() -> None:
    start = "Pruned at the end: held-out accuracy after regrowth"
    high, low = [0.8, 0.81, 0.82, 0.8, 0.79], [0.6, 0.62, 0.61, 0.59, 0.6]
    assert ", more than 0.604" in sentence(made_up(regrown_end=high, retrained_end=low), start)
    assert ", less than 0.804" in sentence(made_up(regrown_end=low, retrained_end=high), start)
    assert "not decided" in sentence(made_up(regrown_end=high, retrained_end=high), start)
    assert "not known in every seed" in sentence(made_up(regrown_end=[0.5, None, 0.5, 0.5, 0.5]), start)


def test_the_figure_shows_those_given_up_as_open_marks() -> None:
    figure = made_up(
        gen_ticket=SOON, gen_snip=[2900.0, None, None, None, None], regrown_mem=[None] * 5
    ).plot()
    check_figure(figure)
    arms = {trace.hovertemplate.split(":")[0]: trace for trace in figure.data if trace.customdata is not None}
    assert len(arms) == len(ARMS)
    snip = arms["SNIP"]
    assert list(snip.marker.symbol) == ["circle"] + ["circle-open"] * 4
    assert list(snip.x) == [2900, 3000, 3000, 3000, 3000]
    bars = {trace.name: trace for trace in figure.data if trace.type == "bar"}
    assert list(bars["at once"].x) == ["t_mem", "t_gen", "end"]
    assert list(bars["regrown, trained on"].x) == ["t_gen", "end"]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"pruned=1.0 is not in \(0, 1\)"):
        Config(pruned=1.0)
    with pytest.raises(ConfigError, match="trained=100 is below limit=3000"):
        Config(trained=100)
    with pytest.raises(ConfigError, match=r"lr=-1 is not in \(0, inf\)"):
        Config(lr=-1)
    with pytest.raises(ConfigError, match="limit=0 is below 1"):
        Config(limit=0)


def test_the_study_runs_from_end_to_end_and_the_same_twice(tmp_path: Path, record: Record) -> None:
    settings = {name: value for name, value in vars(TINY).items() if value != getattr(Config(), name)}
    result = run_study("tickets", [0], out=tmp_path, show_progress=False, **settings)
    assert result.records[0].numbers == record.numbers
    assert all("nan" not in text for text in result.findings())
    check_figure(result.plot())
    assert {row[0] for row in result.rows()} == set(QUANTITIES.values())


@pytest.mark.slow
def test_tickets_of_a_network_that_generalised_are_sooner_than_random_masks() -> None:
    found = measure(Config(trained=4000, limit=1200), 0, silent).numbers
    assert found["gen_ticket"] is not None
    assert found["gen_random"] is found["gen_ticket_mem"] is None
    assert found["auc_ticket"] > 0.8 > 0.7 > found["auc_random"]
