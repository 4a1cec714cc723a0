"""Initial weights of several scales and ranks, and what training makes of them."""

from __future__ import annotations

from dataclasses import dataclass

from interp.data import ModularTask
from interp.lab.regime.arms import CLEAN, MEASURES, NOISY, RANK, SWEEPS, measure_arm, starts
from interp.lab.regime.figure import regime_study_figure
from interp.lab.regime.findings import findings
from interp.lab.study import Record, Settings, Study, setting
from interp.progress import Report


@dataclass(frozen=True)
class Config(Settings):
    """ReLU networks of one hidden layer that add, without and with wrong labels."""

    p: int = setting(23, "Modulus without wrong labels, of scales and ranks.", "[5, inf)")
    noisy_p: int = setting(47, "Modulus with wrong labels.", "[5, inf)")
    wrong: float = setting(0.3, "Share of these training labels that is wrong.", "(0, 1)")
    width: int = setting(128, "Neurons.", "[20, inf)")
    steps: int = setting(1500, "Updates without wrong labels.", "[1, inf)")
    noisy_steps: int = setting(1000, "Updates with wrong labels.", "[1, inf)")


def measure(config: Config, seed: int, report: Report) -> Record:
    """Every arm of every sweep, and the slope of each number over a sweep's arms."""
    clean = ModularTask("add", p=config.p, train_fraction=0.7, seed=seed)
    noisy = ModularTask(
        "add", p=config.noisy_p, train_fraction=0.8, corrupt_fraction=config.wrong, corrupt="wrong", seed=seed
    )
    numbers: dict[str, float | None] = {}
    done = 0
    for sweep, task, steps in (
        (CLEAN, clean, config.steps),
        (RANK, clean, config.steps),
        (NOISY, noisy, config.noisy_steps),
    ):
        for name, start in starts(task.p, config.width, sweep).items():
            report(done, name)
            measured = measure_arm(task, start, steps, seed)
            numbers |= {f"{name}_{quantity}": value for quantity, value in measured.items()}
            done += steps
        for quantity in MEASURES:
            values = [numbers[f"{arm}_{quantity}"] for arm in sweep.arms]
            numbers[f"{sweep.name}_slope_{quantity}"] = sweep.slope(values)
    report(done)
    return Record(numbers, {})


STUDY = Study(
    name="regime",
    title="Rich or lazy by the initial weights",
    about=(
        "Networks that start from small weights have to change what they compute by (rich), those that start from "
        "large ones can learn with hardly any change (lazy); initial weights of low rank are reported to make learning "
        "richer, unless they are aligned with the task (arXiv 2310.08513, linear and recurrent networks). ReLU "
        "networks "
        "of one hidden layer learn a + b: from initial weights of four scales and three ranks modulo 23, as well as of "
        "rank 4 along two frequencies of the task, and from four scales modulo 47 with 30 % of the training labels "
        "wrong, where neurons can be labelled. Measured are the relative change of the weights, their signs, the "
        "alignment of representations and of tangent kernels with the start (as they are and centred, each beside that "
        "with another start of the same kind), accuracies, periodicity, and the share of neurons with each label. "
        "Trends are slopes over a sweep, one for each seed. The figure shows them by scale and by rank."
    ),
    config=Config,
    measure=measure,
    units=lambda config: 8 * config.steps + 4 * config.noisy_steps,
    quantities={
        f"{sweep.name}_slope_{quantity}": f"{words}, slope for {sweep.unit}, {sweep.words}"
        for sweep in SWEEPS
        for quantity, words in MEASURES.items()
    },
    judge=findings,
    draw=regime_study_figure,
)
