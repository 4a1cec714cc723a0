"""Heads by what they look at, a network built by hand that solves the task, and heads held while one is trained."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from figures import check_figure
from torch import Tensor
from torch.nn import functional as F

from interp.errors import ConfigError
from interp.hooks import capture
from interp.interventions import Edit, intervene
from interp.lab.induction.heads import (
    Blind,
    induction_scores,
    induction_targets,
    previous_pattern,
    previous_token_scores,
    uniform_pattern,
)
from interp.lab.induction.in_context import Config, in_context_accuracy, repeated_blocks, train_in_context
from interp.lab.induction.study import ARMS, FIRST, SECOND, STUDY, schedules_of
from interp.lab.running import run_study
from interp.lab.schedule import Held, Schedule
from interp.lab.study import Record, StudyResult
from interp.models.attention_only import AttentionOnly, AttentionOnlyConfig
from interp.modes import Patch

TINY = {
    "vocab": 8,
    "shortest": 3,
    "longest": 4,
    "d_model": 12,
    "d_head": 4,
    "batch": 8,
    "steps": 30,
    "log_every": 10,
}
EVERY = np.arange(4)


def drawn(n: int, vocab: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random tokens, and random causal patterns of two heads."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(vocab, (3, n), generator=generator)
    scores = torch.randn(3, 2, n, n, generator=generator).masked_fill(
        torch.ones(n, n).triu(1) > 0, float("-inf")
    )
    return tokens, scores.softmax(-1)


def test_scores_are_those_of_plain_loops() -> None:
    tokens, pattern = drawn(7)
    attention, sequences = pattern.numpy(), tokens.numpy()
    before, follows = np.zeros(2), np.zeros(2)
    asked = 0
    for example, query in product(range(3), range(7)):
        if query:
            before += attention[example, :, query, query - 1]
        places = [j + 1 for j in range(query) if sequences[example, j] == sequences[example, query]]
        assert induction_targets(tokens)[example, query].nonzero()[:, 0].tolist() == places
        asked += bool(places)
        follows += attention[example][:, query, places].sum(1)
    assert previous_token_scores(pattern) == pytest.approx(before / 18)
    assert induction_scores(pattern, tokens) == pytest.approx(follows / asked)
    with pytest.raises(ConfigError, match="no token occurs twice"):
        induction_scores(pattern[:1, :, :3, :3], torch.tensor([[0, 1, 2]]))


def test_ideal_and_uniform_patterns_and_their_scores() -> None:
    ideal, even = previous_pattern(5), uniform_pattern(5)
    assert ideal.numpy() == pytest.approx(np.vstack([np.eye(5)[0], np.eye(5)[:4]]))
    assert even.numpy() == pytest.approx(np.tril(1 / np.arange(1, 6)[:, None] * np.ones((5, 5))))
    assert previous_token_scores(ideal.expand(2, 3, 5, 5)).tolist() == [1.0] * 3
    assert previous_token_scores(even.expand(1, 1, 5, 5)) == pytest.approx(
        [np.mean([1 / 2, 1 / 3, 1 / 4, 1 / 5])]
    )


def test_a_blind_head_shares_what_it_gave_the_previous_token() -> None:
    _, pattern = drawn(6)
    blind = Blind().start()(pattern.movedim(1, -1)).movedim(-1, 1)
    expected = pattern.numpy().copy()
    for query in range(1, 6):
        expected[:, :, query, query - 1] = 0
    assert blind.numpy() == pytest.approx(expected / expected.sum(-1, keepdims=True), abs=1e-6)
    assert previous_token_scores(blind).tolist() == [0.0, 0.0]


def test_a_blind_head_still_learns_where_to_look_and_a_constant_one_does_not() -> None:
    shape = AttentionOnlyConfig(vocab=5, n_ctx=6, d_model=8, n_heads=2, d_head=4)
    constant = Patch(uniform_pattern(6)[..., None].expand(6, 6, 1))
    for intervention, learns in ((Blind(), True), (constant, False)):
        model = AttentionOnly(shape)
        with intervene(model, Edit(FIRST, np.array([1]), intervention)):
            model(drawn(6)[0])[:, -1, 0].sum().backward()
        gradient = model.layers[0].attn.W_Q.grad
        assert gradient is not None
        assert gradient[0].abs().max() > 0
        assert (gradient[1].abs().max() > 0) == learns


def built(vocab: int, n: int, sharp: float = 60.0) -> AttentionOnly:
    """A network whose first head copies the previous token, and whose second layer looks for the token at hand there.

    The stream has four parts: the token, the position, the previous token, the answer.
    """
    wide = max(vocab, n)
    model = AttentionOnly(AttentionOnlyConfig(vocab, n, 3 * vocab + n, 2, wide))
    token, place = slice(0, vocab), slice(vocab, vocab + n)
    before, answer = slice(vocab + n, 2 * vocab + n), slice(2 * vocab + n, None)
    scale = sharp * wide**0.5
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.embed.W_E[:, token], model.pos_embed.W_pos[:, place] = torch.eye(vocab), torch.eye(n)
        copy, find = (layer.attn for layer in model.layers)
        copy.W_Q[0, place, :n], copy.W_K[0, place, :n] = scale * torch.eye(n).roll(-1, 1), torch.eye(n)
        copy.W_V[0, token, :vocab], copy.W_O[0, :vocab, before] = torch.eye(vocab), torch.eye(vocab)
        find.W_Q[0, token, :vocab], find.W_K[0, before, :vocab] = scale * torch.eye(vocab), torch.eye(vocab)
        find.W_K[0, vocab, :vocab] = -1.0  # the first position has no previous token
        find.W_V[0, token, :vocab], find.W_O[0, :vocab, answer] = torch.eye(vocab), torch.eye(vocab)
        model.unembed.weight[answer] = torch.eye(vocab)
    return model


def test_a_network_built_by_hand_has_both_heads_and_solves_the_task() -> None:
    config = Config(vocab=9, shortest=3, longest=6)
    model = built(9, 12)
    tokens, known = repeated_blocks(50, config, torch.Generator().manual_seed(1))
    found = capture(model, tokens, [FIRST, SECOND])
    assert previous_token_scores(found[FIRST]) == pytest.approx([1.0, uniform_before(12)], abs=1e-6)
    assert induction_scores(found[SECOND], tokens)[0] == pytest.approx(1.0, abs=1e-6)
    assert induction_scores(found[SECOND], tokens)[1] < 0.5
    assert in_context_accuracy(model, tokens, known) == 1.0
    ideal = schedules_of(np.array([1.0, 0.0]), config)["ideal"]
    with torch.no_grad():
        model.layers[0].attn.W_Q.zero_()
    assert in_context_accuracy(model, tokens, known) < 0.5
    with ideal(model, 0):  # the pattern alone was missing
        assert in_context_accuracy(model, tokens, known) == 1.0


def uniform_before(n: int) -> float:
    return float(np.mean([1 / (query + 1) for query in range(1, n)]))


def test_sequences_repeat_a_block_of_distinct_tokens() -> None:
    config = Config(vocab=9, shortest=3, longest=6)
    tokens, known = repeated_blocks(200, config, torch.Generator().manual_seed(0))
    lengths = [next(k for k in range(1, 12) if row[k] == row[0]) for row in tokens.tolist()]
    assert set(lengths) == {3, 4, 5, 6}
    for row, marked, length in zip(tokens.tolist(), known.tolist(), lengths, strict=True):
        assert len(set(row[:length])) == length
        assert all(row[i] == row[i - length] for i in range(length, 12))
        assert marked == [length <= i < 11 for i in range(12)]


def test_what_is_held_follows_from_the_baseline() -> None:
    config = Config(vocab=9, shortest=3, longest=6)
    held = {
        arm: each.held[0].edit.neurons.tolist()
        for arm, each in schedules_of(np.array([0.1, 0.9, 0.2, 0.6]), config).items()
    }
    assert held == {"uniform": [1, 3], "control": [2, 0], "blind": [1, 3, 2, 0], "ideal": [1, 3]}
    some = schedules_of(np.array([0.1, 0.5, 0.2, 0.3, 0.0]), config)
    assert 2 * uniform_before(12) == pytest.approx(0.382, abs=1e-3)  # above which a head is held
    assert some["uniform"].held[0].edit.neurons.tolist() == [1]
    assert some["control"].held[0].edit.neurons.tolist() == [4]
    none = schedules_of(np.array([0.1, 0.15, 0.12]), config)
    assert none["ideal"].held[0].edit.neurons.tolist() == [1]
    every = schedules_of(np.array([0.9, 0.8]), config)  # at most half of them
    assert every["uniform"].held[0].edit.neurons.tolist() == [0]
    assert every["control"].held[0].edit.neurons.tolist() == [1]


def test_held_patterns_are_what_the_network_uses() -> None:
    config = Config(vocab=9, shortest=3, longest=6)
    model, (tokens, _) = (
        AttentionOnly(AttentionOnlyConfig(9, 12)),
        repeated_blocks(5, config, torch.Generator()),
    )
    free = capture(model, tokens, FIRST)[FIRST]
    for arm, schedule in schedules_of(np.array([0.1, 0.9, 0.2, 0.6]), config).items():
        with schedule(model, 0):
            pattern = capture(model, tokens, FIRST)[FIRST]
        heads = schedule.held[0].edit.neurons.tolist()
        if arm != "blind":
            ideal = previous_pattern(12) if arm == "ideal" else uniform_pattern(12)
            assert torch.allclose(pattern[:, heads], ideal.expand(5, 2, 12, 12))
            others = [head for head in range(4) if head not in heads]
            assert torch.equal(pattern[:, others], free[:, others])
        else:
            assert previous_token_scores(pattern).max() == 0
            assert torch.allclose(pattern.sum(-1), torch.ones(5, 4, 12))


def test_without_anything_held_training_is_the_same_to_the_bit() -> None:
    config = Config(**TINY)  # type: ignore[arg-type]
    baseline, accuracy = train_in_context(config, 3)
    edit = Edit(FIRST, EVERY, Blind())
    for schedule in (Schedule(), Schedule((Held(edit, start=4, stop=4),))):
        again, curve = train_in_context(config, 3, schedule)
        assert curve == accuracy
        assert all(torch.equal(a, b) for a, b in zip(baseline.parameters(), again.parameters(), strict=True))
    late, curve = train_in_context(config, 3, Schedule((Held(edit, start=10),)))
    assert curve[:2] == accuracy[:2]
    assert not all(torch.equal(a, b) for a, b in zip(baseline.parameters(), late.parameters(), strict=True))
    other, _ = train_in_context(config, 4)
    assert not torch.equal(other.embed.W_E, baseline.embed.W_E)


def test_one_update_is_that_of_the_optimiser_on_the_known_positions() -> None:
    config = Config(**TINY | {"steps": 1})  # type: ignore[arg-type]
    model, _ = train_in_context(config, 0)
    shape = AttentionOnlyConfig(8, 8, 12, 4, 4, embed_scale=0.2)
    plain = AttentionOnly(shape, seed=0)
    tokens, known = repeated_blocks(8, config, torch.Generator().manual_seed(0))
    places = [(row, at) for row, at in product(range(8), range(8)) if known[row, at]]
    logits = plain(tokens)
    torch.stack(
        [F.cross_entropy(logits[row, at], tokens[row, at + 1]) for row, at in places]
    ).mean().backward()
    torch.optim.AdamW(plain.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=0.01).step()
    pairs = zip(model.parameters(), plain.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in pairs)


@pytest.fixture(scope="module")
def tiny() -> StudyResult:
    return run_study("induction", [0], show_progress=False, **TINY)


def test_a_tiny_run_has_all_arms_and_the_baseline_is_restored(tiny: StudyResult) -> None:
    curves, numbers = tiny.records[0].curves, tiny.records[0].numbers
    assert numbers["identical"] == 1.0
    assert curves["steps"] == [0, 10, 20, 30]
    assert set(curves["arms"]) == set(ARMS)
    assert all(len(curve) == 4 for curve in curves["arms"].values())
    assert len({tuple(curve) for curve in curves["arms"].values()}) > 2
    assert numbers["previous_blind"] == 0.0
    assert numbers["previous_even"] == pytest.approx(uniform_before(8))
    assert numbers["step_baseline"] == 30
    assert numbers["reached_baseline"] == 0.0
    for name in STUDY.quantities:
        assert name in numbers
    assert STUDY.units(tiny.config) == 180


def test_the_figure_has_a_line_for_each_arm(tiny: StudyResult) -> None:
    for result, bands in ((tiny, 0), (made({}), 5)):
        figure = result.plot()
        check_figure(figure)
        lines = [trace for trace in figure.data if trace.hovertemplate]
        assert len(lines) == 5
        assert len(figure.data) == 5 + bands
        assert figure.layout.shapes[0].y0 == result.config.level


def made(changed: dict[str, list[float]]) -> StudyResult:
    """A result of three seeds whose numbers are given."""
    plain = {"step": [300.0, 310, 320], "reached": [1.0] * 3, "previous": [0.4, 0.42, 0.41]}
    numbers = {f"{name}_{arm}": values for name, values in plain.items() for arm in ARMS}
    numbers |= {"identical": [1.0] * 3, "previous_even": [0.12] * 3} | changed
    numbers["heads_held"] = [2.0] * 3
    curves = {"steps": [0, 600], "arms": {arm: [0.0, 1.0] for arm in ARMS}, "heads": [0.1, 0.5, 0.2, 0.6]}
    records = [Record({name: values[i] for name, values in numbers.items()}, curves) for i in range(3)]
    return StudyResult(STUDY, Config(), (0, 1, 2), tuple(records))


def test_what_is_told_follows_the_numbers() -> None:
    found = made({}).findings()
    assert len(found) == 7
    assert all("sooner or later than in the baseline: not decided" in sentence for sentence in found[:4])
    assert "Other first-layer heads take their place: the most that one of them attends" in found[5]
    assert "0.41, against 0.20 of the same heads in the baseline" in found[5]
    assert found[6].endswith("3 of 3 runs are the baseline to the bit.")
    changed = {
        "step_uniform": [350.0, 362, 371],
        "step_control": [310.0, 321, 330],
        "step_ideal": [200.0, 212, 221],
        "step_blind": [1000.0, 1000, 990],
        "reached_blind": [0.0, 0.0, 1.0],
        "previous_uniform": [0.12, 0.13, 0.11],
    }
    found = made(changed).findings()
    assert "51 steps later than in the baseline (95 %" in found[0]
    assert "not decided (never in 2 of 3 seeds; exact log-rank p = 0.1)" in found[2]
    assert "99 steps sooner than in the baseline (95 %" in found[3]
    assert "it comes 41 steps later than with as many other heads held so" in found[4]
    assert "do not take their place" in found[5]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shortest": 1}, "shortest=1, longest=12 and vocab=32 do not fit"),
        ({"longest": 33}, "longest=33 and vocab=32 do not fit"),
        ({"level": 1.5}, r"level=1.5 is not in \(0, 1\]"),
        ({"n_heads": 1}, "n_heads=1 is below 2"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(**given)  # type: ignore[arg-type]
