"""Memory of sequences: each column against a plain pass, and verdicts of texts whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.errors import ConfigError
from interp.language.memory import FEWEST, cost, memorised_rows, memory_of
from interp.language.opening import open_language_model
from interp.language.records import MEMORISED, NOT_MEMORISED, UNDECIDED, VERDICTS
from interp.language.sequences import Sequences, token_sequences
from interp.language.settings import LanguageSettings
from interp.language.small import small_language_model

VOCAB, LENGTH = 40, 24
WINDOW = LanguageSettings(window=1)
"""Random tokens that are known by heart are told from a few tokens before them, but not from one."""


def learnt(steps: int = 150) -> tuple[object, Sequences]:
    """A model that was trained on four random texts alone, with eight that it has not seen."""
    network = small_language_model(vocab=VOCAB, seed=0).train()
    texts = np.random.default_rng(0).integers(0, VOCAB, (12, LENGTH))
    rows = torch.from_numpy(texts[:4])
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        network(input_ids=rows, labels=rows).loss.backward()
        optimiser.step()
    return network.eval(), token_sequences(texts, split=["trained"] * 4 + ["held-out"] * 4 + ["control"] * 4)


@pytest.fixture(scope="module")
def trained() -> tuple[object, Sequences]:
    return learnt()


def test_memorised_texts_and_unseen_ones(trained: tuple[object, Sequences]) -> None:
    network, sequences = trained
    memory = memory_of(open_language_model(network), sequences, WINDOW)
    assert memory.table["verdict"].tolist() == [MEMORISED] * 4 + [NOT_MEMORISED] * 8
    assert memorised_rows(memory, sequences).tolist() == [0, 1, 2, 3]
    assert memory.table["exposure"][:4] == pytest.approx(np.log2(9))
    assert memory.table["extracted"].tolist() == [1] * 4 + [0] * 8
    assert (memory.table["longest_run"][:4] == memory.table["tokens"][:4]).all()
    assert (memory.table["recall_q"][:4] < 0.001).all()


def test_columns_follow_from_a_plain_pass(trained: tuple[object, Sequences]) -> None:
    network, sequences = trained
    table = memory_of(open_language_model(network), sequences, LanguageSettings(generate=False)).table
    assert "longest_run" not in table.columns
    for row, (ids, start) in enumerate(zip(sequences.ids, sequences.prompt, strict=True)):
        with torch.no_grad():
            logits = network(torch.from_numpy(ids)[None]).logits[0, start - 1 : -1].double()  # type: ignore[operator]
        true = torch.from_numpy(ids[start:])
        logprob = logits.log_softmax(1).gather(1, true[:, None])[:, 0]
        assert table["nll"][row] == pytest.approx(-float(logprob.mean()), abs=1e-5)
        assert table["perplexity"][row] == pytest.approx(float(torch.exp(-logprob.mean())), rel=1e-4)
        assert table["accuracy"][row] == pytest.approx(float((logits.argmax(1) == true).double().mean()))


def test_text_that_a_few_tokens_tell_is_not_decided(trained: tuple[object, Sequences]) -> None:
    network, sequences = trained
    memory = memory_of(open_language_model(network), sequences, LanguageSettings(window=LENGTH))
    assert (memory.table["guessed"][:4] == 1).all()
    assert (memory.table["verdict"][:4] == UNDECIDED).all()


def test_a_repetition_is_no_memory() -> None:
    """It is all guessed from itself, so that nothing is left to recall."""
    model = open_language_model(small_language_model(vocab=VOCAB))
    memory = memory_of(
        model, token_sequences([[7, 8, 9] * 10, *np.random.default_rng(0).integers(0, VOCAB, (2, 30))])
    )
    assert memory.table["unguessed"][0] < FEWEST
    assert memory.table["verdict"][0] == UNDECIDED
    assert set(memory.table["verdict"]) <= set(VERDICTS)


def test_without_unseen_text_exposure_is_not_testable() -> None:
    model = open_language_model(small_language_model(vocab=VOCAB))
    memory = memory_of(model, token_sequences(np.random.default_rng(0).integers(0, VOCAB, (3, 12))))
    assert np.isnan(memory.table["exposure"]).all()
    assert np.isnan(memory.table["recall_p"]).all()
    assert "not testable" in memory.notes[0]


def test_controls_of_the_own_group_come_first(trained: tuple[object, Sequences]) -> None:
    network, sequences = trained
    groups = ["a", "a", "b", "b", "a", "a", "a", "a", "c", "c", "c", "c"]
    grouped = token_sequences(sequences.ids, group=groups, split=sequences.split)
    memory = memory_of(open_language_model(network), grouped)
    assert memory.table["exposure"][:4] == pytest.approx(np.log2([5, 5, 9, 9]))
    assert memory.notes == (
        "2 sequences have no held-out or control one in their group; they are compared with all of these",
    )


def test_what_a_reference_guesses_is_not_recalled(trained: tuple[object, Sequences]) -> None:
    network, sequences = trained
    model = open_language_model(network)
    memory = memory_of(model, sequences, reference=model)
    assert (memory.table["guessed"][:4] == 1).all()
    assert (memory.table["verdict"][:4] == UNDECIDED).all()


def test_progress_reaches_its_end(trained: tuple[object, Sequences]) -> None:
    network, sequences = trained
    steps: list[int] = []

    def report(done: int, note: str = "") -> None:
        steps.append(done)

    model = open_language_model(network)
    memory_of(model, sequences, reference=model, report=report)
    assert steps == sorted(steps)
    settings = LanguageSettings()
    assert steps[-1] == cost(sequences, settings) + len(sequences)  # the reference is given apart


@pytest.mark.parametrize(
    "wrong", [{"recalled": 1.0}, {"window": 0}, {"shares": ()}, {"methods": ()}, {"shares": (1.5,)}]
)
def test_settings_that_cannot_work(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LanguageSettings(**wrong)  # type: ignore[arg-type]


def test_more_controls_do_not_make_a_text_less_memorised(trained: tuple[object, Sequences]) -> None:
    """False discoveries are counted among the sequences that may be memorised, not among the controls."""
    network, sequences = trained
    table = memory_of(open_language_model(network), sequences, WINDOW).table
    assert table["q_value"][:4] == pytest.approx(table["p_value"][:4])
    alone = memory_of(open_language_model(network), sequences.take([0, *range(4, 12)]), WINDOW).table
    assert alone["recall_q"][0] == pytest.approx(alone["recall_p"][0])
