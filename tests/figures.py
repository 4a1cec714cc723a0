"""What every figure must have."""

import json

from plotly.graph_objects import Figure


def check_figure(figure: Figure, *, inner: int = 0, unitless: bool = False, as_bytes: bool = False) -> None:
    """A title, axis titles with a unit, hover text on every trace, and numbers only.

    Args:
        figure: To be checked.
        inner: Panels that share the title of the last.
        unitless: Whether no axis has a unit.
        as_bytes: Whether it holds so many numbers that they are written as bytes.
    """
    assert figure.layout.title.text
    axes = [*list(figure.select_xaxes())[inner:], *figure.select_yaxes()]
    assert all(axis.title.text for axis in axes)
    assert unitless or any("(" in axis.title.text for axis in axes)
    drawn = [
        trace for trace in figure.data if trace.x is None or list(trace.x) != [None]
    ]  # not legends alone
    assert drawn
    assert all(trace.hovertemplate or trace.hoverinfo == "skip" for trace in drawn)
    text = figure.to_json()
    assert ("bdata" in text) == as_bytes
    assert "NaN" not in text
    json.loads(text)
