"""State dicts of TransformerLens, old and new, against a forward pass in numpy and TransformerLens itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from foreign import (
    close,
    logits,
    pairs,
    run,
    stored,
    transformer,
    version_2,
    version_4,
    with_norms,
)
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from interp.checkpoints.builders import MOST
from interp.checkpoints.dialect import Reading
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.select import readings_of
from interp.checkpoints.stored import StoredWeights
from interp.errors import CheckpointError, ConfigError

P = 7
EQUALS = np.c_[pairs(P), np.full(P * P, P)]
HEADS = {"n_heads": 3}
VERSIONS = {"2": version_2, "4": version_4}


def readings(file: StoredWeights, **hints: Any) -> list[Reading]:
    return readings_of(file, OpenOptions(**hints))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("biases", [True, False])
def test_settings_leave_one_reading(version: str, layers: int, biases: bool) -> None:
    w = transformer(vocab=P + 1, n_ctx=3, n_outputs=P, layers=layers, biases=biases)
    config = HEADS | {"act_fn": "gelu", "normalization_type": None, "attention_dir": "causal"}
    (reading,) = readings(stored(VERSIONS[version](w), {"cfg": config}), p=P, task="add")
    told = ", 3 heads" if version == "4" else ""
    assert reading.description == f"transformer_lens: gelu, tokens 'a b 7', causal{told}"
    assert (reading.p, reading.assumed, reading.notes) == (P, (), ())
    close(logits(reading, P), run(w, EQUALS, activation="gelu", causal=True))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("causal", [True, False])
def test_layer_norms_are_read_with_their_weights(version: str, layers: int, causal: bool) -> None:
    w = with_norms(transformer(vocab=P, n_ctx=2, n_outputs=P, layers=layers, biases=True), layers)
    config = HEADS | {"act_fn": "relu", "attention_dir": "causal" if causal else "bidirectional"}
    (reading,) = readings(stored(VERSIONS[version](w), config), task="subtract")
    assert "layer norm" in reading.description
    assert (reading.operation, reading.assumed) == ("subtract", ())
    close(logits(reading, P), run(w, pairs(P), causal=causal, norm="layer"))


def test_norms_without_weights_and_activations_of_which_nothing_is_said_are_read_in_every_way() -> None:
    w = transformer(vocab=P + 1, n_ctx=3, n_outputs=P, layers=2)
    found = readings(stored(version_2(w)))
    told = {reading.description: reading for reading in found}
    assert found[0].description == "transformer_lens: relu, tokens 'a b 7', causal"
    assert found[0].assumed == ("activation relu", "norm none", "causal", "operation add")
    assert len(told) == len(found) == 8
    for activation, norm, causal in (("relu", "none", True), ("gelu", "pre", False), ("relu", "pre", True)):
        norms = "" if norm == "none" else ", layer norm without weights"
        name = (
            f"transformer_lens: {activation}, tokens 'a b 7', {'causal' if causal else 'not causal'}{norms}"
        )
        expected = run(w, EQUALS, activation=activation, norm=norm, causal=causal)
        close(logits(told[name], P), expected)


def test_in_one_layer_attention_is_read_as_causal_only_since_the_answer_is_the_same() -> None:
    w = transformer(vocab=P, n_ctx=2, n_outputs=P)
    found = readings(stored(version_2(w), {"normalization_type": "LNPre"}), activation="relu")
    assert [reading.assumed for reading in found] == [("causal", "operation add")]
    close(logits(found[0], P), run(w, pairs(P), norm="pre", causal=True))
    np.testing.assert_allclose(run(w, pairs(P), causal=True), run(w, pairs(P), causal=False))


def test_the_number_of_heads_is_measured_where_nothing_says_it() -> None:
    w = transformer(vocab=P, n_ctx=2, n_outputs=P)
    w |= {f"0.{n}": np.concatenate([w[f"0.{n}"], w[f"0.{n}"][:1] * 0.7]) for n in "QKVO"}  # four heads
    found = readings(stored(version_4(w), {"act_fn": "relu", "normalization_type": None}))
    assert [reading.description[-7:] for reading in found] == ["4 heads", "8 heads", "2 heads", "1 heads"]
    assert found[0].assumed == ("causal", "operation add", "n_heads 4")
    close(logits(found[0], P), run(w, pairs(P), causal=True))
    (reading,) = readings(stored(version_4(w), {"act_fn": "relu", "normalization_type": None, "n_heads": 2}))
    assert reading.build().config.d_head == 8
    odd = readings(stored(version_4(w), {"act_fn": "relu", "normalization_type": None, "n_heads": 3}))
    assert len(odd) == 4
    assert odd[0].notes == ("the file's settings say n_heads=3, which 16 cannot be divided by",)


def test_at_most_a_dozen_readings_are_tried_and_the_rest_is_noted() -> None:
    w = transformer(vocab=P + 1, n_ctx=3, n_outputs=P + 1, layers=2)
    found = readings(stored(version_4(w)))
    assert len(found) == MOST
    assert found[0].description == "transformer_lens: relu, tokens 'a b', causal, 4 heads".replace(
        "'a b'", "'a b 7'"
    )
    assert all("less plausible readings were not tried" in reading.notes[-1] for reading in found)
    assert len({reading.description for reading in found}) == MOST


@pytest.mark.parametrize(
    ("vocab", "n_ctx", "n_outputs", "p", "expected"),
    [
        (7, 2, 7, None, ["a b"]),
        (8, 2, 8, None, ["a b", "a b+4"]),
        (14, 2, 7, None, ["a b", "a b+7"]),
        (8, 3, 8, None, ["a b 7", "a b"]),
        (7, 3, 7, None, ["a b", "a b 6", "a b+3 6"]),
        (9, 3, 7, None, ["a b 7", "a b 8"]),
        (9, 4, 9, None, ["a 7 b 8", "a 8 b 7", "a b"]),
        (10, 3, 10, 7, ["a b 7", "a b 9"]),
        (15, 3, 15, 7, ["a b 7", "a b 14", "a b+7 14"]),
        (9, 5, 7, 7, ["a b 7", "a b 8"]),
    ],
)
def test_tokens_follow_from_vocabulary_positions_and_outputs(
    vocab: int, n_ctx: int, n_outputs: int, p: int | None, expected: list[str]
) -> None:
    w = transformer(vocab=vocab, n_ctx=n_ctx, n_outputs=n_outputs)
    found = readings(stored(version_2(w), {"act_fn": "relu", "normalization_type": None}), p=p)
    assert [reading.description.split("'")[1] for reading in found] == expected
    for reading in found:
        text = reading.description.split("'")[1].split()
        columns = [
            int(part) + 0 * pairs(reading.p)[:, 0]
            if part.isdigit()
            else pairs(reading.p)[:, "ab".index(part[0])] + int(part[2:] or 0)
            for part in text
        ]
        expected_logits = run(w, np.stack(columns, 1), causal=True)[:, : reading.p]
        close(logits(reading, reading.p), expected_logits)


def test_an_attention_mixture_that_the_user_gives_is_used() -> None:
    w = transformer(vocab=P, n_ctx=2, n_outputs=P)
    config = {"act_fn": "relu", "normalization_type": None, "attention_dir": "bidirectional"}
    (reading,) = readings(stored(version_2(w), config), attn_coeff=0.25)
    close(logits(reading, P), run(w, pairs(P), coeff=0.25))


def test_a_bridges_own_state_dict_gives_its_logits() -> None:
    config = TransformerBridgeConfig(
        d_model=16, d_head=4, n_heads=4, n_layers=2, n_ctx=3, d_vocab=P + 1, d_vocab_out=P, d_mlp=24,
        act_fn="silu", normalization_type="LN", attention_dir="causal", seed=1,
    )  # fmt: skip
    bridge = TransformerBridge.boot_native(config).eval()
    generator = torch.Generator().manual_seed(0)
    bridge.load_state_dict(
        {name: torch.randn(t.shape, generator=generator) * 0.3 for name, t in bridge.state_dict().items()}
    )
    file = stored(
        {name: t.numpy() for name, t in bridge.state_dict().items()},
        {"n_heads": 4, "attention_dir": "causal"},
    )
    (reading,) = readings(file, activation="silu", p=P)
    with torch.no_grad():
        expected = bridge(torch.as_tensor(EQUALS))[:, -1]
    close(logits(reading, P), expected.numpy())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ln_final.w": np.ones(12)}, "some of its layer norms have weights and biases, but not all"),
        ({"blocks.0.mlp.W_gate": np.ones((12, 10))}, r"blocks.0.mlp.W_gate \(12, 10\) does not belong"),
        ({"blocks.0.attn.W_K": np.ones((1, 12, 4))}, r"W_K has shape \(1, 12, 4\)|W_Q has shape"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, np.ndarray], problem: str) -> None:
    file = stored(version_2(transformer(vocab=P, n_ctx=2, n_outputs=P)) | changes)
    with pytest.raises(CheckpointError, match=problem):
        readings(file, dialect="transformer_lens")


def test_what_cannot_be_computed_is_refused() -> None:
    file = version_2(transformer(vocab=P, n_ctx=2, n_outputs=P))
    with pytest.raises(CheckpointError, match="normalization_type='RMS'; known are LN, LNPre and none"):
        readings(stored(file, {"normalization_type": "RMS"}))
    with pytest.raises(ConfigError, match=r"p=8 was given, but the network in .* has 7 tokens, 2 positions"):
        readings(stored(file), p=8)
