"""Files of Nanda et al. against a forward pass in numpy, and a real one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from foreign import SHARED, close, logits, output_first, pairs, run, stored, transformer

from interp.checkpoints.dialect import Reading
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.select import readings_of
from interp.checkpoints.stored import StoredWeights
from interp.checkpoints.unwrap import read_weights
from interp.errors import CheckpointError, ConfigError

P = 7
TOKENS = np.c_[pairs(P), np.full(P * P, P)]


def readings(file: StoredWeights, **hints: Any) -> list[Reading]:
    return readings_of(file, OpenOptions(dialect="nanda", **hints))


def net(layers: int = 1, extra: int = 1) -> dict[str, np.ndarray]:
    found = transformer(vocab=P + extra, n_ctx=3, n_outputs=P + extra, layers=layers, seed=layers)
    rng = np.random.default_rng(1)
    for layer in range(layers):
        found |= {f"{layer}.bin": rng.normal(0, 0.3, 10), f"{layer}.bout": rng.normal(0, 0.3, 12)}
    return found


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("masked", [True, False])
def test_the_logits_are_those_of_the_first_p_outputs(layers: int, masked: bool) -> None:
    w = net(layers)
    mask = np.tril(np.ones((3, 3))) if masked else None
    (reading,) = readings(stored(output_first(w, mask=mask)))
    assert (reading.p, reading.operation) == (P, "add")
    assert reading.description == "nanda: relu, tokens 'a b 7', causal"
    assert reading.assumed == ("activation relu", *(() if masked else ("causal",)), "operation add")
    close(logits(reading, P), run(w, TOKENS, causal=True)[:, :P])


def test_a_mask_that_hides_nothing_is_respected() -> None:
    w = net(2)
    (reading,) = readings(stored(output_first(w, mask=np.ones((3, 3)))))
    assert reading.description == "nanda: relu, tokens 'a b 7', not causal"
    close(logits(reading, P), run(w, TOKENS)[:, :P])


def test_biases_may_be_missing_or_zero() -> None:
    w = {name: array for name, array in net().items() if ".b" not in name}
    zeros = {"0.bin": np.zeros(10), "0.bout": np.zeros(12)}
    for given in (w, w | zeros):
        (reading,) = readings(stored(output_first(given)))
        model = reading.build()
        assert model.config.bias is False
        close(logits(reading, P), run(w, TOKENS, causal=True)[:, :P])


def test_what_the_settings_and_the_user_say_is_used() -> None:
    w = net(extra=3)
    beside = {"config": {"p": P, "act_type": "GeLU", "fn_name": "subtract"}}
    mask = np.tril(np.ones((3, 3)))
    reading, natural = readings(stored(output_first(w, mask=mask), beside))
    note = f"the file's settings say p={P}, and its shapes rather {natural.p}: each is measured"
    assert (reading.operation, reading.assumed, reading.notes) == ("subtract", (), (note,))
    assert reading.p == P
    close(logits(reading, P), run(w, TOKENS, activation="gelu", causal=True)[:, :P])
    (reading,) = readings(stored(output_first(w, mask=mask), beside), p=6, activation="relu")
    assert len(reading.notes) == 2
    assert "p=6 was given; the file's settings say 7" in reading.notes
    sixes = np.c_[pairs(6), np.full(36, 6)]
    close(logits(reading, 6), run(w, sixes, causal=True)[:, :6])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"p=20 was given, but the network in .* has 8 tokens, 3 positions and 8"
    ):
        readings(stored(output_first(net())), p=20)
    two = transformer(vocab=P, n_ctx=2, n_outputs=P)
    with pytest.raises(CheckpointError, match=r"has 2 positions; expected 3"):
        readings(stored(output_first(two)))
    with pytest.raises(CheckpointError, match="an attention mixture"):
        readings(stored(output_first(net())), attn_coeff=0.5)
    with pytest.raises(CheckpointError, match=r"blocks.0.attn.b_Q \(3, 4\) does not belong"):
        readings(stored(output_first(net()) | {"blocks.0.attn.b_Q": np.zeros((3, 4))}))
    with pytest.raises(
        CheckpointError, match=r"blocks.0.attn.W_O has shape \(12, 13\); expected \(d, H\*e\)"
    ):
        readings(stored(output_first(net()) | {"blocks.0.attn.W_O": np.zeros((12, 13))}))
    (reading,) = readings(stored(output_first(net()), {"p": 50}))
    assert reading.notes == ("the file's settings say p=50, which their shapes do not allow",)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared checkpoints are not here")
def test_a_real_file_is_right_on_nearly_every_pair() -> None:
    file = read_weights(SHARED / "nanda_low_precision_mod_addition.pth")
    best = readings_of(file, OpenOptions())[0]
    assert (best.dialect, best.p) == ("nanda", 113)
    right = logits(best, 113).argmax(1) == pairs(113).sum(1) % 113
    assert right.mean() == pytest.approx(0.9995, abs=0.0001)
