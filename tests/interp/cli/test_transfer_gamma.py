"""``grokscope transfer-gamma``: what is printed is what the function gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interp.analysis.gamma import gamma_rescale
from interp.output import framed

Command = Callable[..., str]
NORMED = "--p 23 --width 60 --corrupt 0.3 --norm batch --batch-size 64 --steps 60 --save-every 0"


@pytest.fixture(scope="module")
def normed(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with BatchNorm after its activation."""
    out = tmp_path_factory.mktemp("normed") / "bn"
    run("train", "--out", out, *NORMED.split())
    return out


def test_accuracies_and_the_correlation_are_printed(
    run: Command, normed: Path, series: Path, tmp_path: Path
) -> None:
    data = tmp_path / "gamma.json"
    output = run("transfer-gamma", normed, series, "--strength", 2, "--random", 3, "--json", data)
    wanted = gamma_rescale(normed, series, n_random=3, strength=2.0)
    assert json.loads(data.read_text()) == framed("gamma", wanted.to_dict())
    for values in (wanted.before, wanted.after):
        assert f"{100 * values.test:.1f} %" in output
    assert f"IPR {wanted.correlation.rho:.2f} (95 % interval" in output
    assert len(set(wanted.scales.tolist())) > 2


def test_a_donor_that_was_never_trained_has_no_correlation(
    run: Command, series: Path, tmp_path: Path
) -> None:
    run("train", "--out", tmp_path / "new", *NORMED.split()[:-4], "--steps", 0)
    output = run("transfer-gamma", tmp_path / "new", series, "--random", 1)
    assert "have no rank correlation with IPR" in output


def test_the_options_say_what_the_target_does_not(run: Command, normed: Path, foreign: Path) -> None:
    output = run("transfer-gamma", normed, foreign, "--task", "add", "--p", 7, "--random", 1)
    assert "60 neurons rescaled" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{series} {normed}", "no norm after the activation"),
        ("{normed} {series} --strength -1", "strength=-1.0 is no exponent"),
        ("{normed} {series} --json gamma.txt", "should end in .json"),
        ("{normed} nowhere.safetensors", "there is no file 'nowhere.safetensors'"),
        ("{normed} {series} --site nowhere", "there are no neurons at 'nowhere'"),
    ],
)
def test_wrong_input_ends_with_code_2_and_a_reason(
    fail: Command, normed: Path, series: Path, arguments: str, message: str
) -> None:
    assert message in fail("transfer-gamma", *arguments.format(normed=normed, series=series).split())
