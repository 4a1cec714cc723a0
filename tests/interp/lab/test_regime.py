"""The study of regimes: initial weights, slopes, a small run, and its judgement."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from figures import check_figure

from interp.data import ModularTask
from interp.errors import ConfigError
from interp.lab.regime.arms import CLEAN, MEASURES, NOISY, RANK, SWEEPS, Sweep, measure_arm, starts
from interp.lab.regime.initial_weights import with_frequencies, with_rank, with_scale
from interp.lab.regime.study import STUDY, Config, measure
from interp.lab.study import Record, StudyResult
from interp.progress import silent


def test_starts_have_the_scale_rank_and_frequencies_that_they_are_named_by() -> None:
    one, ten = (with_scale(11, 16, scale, seed=3) for scale in (1.0, 10.0))
    torch.testing.assert_close(10 * one.embed.W_E, ten.embed.W_E)
    for rank in (1, 4):
        low = with_rank(11, 16, rank, seed=3)
        for matrix, whole in (
            *zip(low.embed.W_E, one.embed.W_E, strict=True),
            (low.unembed.weight, one.unembed.weight),
        ):
            values = np.linalg.svd(matrix.detach().numpy(), compute_uv=False)
            assert (values > 1e-4 * values[0]).sum() == rank
            left, singular, right = np.linalg.svd(whole.detach().numpy())
            best = left[:, :rank] * singular[:rank] @ right[:rank]
            norm = float(np.linalg.norm(matrix.detach().numpy()))
            assert norm == pytest.approx(float(np.linalg.norm(whole.detach().numpy())), rel=1e-5)
            cosine = (best * matrix.detach().numpy()).sum() / np.linalg.norm(best) / norm
            assert cosine == pytest.approx(1, abs=1e-5)
    along = with_frequencies(11, 16, 4, seed=3)
    for matrix in (*along.embed.W_E, along.unembed.weight.T):
        spectrum = np.abs(np.fft.rfft(matrix.detach().numpy(), axis=0)).max(1)
        assert np.flatnonzero(spectrum > 1e-4).tolist() == [1, 2]
    with pytest.raises(ConfigError, match="rank=3"):
        with_frequencies(11, 16, 3, seed=0)
    assert list(starts(11, 16, RANK)) == ["rank_1", "rank_4", "rank_16", "rank_aligned"]
    assert list(starts(11, 16, NOISY)) == NOISY.arms


def test_slopes_are_on_the_logarithm() -> None:
    sweep = Sweep("x", "", (0.1, 1.0, 10.0), "", 10)
    assert sweep.slope([1.0, 3.0, 5.0]) == pytest.approx(2)
    assert sweep.slope([1.0, None, 5.0]) is None
    assert RANK.slope([2.0, 4.0, 6.0]) == pytest.approx(1)  # ranks 1, 4 and 16 are two doublings apart


def test_an_arm_that_is_not_trained_has_not_moved() -> None:
    task = ModularTask("add", p=7, train_fraction=0.7)
    values = measure_arm(task, lambda seed: with_scale(7, 12, 1.0, seed), 0, 0)
    assert set(values) == set(MEASURES)
    assert (values["relative_change"], values["sign_similarity"]) == (0, 1)
    assert values["representation_centred"] == pytest.approx(1)
    assert values["representation_excess"] > 0


@pytest.mark.slow
def test_a_small_run_has_every_quantity() -> None:
    config = Config(p=7, noisy_p=11, width=20, steps=3, noisy_steps=3)
    records = tuple(measure(config, seed, silent) for seed in (0, 1))
    assert set(STUDY.quantities) <= set(records[0].numbers)
    result = StudyResult(STUDY, config, (0, 1), records)
    assert len(result.findings()) == 8
    check_figure(result.plot())


def made_up(memorizing: float, excess: float, aligned: float) -> StudyResult:
    """A result of three seeds whose measures are 0.5, and rise or fall as told, with little noise."""
    records = []
    for jitter in (-0.005, 0.0, 0.005):
        numbers: dict[str, float | None] = {}
        for sweep in SWEEPS:
            for place, arm in enumerate([*sweep.arms, *["rank_aligned"] * (sweep is RANK)]):
                numbers |= {f"{arm}_{name}": 0.5 + jitter for name in MEASURES}
                numbers[f"{arm}_memorizing"] = (
                    0.0 if sweep is CLEAN else 0.3 + memorizing * place + jitter * place
                )
                numbers[f"{arm}_relative_change"] = 9 - 2 * place + jitter * place
                for kind in ("representation", "kernel"):
                    numbers[f"{arm}_{kind}_excess"] = excess + jitter
            for name in MEASURES:
                numbers[f"{sweep.name}_slope_{name}"] = sweep.slope(
                    [numbers[f"{arm}_{name}"] for arm in sweep.arms]
                )
        numbers["rank_aligned_representation_centred"] = 0.5 + aligned + 2 * jitter
        records.append(Record(numbers, {}))
    return StudyResult(STUDY, Config(), (0, 1, 2), tuple(records))


def test_findings_can_say_either() -> None:
    text = " ".join(made_up(0.1, 0.2, 0.3).findings())
    assert "the share of memorizing neurons rises (+0.2" in text
    assert "the share of memorizing neurons is not testable with so few examples" in text
    assert "the relative weight change falls" in text
    assert "In 8 of 8 arms" in text
    assert "centred representation alignment higher (+0.300" in text
    text = " ".join(made_up(-0.08, -0.2, -0.3).findings())
    assert "the share of memorizing neurons falls" in text
    assert "In 0 of 8 arms" in text
    assert "centred representation alignment lower" in text
    text = " ".join(made_up(0.0, 0.0, 0.0).findings())
    assert "the share of memorizing neurons neither rises nor falls decidedly" in text
    assert "centred representation alignment not decidedly different" in text


def test_the_figure_is_complete() -> None:
    check_figure(made_up(0.1, 0.2, 0.3).plot())
