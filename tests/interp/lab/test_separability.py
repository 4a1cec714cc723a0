"""The study of separability: its grammar, the network that reads, and its judgement."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from figures import check_figure
from scipy import stats

from interp.lab.separability.grammar import CLASSES, NAMES, NOUN, VOCAB, WORD_CLASS, texts, word_classes
from interp.lab.separability.study import ARMS, CONTEXTS, SETS, STUDY, Config, measure
from interp.lab.separability.words import CONTEXT, ORDERED, Contexts, Reader, scrambled, train_reader
from interp.lab.study import Record, StudyResult
from interp.progress import silent
from probes.separability import discrimination_value


def grammatical(classes: list[str]) -> bool:
    """A recogniser of one sentence by recursive descent, written from the rules in words."""

    def noun_phrase(i: int) -> set[int]:
        if classes[i : i + 1] != ["determiner"]:
            return set()
        ends = {i + 2} if classes[i + 1 : i + 2] == ["noun"] else set()
        ends |= {i + 3} if classes[i + 1 : i + 3] == ["adjective", "noun"] else set()
        if classes[i + 1 : i + 3] == ["noun", "preposition"]:
            ends |= noun_phrase(i + 3)
        return ends

    def verb_phrase(i: int) -> set[int]:
        if classes[i : i + 1] != ["verb"]:
            return set()
        ends = noun_phrase(i + 1)
        ends |= {end + 1 for end in ends if classes[end : end + 1] == ["adverb"]}
        return ends | ({i + 2} if classes[i + 1 : i + 2] == ["adverb"] else set())

    ends = {end for start in noun_phrase(0) for end in verb_phrase(start)}
    return any(classes[end:] == ["stop"] for end in ends)


def test_sentences_are_those_of_the_grammar() -> None:
    classes = [NAMES[one] for one in word_classes(2000, np.random.default_rng(0))]
    sentence: list[str] = []
    lengths = set()
    for one in classes:
        sentence.append(one)
        if one == "stop":
            assert grammatical(sentence)
            lengths.add(len(sentence))
            sentence = []
    assert not sentence
    assert len(lengths) > 4
    assert not grammatical(["noun", "verb", "stop"])


def test_words_of_a_class_are_equally_likely_and_random_order_keeps_them() -> None:
    words = texts(3000, 10, np.random.default_rng(0))
    assert words.max() == VOCAB - 1
    counts = np.bincount(words.ravel(), minlength=VOCAB)
    for number, size in enumerate(CLASSES.values()):
        own = counts[number == WORD_CLASS]
        assert len(own) == size
        assert size == 1 or stats.chisquare(own).pvalue > 1e-6
    mixed = scrambled(words, np.random.default_rng(1))
    assert (np.sort(mixed, 1) == np.sort(words, 1)).all()
    assert (mixed != words).mean() > 0.7


def test_contexts_are_scored_by_the_class_of_the_word_after_them() -> None:
    contexts = Contexts.draw(150, np.random.default_rng(0))
    network = Reader(8, torch.Generator().manual_seed(0))
    states = []
    for row in contexts.words:
        hidden = (torch.zeros(1, 1, 8), torch.zeros(1, 1, 8))
        for word in row:
            _, hidden = network.cells(network.embed(word)[None, None], hidden)
        states.append(hidden[0].flatten().detach().numpy())
    expected = discrimination_value(np.stack(states), contexts.following)
    assert contexts.separability(network).value == pytest.approx(expected, abs=1e-5)
    nouns = contexts.after_nouns(np.random.default_rng(1))
    assert contexts.words.shape[1] == CONTEXT
    assert (WORD_CLASS[nouns.words[:, -1].numpy()] == NOUN).all()
    assert 0 < len(nouns.following) < 150
    assert len(set(nouns.following.tolist())) > 2


def test_a_network_that_reads_learns_and_is_measured_from_the_start() -> None:
    contexts = {"every": Contexts.draw(150, np.random.default_rng(0))}
    at, values, loss = train_reader(16, 40, 3, ORDERED, contexts, 0, silent)
    assert at == [0, 20, 40]
    assert loss < np.log(VOCAB)
    assert values["every"][-1].value < values["every"][0].value - 0.05
    assert abs(values["every"][-1].draws.mean()) < 0.02


@pytest.mark.slow
def test_a_small_run_has_every_quantity() -> None:
    config = Config(p=23, width=60, steps=60, examples=100, draws=19, units=8, updates=6, checks=3)
    result = StudyResult(STUDY, config, (0, 1), tuple(measure(config, seed, silent) for seed in (0, 1)))
    assert set(STUDY.quantities) <= set(result.records[0].numbers)
    assert len(result.findings()) == 7
    check_figure(result.plot())


def made_up(generalizing: float | None, memorizing: float, words: float) -> StudyResult:
    """A result of three seeds with these values, which differ a little."""
    records = []
    for jitter in (-0.001, 0.0, 0.001):
        numbers: dict[str, float | None] = dict.fromkeys(STUDY.quantities, 0.9 + jitter)
        for name in SETS:
            numbers |= {
                f"value_{name}": -0.03 + 2 * jitter,
                f"random_{name}": -0.03,
                f"permuted_{name}": jitter,
            }
            numbers |= {f"p_value_{name}": 0.01, f"random_p_value_{name}": 0.05, f"size_{name}": 100 + jitter}
        numbers |= {"value_generalizing": None if generalizing is None else generalizing + jitter}
        numbers |= {
            "value_memorizing": memorizing + jitter,
            "value_untrained": 0.002,
            "p_value_untrained": 0.4,
        }
        for name in CONTEXTS:
            for arm in ARMS:
                numbers |= {f"{name}_{arm}": -0.05 + jitter, f"{name}_{arm}_best": -0.3}
                numbers |= {f"{name}_{arm}_before": -0.05 + 2 * jitter, f"{name}_{arm}_shuffled": 0.0}
            numbers[f"{name}_ordered"] = words + 3 * jitter
        lines = {name: [-0.05 + jitter, words + jitter] for name in CONTEXTS}
        records.append(Record(numbers, {"at": [0, 9], "words": dict.fromkeys(ARMS, lines)}))
    return StudyResult(STUDY, Config(), (0, 1, 2), tuple(records))


def test_findings_can_say_either() -> None:
    text = " ".join(made_up(-0.12, 0.001, -0.3).findings())
    assert "generalizing neurons, below the reported -0.1; further apart than in random sets as large" in text
    assert "memorizing neurons, above -0.02; less apart than in random sets as large" in text
    assert "more than before" in text
    assert "more than after training on the same words in random order" in text
    text = " ".join(made_up(-0.02, -0.1, 0.0).findings())
    assert "generalizing neurons, above the reported -0.1; less apart than" in text
    assert "memorizing neurons, below -0.02; further apart than" in text
    assert "less than before" in text
    text = " ".join(made_up(None, -0.02, -0.05).findings())
    assert "Not every seed has generalizing neurons" in text
    assert "not decidedly above -0.02" in text
    assert "not decidedly more than before" in text


def test_the_figure_is_complete() -> None:
    check_figure(made_up(-0.12, 0.001, -0.3).plot())
    check_figure(made_up(None, 0.001, -0.3).plot())
