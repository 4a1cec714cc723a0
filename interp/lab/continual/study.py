"""Tasks in sequence: methods against forgetting, each beside its control, and the neurons that each protects."""

from __future__ import annotations

from dataclasses import dataclass

from interp.lab.continual import homeostatic_study, rehearsal_study, replay_study
from interp.lab.continual.alone import ALL, METHODS, Which, alone
from interp.lab.continual.arms import arms, penalties
from interp.lab.continual.benchmarks import BENCHMARKS
from interp.lab.continual.comparison import MEASURES, PROTECTS, compare
from interp.lab.continual.comparison import units as units_of_comparison
from interp.lab.continual.figure import continual_figure
from interp.lab.continual.sentences import method_sentences
from interp.lab.continual.table import WORDS, shown_table
from interp.lab.study import Record, Study, StudyResult
from interp.progress import Report, shifted


@dataclass(frozen=True)
class Config(Which, rehearsal_study.TenTasks, homeostatic_study.ConceptShift):
    """Methods on sequences of tasks, rehearsal in ten tasks, and learning rates in a stream with shifts."""


def measure(config: Config, seed: int, report: Report) -> Record:
    """All methods on three sequences, then rehearsal, then learning rates under concept shift."""
    numbers, curves = compare(config, seed, report)
    done = units_of_comparison(config)
    more, curves["ten"] = rehearsal_study.ten_tasks(config, seed, shifted(report, done))
    numbers |= more
    done += rehearsal_study.units(config)
    more, curves["shift"] = homeostatic_study.concept_shift(config, seed, shifted(report, done))
    numbers |= more
    done += homeostatic_study.units(config)
    more, curves["replay"] = replay_study.hidden_replay(config, seed, shifted(report, done))
    return Record(numbers | more, curves)


def units(config: Config) -> int:
    """Steps of progress of one seed."""
    own = units_of_comparison(config) + rehearsal_study.units(config)
    return own + homeostatic_study.units(config) + replay_study.units(config)


def judge(result: StudyResult) -> list[str]:
    """Every method beside its control; rehearsal; learning rates."""
    return [
        *method_sentences(result),
        *replay_study.sentences(result),
        *rehearsal_study.sentences(result),
        *homeostatic_study.sentences(result),
    ]


def _quantities() -> dict[str, str]:
    """Names of all numbers that are shown, in words."""
    names: dict[str, str] = {}
    everywhere = [name for name, arm in arms(2, 1, 1).items() if arm.everywhere]
    for benchmark, words in BENCHMARKS.items():
        whole = benchmark == "permuted"
        own = [arm for arm in WORDS if arm not in penalties("permuted")] if whole else everywhere
        for measure, called in MEASURES.items():
            if whole or measure in ("average", "forgetting"):
                names |= {f"{benchmark}_{measure}_{arm}": f"{words}, {called}: {WORDS[arm]}" for arm in own}
        for arm, strengths in penalties(benchmark).items():
            for one in strengths:
                names[f"{benchmark}_average_{arm}_{one:g}"] = (
                    f"{words}, average accuracy: {WORDS[arm]} at {one:g}"
                )
    for kind, importance in PROTECTS.items():
        names |= {
            f"protects_{kind}_{arm}": f"{importance} importance and movement, rank correlation: {WORDS[arm]}"
            for arm in WORDS
            if arm not in penalties("permuted")
        }
    return names | {
        "overlap": "Hebbian subspaces' overlap with principal components, mean",
        "overlap_worst": "the same, worst",
        "same_at_zero": "penalties of strength 0 leave training as it is",
    }


def variant(config: Config) -> Study:
    """The study of all methods, or of the one that is named."""
    return STUDY if config.which == ALL else alone(STUDY, config)


STUDY = Study(
    name="continual",
    title="Tasks in sequence: what is forgotten, and what methods do about it",
    about=(
        "A network that learns one task after another forgets the earlier ones. Digits whose pixels are permuted "
        "anew, digits two classes at a time, and modular operations are learnt in sequence, naively and with "
        "methods against forgetting: penalties on moving away (L2, arXiv 2203.17269; EWC, 1612.00796; MAS, "
        "1711.09601) over a grid of strengths, updates orthogonal to Hebbian subspaces of activity (after "
        "2402.11984), replay of examples or of hidden activations (after 2305.18563), fine-tuning of the modules "
        "that moved (2304.04158), learning-rate schedules (after 2503.02844) and homeostatic rates. Every method "
        "has a control that could have done as well: importance shuffled over weights, random subspaces, shuffled "
        "labels or noise, the least moved module, the mean rate of a schedule, the same rates in random order. "
        "Average accuracy, backward and forward transfer (1706.08840) and forgetting (1801.10112) are measured; "
        "strengths are chosen by the other seeds, and all are shown. Importance of each neuron for the first "
        "task, its weights' Fisher information in sum, is ranked against how far these move later: where a method "
        "protects what is important, the correlation falls below that of naive training. Then ten tasks are "
        "rehearsed by a power law of their age or uniformly, and learning rates follow a homeostatic state while "
        "labels are permuted. The figure shows what is left after all tasks, penalties by strength, and the "
        "neurons that are protected."
    ),
    config=Config,
    measure=measure,
    units=units,
    quantities=_quantities()
    | replay_study.QUANTITIES
    | rehearsal_study.QUANTITIES
    | homeostatic_study.QUANTITIES,
    judge=judge,
    draw=continual_figure,
    variant=variant,
    choices=METHODS,
    tabulate=shown_table,
)
