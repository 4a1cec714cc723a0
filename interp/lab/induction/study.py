"""Attention heads held while induction heads form: is the phase change delayed, gone, or brought forward?"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from interp.hooks import capture
from interp.interventions import Edit
from interp.lab.event_times import arm_quantities, delay, event_numbers, restored
from interp.lab.induction.figure import induction_figure
from interp.lab.induction.heads import Blind, induction_scores, previous_pattern, previous_token_scores
from interp.lab.induction.heads import uniform_pattern as uniform
from interp.lab.induction.in_context import EVALUATED, Config, repeated_blocks, train_in_context
from interp.lab.over_seeds import OverSeeds
from interp.lab.schedule import Held, Schedule
from interp.lab.study import Record, Study, StudyResult
from interp.models import AttentionOnly
from interp.modes import Intervention, Patch, Scale
from interp.progress import Report, shifted

FIRST, SECOND = "blocks.0.attn.hook_pattern", "blocks.1.attn.hook_pattern"
WORDS = {
    "uniform": "With the baseline's previous-token heads held at uniform attention",
    "control": "With as many other first-layer heads held at uniform attention",
    "blind": "With no first-layer head able to see the previous token",
    "ideal": "With the previous-token heads held at the ideal pattern",
}
ARMS = {
    "baseline": "nothing held",
    "uniform": "previous-token heads uniform",
    "control": "other heads uniform",
    "blind": "all blind to the previous token",
    "ideal": "previous-token heads ideal",
}
TWICE = 2.0  # a head attends to a place if it does so this many times as much as uniform attention would


def measure(config: Config, seed: int, report: Report) -> Record:
    """A baseline, and the same network with heads of its first layer held from the start in several ways."""

    def run(place: int, name: str, schedule: Schedule) -> tuple[AttentionOnly, list[float]]:
        return train_in_context(config, seed, schedule, shifted(report, place * config.steps, name))

    tokens, _ = repeated_blocks(EVALUATED, config, torch.Generator().manual_seed(2 * seed + 1))
    baseline, accuracy = run(0, "baseline", Schedule())
    heads = previous_token_scores(capture(baseline, tokens, FIRST)[FIRST])
    schedules = schedules_of(heads, config)
    held = schedules["uniform"].held[0].edit.neurons
    idle = Schedule((Held(Edit(FIRST, held, Scale(1.0)), stop=config.steps // 2),))
    removed, again = run(1, "held as they are, then let go", idle)
    runs = {"baseline": (baseline, accuracy)}
    for place, (arm, schedule) in enumerate(schedules.items(), 2):
        runs[arm] = run(place, arm, schedule)
    same = all(torch.equal(a, b) for a, b in zip(baseline.parameters(), removed.parameters(), strict=True))
    even = uniform(2 * config.longest).expand(len(tokens), 1, -1, -1)
    numbers: dict[str, float | None] = {
        "identical": float(same and accuracy == again),
        "heads_previous": float((heads > TWICE * previous_token_scores(even)).sum()),
        "heads_held": float(len(held)),
        "heads_control": float(len(schedules["control"].held[0].edit.neurons)),
        "previous_even": float(previous_token_scores(even)[0]),
        "induction_even": float(induction_scores(even, tokens)[0]),
    }
    for arm, (model, curve) in runs.items():
        numbers |= _end(arm, model, schedules.get(arm, Schedule()), tokens, curve, config)
    curves = {arm: curve for arm, (_, curve) in runs.items()}
    steps = list(range(0, config.steps + 1, config.log_every))
    return Record(numbers, {"steps": steps, "arms": curves, "heads": heads.tolist()})


def schedules_of(heads: np.ndarray, config: Config) -> dict[str, Schedule]:
    """Schedules of all arms but the baseline, given the baseline's previous-token scores of first-layer heads.

    Held are the heads with more than `TWICE` the score of uniform attention, at least the first and at most half of the
    layer, so that the control can hold as many others: those with the lowest scores.
    """
    n = 2 * config.longest
    even = uniform(n)
    least = TWICE * float(previous_token_scores(even[None, None])[0])
    order = np.argsort(-heads, kind="stable")
    own = order[: max(1, min(int((heads > least).sum()), len(heads) // 2))]
    others = order[-len(own) :]

    def held(chosen: np.ndarray, intervention: Intervention) -> Schedule:
        return Schedule((Held(Edit(FIRST, chosen, intervention)),))

    def constant(pattern: Tensor, chosen: np.ndarray) -> Patch:
        return Patch(pattern[..., None].expand(n, n, len(chosen)))

    return {
        "uniform": held(own, constant(even, own)),
        "control": held(others, constant(even, others)),
        "blind": held(order, Blind()),
        "ideal": held(own, constant(previous_pattern(n), own)),
    }


def _end(
    arm: str, model: AttentionOnly, schedule: Schedule, tokens: Tensor, accuracy: list[float], config: Config
) -> dict[str, float | None]:
    """When an arm's phase change comes, and what its heads look at in the end, those that are held left out."""
    steps = range(0, config.steps + 1, config.log_every)
    with schedule(model, config.steps):
        patterns = capture(model, tokens, [FIRST, SECOND])
    held = [head for each in schedule.held for head in each.edit.neurons if arm != "blind"]
    free = np.delete(previous_token_scores(patterns[FIRST]), held)
    return {
        **event_numbers(arm, list(steps), accuracy, config.level, config.steps),
        f"accuracy_{arm}": accuracy[-1],
        f"previous_{arm}": float(free.max()) if len(free) else None,
        f"induction_{arm}": float(induction_scores(patterns[SECOND], tokens).max()),
    }


def judge(result: StudyResult) -> list[str]:
    """When the phase change comes with heads held, what takes their place, and whether the baseline comes back."""
    sentences = [
        f"{words}, the phase change comes {delay(result, arm, 'baseline', 'in the baseline')}."
        for arm, words in WORDS.items()
    ]
    against = delay(result, "uniform", "control", "with as many other heads held so")
    sentences.append(f"{WORDS['uniform']}, it comes {against}.")
    free = result.over("previous_uniform")
    before = OverSeeds.of(  # the most that one of the heads that were not held attended to it in the baseline
        [sorted(r.curves["heads"], reverse=True)[int(r.numbers["heads_held"] or 0)] for r in result.records]
    )
    if free is not None and not np.isnan(free.low):
        took = free.minus(before).verdict("take", "do not take", "are not decidedly seen to take")
        sentences.append(
            f"Other first-layer heads {took} their place: the most that one of them attends to the previous token is "
            f"{free.mean:.2f}, against {before.mean:.2f} of the same heads in the baseline."
        )
    return [*sentences, restored(result)]


STUDY = Study(
    name="induction",
    title="What an induction head needs: heads held from the start",
    about=(
        "A two-layer attention-only transformer learns to go on with a block of tokens that is repeated, all at once, "
        "when heads of its second layer find what followed the same token earlier (induction heads). They need heads "
        "of the first layer that look at the previous token. As in arXiv 2404.07129, heads are held while the network "
        "trains: the baseline's previous-token heads at uniform attention, as many others as a control, all of the "
        "layer kept from seeing the previous token, and the same heads at the ideal pattern. Held patterns let no "
        "gradient through; the blind heads still learn. The figure shows in-context accuracy, mean, lowest and "
        "highest over the seeds."
    ),
    config=Config,
    measure=measure,
    units=lambda config: (len(ARMS) + 1) * config.steps,
    quantities={
        "heads_previous": "previous-token heads of the baseline",
        "heads_held": "heads held",
        "heads_control": "other heads held in the control",
        "previous_even": "previous-token score of uniform attention",
        "induction_even": "induction score of uniform attention",
        "identical": "baseline restored to the bit",
        **arm_quantities(
            {
                "step": "step of the phase change",
                "accuracy": "in-context accuracy in the end",
                "previous": "best previous-token score of heads not held",
                "induction": "best induction score",
            },
            ARMS,
        ),
    },
    judge=judge,
    draw=induction_figure,
)
