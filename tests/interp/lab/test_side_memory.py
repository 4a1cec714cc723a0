"""The study of side memories: its facts, its controls against hand-made ones, its sentences, and a small run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from figures import check_figure

from interp.errors import ConfigError
from interp.lab.running import run_study
from interp.lab.side_memory.arms import ARMS, at_stops
from interp.lab.side_memory.knowledge import edits_of, facts_in_words, split_facts
from interp.lab.side_memory.study import MEASURES, STOPS, STUDY, TRAINED, TUNED, Config
from interp.lab.study import Record, StudyResult

SMALL = Config(
    relations=4, subjects=20, objects=3, d_mlp=32, updates=40, edits=6, tuning=2, steps=2, misrouted=0.1
)


def test_wordings_of_a_fact_are_successive_rows_with_one_object() -> None:
    knowledge = facts_in_words(SMALL, 0)
    assert len(knowledge.inputs) == 4 * 20 * 3
    labels = knowledge.labels.reshape(-1, 3)
    assert (labels == labels[:, :1]).all()
    subject, word = knowledge.inputs.T
    assert (subject.reshape(-1, 3) == subject.reshape(-1, 3)[:, :1]).all()
    assert ((word // 3).reshape(-1, 3) == (word // 3).reshape(-1, 3)[:, :1]).all()
    assert not knowledge.held_out.reshape(-1, 3)[:, 0].any()
    assert 0.1 < float(knowledge.held_out.reshape(-1, 3)[:, 1:].double().mean()) < 0.4


def test_edits_ask_for_another_object_of_the_same_relation_and_sets_share_no_fact() -> None:
    knowledge, generator = facts_in_words(SMALL, 0), np.random.default_rng(0)
    sets = split_facts(80, 6, 2, generator)
    assert sorted(np.concatenate(list(sets.values()))) == list(range(80))
    assert [len(one) for one in sets.values()] == [6, 2, 21, 22, 7, 22]
    edits = edits_of(knowledge, sets["edited"], generator)
    old = knowledge.labels[torch.from_numpy(sets["edited"] * 3)]
    assert (edits.targets != old).all()
    assert (edits.targets // 3 == old // 3).all()
    assert edits.paraphrases.shape == (6, 2, 2)
    assert (edits.paraphrases[:, :, 0] == edits.inputs[:, None, 0]).all()
    assert (edits.paraphrases[:, :, 1] > edits.inputs[:, None, 1]).all()


def test_what_is_measured_is_that_after_each_number_of_edits() -> None:
    assert at_stops("abcdef", {"1": 1, "5": 5, "all": 6}) == {"1": "a", "5": "e", "all": "f"}
    with pytest.raises(ConfigError, match="half of the 80 facts"):
        Config(relations=4, subjects=20, edits=39, tuning=2)


def test_a_small_run_measures_every_arm_and_goes_on_from_what_is_kept(tmp_path: Path) -> None:
    settings = {name: getattr(SMALL, name) for name in SMALL.__dataclass_fields__}
    result = run_study("side-memory", [0], out=tmp_path, show_progress=False, workers=1, **settings)
    numbers = result.records[0].numbers
    assert set(STUDY.quantities) == set(numbers)
    for measure in MEASURES:
        for arm in ARMS:
            for stop in STOPS:
                assert 0 <= (numbers[f"{measure}_{arm}_{stop}"] or 0.0) <= 1
    for stop in STOPS:  # always read, the memory loses no edit that it answers when it is read by its score
        assert numbers[f"reliability_always_{stop}"] >= numbers[f"reliability_side_{stop}"]  # type: ignore[operator]
    again = run_study("side-memory", [0], out=tmp_path, show_progress=False, workers=1, **settings)
    assert again.records[0].numbers == numbers
    assert result.findings()
    check_figure(result.plot(), inner=2)


def result_with(**given: float) -> StudyResult:
    """A result in which every share is a half but for a small difference between the seeds."""
    records = []
    for jitter in (-0.01, 0.0, 0.01):
        numbers: dict[str, float | None] = dict.fromkeys(STUDY.quantities, 0.5 + jitter)
        numbers |= {name: value - 2 * jitter for name, value in given.items()}
        records.append(Record(numbers, {"stops": SMALL.stops}))
    return StudyResult(STUDY, Config(), (0, 1, 2), tuple(records))


def test_findings_can_say_either() -> None:
    lost = {f"locality_{arm}_all": 0.2 for arm in (*TUNED, "always")}
    worse = {f"reliability_{arm}_all": 0.2 for arm in ("merged", "whole", "alone", "free", "random")}
    text = " ".join(
        result_with(locality_side_all=0.99, reliability_side_all=0.97, **lost, **worse).findings()
    )
    assert text.count("(less than the side memory)") == 4
    assert "(fewer)" in text
    assert "Separate copies are needed here." in text
    text = " ".join(result_with(locality_side_all=0.5, reliability_side_all=0.1).findings())
    assert "which is below 95.0 %" in text
    assert "Separate copies do harm here." in text
    assert "(more)" in text
    text = " ".join(result_with().findings())
    assert text.count("not decidedly less than the side memory") == 4
    assert "It is not decided that separate copies are needed" in text
    text = " ".join(result_with(locality_side_all=0.95).findings())
    assert "not decidedly at least 95.0 %" in text
    assert set(TRAINED) < set(ARMS)
