"""Accuracy, loss and structure over training."""

import numpy as np
import pytest
from sampled import SPLITS, STAGES, make_history, make_records, make_trajectory, named

from interp import plots


def test_training_curve_leaves_gaps_where_nothing_is_known():
    figure = plots.training_curve(make_history(missing=("corrupted_as_true",)))
    assert "corrupted as true" not in [trace.name for trace in figure.data]
    np.testing.assert_allclose(named(figure, "test").y, [0, 1 / 3, 2 / 3, 1], rtol=1e-4)
    assert list(named(figure, "test").x) == [0, 10, 20, 30]
    assert list(named(figure, "loss").y) == [0.01, None, None, 1e-5]
    assert named(figure, "loss").yaxis == "y2"
    assert figure.layout.yaxis2.type == "log"


def test_training_curve_without_any_loss():
    history = [{"step": 0, "loss": None, "accuracy": {}}]
    assert [trace.name for trace in plots.training_curve(history).data] == ["loss"]


def test_trajectory_draws_the_records_and_their_stages():
    records = make_records()
    figure = plots.trajectory_curves(make_trajectory(records, STAGES))
    steps = [0, 100, 200, 300]
    for split in SPLITS:
        trace = named(figure, split.replace("_", " "))
        np.testing.assert_allclose(trace.y, [step / 300 for step in steps], rtol=1e-4)
        assert list(trace.x) == steps
        assert trace.visible == (
            True if split in ("train", "test", "corrupted_as_labelled") else "legendonly"
        )
    assert list(named(figure, "generalizing neurons").y) == [0, 1, 2, 3]
    assert len({t.stackgroup for t in figure.data if t.name.endswith(" neurons")}) == 1
    assert list(named(figure, "mean IPR").y) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert list(named(figure, "excluded loss").y) == [1.0, None, 201.0, 301.0]
    loss = named(figure, "test loss")
    assert figure.layout[f"yaxis{loss.yaxis[1:]}"].type == "log"
    assert list(named(figure, "memorisation").x) == [0, 100]
    assert list(named(figure, "grokking").x) == [100, 300]
    assert [(shape.name, shape.x0, shape.x1) for shape in figure.layout.shapes] == [
        ("memorisation", 0, 100),
        ("grokking", 100, 300),
    ]
    assert max(map(len, named(figure, "memorisation").customdata[0].split("<br>"))) <= 60


def test_trajectory_leaves_out_panels_of_which_nothing_is_known():
    missing = ("restricted_loss", "excluded_loss", "loss", "weight_norm", "counts", "mean_score")
    records = make_records((*missing, "embedding_gini", "logit_gini", "logit_variance_explained"))
    figure = plots.trajectory_curves(make_trajectory(records))
    assert [axis.title.text for axis in figure.select_yaxes()] == ["accuracy (%)"]
    records = [{**record, "accuracy": {"all": 0.5}} for record in records]
    (only,) = plots.trajectory_curves(make_trajectory(records)).data
    assert (only.name, only.visible) == ("all", None)
    nothing = plots.trajectory_curves(
        make_trajectory([{"step": 0, "accuracy": {}}, {"step": 1, "accuracy": {}}])
    )
    assert not nothing.data
    effects = [{**record, "score": "rule_effect"} for record in make_records(("embedding_gini",))]
    assert not [
        t for t in plots.trajectory_curves(make_trajectory(effects)).data if t.name.startswith("mean")
    ]
