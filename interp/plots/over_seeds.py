"""Several networks: accuracy by setting, pruning, and the neurons that are needed, with intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from interp.data.splits import SPLITS
from interp.plots.canvas import NEUTRAL, band, blank, in_percent, line, plotly, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DASHES = {"lowest first": "solid", "highest first": "dash", "random": "dot"}


def accuracy_over(names: Sequence[str], values: Mapping[str, Sequence[Any]], *, x: str) -> Figure:
    """One line a split over settings, each with its 95 % interval over seeds.

    Args:
        names: The settings, in order.
        values: By split, a mean with its interval (``mean``, ``low``, ``high``) for each setting; None where unknown.
        x: The setting's name.
    """
    figure = blank("Accuracy by setting", x.replace("_", " "), "accuracy (%)")
    for split, over_seeds in values.items():
        known = [(name, mean) for name, mean in zip(names, over_seeds, strict=True) if mean is not None]
        if not known:
            continue
        settings, means = zip(*known, strict=True)
        error = _error(means) if all(len(mean.values) > 1 for mean in means) else None
        y, title, colour = [mean.mean for mean in means], SPLITS[split].title, SPLITS[split].colour
        points = line(settings, y, title, colour, mode="lines+markers", error_y=error)
        figure.add_trace(points.update(hovertemplate="%{y:.1%}"))
    figure.update_xaxes(type="category")
    return in_percent(figure, high=1.05)


def _error(means: Sequence[Any]) -> dict[str, Any]:
    """Bars up to the upper and down to the lower end of each interval."""
    up, down = ([abs(getattr(mean, end) - mean.mean) for mean in means] for end in ("high", "low"))
    return {"type": "data", "array": rounded(up), "arrayminus": rounded(down)}


def pruning_over_seeds(pruning: Any) -> Figure:
    """Mean accuracy against the share of neurons removed, for each order and split, with 95 % intervals over networks.

    Args:
        pruning: An `interp.lab.grids.pruning.Pruning`.
    """
    several = pruning.networks > 1
    over = f", mean of {pruning.networks} networks with its 95 % interval" if several else ""
    title = f"Accuracy with neurons removed by IPR{over}"
    figure = blank(title, "neurons removed (% of all)", "accuracy (%)")
    x = list(pruning.fractions)
    for order, splits in pruning.accuracy.items():
        for split, means in splits.items():
            colour, name = SPLITS[split].colour, f"{SPLITS[split].title}, {order}"
            visible = True if split in ("test", "corrupted_as_labelled") else "legendonly"
            shared = {"legendgroup": name, "visible": visible}
            if several:
                low, high = ([getattr(mean, end) for mean in means] for end in ("low", "high"))
                figure.add_traces(band(x, low, high, name, colour, **shared))
            y, dash = [mean.mean for mean in means], DASHES[order]
            figure.add_trace(line(x, y, name, colour, dash=dash, hovertemplate="%{y:.1%}", **shared))
    for order, splits in pruning.paper.items():
        symbol = "circle-open" if order == "lowest first" else "square-open"
        for split, numbers in splits.items():
            name, fractions = f"{SPLITS[split].title}, {order}, paper", [float(at) for at in numbers]
            _add_paper(figure, fractions, numbers.values(), name, SPLITS[split].colour, symbol, 9, "%{y:.1%}")
    figure.update_xaxes(tickformat=".0%", range=[0, max(x)])
    return in_percent(figure).update_layout(height=560, margin={"b": 150})


def _add_paper(
    figure: Figure, x: Any, y: Any, name: str, colour: str, symbol: str, size: int, shown: str
) -> None:
    """Numbers of the paper as open points."""
    marker = {"color": colour, "size": size, "symbol": symbol}
    points = plotly().Scatter(x=list(x), y=list(y), mode="markers", marker=marker, name=name)
    figure.add_trace(points.update(hovertemplate=f"{shown} in the paper"))


def neurons_needed(
    needed: Mapping[int, Any], paper: Mapping[int, float] | None = None, *, level: float = 0.9
) -> Figure:
    """Neurons that networks need against their width, on logarithmic axes.

    Args:
        needed: By width, an `interp.lab.over_seeds.OverSeeds`.
        paper: By width, the paper's numbers.
        level: The test accuracy that is asked for.
    """
    title = f"Neurons needed for a test accuracy of {level:.0%}"
    figure = blank(title, "width (neurons)", "neurons needed (count)")
    means = list(needed.values())
    error, y = {**_error(means), "color": NEUTRAL}, rounded([mean.mean for mean in means])
    ours = plotly().Scatter(x=list(needed), y=y, error_y=error, mode="lines+markers")
    ours.update(name="mean with its 95 % interval", hovertemplate="%{y:.1f} of %{x}")
    figure.add_trace(ours.update(marker={"size": 9, "color": SPLITS["test"].colour}))
    if paper:
        _add_paper(figure, paper, paper.values(), "paper", "#D55E00", "circle-open", 11, "%{y}")
    figure.update_xaxes(type="log", dtick=1)
    return figure.update_yaxes(rangemode="tozero")
