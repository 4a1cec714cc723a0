"""The page of a store: what stands out, what failed, and that nothing in a name becomes markup."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from interp.jobs.outliers import UNUSUAL, outliers
from interp.jobs.overview import overview
from interp.jobs.schema import checkpoint_table


def row(i: int, **values: Any) -> dict[str, Any]:
    """One of a run's checkpoints, whose networks become slowly more periodic."""
    return {
        "checkpoint": f"/runs/r0/step-{i:03d}.pt",
        "settings": "aa",
        "series": "/runs/r0",
        "step": i,
        "status": "ok",
        "measure": "labels",
        "neurons": 100,
        "ipr_mean": 0.1 + 0.01 * i,
        "ipr_histogram": [100 - i, i, *[0] * 18],
        "periodic": i,
        "accuracy_test": 0.5,
        "generalizing": i,
        "memorizing": 20,
        "dead": 0,
        "both": 0,
        "inconclusive": 80 - i,
        "tool_version": "0.1.0",
        **values,
    }


def table(count: int, **changes: dict[str, Any]) -> Any:
    return checkpoint_table([row(i, **changes.get(f"at_{i}", {})) for i in range(count)])


def test_a_steady_series_has_no_outlier() -> None:
    assert outliers(table(40)) == []
    assert "No checkpoint stands out" in overview(table(40), "calm")


def test_what_its_neighbours_do_not_lead_one_to_expect_is_an_outlier() -> None:
    found = outliers(table(40, at_20={"accuracy_test": 0.25}, at_30={"ipr_mean": 0.9}))
    assert [(one.checkpoint, one.column) for one in found] == [
        ("/runs/r0/step-030.pt", "ipr_mean"),
        ("/runs/r0/step-020.pt", "accuracy_test"),
    ]
    assert (found[1].value, found[1].expected) == (0.25, 0.5)
    assert found[0].expected == pytest.approx(0.4)
    assert found[0].score > found[1].score > UNUSUAL


def test_without_a_series_the_median_of_all_is_expected() -> None:
    rows = [row(i, step=None, ipr_mean=0.3, periodic=5, generalizing=5, inconclusive=75) for i in range(9)]
    rows[4]["ipr_mean"] = 0.8
    (found,) = outliers(checkpoint_table(rows))
    assert (found.checkpoint, found.value, found.expected) == (rows[4]["checkpoint"], 0.8, 0.3)


def test_settings_are_compared_apart_and_few_are_not_compared() -> None:
    high = [row(i, settings="bb", ipr_mean=0.9) for i in range(40, 50)]
    few = [row(i, settings="cc", ipr_mean=i / 60) for i in range(50, 54)]
    assert outliers(checkpoint_table([row(i) for i in range(20)] + high + few)) == []


def test_a_small_difference_is_none_however_rare() -> None:
    assert outliers(table(40, at_20={"memorizing": 22, "inconclusive": 58})) == []


def test_failed_checkpoints_are_no_outliers() -> None:
    rows = [row(i) for i in range(10)] + [{"checkpoint": "/runs/x.pt", "settings": "aa", "status": "failed"}]
    assert outliers(checkpoint_table(rows)) == []


def test_most_is_kept() -> None:
    changes = {f"at_{i}": {"accuracy_test": 0.05} for i in range(5, 60, 6)}
    assert len(outliers(table(60, **changes), most=4)) == 4


def test_names_and_messages_are_never_markup() -> None:
    bad = {"checkpoint": "/runs/<script>alert(1)</script>.pt", "status": "failed", "settings": "aa"}
    rows = [row(i) for i in range(3)] + [
        {**bad, "error_type": "<b>", "error": "<img src=x onerror=alert(2)>"}
    ]
    page = overview(checkpoint_table(rows), "<i>title</i>")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<i>title" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_links_are_relative_and_quoted() -> None:
    links = {
        ("/runs/r0/step-001.pt", "aa"): "audits/a b'\">.html",
        ("/runs/r0/step-002.pt", "aa"): "javascript:alert(1)",
    }
    page = overview(table(3, at_0={"report": "audits/zero.html"}), "linked", links=links)
    found = re.findall(r'<a href="([^#"]*)"', page[page.index("<body>") :])
    assert sorted(found) == ["audits/a%20b%27%22%3E.html", "audits/zero.html", "javascript%3Aalert%281%29"]


def test_failures_are_counted_by_kind() -> None:
    failed = [
        {
            "checkpoint": f"/f{i}.pt",
            "settings": "aa",
            "status": "failed",
            "error_type": kind,
            "error": f"message {i}",
        }
        for i, kind in enumerate(["CheckpointError"] * 3 + ["OSError"])
    ]
    page = overview(checkpoint_table(failed), "failed")
    assert "3 with CheckpointError" in page
    assert "1 with OSError" in page
    assert "message 2" in page
    assert "0 checkpoints measured, 4 failed" in page


def test_scores_alone_say_which_measure_gives_labels() -> None:
    unlabelled = {
        "measure": "scores",
        **dict.fromkeys(("generalizing", "memorizing", "dead", "inconclusive")),
    }
    page = overview(checkpoint_table([row(i, **unlabelled) for i in range(3)]), "scores")
    assert "--measure labels" in page
    assert 'id="plot-ipr"' in page
    assert 'id="plot-labels"' not in page


def test_many_checkpoints_are_pooled_and_listed_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {}

    def keep(shares: Any, names: Any, means: Any, pure: str) -> Any:
        drawn.update(shares=shares, names=names, means=means)
        return original(shares, names, means, pure)

    from interp import plots

    original = plots.ipr_over_checkpoints
    monkeypatch.setattr(plots, "ipr_over_checkpoints", keep)
    page = overview(
        table(1000, **{f"at_{i}": {"ipr_histogram": [50, 50] + [0] * 18} for i in range(1000)}), "many"
    )
    assert len(drawn["names"]) == 400
    assert drawn["names"][0] == "step-000.pt … step-002.pt"
    assert np.allclose(np.array(drawn["shares"])[:, :2], 0.5)
    assert drawn["means"][0] == pytest.approx(0.11)
    assert page.count("step-0") < 3000
    assert "all 1,000 are in the Parquet files" in page


def test_an_empty_store_has_a_page() -> None:
    assert "0 checkpoints measured, 0 failed" in overview(checkpoint_table([]), "empty")


def test_the_figures_hold_the_numbers() -> None:
    from interp import plots

    figure = plots.ipr_over_checkpoints([[0.25, 0.75], [1.0, 0.0]], ["a", "b"], [0.6, None])
    heat, _, line = figure.data
    assert [list(column) for column in heat.z] == [[0.25, 1.0], [0.75, 0.0]]
    assert list(heat.y) == [0.25, 0.75]
    assert list(line.y) == [0.6, None]
    series = {
        "r0": {
            "step": [0, 10],
            "generalizing": [1, 5],
            "memorizing": [3, 0],
            "both": [0, 0],
            "dead": [0, 0],
            "inconclusive": [2, 1],
        }
    }
    single = plots.labels_over_steps(series)
    assert {trace.name: list(trace.y) for trace in single.data} == {
        k: v for k, v in series["r0"].items() if k != "step"
    }
    both = plots.labels_over_steps({**series, "r1": series["r0"]})
    assert len(both.data) == 10
    assert [button.label for button in both.layout.updatemenus[0].buttons] == ["r0", "r1"]


def test_components_are_listed_where_a_checkpoint_composes_a_group() -> None:
    counted = {"components": ["standard", "sign"], "component_sizes": [9, 1], "component_neurons": [24, 1]}
    mixed = overview(table(3, at_1=counted), "mixed")
    assert "components (neurons)" in mixed
    assert "standard (24); sign (1)" in mixed
    assert "one pure frequency or component" in mixed
    assert "components (neurons)" not in overview(table(3), "moduli alone")
