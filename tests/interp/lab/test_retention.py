"""Recognition, recall and order against loops, and the study on a very small model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from figures import check_figure
from sklearn.metrics import roc_auc_score

from interp.lab.retention import exposures, study
from interp.lab.retention.ablation import CASES, LEFT, memory_without
from interp.lab.retention.ablation import QUANTITIES as WITHOUT
from interp.lab.retention.exposures import EXPOSURES, FEW, LAGS, MANY, QUANTITIES, exposed_strings
from interp.lab.retention.findings import sentences
from interp.lab.retention.memory import (
    MEASURES,
    Trace,
    above_chance,
    completed,
    memory_numbers,
    recognition,
    trace_of,
)
from interp.lab.retention.order import (
    PROBES,
    order_by_likelihood,
    probe_accuracy,
    segment_states,
)
from interp.lab.retention.strings import (
    ASKED,
    CLASSES,
    EARLY,
    LATE,
    LENGTH,
    PROMPT,
    QUESTION,
    SEGMENT,
    SUCCESSORS,
    VOCAB,
    Strings,
    draw_strings,
    random_questions,
    segments,
)
from interp.lab.retention.study import STUDY, Config, judge, measure
from interp.lab.retention.training import Learner, Size, pretrained, token_losses
from interp.lab.study import Record, StudyResult
from interp.language.sequences import halves
from interp.language.small import small_language_model
from interp.language.small_training import RandomLanguage, random_language
from interp.progress import silent

TINY = Config(
    updates=2, strings=4, foils=4, interference=1, n_random=1, background=1, facts=2, injections=1, after=8
)


@pytest.fixture(scope="module")
def language() -> RandomLanguage:
    return random_language(VOCAB, CLASSES, SUCCESSORS, np.random.default_rng(0))


@pytest.fixture(scope="module")
def network() -> Any:
    return small_language_model(VOCAB + 1, d_model=16, d_mlp=8, context=2 * LENGTH)


@pytest.fixture(scope="module")
def rows(language: RandomLanguage) -> np.ndarray:
    return draw_strings(language, 6, np.random.default_rng(1))


def log_probabilities(network: Any, ids: list[int]) -> np.ndarray:
    with torch.no_grad():
        return network(torch.tensor([ids])).logits[0].double().log_softmax(-1).numpy()


def test_recognition_is_the_share_of_pairs() -> None:
    generator = np.random.default_rng(0)
    seen, foils = (
        Trace(generator.integers(0, 9, n) / 2, generator.random((n, 3)) < chance)
        for n, chance in ((12, 0.6), (17, 0.2))
    )
    pairs = [(a < b) + 0.5 * (a == b) for a in seen.nll for b in foils.nll]
    area = roc_auc_score(np.repeat([1, 0], [12, 17]), -np.concatenate([seen.nll, foils.nll]))
    assert recognition(seen, foils) == pytest.approx(np.mean(pairs)) == pytest.approx(area)
    numbers = memory_numbers(seen, foils, foils)
    assert set(numbers) == set(MEASURES)
    assert numbers["recognised"] == pytest.approx(2 * np.mean(pairs) - 1)
    base = np.mean([one for string in foils.right for one in string])
    assert numbers["base"] == pytest.approx(base)
    assert numbers["recalled"] == pytest.approx((seen.right.mean() - base) / (1 - base))
    by_recall = [(a.sum() > b.sum()) + 0.5 * (a.sum() == b.sum()) for a in seen.right for b in foils.right]
    assert numbers["by_recall"] == pytest.approx(np.mean(by_recall))
    assert numbers["never_recognition"] == 0.5
    assert numbers["never_recalled"] == 0
    assert above_chance(1.0, 0.3) == 1


def test_completion_and_log_loss_are_those_of_a_loop(network: Any, rows: np.ndarray) -> None:
    trace = trace_of(network, rows)
    for place, row in enumerate(rows.tolist()[:2]):
        ids = row[:PROMPT]
        while len(ids) < LENGTH:
            ids.append(int(log_probabilities(network, ids)[-1].argmax()))
        assert completed(network, rows)[place].tolist() == ids[PROMPT:]
        assert trace.right[place].tolist() == [
            a == b for a, b in zip(ids[PROMPT:], row[PROMPT:], strict=True)
        ]
        logs = log_probabilities(network, row)
        assert trace.nll[place] == pytest.approx(
            -np.mean([logs[i, row[i + 1]] for i in range(LENGTH - 1)]), rel=1e-5
        )


def test_segments_keep_their_distance_and_questions_their_order(rows: np.ndarray) -> None:
    assert max(EARLY) + SEGMENT + 4 <= min(LATE)
    assert max(LATE) + SEGMENT <= LENGTH
    assert segments(rows, np.array([0, 1, 2, 3, 4, 5]))[3].tolist() == rows[3, 3 : 3 + SEGMENT].tolist()
    asked = random_questions(rows, np.random.default_rng(0), context=True)
    for row, question in zip(rows.tolist(), asked.tolist(), strict=True):
        assert question[:LENGTH] == row
        assert question[LENGTH] == QUESTION
        parts = question[LENGTH + 1 : LENGTH + 1 + SEGMENT], question[LENGTH + 1 + SEGMENT :]
        for part, starts in zip(parts, (EARLY, LATE), strict=True):
            assert any(part == row[start : start + SEGMENT] for start in starts)


@pytest.mark.parametrize("context", [True, False])
def test_the_likelier_order_is_that_of_a_loop(network: Any, rows: np.ndarray, context: bool) -> None:
    shares = order_by_likelihood(network, rows, context=context)

    def log_probability(before: list[int], after: list[int]) -> float:
        logs = log_probabilities(network, before + after)
        return sum(logs[len(before) - 1 + i, token] for i, token in enumerate(after))

    for row, share in zip(rows.tolist()[:2], shares, strict=False):
        before, right = [*(row if context else []), QUESTION], 0
        for early, late in ASKED:
            a, b = row[early : early + SEGMENT], row[late : late + SEGMENT]
            right += log_probability(before, a + b) > log_probability(before, b + a)
        assert share == pytest.approx(right / len(ASKED))


def test_the_probe_is_a_ridge_fit_on_other_strings() -> None:
    generator = np.random.default_rng(0)
    states, signs = generator.normal(size=(2, 6, 3)), generator.choice([-1.0, 1.0], (2, 6))
    one, other = halves(np.arange(6), 3)
    expected = []
    for fitted, measured in ((one, other), (other, one)):
        square, product = np.zeros((3, 3)), np.zeros(3)
        for string in fitted:
            for pair in range(2):
                square += np.outer(states[pair, string], states[pair, string])
                product += signs[pair, string] * states[pair, string]
        weights = np.linalg.inv(square + 0.01 * np.trace(square) / 3 * np.eye(3)) @ product
        expected.append(
            np.mean([states[pair, string] @ weights > 0 for string in measured for pair in range(2)])
        )
    assert probe_accuracy(states, signs, 3) == pytest.approx(np.mean(expected))


def test_states_in_context_stand_in_the_string(network: Any, rows: np.ndarray) -> None:
    states = segment_states(network, rows, context=True)
    with torch.no_grad():
        hidden = network.model(torch.from_numpy(rows), output_hidden_states=True).hidden_states[1:]
    early, late = ASKED[1]
    own = [one[2, early : early + SEGMENT].mean(0) - one[2, late : late + SEGMENT].mean(0) for one in hidden]
    np.testing.assert_allclose(states[1, 2], torch.cat(own).numpy(), atol=1e-5)
    alone = segment_states(network, rows, context=False)
    assert alone.shape == states.shape
    assert not np.allclose(alone, states)


def test_a_learner_comes_back(network: Any, rows: np.ndarray) -> None:
    own = small_language_model(VOCAB + 1, d_model=16, d_mlp=8, context=2 * LENGTH).requires_grad_(True)
    learner = Learner(own, 1e-2)
    learner.expose(rows)
    state, losses = learner.state(), []
    for _ in range(2):
        learner.restore(state)
        learner.expose(rows)
        learner.expose(rows)
        losses.append(token_losses(own, rows).mean().item())
    assert losses[0] == losses[1]
    assert losses[0] < token_losses(network, rows).mean().item()


@pytest.fixture(scope="module")
def record() -> Record:
    return measure(TINY, 0, silent)


def test_exposures_and_interference_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the costly parts, which the slow tests run."""
    monkeypatch.setattr(exposures, "memory_without", lambda *_: {})
    monkeypatch.setattr(study, "injected_facts", lambda *_: ({}, {}))
    check_numbers(measure(TINY, 0, silent), {name for name in QUANTITIES if name not in WITHOUT})


@pytest.mark.slow
def test_the_study_measures_what_it_names(record: Record) -> None:
    check_numbers(record, set(STUDY.quantities))


def check_numbers(record: Record, expected: set[str]) -> None:
    """All numbers but those of more interfering updates than there were."""
    assert set(record.numbers) >= expected
    missing = {name for name in expected & set(QUANTITIES) if record.numbers[name] is None}
    assert missing == {
        name for name in QUANTITIES for lag in LAGS[1:] if name.endswith((f"_3_{lag}", f"_30_{lag}"))
    }
    assert record.numbers["recognition_30"] == 1
    assert record.curves["interfered"]["30"]["updates"] == [0, 1]


@pytest.mark.slow
def test_neurons_are_put_back(language: RandomLanguage) -> None:
    generator = np.random.default_rng(0)
    network = pretrained(Size(1, d_model=16, d_mlp=8), language, 0, generator, silent)
    strings = Strings(*(draw_strings(language, n, generator) for n in (4, 4, 3)))
    before = {name: one.clone() for name, one in network.state_dict().items()}
    numbers = memory_without(network, strings, 0.2, 1, 0)
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())
    assert numbers["removed"] == 3
    assert {f"{name}_{case}" for name in LEFT for case in CASES} < set(numbers)
    losses = [trace_of(network, strings.foils).nll.mean()] * 2
    assert numbers["foil_loss_whole"] == pytest.approx(np.mean(losses))
    assert numbers["foil_loss_evidence"] != numbers["foil_loss_whole"]


def result_of(**changed: float) -> StudyResult:
    """Three seeds whose numbers are plausible but for some, and differ a little."""
    numbers: dict[str, float] = dict.fromkeys(STUDY.quantities, 0.5)
    for place, one in enumerate(EXPOSURES):
        numbers |= {f"recognition_{one}": 0.7 + 0.05 * place, f"recognised_{one}": 0.4 + 0.1 * place}
        numbers |= {
            f"recall_{one}": 0.1 * place,
            f"recalled_{one}": 0.1 * place,
            f"never_recalled_{one}": 0.0,
        }
    numbers |= {f"order_in_{MANY}": 0.9, f"order_trained_{MANY}": 0.6, "labelled": 0.0, "removed": 51.0}
    numbers |= {f"recognised_{MANY}_10": 0.8, f"recalled_{MANY}_10": 0.05, f"recalled_{FEW}": 0.0}
    numbers |= changed
    records = []
    for jitter in (-0.01, 0.0, 0.01):
        own: dict[str, float | None] = {
            name: value + (jitter * (1 + place % 5) if name not in ("labelled", "removed") else 0)
            for place, (name, value) in enumerate(numbers.items())
        }
        records.append(Record(own, {}))
    return StudyResult(STUDY, Config(), (0, 1, 2), tuple(records))


def test_findings_can_say_either() -> None:
    text = " ".join(sentences(result_of()))
    assert "as they are, recognition is above recall after 1, 3, 5, 10 and 30 exposures" in text
    assert "recognition is not near perfect (0.70" in text
    assert "after 3 exposures recall is not decidedly above chance" in text
    assert "recall loses 0.35" in text
    assert "Order in context is above that of strings trained only after 30 exposures; not decidedly" in text
    other = {f"recall_{one}": 0.99 for one in EXPOSURES} | {"recognition_1": 0.99, f"recalled_{FEW}": 0.3}
    other |= {
        f"order_in_{MANY}": 0.5,
        f"order_trained_{MANY}": 0.5,
        "probe_in": 0.3,
        f"recalled_{MANY}": -0.2,
    }
    other |= {"recalled_evidence": 0.1, "recognised_forgetting": 0.9}
    text = " ".join(sentences(result_of(**other)))
    assert "below recall after 3, 5, 10 and 30 exposures" in text
    assert "recognition may be near perfect or not" in text or "recognition is near perfect" in text
    assert "recall was not decidedly above chance to begin with" in text
    assert (
        "Order in context is not decidedly above or below that of strings trained only after 1, 3, 5, 10 and"
        in text
    )
    assert "recall is 0.10" in text
    assert "of pairs in context, less than" in text


@pytest.mark.slow
def test_the_figure_is_complete(record: Record) -> None:
    result = replace(result_of(), records=(record,) * 3)
    check_figure(result.plot())
    findings = judge(result)
    assert findings[: len(sentences(result))] == sentences(result)
    assert len(findings) > len(sentences(result)) + 3


@pytest.mark.slow
def test_a_study_is_the_same_twice(record: Record) -> None:
    numbers, _ = exposed_strings(TINY, 0, silent)
    assert numbers == {name: record.numbers[name] for name in numbers}
    assert len(PROBES) == 5
