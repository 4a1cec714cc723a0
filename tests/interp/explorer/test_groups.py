"""The explorer's page of a network that composes the elements of a group."""

from pathlib import Path

import numpy as np
import pytest
from serving import see

import interp
from interp import MLPConfig, ModularTask, TrainConfig, train
from interp.errors import InterventionError
from interp.explorer import editing, figures, selection
from interp.explorer.session import Session
from interp.plots.dynamics import NO_PHASES
from interp.scoring.pair_order import pair_order

TASK = ModularTask("group:S4", train_fraction=0.8, seed=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run of three checkpoints."""
    out = tmp_path_factory.mktemp("explored") / "group"
    train(
        TASK,
        MLPConfig(width=32),
        TrainConfig(steps=200, save_every=100, lr=0.01),
        out=out,
        show_progress=False,
    )
    return out


@pytest.fixture(scope="module")
def session(run: Path) -> Session:
    return Session(interp.open_subject(run))


def test_neurons_are_chosen_by_component(session: Session) -> None:
    table = session.subject.table
    number = int(np.bincount(table["frequency"]).argmax())
    assert selection.by_frequency(table, number) == np.flatnonzero(table["frequency"] == number).tolist()
    with pytest.raises(InterventionError, match="no component; expected the number of one"):
        selection.by_frequency(table, "standard")
    assert "By component" in str(editing.panel(session))
    assert table.parts.brief(number) in str(editing.panel(session))


def test_maps_show_the_identity_along_the_diagonal(session: Session) -> None:
    left, right = figures.orders_of(TASK)
    results = TASK.dataset.true_labels.reshape(24, 24).numpy()
    assert (results[left, right] == 0).all()  # the identity is the first permutation
    drawn = figures.pair_map(session.measure(()), session, "true margin")
    assert drawn.layout.xaxis.title.text == "right operand (by cosets)"
    values = figures.map_values(session.measure(()), session, "true margin")
    margins = session.measure(()).margins[1].reshape(24, 24).numpy()
    np.testing.assert_allclose(values, margins[np.ix_(left, right)], rtol=1e-6)
    assert pair_order(TASK).sentence in figures.text(session, "map")
    assert "cosets" not in figures.text(session, "scatter")


@pytest.mark.slow
def test_a_person_chooses_a_component_and_sees_its_maps(run, serve, page):
    served = serve(run)
    see(page, served)
    table = served.session.subject.table
    number = int(np.bincount(table["frequency"]).argmax())
    page.locator("#by-frequency").click()
    page.get_by_role("option", name=table.parts.brief(number), exact=True).click()
    count = int((table["frequency"] == number).sum())
    page.wait_for_function(
        "text => document.getElementById('chosen').textContent.includes(text)",
        arg=f"{count} of 32 neurons chosen",
    )
    assert page.locator("figure:has(#map) figcaption").inner_text().endswith("cosets is a block.")
    page.wait_for_function("text => document.body.textContent.includes(text)", arg=NO_PHASES)
    assert page.locator("#race").count() == 1
    assert page.locator("#alignment").count() == 0


def test_a_composite_modulus_is_shown_by_its_classes() -> None:
    task = ModularTask("multiply", 15)
    order = pair_order(task)
    divisors = np.gcd(order.left, 15)
    assert (np.diff(divisors) != 0).sum() == 3  # units, multiples of 3, of 5, and 0
    assert order.axis == "by class"
    assert sorted(order.left) == list(range(15))
    assert pair_order(ModularTask("a**2 + a*b", 7)).sentence == ""
