"""Several networks: accuracy by setting, pruning, neurons needed, norm weights, periodicity and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.data.splits import SPLITS
from interp.plots.canvas import NEUTRAL, add_menu, band, blank, in_percent, line, plotly, rounded, say
from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.gamma import GammaTransfer

RECALL = ("#D55E00", "#0072B2", "#999999", "#CC79A7")
"""Of trained, held-out, control and unmarked sequences."""
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


def gamma_against_ipr(transfer: GammaTransfer) -> Figure:
    """The donor's norm weights against IPR, one point a neuron, with the increasing fit that was carried over.

    Args:
        transfer: From `interp.analysis.gamma.gamma_rescale`.
    """
    correlation, ipr, shown = transfer.correlation, transfer.donor_ipr, ""
    if correlation.rho is not None and correlation.low is not None:
        shown = f": rank correlation {correlation.rho:.2f} ({correlation.low:.2f} to {correlation.high:.2f})"
    figure = _blank(shown)
    if not np.isfinite(ipr).any():
        return say(figure, "No neuron has an IPR.")
    points = _points(ipr, transfer.donor_gamma, "neuron", color=NEUTRAL, size=6, opacity=0.7)
    points.hovertemplate += "<extra></extra>"
    rising = np.argsort(ipr, kind="stable")[: np.isfinite(ipr).sum()]
    fit = line(
        rounded(ipr[rising]), transfer.donor_fit[rising], "increasing fit", LABELS["generalizing"].colour
    )
    fit.update(line_width=2.5, hovertemplate="|γ| %{y:.3g} at IPR %{x:.3f}<extra></extra>")
    return figure.add_traces([points, fit])


def gammas_against_ipr(points: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """The norm weights of several networks against IPR, one point a neuron.

    Args:
        points: By the name of a network, IPRs and absolute norm weights of its neurons.
    """
    networks = [_points(ipr, gamma, name, size=5, opacity=0.6) for name, (ipr, gamma) in points.items()]
    return _blank("").add_traces(networks)


def _blank(addition: str) -> Figure:
    title = f"Norm weight against periodicity{addition}"
    figure = blank(title, "IPR (1 = one pure frequency)", "norm weight |γ| (no unit)")
    figure.update_xaxes(range=[0, 1.02])
    return figure.update_yaxes(rangemode="tozero").update_layout(hovermode="closest")


def _points(ipr: np.ndarray, gamma: np.ndarray, name: str, **marker: Any) -> Any:
    known = np.flatnonzero(np.isfinite(ipr))
    points = plotly().Scatter(x=rounded(ipr[known]), y=rounded(gamma[known]), mode="markers", name=name)
    points.update(marker=marker, customdata=known.tolist())
    return points.update(hovertemplate="neuron %{customdata}: IPR %{x:.3f}, |γ| %{y:.3g}")


def ipr_over_checkpoints(
    shares: Sequence[Sequence[float]],
    names: Sequence[str],
    means: Sequence[float | None],
    pure: str = "frequency",
) -> Figure:
    """The distribution of IPR in each checkpoint, as colours, with its mean as a line.

    Args:
        shares: For each checkpoint, the share of its neurons in each of several equal bins over [0, 1].
        names: Of the checkpoints.
        means: Mean IPR of each; None where it is not known.
        pure: What an IPR of 1 is one of.
    """
    figure = blank("IPR over checkpoints", "checkpoint, in order", f"IPR (1 = one pure {pure})")
    bins, place = len(shares[0]) if shares else 1, list(range(len(names)))
    centres = rounded((np.arange(bins) + 0.5) / bins)
    z = np.array(shares).T.round(5).tolist()
    heat = plotly().Heatmap(z=z, x=place, y=centres, customdata=[list(names)] * bins)
    heat.update(colorscale="Cividis", zmin=0, colorbar={"title": {"text": "neurons"}, "tickformat": ".0%"})
    heat.update(hovertemplate="%{customdata}<br>IPR %{y:.3f}: %{z:.1%} of neurons<extra></extra>")
    outer = line(place, means, "mean", "#FFFFFF", width=3, hoverinfo="skip", showlegend=False)
    inner = line(place, means, "mean", "#D55E00", width=1.5, hoverinfo="skip", showlegend=True)
    figure.add_traces([heat, outer, inner])
    return figure.update_layout(hovermode="closest", yaxis={"range": [0, 1]}, xaxis={"tickformat": "d"})


def labels_over_steps(series: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Figure:
    """Number of neurons with each label against the training step; a menu picks the series.

    Args:
        series: By name, columns of equal length: ``step``, and one of counts for each label.
    """
    figure = blank("Labels over training", "training step (updates)", "neurons (count)")
    for columns in series.values():
        for name, label in LABELS.items():
            shown = {"mode": "lines+markers", "marker": {"size": 5}, "hovertemplate": "%{y}"}
            figure.add_trace(line(columns["step"], columns[name], name, label.colour, **shown))
    if not series:
        return figure
    figure.update_layout(yaxis={"rangemode": "tozero"}, legend={"font": {"color": NEUTRAL}})
    owners = [owner for owner in range(len(series)) for _ in LABELS]
    return add_menu(figure, owners, dict(enumerate(series))) if len(series) > 1 else figure


def memory_over_steps(series: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Figure:
    """Recall of each split's sequences by language models, against the training step; a menu picks the series.

    Args:
        series: By name, columns of equal length: ``step``, and one of shares for each split, None where it is unknown.
    """
    figure = blank("Recall over training", "training step (updates)", "recalled (%)")
    owners = []
    for owner, columns in enumerate(series.values()):
        for (name, values), colour in zip(
            ((name, values) for name, values in columns.items() if name != "step"), RECALL, strict=False
        ):
            if any(value is not None for value in values):
                shown = {"mode": "lines+markers", "marker": {"size": 5}, "hovertemplate": "%{y:.1%}"}
                figure.add_trace(line(columns["step"], values, name, colour, **shown))
                owners.append(owner)
    in_percent(figure)
    return add_menu(figure, owners, dict(enumerate(series))) if len(series) > 1 else figure
