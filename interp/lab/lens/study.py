"""Output classes that each neuron writes for, read from the weights alone."""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from interp.checkpoints import Checkpoint
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.lab.lens.figure import lens_figure
from interp.lab.lens.record import ALPHA, decode_network
from interp.lab.lens.series import decode_series, series_before
from interp.lab.study import Record, Settings, Study, StudyResult, setting
from interp.models import MLPConfig
from interp.progress import Report
from interp.training import TrainConfig, finish, prepare
from probes.activity import CLUSTER_SHARE

UNDECIDED = "is not decided to differ from"
EXACT = 1e-4  # up to this difference of a logit a promise was kept
STRICT, MOSTLY, WIDE = 0.95, 0.8, 0.2
"""From these agreements R, up to this mean difference in radians, phases are called the same, or mostly the same."""
FEWEST = 1000  # a p-value is at least 1/(rotations + 1), and hardly any set reaches the level with fewer


@dataclass(frozen=True)
class Config(Settings):
    """Settings of the study; a checkpoint needs the last four only."""

    p: int = setting(59, "The modulus of the addition that is learnt.", "[5, inf)")
    width: int = setting(256, "Neurons.", "[1, inf)")
    steps: int = setting(400, "Updates.", "[1, inf)")
    train_fraction: float = setting(0.6, "Share of all pairs that is trained on, in (0, 1].", "(0, 1]")
    corrupt_fraction: float = setting(
        0.3, "Share of the training labels that is redrawn, in [0, 1).", "[0, 1]"
    )
    weight_decay: float = setting(0.0, "Decoupled.", "[0, inf)")
    saves: int = setting(40, "Checkpoints of the training run, beside the first.", "[1, inf)")
    rotations: int = setting(
        5000, "Randomly rotated directions that the neurons are compared with, 1000 or more."
    )
    clamped: int = setting(
        20, "Neurons that are clamped, one at a time, each to a value within its range.", "[1, inf)"
    )
    least: float = setting(
        CLUSTER_SHARE,
        "Share of its variance from which one frequency explains a neuron, in (0, 1].",
        "(0, 1]",
    )
    site: str = setting("", "Hook name of the neurons; the last site if empty.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rotations < FEWEST:
            raise ConfigError(
                f"rotations={self.rotations} must be at least {FEWEST}: with fewer no p-value is small enough for a "
                f"false-discovery rate of {100 * ALPHA:g} % among many neurons"
            )


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train a network on addition with some wrong labels, and decode its neurons and their past."""
    task = ModularTask("add", config.p, config.train_fraction, config.corrupt_fraction, seed=seed)
    every = max(1, config.steps // config.saves)
    training = TrainConfig(
        config.steps, weight_decay=config.weight_decay, save_every=every, log_every=every, seed=seed
    )
    with TemporaryDirectory() as folder:
        trained = finish(prepare(task, MLPConfig(width=config.width), training, out=folder), report)
        series = decode_series(folder, config.site or None)
    report(config.steps + 1, "decoded")
    return decode_network(Checkpoint(trained.model, task, "trained here"), series, config, seed)


def inspect(opened: Any, config: Config, seed: int, report: Report) -> Record:
    """Decode the neurons of a checkpoint, and their past if it is part of a series that is read in the same way."""
    series, note = series_before(opened, config.site or None)
    record = decode_network(opened, series, config, seed, note)
    report(config.steps + 1, "decoded")
    return record


def judge(result: StudyResult) -> list[str]:
    """Sentences on what neurons write, the promised changes, rotated directions, and the checkpoints before."""
    return [*_agreement(result), *_promise(result), *_rotations(result), *_past(result)]


def _agreement(result: StudyResult) -> list[str]:
    counts = [(r.numbers["same"], r.numbers["explained"]) for r in result.records]
    agreed, chance, phases = result.over("agreement"), result.over("chance"), result.over("resultant")
    least = f"{100 * result.config.least:g} %"
    if agreed is None or chance is None:
        return [f"Not decided: in a seed no neuron is explained to {least} by one frequency that it reads."]
    n = ", ".join(f"{same:.0f} of {explained:.0f}" for same, explained in dict.fromkeys(counts))
    which = f"one frequency explains to {least}"
    sentence = f"Of the neurons that {which}, {n} write the frequency that they read."
    if all(same == explained for same, explained in counts):
        sentence = f"Every neuron that {which} writes the frequency that it reads ({n})."
    sentences = [f"{sentence} Rotated directions would in {100 * chance.mean:.1f} %."]
    if phases is not None:
        offset = max(abs(radians or 0.0) for radians in result.each("offset"))
        same = "is" if phases.mean >= STRICT else "is mostly"
        same = same if phases.mean >= MOSTLY and offset <= WIDE else "is not simply"
        sentences.append(
            f"Where the frequencies agree, the phase written {same} the sum of the phases read: R = {phases.mean:.3f} "
            f"(1 for equal ones), and the mean difference is at most {offset:.3f} rad."
        )
    return sentences


def _promise(result: StudyResult) -> list[str]:
    known = [record.numbers for record in result.records if record.numbers["moved"] is not None]
    if len(known) < len(result.records):
        missing = len(result.records) - len(known)
        return [
            f"No neuron could be clamped in {missing} of {len(result.records)} seeds, because none changes over the "
            "examples: whether clamped neurons do what is promised is not known."
        ]
    if not all(numbers["exact"] for numbers in known):
        shares = [numbers["promise_explained"] for numbers in known]
        measured = [share for share in shares if share is not None]
        explained = "a share that is not known"
        if measured == shares:
            explained = f"at least {100 * min(measured):.1f} %"
        return [
            "What follows the neurons is not linear, so the effects are an approximation: of the change that a clamped "
            f"neuron makes they explain {explained}."
        ]
    names = ("error", "error_stored", "moved", "relative_error")
    error, stored, moved, relative = (max(value or 0.0 for value in result.each(name)) for name in names)
    known_error = f"{stored:.1e} in the network's own precision, which is {relative:.1e} of its largest logit"
    kept = "as promised" if stored <= EXACT else "not decidedly as promised"
    if None not in result.each("error"):  # else rounding cannot be told from a broken promise
        known_error = f"{error:.1e} in double precision and {known_error}"
        kept = "as promised" if error <= EXACT else "NOT as promised"
    return [
        f"Clamped neurons move the logits {kept}: by up to {moved:.3g}, with an error of at most {known_error}."
    ]


def _rotations(result: StudyResult) -> list[str]:
    sentences = []
    numbers = result.all_over("share", "share_rotated", "significant")
    if numbers is not None:
        share, rotated, real = numbers
        sentences.append(
            f"{100 * real.mean:.0f} % of the neurons write a purer wave than rotated directions do (false-discovery "
            f"rate {100 * ALPHA:.0f} %). At one frequency neurons have {100 * share.mean:.0f} % of the variance on "
            f"average, rotated directions {100 * rotated.mean:.0f} %."
        )
    memory, rule = (
        result.difference(f"{split}_without", f"{split}_random") for split in ("corrupted", "test")
    )
    if memory is not None and rule is not None:
        costs = [one.verdict("costs less than", "costs more than", UNDECIDED) for one in (memory, rule)]
        sentences.append(
            f"Taking out the others {costs[0]} taking out random ones, as many, on corrupted examples as "
            f"labelled ({100 * memory.mean:+.0f} points), and {costs[1]} it on held-out examples "
            f"({100 * rule.mean:+.0f} points)."
        )
    return sentences


def _past(result: StudyResult) -> list[str]:
    notes = dict.fromkeys(record.curves.get("series_note") for record in result.records)
    sentences = [f"The checkpoints before are left out ({note.rstrip('.')})." for note in notes if note]
    cosines = result.all_over("cosine", "cosine_others")
    if cosines is None:
        return sentences
    sentences.append(
        f"Between the last two checkpoints a neuron's effects have a cosine of {cosines[0].mean:.3f}, those of two "
        f"different neurons {cosines[1].mean:.3f}."
    )
    numbers = result.all_over("settled_by_learnt", "settled", "learnt")
    if numbers is not None:
        settled, step, learnt = numbers
        sentences.append(
            f"{100 * settled.mean:.0f} % of the significant neurons wrote their last frequency by the time that the "
            f"network answered 90 % (step {learnt.mean:.0f} on average); half had by step {step.mean:.0f}."
        )
    return sentences


STUDY = Study(
    name="lens",
    title="What each neuron writes for, read from the weights alone",
    about=(
        "A neuron's direct effect on every output class is a product of the matrices that follow it (the idea of arXiv "
        "2501.02688): exact where these are all, through a norm with a fixed scale or an average derivative elsewhere. "
        "Along the task's ordering of classes its spectrum names the frequency that the neuron writes. The study "
        "compares it with the frequency and phases that the neuron reads, with randomly rotated directions read by the "
        "same unembedding, with what clamping the neuron really does to the logits, and with the checkpoints before. "
        "Left: of neurons that one frequency explains, the frequency read and written (first seed), and a rotated "
        "direction in each one's place; areas are counts. Middle: how pure the written waves are, of neurons and of "
        "rotated directions. Right: the decoding over training, or the waves that the strongest neurons write."
    ),
    config=Config,
    measure=measure,
    inspect=inspect,
    units=lambda config: config.steps + 1,
    quantities={
        "explained": "neurons that one frequency explains by what they read",
        "same": "of these, neurons that write at the same frequency",
        "agreement": "the same as a share",
        "chance": "share for rotated directions",
        "resultant": "agreement R of phase written with the sum of phases read",
        "offset": "mean phase difference (rad)",
        "share": "variance written at one frequency, neurons",
        "share_rotated": "variance written at one frequency, rotated directions",
        "significant": "share of neurons that write a purer wave than rotated ones",
        "one_class": "share that writes more for one class than rotated ones",
        "moved": "largest change of a logit by a clamped neuron",
        "error": "largest error of the promised change, double precision",
        "error_stored": "largest error of the promised change, the network's own precision",
        "relative_error": "the same, of the largest logit",
        "promise_explained": "least share of a clamped neuron's change that was promised",
        "corrupted_without": "corrupted accuracy without the neurons that write like rotated ones",
        "corrupted_random": "corrupted accuracy without as many random living neurons",
        "test_without": "test accuracy without the neurons that write like rotated ones",
        "test_random": "test accuracy without as many random living neurons",
        "cosine": "cosine of a neuron's effects, last two checkpoints",
        "cosine_others": "cosine of two neurons' effects, last two checkpoints",
        "learnt": "step at which the network answered 90 %",
        "settled": "median step from which a neuron wrote its last frequency",
        "settled_by_learnt": "share of neurons that had settled when the network answered 90 %",
    },
    judge=judge,
    draw=lens_figure,
)
