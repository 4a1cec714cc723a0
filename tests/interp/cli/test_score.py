"""``grokscope score``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest

Command = Callable[..., str]


def test_score_shows_and_saves(run: Command, series: Path, tmp_path: Path) -> None:
    output = run("score", series, "--parquet", tmp_path / "n.parquet", "--top", 3, "--sort", "memory_effect")
    assert "60 neurons" in output
    assert "memory" in output
    assert pyarrow.parquet.read_table(tmp_path / "n.parquet").num_rows == 60


def test_the_neurons_of_a_transformer_are_scored_at_any_site_and_position(
    run: Command, tmp_path: Path
) -> None:
    small = "--model transformer --p 7 --d-model 8 --n-heads 2 --d-mlp 12 --steps 3"
    run("train", "--out", tmp_path / "t", *small.split(), "--tokens", "a b =")
    assert "12 neurons" in run("score", tmp_path / "t")
    for site, total in (("blocks.0.mlp.hook_post@1", 12), ("blocks.0.attn.hook_z", 2)):
        output = run("score", tmp_path / "t", "--site", site, "--csv", tmp_path / "n.csv")
        assert f"{site}: {total} neurons" in " ".join(output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--sort label", "cannot order neurons by 'label'"),
        ("--sort iprr", "did you mean 'ipr'"),
        ("--parquet neurons.xlsx", "--parquet 'neurons.xlsx' should end in .parquet"),
        ("--site blocks.0.mlp.hook_post@1", "have no positions; leave out '@1'"),
        ("--site blocks.0.mlp.hook_post@x", "does not end in a position"),
    ],
)
def test_wrong_input_ends_with_code_2_and_a_reason(
    fail: Command, series: Path, arguments: str, message: str
) -> None:
    assert message in fail("score", series, *arguments.split())
