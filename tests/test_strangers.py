"""Audits of networks that strangers trained, in ``../shared``; skipped where that folder is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interp.audit import audit
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.options import OpenOptions
from probes.periodicity import ipr
from probes.spectrum import energy

FILES = Path(__file__).parents[2] / "shared" / "checkpoints"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES.is_dir(), reason="no ../shared/checkpoints"),
]
ACCURACY = {
    "he_p23_quad/9800.pth": 1.0,
    "chughtai_C113_MLP_seed1.pt": 1.0,
    "nanda_low_precision_mod_addition.pth": 0.9995,
    "pizza_7r4zst7evs.pt": 1.0,
    "pizza_18c9ev5v5p.pt": 1.0,
    "pizza_l8k1hzciux.pt": 1.0,
}


@pytest.mark.parametrize("name", ACCURACY)
def test_a_strangers_file_is_audited_without_options(name: str, tmp_path: Path) -> None:
    report = audit(FILES / name)
    assert report.accuracy.all == pytest.approx(ACCURACY[name], abs=1e-3)
    assert report.table.counts()["memorizing"] is None  # not testable
    assert report.leakage is None
    assert any("not known" in warning for warning in report.warnings)
    for suffix in ("json", "md", "html"):
        assert report.save(tmp_path / f"report.{suffix}").stat().st_size > 1000


def test_the_quadratic_networks_rows_have_the_known_periodicity() -> None:
    report = audit(FILES / "he_p23_quad" / "9800.pth")
    opened = load_checkpoint(FILES / "he_p23_quad" / "9800.pth")
    rows = opened.model.embed.W_E[0].detach().double().numpy().T
    assert np.nanmean(ipr(energy(rows))) == pytest.approx(0.367, abs=0.002)
    assert report.table.counts()["memorizing"] is None  # not testable


def test_the_low_precision_transformers_neurons_lie_at_three_frequencies() -> None:
    report = audit(FILES / "nanda_low_precision_mod_addition.pth")
    assert report.circuit.clustered == pytest.approx(405, abs=3)
    assert set(report.circuit.neuron_frequencies) == {6, 23, 39}
    assert report.circuit.logit_frequencies == (6, 23, 39)


def test_the_group_networks_frequencies_are_found_among_its_neurons() -> None:
    report = audit(FILES / "chughtai_C113_MLP_seed1.pt")
    assert set(report.key_frequencies) >= {1, 4, 11, 16, 17, 22, 44, 50}


def test_clock_and_pizza_are_told_apart() -> None:
    pizza, clock = (audit(FILES / f"pizza_{name}.pt").circuit for name in ("18c9ev5v5p", "l8k1hzciux"))
    assert pizza.distance_irrelevance < 0.3 < 0.7 < clock.distance_irrelevance
    assert pizza.gradient_symmetricity > clock.gradient_symmetricity


def test_a_stored_split_is_used() -> None:
    opened = load_checkpoint(
        FILES / "he_p23_quad" / "9800.pth", split_from=FILES / "he_p23_quad" / "train_data.pth"
    )
    assert opened.task.dataset.split_known
    assert opened.task.dataset.train.all()


def test_a_folder_gives_the_trajectory() -> None:
    report = audit(FILES / "he_p23_quad", options=OpenOptions())
    steps = [record["step"] for record in report.trajectory.records]
    assert steps == [0, 1000, 2000, 4000, 6000, 9800]
    accuracies = [record["accuracy"]["all"] for record in report.trajectory.records]
    assert accuracies[0] < 0.1
    assert accuracies[-1] == 1.0
