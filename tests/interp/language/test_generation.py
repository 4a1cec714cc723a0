"""Greedy generation against one pass a token, and against what teacher forcing promises."""

from __future__ import annotations

import numpy as np
import torch

from interp.language.edits import edited, gates_without, weights_with
from interp.language.gates import gated
from interp.language.generation import generate_greedily, greedy_runs
from interp.language.opening import open_language_model
from interp.language.sequences import token_sequences
from interp.language.small import small_language_model
from interp.language.token_scores import token_scores
from probes.verbatim import verbatim_length

SEQUENCES = token_sequences([np.random.default_rng(i).integers(0, 30, 5 + 3 * i) for i in range(4)])


def test_generation_is_the_choice_at_every_step() -> None:
    network = small_language_model(vocab=30, seed=1)
    generated = generate_greedily(open_language_model(network), SEQUENCES)
    for ids, start, own in zip(SEQUENCES.ids, SEQUENCES.prompt, generated, strict=True):
        text = ids[:start].tolist()
        while len(text) < len(ids):
            with torch.no_grad():
                text.append(int(network(torch.tensor([text])).logits[0, -1].argmax()))
        assert own.tolist() == text[start:]


def test_its_beginning_is_what_teacher_forcing_reproduces() -> None:
    model = open_language_model(small_language_model(vocab=4, seed=2))
    sequences = token_sequences([np.random.default_rng(i).integers(0, 4, 9) for i in range(12)])
    generated = generate_greedily(model, sequences)
    scores = token_scores(model, sequences, whole=False)
    true = [ids[start:] for ids, start in zip(sequences.ids, sequences.prompt, strict=True)]
    lengths = [verbatim_length(rank == 0) for rank in scores.rank]
    assert lengths == [verbatim_length(a == b) for a, b in zip(true, generated, strict=True)]
    assert (greedy_runs(sequences, generated) >= lengths).all()
    assert max(lengths) > 0


def test_edited_weights_generate_as_hooks_say() -> None:
    model = open_language_model(small_language_model(vocab=30, seed=1))
    gates = gates_without(model, range(0, 128, 3), factor=-300.0)
    plain = generate_greedily(model, SEQUENCES)
    with edited(model, weights_with(model, gates)):
        changed = generate_greedily(model, SEQUENCES)
    first = [ids[:start] for ids, start in zip(SEQUENCES.ids, SEQUENCES.prompt, strict=True)]
    with gated(model, gates):
        again = token_sequences(
            [np.append(a, b) for a, b in zip(first, changed, strict=True)], SEQUENCES.prompt.tolist()
        )
        assert all((rank == 0).all() for rank in token_scores(model, again, whole=False).rank)
    assert any((a != b).any() for a, b in zip(plain, changed, strict=True))


def test_settings_of_the_checkpoint_do_not_change_what_is_generated() -> None:
    network = small_language_model(vocab=30, seed=1)
    plain = generate_greedily(open_language_model(network), SEQUENCES)
    network.generation_config.repetition_penalty = 5.0
    network.generation_config.no_repeat_ngram_size = 2
    network.generation_config.eos_token_id = int(plain[-1][0])
    model = open_language_model(network)
    assert all((a == b).all() for a, b in zip(plain, generate_greedily(model, SEQUENCES), strict=True))
    assert model.plain.generation_config.repetition_penalty == 5.0


def test_a_long_prompt_and_a_long_continuation_are_not_one_batch() -> None:
    from language_models import ARCHITECTURES

    model = open_language_model(ARCHITECTURES["gpt2"]().eval())  # 32 positions
    texts = np.random.default_rng(0).integers(0, 50, (2, 30))
    generated = generate_greedily(model, token_sequences(texts, [25, 3]))
    assert [len(one) for one in generated] == [5, 27]
