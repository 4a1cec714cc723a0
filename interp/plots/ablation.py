"""Accuracy while neurons are removed or rescaled, and before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interp.data.splits import SPLITS
from interp.measuring.band import INTERVAL
from interp.plots.canvas import NEUTRAL, band, blank, in_percent, line, plotly, rounded, telling_splits
from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.relearning import Relearning
    from interp.analysis.unlearning import Unlearning
    from interp.measuring.curves import Curve
    from interp.measuring.doses import Dose
    from interp.measuring.evaluation import SplitValues

RELEARNT = {
    "memorised": ("memorised label", SPLITS["corrupted_as_labelled"].colour),
    "never_trained": ("never-trained label", NEUTRAL),
    "other_label": ("same examples, another label", SPLITS["corrupted_as_true"].colour),
}
MARKS = {0.0: "removed", 1.0: "unchanged"}
OTHER = "#E69F00"
"""Colour of what was taken out and is no label, such as a memory set."""


def ablation_curve(curve: Curve) -> Figure:
    """Accuracy on every split against the share of neurons removed, with the random control.

    Shown at first, with the control, are the two splits that tell most: held-out examples, and corrupted ones
    as labelled (the training set where there are none); the others can be switched on in the legend.

    Args:
        curve: From `interp.curve` or `interp.measuring.curves.measure_curve`.
    """
    removed = "removed" if not curve.mode.startswith("scale") else f"rescaled ({curve.mode})"
    title, share = f"Accuracy with neurons {removed}, {curve.order}", f"neurons {removed} (% of all)"
    figure = blank(title, share, "accuracy (%)")
    hover = "%{y:.1%} with %{customdata} neurons (%{x:.1%}) " + removed
    interval = (
        f"%{{y:.1%}} on average, {INTERVAL} of draws from %{{customdata[0]:.1%}} to %{{customdata[1]:.1%}}"
    )
    _add_splits(figure, curve, rounded(curve.fraction), hover, interval, customdata=curve.removed.tolist())
    figure.update_xaxes(tickformat=".0%", range=[0, float(curve.fraction[-1]) or 1])
    return in_percent(figure)


def dose_response(dose: Dose) -> Figure:
    """Accuracy on every split against the factor, with the random control and a line at 0 and at 1.

    The splits shown at first are those of `ablation_curve`.

    Args:
        dose: From `interp.dose` or `interp.measuring.doses.dose_response`.
    """
    title = f"Accuracy with {dose.size} neurons rescaled, {dose.name}"
    figure = blank(title, "factor on the neurons' activations", "accuracy (%)")
    average = f"%{{y:.1%}} on average of {dose.n_random} random sets"
    _add_splits(figure, dose, rounded(dose.factors), "%{y:.1%} at factor %{x}", average)
    low, high = float(dose.factors[0]), float(dose.factors[-1])
    for at, text in MARKS.items():
        if low <= at <= high:
            style = {"color": NEUTRAL, "width": 1, "dash": "dot"}
            figure.add_vline(x=at, line=style, annotation={"text": text, "font": {"size": 11}})
    figure.update_xaxes(range=[low, high] if low < high else None)
    return in_percent(figure, high=1.09)  # room for the words at the lines


def _add_splits(
    figure: Figure, curve: Curve | Dose, x: list[Any], hover: str, random_hover: str, **attributes: Any
) -> None:
    """A line for each split, below them the random control of those that tell most."""
    telling, others = telling_splits(curve.accuracy)
    for name in telling:
        random, split = curve.random.get(name), SPLITS[name]
        if random is not None:
            title, shared = f"{split.title}, random", {"legendgroup": name}
            limits = list(zip(rounded(random.low), rounded(random.high), strict=True))
            mean = line(
                x, random.mean, title, split.colour, width=1.5, dash="dash", customdata=limits, **shared
            )
            mean.hovertemplate = random_hover
            figure.add_traces([*band(x, random.low, random.high, title, split.colour, **shared), mean])
    for name in [*telling, *others]:
        shown = {"legendgroup": name, "visible": True if name in telling else "legendonly", **attributes}
        title, colour = SPLITS[name].title, SPLITS[name].colour
        figure.add_trace(
            line(x, curve.accuracy[name], title, colour, width=2.5, hovertemplate=hover, **shown)
        )


def accuracy_bars(before: SplitValues, after: Mapping[str, SplitValues]) -> Figure:
    """Accuracy on every split before and after, one group of bars a split.

    Args:
        before: Accuracy of the whole network.
        after: Accuracy by the name of what was done; one that names a label has its colour.
    """
    figure = blank("Accuracy before and after removing neurons", "examples", "accuracy (%)")
    states = {"whole network": before, **after}
    splits = [split for split in before if any(values[split] is not None for values in states.values())]
    titles = [SPLITS[split].title.replace(" as ", "<br>as ") for split in splits]
    for name, values in states.items():
        rest = NEUTRAL if values is before else OTHER
        colour = next((label.colour for key, label in LABELS.items() if name.endswith(key)), rest)
        bars = plotly().Bar(x=titles, y=[values[split] for split in splits], name=name)
        figure.add_trace(bars.update(marker={"color": colour}, hovertemplate="%{y:.1%}"))
    return in_percent(figure.update_layout(barmode="group", bargap=0.25), low=0)


def unlearning_bars(unlearning: Unlearning) -> Figure:
    """Accuracy on corrupted examples, as labelled and as true, and on held-out ones; one group of bars a method.

    Args:
        unlearning: From `interp.analysis.unlearning.compare_unlearning`.
    """
    figure = blank("Accuracy after unlearning", "method", "accuracy (%)")
    names = [method.name.replace(" with ", "<br>with ") for method in unlearning.methods]
    for split in ("corrupted_as_labelled", "corrupted_as_true", "test"):
        values = [method.accuracy[split] for method in unlearning.methods]
        if any(value is not None for value in values):
            bars = plotly().Bar(x=names, y=rounded(values), name=SPLITS[split].title)
            figure.add_trace(bars.update(marker={"color": SPLITS[split].colour}, hovertemplate="%{y:.1%}"))
    return in_percent(figure.update_layout(barmode="group", bargap=0.25), low=0)


def relearning_curves(relearning: Relearning) -> Figure:
    """Share of labels answered after each step of learning them again; one line for each draw of a control.

    Args:
        relearning: From `interp.relearn`.
    """
    figure = blank("Learning removed memories again", "training steps", "labels answered (%)")
    for kind, curves in relearning.curves.items():
        name, colour = RELEARNT[kind]
        shared = {
            "legendgroup": kind,
            "hovertemplate": "%{y:.1%}",
            "width": 3 if kind == "memorised" else 1.5,
        }
        for draw, curve in enumerate(curves):
            figure.add_trace(line(range(len(curve)), curve, name, colour, showlegend=not draw, **shared))
    style = {"color": NEUTRAL, "width": 1, "dash": "dot"}
    figure.add_hline(y=0.5, line=style, annotation={"text": "relearnt", "font": {"size": 11}})
    return in_percent(figure)
