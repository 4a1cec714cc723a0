"""The training run that a network is the last of, step by step: the panel and its callbacks."""

from __future__ import annotations

import numpy as np
from dash import Dash, dcc, html, no_update

from interp.analysis.dynamics import Dynamics
from interp.errors import ConfigError
from interp.explorer import figures
from interp.explorer.layout import buttons, callback, columns, graph, group, row, section, status
from interp.explorer.neurons import neuron_of
from interp.explorer.series import Scoring, Series
from interp.explorer.session import Session
from interp.plots.dynamics import NO_PHASES

POLL = 1000
"""Milliseconds between two looks at how far a training run is scored."""
MARKS = 5
STEPPED = ("answers-at", "weights-at", "histogram-at")
"""Figures of one checkpoint."""


def panel() -> html.Section:
    """The place of the training run, which is scored in the background."""
    waiting = status("series-progress", "the checkpoints are being scored …")
    poll = dcc.Interval(id="series-poll", interval=POLL)
    return section("series", "Over training", waiting, poll, html.Div(id="series"))


def _series(series: Series, neuron: int, session: Session) -> html.Div:
    dynamics, last = series.dynamics, len(series) - 1
    steps = dynamics.steps.tolist()
    named = np.unique(np.linspace(0, last, MARKS).round().astype(int)).tolist()
    marks = {i: str(steps[i]) for i in named}
    slider = dcc.Slider(
        0, last, 1, value=last, id="step", marks=marks, updatemode="drag", allow_direct_input=False
    )
    trajectory = dynamics.trajectory.plot()
    height = int(trajectory.layout.height or 0)
    return html.Div(
        [
            row(*buttons(play="Play"), status("step-now")),
            group("Checkpoint of the run", slider, className="steps"),
            dcc.Interval(id="tick", interval=600, disabled=True),
            columns(
                *(graph(name, text=figures.text(session, name)) for name in STEPPED),
                _alignment(dynamics),
                graph("race", figures.race_of(series, neuron), text=figures.text(session, "race")),
                graph("trajectory", figures.dressed(trajectory), height=height),
            ),
        ]
    )


def _alignment(dynamics: Dynamics) -> html.Figure | html.P:
    if dynamics.parts.known:
        return html.P(NO_PHASES)
    return graph("alignment", figures.dressed(dynamics.plot_alignment()))


def _ready(scoring: Scoring) -> Series:
    if scoring.series is None:
        raise ConfigError("the checkpoints are not scored yet")
    return scoring.series


def connect(app: Dash, session: Session, scoring: Scoring) -> None:
    """Connect the training run: its scoring, its slider, and the neuron's race."""
    width = session.subject.width

    progress = "series.children series-progress.children series-poll.disabled"

    @callback(app, progress, "series-poll.n_intervals", "neuron.data", at_first=True)
    def wait(polls, neuron):
        if polls:  # not at once: the page's first figures come first
            scoring.start()
        if not scoring.done.is_set():
            return no_update, f"{scoring.scored} of {scoring.total} checkpoints are scored …", False
        if scoring.series is None:
            return [], f"The checkpoints cannot be shown as a series: {scoring.error}", True
        return _series(scoring.series, neuron, session), f"{len(scoring.series)} checkpoints", True

    drawn = "answers-at.figure histogram-at.figure weights-at.figure step-now.children"

    @callback(app, drawn, "step.value neuron.data", at_first=True)
    def at(step, neuron):
        series = _ready(scoring)
        if type(step) is not int or not 0 <= step < len(series):
            raise ConfigError(f"there is no checkpoint {str(step)[:40]}; expected 0 to {len(series) - 1}")
        neuron = neuron_of(neuron, width)
        shown = (
            figures.answers_at(series, step, session),
            figures.histogram_at(series, step),
            figures.weights_at(series, step, neuron, session.subject.task),
        )
        return *shown, f"step {series.dynamics.steps[step]}, neuron {neuron}"

    @callback(app, "race.figure", "neuron.data")
    def race(neuron):
        return figures.race_of(_ready(scoring), neuron_of(neuron, width))

    callback(app, "tick.disabled play.children", "play.n_clicks", "tick.disabled", script="play")
    callback(app, "step.value", "tick.n_intervals", "step.value step.max", script="advance")
