"""Injected facts: the language, the training, what is measured of it, and what the seeds decide."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from interp.lab.over_seeds import OverSeeds
from interp.lab.retention import injection
from interp.lab.retention.fact_language import ANSWER, BEGIN, LENGTH, STOP, TARGET, Facts, fact_language
from interp.lab.retention.injected_training import (
    ARMS,
    DUPLICATED,
    NEVER,
    PARAPHRASED,
    answer_log_probability,
    draw_injected,
    injections,
    learn_background,
    probe_rows,
)
from interp.lab.retention.injection_figure import injection_panels
from interp.lab.study import Record, Study, StudyResult
from interp.language.small import small_language_model
from interp.plots.canvas import blank
from interp.progress import silent

LANGUAGE = fact_language(np.random.default_rng(0))


def facts(n: int, seed: int = 1) -> Facts:
    return LANGUAGE.draw(n, np.random.default_rng(seed))


def test_sentences_say_the_fact_and_wordings_differ() -> None:
    some = facts(40)
    assert len(set(map(tuple, some.names.tolist()))) == 40
    for wording in range(6):
        rows = LANGUAGE.say(some, np.full(40, wording))
        for fact, row in enumerate(rows.tolist()):
            assert (row[0], row[-1], len(row)) == (BEGIN, STOP, LENGTH)
            assert row[TARGET] == LANGUAGE.objects[some.relation[fact], some.answer[fact]]
            first, last = some.names[fact].tolist()
            assert row[row.index(first) + 1] == last
    every = {tuple(one) for relation in LANGUAGE.wordings.tolist() for one in relation}
    assert len(every) == 18
    assert all(one[TARGET] == ANSWER for one in every)


def test_a_composed_answer_is_the_category_that_the_background_names() -> None:
    some = facts(30)
    composed, known = LANGUAGE.compose(some), LANGUAGE.categorise(some)
    objects = LANGUAGE.objects[some.relation, some.answer]
    assert (composed[:, TARGET] == known[:, TARGET]).all()
    assert all(one in row for one, row in zip(objects.tolist(), known.tolist(), strict=True))
    assert not any(one in row for one, row in zip(objects.tolist(), composed.tolist(), strict=True))


def test_background_is_of_known_facts_passing_ones_and_categories() -> None:
    some = facts(10)
    rows = LANGUAGE.background(4000, some, np.random.default_rng(3))
    names = set(map(tuple, some.names.tolist()))
    known = np.mean([any(pair in names for pair in pairwise(row)) for row in rows.tolist()])
    about = np.isin(rows, LANGUAGE.first).any(1)
    assert known == pytest.approx(1 / 2, abs=0.03)
    assert about.mean() == pytest.approx(7 / 8, abs=0.03)


def test_every_fact_is_injected_as_often_and_never_in_the_wording_that_is_held_out() -> None:
    generator = np.random.default_rng(0)
    learner, drawn = learn_background(0, 21, 0, silent)
    injected = draw_injected(learner.language, drawn, 10, generator)
    seen = np.concatenate([rows for _, rows in injections(learner, injected)])
    for arm in ARMS:
        own = injected.facts[arm]
        probes = probe_rows(learner.language, injected, arm)
        paraphrase = set(map(tuple, probes["paraphrase"][0].tolist()))
        assert not paraphrase & set(map(tuple, seen.tolist()))
        for fact in range(7):
            mine = [row for row in seen.tolist() if row[TARGET] != STOP and _of(row, own.names[fact])]
            assert len(mine) == 10
            assert len(set(map(tuple, mine))) == (1 if arm == DUPLICATED else 5)
            assert set(map(tuple, mine)) == set(map(tuple, probes["verbatim"][:, fact].tolist()))
    never = injected.facts[NEVER].names.tolist()
    assert not any(_of(row, np.array(names)) for row in seen.tolist() for names in never)


def _of(row: list[int], names: np.ndarray) -> bool:
    return tuple(names.tolist()) in set(pairwise(row))


@torch.no_grad()
def test_log_probabilities_are_those_of_each_row_alone() -> None:
    network = small_language_model(LANGUAGE.vocab, context=16)
    rows = LANGUAGE.say(facts(5), np.arange(5))
    for row, value in zip(torch.from_numpy(rows), answer_log_probability(network, rows), strict=True):
        logits = network(row[None, :TARGET]).logits[0, -1].double()
        assert value == pytest.approx(float(logits[row[TARGET]] - logits.logsumexp(0)), abs=1e-5)


def tiny() -> tuple[dict[str, float | None], dict[str, Any]]:
    config = injection.InjectionSettings(background=2, facts=3, injections=2, after=8)
    return injection.injected_facts(config, 0, silent)


def test_a_tiny_run_has_every_number_and_its_figure() -> None:
    numbers, curves = tiny()
    assert set(injection.QUANTITIES) <= set(numbers)
    own = curves["batches"]["16"]
    assert own["steps"][0] == 0
    assert len(own["mean"][PARAPHRASED]["verbatim"]) == len(own["steps"])
    result = of_records([numbers] * 3, [curves] * 3)
    figure = blank("", "", "")
    injection_panels(figure, result, 1, ((0, 0.3), (0.35, 0.65), (0.7, 1)))
    assert len(figure.data) >= 3 + 4
    assert injection.sentences(result)


def of_records(numbers: list[dict[str, float | None]], curves: list[Any] | None = None) -> StudyResult:
    study = Study(
        "retention", "", "", injection.InjectionSettings, lambda *_: None, lambda _: 0, injection.QUANTITIES,
        injection.sentences, lambda _: None,
    )  # fmt: skip
    records = tuple(Record(one, (curves or [{}] * len(numbers))[i]) for i, one in enumerate(numbers))
    return StudyResult(study, injection.InjectionSettings(), tuple(range(len(numbers))), records)


def planted(seed: int, **changed: float | None) -> dict[str, float | None]:
    """Numbers of the expected shape, with a little noise."""
    noise = np.random.default_rng(seed)
    numbers: dict[str, float | None] = {}
    for batch in (16, 128):
        for depth in ("verbatim", "paraphrase", "composition"):
            for arm, jump, slope in ((DUPLICATED, 3.0, -0.2), (PARAPHRASED, 2.0, -0.1), (NEVER, 0.5, 0.0)):
                name = f"{arm}_{depth}_{batch}"
                numbers[f"jump_{name}"] = jump - (batch > 16)
                numbers[f"rise_{name}"] = jump - 0.5
                numbers |= {f"slope_plain_{name}": slope, f"r2_plain_{name}": 0.9}
                numbers |= {f"{rival}_plain_{name}": 0.9 for rival in ("linear", "exponential", "power")}
                numbers |= {f"slope_{name}": slope / (1 + (batch > 16)), f"r2_{name}": 0.95}
                numbers |= {"linear_" + name: 0.5, "exponential_" + name: 0.7, "power_" + name: 0.94}
    for kind in ("recovered", "undone", "silenced"):
        for choice, value in (("all", 0.8), ("own", 0.6), ("others", 0.1), ("random", 0.05)):
            numbers[f"{kind}_{choice}_paraphrase"] = value
    numbers["overlap"] = 0.1
    noisy = {
        name: value + 0.01 * noise.standard_normal() for name, value in numbers.items() if value is not None
    }
    return noisy | changed


def test_sentences_say_the_expected_shape_where_the_seeds_decide_it() -> None:
    text = " ".join(injection.sentences(of_records([planted(seed) for seed in range(3)])))
    assert "verbatim duplicated 3.00" in text
    assert "more than the 0.5" in text
    assert "of duplicated facts falls with the logarithm of time with batches of 16" in text
    assert "at least 0.8" in text
    assert "decidedly above that of a line by time, an exponential" in text
    assert "peak higher than paraphrased ones" in text
    assert "are forgotten faster" in text
    assert "does not hold here" not in text
    assert "of facts never injected: the rest of their jump is noise" in text
    assert "with no maximum chosen, it falls for duplicated facts" in text
    assert (
        "its R² is not decidedly apart from that of a line by time, an exponential, a power of time)" in text
    )
    for batch in (16, 128):
        assert f"it falls for paraphrased facts with batches of {batch} (slope" in text
        assert f"of facts never injected does not decidedly fall with batches of {batch} (slope" in text
    assert "with no maximum chosen, duplicated facts are higher (1.0" in text
    assert "and from there on forgotten faster" in text
    assert "their forgetting slower" in text
    assert "more than random ones" in text
    assert "more than those that other facts choose" in text


def test_sentences_say_where_it_does_not_hold() -> None:
    changed = {
        f"jump_{DUPLICATED}_verbatim_16": 1.0,
        f"r2_{DUPLICATED}_verbatim_16": 0.6,
        f"slope_{PARAPHRASED}_verbatim_128": None,
        "recovered_own_paraphrase": None,
    }
    text = " ".join(injection.sentences(of_records([planted(seed, **changed) for seed in range(3)])))
    assert "peak lower" in text
    assert "That duplicated facts peak higher and are forgotten faster does not hold here." in text
    assert "in some seed below 0.8" in text
    assert "No line by log time could be fitted to paraphrased facts with batches of 128." in text
    assert "is not known in every seed" in text
    flat = {f"slope_{DUPLICATED}_verbatim_16": 0.1}
    noisy = [planted(seed, **{name: value * (seed - 1) for name, value in flat.items()}) for seed in range(3)]
    assert OverSeeds.of([-0.1, 0.0, 0.1]).sign is None
    text = " ".join(injection.sentences(of_records(noisy)))
    assert "does not decidedly fall" in text
    assert "These seeds do not decide that duplicated facts peak higher" in text
