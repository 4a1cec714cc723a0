"""``grokscope train``: both kinds of network, and which options belong to which."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interp.checkpoints.open import load_checkpoint
from interp.cli.train import FLAGS, SETTINGS, settings_of
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig
from interp.training import TrainConfig

Command = Callable[..., str]
SMALL = "--model transformer --p 7 --d-model 8 --n-heads 2 --d-mlp 12 --steps 3 --train-fraction 0.6"


def stored(folder: Path) -> dict[str, Any]:
    """What the last checkpoint's JSON says."""
    return json.loads(sorted(folder.glob("step-*.json"))[-1].read_text())


def test_an_mlp_is_trained_with_what_the_options_say(run: Command, tmp_path: Path) -> None:
    options = "--p 11 --width 9 --depth 3 --activation relu --tied --bias --norm layer --steps 2"
    output = run(
        "train",
        "--out",
        tmp_path / "r",
        *options.split(),
        "--optimizer",
        "sgd",
        "--lr",
        0.1,
        "--loss",
        "cross-entropy",
    )
    assert "step 2:" in output
    assert f"next: grokscope audit {tmp_path}/r" in output.splitlines()
    found = stored(tmp_path / "r")
    wanted = MLPConfig(width=9, depth=3, activation="relu", tied=True, bias=True, norm="layer")
    assert found["model"] == HookedMLP(wanted, vocab=11).to_dict()
    assert (found["task"]["p"], found["training"]["lr"]) == (11, 0.1)
    assert (found["training"]["optimizer"], found["training"]["loss"]) == ("sgd", "cross_entropy")


def test_a_transformer_is_trained_with_what_the_options_say(run: Command, tmp_path: Path) -> None:
    options = "--layers 2 --causal --attn-coeff 0.25 --norm layer --bias --activation gelu"
    run("train", "--out", tmp_path / "t", *SMALL.split(), *options.split(), "--tokens", "a b =")
    found, opened = stored(tmp_path / "t"), load_checkpoint(tmp_path / "t")
    wanted = TransformerConfig(
        8, 2, 4, 12, n_layers=2, activation="gelu", norm="layer", causal=True, attn_coeff=0.25, bias=True
    )
    assert isinstance(opened.model, SmallTransformer)
    assert opened.model.config == wanted
    assert found["model"]["prompt"] == "a b 7"
    assert found["model"]["readout"] == 2
    assert (found["training"]["loss"], found["training"]["lr"]) == ("cross_entropy", 0.001)


def test_the_defaults_are_the_networks_of_the_paper() -> None:
    mlp, transformer = (settings_of(kind, {}) for kind in ("mlp", "transformer"))
    shape, training = MLPConfig(), TrainConfig()
    for name in ("width", "depth", "activation", "tied", "dropout"):
        assert mlp[name] == getattr(shape, name)
    assert (mlp["loss"], mlp["lr"]) == (training.loss, training.lr)
    shape = TransformerConfig()
    for name in ("d_model", "n_heads", "d_mlp", "activation", "causal", "attn_coeff"):
        assert transformer[name] == getattr(shape, name)
    assert transformer["n_layers"] == shape.n_layers
    assert transformer["d_model"] // transformer["n_heads"] == shape.d_head
    assert transformer["tokens"] == "a b"


def test_a_transformer_is_resumed_to_the_bit(run: Command, tmp_path: Path) -> None:
    run("train", "--out", tmp_path / "whole", *SMALL.split())
    run("train", "--out", tmp_path / "parts", *SMALL.split(), "--steps", 1)
    run("train", "--out", tmp_path / "parts", *SMALL.split())
    name = "step-00000003.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


@pytest.mark.parametrize("kind", SETTINGS)
def test_an_option_of_the_other_kind_is_refused_by_name(fail: Command, tmp_path: Path, kind: str) -> None:
    other = next(name for name in SETTINGS if name != kind)
    for name, value in SETTINGS[other].items():
        if name not in SETTINGS[kind]:
            flag = FLAGS[name]
            given = [flag] if value is False else [flag, value]
            error = fail("train", "--out", tmp_path / "new", "--model", kind, *given)
            assert f"{flag} is an option of --model {other}; leave it out of --model {kind}" in error
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--weight-decay nan", "weight_decay=nan is no usable number"),
        ("--lr inf", "lr=inf"),
        ("--norm batch --batch-size 1", "batch norm needs batches of at least 2"),
        ("--task divide --p 10", "needs a prime modulus"),
        ("--task a**b", "not allowed"),
        ("--corrupt 1.5", "corrupt_fraction=1.5 is not in [0, 1]"),
        ("--width 0", "width=0 must be at least 1"),
        ("--activation relux", "unknown activation 'relux'"),
        ("--width many", "Invalid value for '--width'"),
        ("--norm pre", "unknown norm 'pre'; expected one of 'none', 'batch', 'layer'"),
        ("--model rnn", "unknown model 'rnn'; expected one of 'mlp', 'transformer'"),
        ("--model transformer --norm batch", "unknown norm 'batch'; expected one of 'none', 'layer'"),
        ("--model transformer --d-model 10 --n-heads 4", "--d-model 10 does not divide into 4 heads"),
        ("--model transformer --n-heads 0", "n_heads=0 must be at least 1"),
        ("--model transformer --d-model 0", "d_model=0 must be at least 1"),
        ("--model transformer --layers -1", "n_layers=-1 must be at least 1"),
        ("--model transformer --attn-coeff 2", "attn_coeff=2.0 is not in [0, 1]"),
        ("--model transformer --tokens a,b", "'a,b' in the tokens 'a,b' is no token"),
        ("--model transformer --tokens 7", "name no operand"),
        ("--model transformer --activation quad", "unknown activation 'quad'"),
        ("--model transformer --d-mlp 1000000000", "weights"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_written(
    fail: Command, tmp_path: Path, arguments: str, message: str
) -> None:
    assert message in fail("train", "--out", tmp_path / "new", *arguments.split())
    assert not (tmp_path / "new").exists()


def test_an_existing_series_is_not_mixed_with_another(fail: Command, series: Path) -> None:
    assert "kind='mlp', not 'transformer'" in fail("train", "--out", series, *SMALL.split())
