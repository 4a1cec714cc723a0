"""Files of Zhong et al. against a forward pass in numpy, and real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from foreign import SHARED, close, draw, logits, output_first, pairs, run, stored, transformer

from interp.checkpoints.dialect import Reading
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.select import readings_of
from interp.checkpoints.stored import StoredWeights
from interp.checkpoints.unwrap import read_weights
from interp.errors import CheckpointError

P = 6
MASK = {n: np.tril(np.ones((n, n))) for n in (2, 3)}
SETTINGS = {
    "C": P,
    "act_fn": "ReLU",
    "funcs": "lambda x: (x[0]+x[1])%6",
    "func": None,
    "attention_dir": "casual",
}


def readings(file: StoredWeights, **hints: Any) -> list[Reading]:
    return readings_of(file, OpenOptions(dialect="zhong", **hints))


def tokens(*, shift: int = 0, sign: int | None = None) -> np.ndarray:
    shifted = pairs(P) + np.array([0, shift])
    return shifted if sign is None else np.c_[shifted, np.full(P * P, sign)]


def net(vocab: int, n_ctx: int = 2, layers: int = 1) -> dict[str, np.ndarray]:
    found = transformer(vocab=vocab, n_ctx=n_ctx, n_outputs=vocab, layers=layers, seed=vocab)
    rng = np.random.default_rng(2)
    for layer in range(layers):
        found |= {f"{layer}.bin": rng.normal(0, 0.3, 10), f"{layer}.bout": rng.normal(0, 0.3, 12)}
    return found


@pytest.mark.parametrize("coeff", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(
    ("diff_vocab", "eqn_sign", "text"),
    [(0, 0, "a b"), (1, 0, "a b+6"), (False, True, "a b 6"), (True, 1, "a b+6 12")],
)
def test_the_settings_leave_one_reading(
    coeff: float, layers: int, diff_vocab: int, eqn_sign: int, text: str
) -> None:
    vocab, n_ctx = P * (1 + diff_vocab) + eqn_sign, 2 + eqn_sign
    w = net(vocab, n_ctx, layers)
    said = SETTINGS | {"attn_coeff": coeff, "diff_vocab": diff_vocab, "eqn_sign": eqn_sign}
    file = stored(output_first(w, mask=MASK[n_ctx]), said)
    (reading,) = readings_of(file, OpenOptions())
    mixture = "" if coeff == 1 else f", attn_coeff {coeff:.4g}"
    assert reading.description == f"zhong: relu, tokens {text!r}, not causal{mixture}"
    assert (reading.dialect, reading.p, reading.operation) == ("zhong", P, "add")
    assert (reading.assumed, reading.notes) == ((), ())
    given = tokens(shift=P * diff_vocab, sign=vocab - 1 if eqn_sign else None)
    close(logits(reading, P), run(w, given, coeff=coeff)[:, :P])


def test_an_even_vocabulary_of_which_nothing_is_said_is_read_both_ways() -> None:
    w = net(2 * P)
    found = readings_of(stored(output_first(w)), OpenOptions())
    assert [reading.description for reading in found] == [
        "zhong: relu, tokens 'a b', not causal",
        "zhong: gelu, tokens 'a b', not causal",
        "zhong: relu, tokens 'a b+6', not causal",
        "zhong: gelu, tokens 'a b+6', not causal",
    ]
    assert found[2].assumed == ("tokens 'a b+6'", "activation relu", "operation add")
    assert all(reading.mixed is not None for reading in found)  # measuring decides the coefficient
    assert [reading.p for reading in found] == [12, 12, 6, 6]
    close(logits(found[3], P), run(w, tokens(shift=P), activation="gelu")[:, :P])


def test_what_the_user_says_wins_and_is_noted() -> None:
    w = net(2 * P)
    said = SETTINGS | {"attn_coeff": 0.5, "diff_vocab": 1, "eqn_sign": 0}
    hints = OpenOptions(attn_coeff=0.2, activation="tanh", task="subtract")
    (reading,) = readings_of(stored(output_first(w), said), hints)
    assert reading.operation == "subtract"
    assert reading.notes == (
        "activation=tanh was given; the file's settings say relu",
        "attn_coeff=0.2 was given; the file's settings say 0.5",
        "operation=subtract was given; the file's settings say add",
    )
    close(logits(reading, P), run(w, tokens(shift=P), activation="tanh", coeff=0.2)[:, :P])
    (reading,) = readings_of(
        stored(output_first(net(P))), OpenOptions(attn_coeff=0.2, activation="relu", p=P)
    )
    assert reading.assumed == ("operation add",)


def test_three_tokens_of_which_nothing_is_said_are_also_nandas() -> None:
    w = net(P + 1, 3, layers=2)
    found = readings_of(stored(output_first(w, mask=MASK[3])), OpenOptions())
    assert [reading.description for reading in found] == [
        "nanda: relu, tokens 'a b 6', causal",
        "zhong: relu, tokens 'a b 6', not causal",
        "zhong: gelu, tokens 'a b 6', not causal",
        "zhong: relu, tokens 'a b+3 6', not causal",
        "zhong: gelu, tokens 'a b+3 6', not causal",
    ]
    close(logits(found[0], P), run(w, tokens(sign=P), causal=True)[:, :P])
    close(logits(found[1], P), run(w, tokens(sign=P))[:, :P])
    mixed = readings_of(stored(output_first(w, mask=MASK[3])), OpenOptions(attn_coeff=0.5))
    assert {reading.dialect for reading in mixed} == {"zhong"}


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(CheckpointError, match="has 2 positions; expected 3"):
        readings(stored(output_first(net(P)), {"eqn_sign": 1}))
    four = transformer(vocab=P, n_ctx=4, n_outputs=P)
    with pytest.raises(CheckpointError, match="has 4 positions; expected 2 or 3"):
        readings(stored(output_first(four)))
    with pytest.raises(
        CheckpointError, match=r"embed.W_E \(d, V\) is missing; or unembed.weight|is missing; or"
    ):
        readings(stored({"l1.weight": np.zeros((5, 5))}))


LINEAR = {
    "D": {"embed.weight": (P, 4), "l1.weight": (9, 8)},
    "A": {"embed.weight": (P, 4), "l1.weight": (9, 4)},
    "X": {"embed1.weight": (P, 4), "embed2.weight": (P, 4), "l1.weight": (9, 4)},
    "B": {"embed.weight": (P, 4), "l1.weight": (9, 4), "l2.weight": (9, 9), "l2.bias": (9,)},
    "C": {"embed.weight": (P, 4), "l1.weight": (9, 4), "l2.weight": (9, 9), "l2.bias": (9,)},
}


def linear(w: dict[str, np.ndarray], model: str) -> np.ndarray:
    """The forward pass of the paper's linear models, one pair after another."""
    found = []
    for a, b in pairs(P):
        left = w["embed1.weight" if model == "X" else "embed.weight"][a]
        right = w["embed2.weight" if model == "X" else "embed.weight"][b]
        if model == "D":
            pre = w["l1.weight"] @ np.concatenate([left, right]) + w["l1.bias"]
        elif model == "C":
            pre = (w["l1.weight"] @ left + w["l1.bias"]) + (w["l1.weight"] @ right + w["l1.bias"])
        else:
            pre = w["l1.weight"] @ (left + right) + w["l1.bias"]
        x = np.maximum(pre, 0)
        if model in "BC":
            x = np.maximum(w["l2.weight"] @ x + w["l2.bias"], 0)
        found.append(w["unembed.weight"] @ x)
    return np.array(found)


@pytest.mark.parametrize("model", LINEAR)
def test_linear_models_are_read_exactly(model: str) -> None:
    w = draw(5, **LINEAR[model], **{"l1.bias": (9,), "unembed.weight": (P, 9)})
    (reading,) = readings_of(stored(w, {"C": P, "model_type": model, "func": None}), OpenOptions())
    depth = 3 if model in "BC" else 2
    assert reading.description == f"zhong: relu MLP of {depth} layers, model {model}"
    assert (reading.p, reading.assumed) == (P, ("operation add",))
    close(logits(reading, P), linear(w, model))


def test_a_second_layer_of_which_nothing_is_said_is_read_both_ways() -> None:
    w = draw(5, **LINEAR["B"], **{"l1.bias": (9,), "unembed.weight": (P, 9)})
    found = readings_of(stored(w), OpenOptions())
    assert [reading.assumed for reading in found] == [
        ("operation add", "model_type B"),
        ("operation add", "model_type C"),
    ]
    for reading, model in zip(found, "BC", strict=True):
        close(logits(reading, P), linear(w, model))


@pytest.mark.skipif(not SHARED.exists(), reason="the shared checkpoints are not here")
@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("pizza_18c9ev5v5p", "zhong: relu, tokens 'a b+59', not causal, attn_coeff 0.004067"),
        ("pizza_l8k1hzciux", "zhong: relu, tokens 'a b', not causal"),
        ("pizza_7r4zst7evs", "zhong: relu MLP of 2 layers, model D"),
    ],
)
def test_real_files_answer_every_pair(name: str, description: str) -> None:
    (reading,) = readings_of(read_weights(SHARED / f"{name}.pt"), OpenOptions())
    assert reading.description == description
    assert reading.notes == ()
    right = logits(reading, 59).argmax(1) == pairs(59).sum(1) % 59
    assert right.mean() == pytest.approx(1.0, abs=0.001)
