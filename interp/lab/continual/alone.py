"""One method by itself on all sequences, at one strength: a run of a grid of methods, strengths and seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from interp.errors import ConfigError, choose
from interp.lab.continual.arms import PENALTIES, arms, penalty
from interp.lab.continual.benchmarks import BENCHMARKS, Benchmark, benchmark
from interp.lab.continual.comparison import MEASURES, Compared, Comparison
from interp.lab.continual.method import Method
from interp.lab.continual.table import WORDS
from interp.lab.panels import Figure, line_over_seeds, seeds_in_title
from interp.lab.study import Record, Study, StudyResult, setting
from interp.plots.canvas import blank
from interp.plots.coset_indicators import COLOURS
from interp.progress import Report, shifted

ALL = "all"
METHODS = {ALL: "all methods, each beside its control"} | {
    name: words for name, words in WORDS.items() if name != "homeostatic_random"
}
"""Names and words of what ``which`` may be."""


@dataclass(frozen=True)
class Which(Compared):
    """All methods, or one."""

    which: str = setting(ALL, f"A method alone: {', '.join(list(METHODS)[1:])}; or {ALL} of them, and more.")
    strength: float = setting(1.0, "Of a penalty that is run alone.", "[0, inf)")

    def __post_init__(self) -> None:
        choose("which", self.which, METHODS)
        if self.which not in PENALTIES and self.strength != type(self).strength:
            raise ConfigError(
                f"strength={self.strength:g} says nothing with which={self.which!r}; it is for {', '.join(PENALTIES)}"
            )
        super().__post_init__()


def alone(study: Study, config: Any) -> Study:
    """The study of one method: its accuracies on each sequence of tasks."""
    return replace(
        study,
        title=f"Tasks in sequence: {METHODS[config.which]}",
        measure=measure,
        units=units,
        quantities={
            f"{name}_{measure}": f"{words}, {called}"
            for name, words in BENCHMARKS.items()
            for measure, called in MEASURES.items()
        },
        judge=judge,
        draw=draw,
        tabulate=None,
    )


def method_called(config: Any, bench: Benchmark) -> Method:
    """The method that the settings name."""
    if config.which in PENALTIES:
        return penalty(config.which, config.strength)
    return arms(len(bench.tasks), bench.training.updates, config.kept)[config.which].method


def measure(config: Any, seed: int, report: Report) -> Record:
    """One method on every sequence; numbers are None where it diverged."""
    numbers: dict[str, float | None] = {}
    curves: dict[str, Any] = {}
    done = 0
    for name, words in BENCHMARKS.items():
        comparison = Comparison(name, benchmark(name, config, seed))
        comparison.run("one", method_called(config, comparison.bench), shifted(report, done, words))
        numbers |= {key.removesuffix("_one"): value for key, value in comparison.numbers.items()}
        curves[name] = comparison.curves["one"]
        done += comparison.bench.updates
    return Record(numbers, curves)


def units(config: Any) -> int:
    """Updates of all sequences."""
    return sum(benchmark(name, config, 0).updates for name in BENCHMARKS)


def judge(result: StudyResult) -> list[str]:
    """Accuracy that is left on each sequence, and forgetting."""
    sentences = []
    for name, words in BENCHMARKS.items():
        both = result.all_over(f"{name}_average", f"{name}_forgetting")
        if both is None:
            sentences.append(f"On {words}, training diverged in a seed.")
            continue
        average, forgetting = (one.words("{:.3f}".format) for one in both)
        sentences.append(
            f"On {words}, {average} of the answers are right in the end, and {forgetting} is forgotten."
        )
    return sentences


def draw(result: StudyResult) -> Figure:
    """Mean accuracy on the tasks so far after each one, for every sequence."""
    title = f"{METHODS[result.config.which]}: accuracy on the tasks so far"
    figure = blank(
        title + seeds_in_title(len(result.seeds)), "tasks learnt", "accuracy (mean of these tasks)"
    )
    for place, (name, words) in enumerate(BENCHMARKS.items()):
        curves = [record.curves[name] for record in result.records if record.curves[name] is not None]
        if not curves:
            continue
        values = [[sum(row[: at + 1]) / (at + 1) for at, row in enumerate(curve)] for curve in curves]
        hover = f"{words}: %{{y:.3f}} after %{{x}} tasks<extra></extra>"
        tasks = range(1, len(values[0]) + 1)
        line_over_seeds(figure, list(tasks), values, words, COLOURS[place], hovertemplate=hover)
    return figure
