"""Eyes of dice that are thrown."""

from dataclasses import dataclass

import numpy as np
from plotly.graph_objects import Figure, Scatter

from interp.lab.study import Record, Settings, Study, setting


@dataclass(frozen=True)
class Config(Settings):
    """The dice."""

    throws: int = setting(1000, "Throws.", "[1, inf)")


def measure(config, seed, report):
    """The mean of the eyes."""
    eyes = np.random.default_rng(seed).integers(1, 7, config.throws)
    report(config.throws)
    return Record({"mean": float(eyes.mean())}, {"counts": np.bincount(eyes, minlength=7)[1:].tolist()})


def judge(result):
    """If the dice are fair."""
    over = result.over("mean")
    return [f"The mean is {over.mean:.2f}."]


def draw(result):
    """Counts of the eyes."""
    return Figure(
        [Scatter(x=list(range(1, 7)), y=record.curves["counts"]) for record in result.records],
        {"title": {"text": "Dice"}},
    )


STUDY = Study(
    name="dice",
    title="Are the dice fair",
    about="Dice are thrown; the figure shows how often each number came.",
    config=Config,
    measure=measure,
    units=lambda config: config.throws,
    quantities={"mean": "mean of the eyes"},
    judge=judge,
    draw=draw,
)
