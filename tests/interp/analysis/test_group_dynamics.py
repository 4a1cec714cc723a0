"""Neurons over the training of a network that composes the elements of a group."""

from pathlib import Path

import numpy as np
import pytest

from interp import MLPConfig, ModularTask, TrainConfig, load_checkpoint, train
from interp.analysis.dynamics import Dynamics, dynamics_of
from interp.models import neuron_site
from interp.plots.dynamics import COMPONENT_RACE_CAPTION, NO_PHASES
from interp.scoring.components import task_components
from probes.development import fourier_components
from probes.finite_group import group_of
from probes.isotypic import components_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "group"
    task = ModularTask("group:S3", train_fraction=0.9)
    train(
        task, MLPConfig(width=16), TrainConfig(steps=60, save_every=30, lr=0.01), out=out, show_progress=False
    )
    return out


@pytest.fixture(scope="module")
def dynamics(run: Path) -> Dynamics:
    return dynamics_of(run)


def test_amplitudes_are_those_of_projections(run: Path, dynamics: Dynamics) -> None:
    checkpoint = load_checkpoint(run)
    components = task_components(checkpoint.task)
    left, right = neuron_site(checkpoint.model).input_vectors
    vectors = [
        left.detach().double().numpy(),
        right.detach().double().numpy(),
        checkpoint.model.unembed.W_U.detach().double().numpy(),
    ]
    amplitude, residual = dynamics.components
    assert np.isnan(residual).all()
    for k, size in enumerate(components.sizes[1:].tolist(), 1):
        part = components.basis[:, components.starts[k] : components.starts[k + 1]]
        projected = np.stack([vector @ part @ part.T for vector in vectors])
        expected = np.sqrt(min(size, 2) * np.square(projected).mean((0, 2)))
        np.testing.assert_allclose(amplitude[-1, :, k - 1], expected, rtol=1e-5)


def test_a_waves_amplitude_is_that_of_its_component() -> None:
    from probes.component_shares import amplitudes

    addition = components_of(group_of(np.add.outer(np.arange(12), np.arange(12)) % 12))
    vectors = [np.random.default_rng(0).normal(size=(5, 12))]
    waves = fourier_components(vectors)[0]
    np.testing.assert_allclose(np.sort(amplitudes(addition, vectors), 1), np.sort(waves, 1), rtol=1e-9)


def test_the_page_names_components_and_shows_no_phases(dynamics: Dynamics) -> None:
    page, rows = dynamics.to_html(), dict(dynamics.summary())
    assert "neurons that switched component" in rows
    assert "phase alignment at the end" not in rows
    assert NO_PHASES in page
    assert COMPONENT_RACE_CAPTION in page
    assert 'id="plot-alignment"' not in page
    names = {trace.name for trace in dynamics.race(0).data}
    assert {"component 1 (sign, 1 dimension)", "component 2 (standard, 4 dimensions)"} <= names
    cell = dynamics.plot().data[0].customdata[0][0]
    assert str(cell[1]).startswith("component ")
