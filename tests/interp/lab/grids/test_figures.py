"""Figures and summaries of runs, from tables made by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from interp.errors import ConfigError
from interp.lab.grids.figures import phase_diagram
from interp.lab.grids.table import axes_of, summarise
from interp.measuring.phase import PHASES
from interp.plots.phase import commonest, phase_colours

SPLITS = ("train", "test", "corrupted_as_labelled", "corrupted_as_true")


AXES = ("train_fraction", "corrupt_fraction", "seed")


def table(phases: dict[tuple, str | None], axes: tuple[str, ...] = AXES, **more: object) -> pa.Table:
    rows = []
    for key, phase in phases.items():
        own = dict(zip(axes, key, strict=True))
        rows.append(
            {
                "run": "some",
                "variant": "",
                **own,
                "phase": phase,
                "phase_by_table": "confusion",
                "expected": None,
            }
            | {f"accuracy_{split}": 0.25 for split in SPLITS}
            | {"step": 100, "error": "it broke", **more}
        )
    return pa.Table.from_pylist(rows)


FOUR = {
    (a, x, seed): "coexistence" if a > 0.4 and (x < 0.2 or seed) else "memorisation"
    for a in (0.3, 0.5)
    for x in (0.1, 0.3)
    for seed in (0, 1, 2)
}


def test_a_cell_has_the_commonest_phase_and_says_who_disagrees() -> None:
    heat = phase_diagram(table(FOUR)).data[0]
    order = list(phase_colours())
    assert [[order[int(z)] for z in row] for row in heat.z] == [["memorisation", "coexistence"]] * 2
    assert [list(row) for row in heat.text] == [["", ""], ["", "67%"]]
    assert (list(heat.x), list(heat.y)) == (["0.3", "0.5"], ["0.1", "0.3"])
    assert (
        "seed 0: memorisation at step 100 (train 25.0 %, test 25.0 %, corrupted as labelled 25.0 %)"
        in heat.customdata[1][1]
    )


def test_colours_of_cells_are_those_of_the_legend() -> None:
    figure = phase_diagram(table(FOUR))
    heat, legend = figure.data[0], {trace.name: trace.marker.color for trace in figure.data[1:]}
    low, high = heat.zmin, heat.zmax
    for phase, colour in legend.items():
        share = (list(phase_colours()).index(phase) - low) / (high - low)
        at = [step for step in heat.colorscale if step[0] <= share][-1]
        assert at[1] == colour
    assert set(legend) == {"memorisation", "coexistence"}


def test_every_phase_has_a_colour_of_its_own() -> None:
    assert set(PHASES) <= set(phase_colours())
    assert len(set(phase_colours().values())) == len(phase_colours())


def test_a_third_setting_makes_panels_and_a_missing_run_a_gap() -> None:
    phases = {(a, x, wd): "confusion" for a in (0.3, 0.5) for x in (0.1, 0.3) for wd in (0, 15)}
    del phases[0.3, 0.1, 15]
    figure = phase_diagram(table(phases, ("train_fraction", "corrupt_fraction", "weight_decay")))
    heats = [trace for trace in figure.data if trace.type == "heatmap"]
    assert len(heats) == 2
    assert heats[1].z[0][0] is None
    assert [note.text for note in figure.layout.annotations] == ["weight decay 0", "weight decay 15"]


def test_the_papers_table_can_decide() -> None:
    heat = phase_diagram(table(FOUR), by="table").data[0]
    assert {list(phase_colours())[int(z)] for row in heat.z for z in row} == {"confusion"}


def test_failed_runs_have_a_cell_too() -> None:
    phases = {(a, x): None for a in (0.3, 0.5) for x in (0.1, 0.3)}
    figure = phase_diagram(table(phases, ("train_fraction", "corrupt_fraction")))
    assert figure.data[1].name == "failed"
    assert "it broke" in figure.data[0].customdata[0][0]


def test_diagrams_that_cannot_be_drawn_say_why() -> None:
    one = table({(0.3, seed): "confusion" for seed in (0, 1)}, ("train_fraction", "seed"))
    with pytest.raises(ConfigError, match="needs runs that differ in two settings; these differ in none"):
        phase_diagram(one)
    with pytest.raises(ConfigError, match="do not differ in 'width'"):
        phase_diagram(table(FOUR), x="width")
    with pytest.raises(ConfigError, match="by='luck' is unknown"):
        phase_diagram(table(FOUR), by="luck")
    four = {(a, b, c, d): "confusion" for a in (1, 2) for b in (1, 2) for c in (1, 2) for d in (1, 2)}
    with pytest.raises(ConfigError, match="differ in width too"):
        phase_diagram(table(four, ("train_fraction", "corrupt_fraction", "weight_decay", "width")))


def test_axes_are_what_differs_but_the_seed() -> None:
    assert axes_of(table(FOUR)) == ["train_fraction", "corrupt_fraction"]


def test_operations_and_variants_are_axes_like_any_other() -> None:
    phases = {(op, seed): "confusion" for op in ("add", "multiply") for seed in (0, 1)}
    found = table(phases, ("operation", "seed"))
    assert axes_of(found) == ["operation"]
    assert [(line.name, line.runs) for line in summarise(found)] == [
        ("operation add", 2),
        ("operation multiply", 2),
    ]
    both = pa.concat_tables([table(FOUR, variant="a"), table(FOUR, variant="b")])
    assert axes_of(both)[-1] == "variant"
    panels = [trace for trace in phase_diagram(both).data if trace.type == "heatmap"]
    assert len(panels) == 2
    assert "b, train_fraction 0.5, corrupt_fraction 0.3" in [line.name for line in summarise(both)]


def test_axes_need_be_no_numbers() -> None:
    phases = {(norm, tied): "confusion" for norm in ("layer", "none") for tied in (True, None)}
    heat = phase_diagram(table(phases, ("norm", "tied"))).data[0]
    assert (list(heat.x), list(heat.y)) == (["layer", "none"], ["True", "–"])


def test_the_commonest_phase_of_a_tie_is_the_first_in_the_palette() -> None:
    assert commonest(["confusion", "coexistence"]) == ("coexistence", 0.5)


def test_a_summary_has_one_line_for_each_combination() -> None:
    lines = summarise(table(FOUR))
    assert [line.runs for line in lines] == [3] * 4
    assert lines[3].name == "train_fraction 0.5, corrupt_fraction 0.3"
    assert lines[3].phases == {"coexistence": 2, "memorisation": 1}
    assert lines[0].accuracy["test"].mean == 0.25
    assert lines[0].expected is None
    assert summarise(pa.table({})) == []
