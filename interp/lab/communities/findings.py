"""The sentences of the study of populations."""

from __future__ import annotations

from interp.lab.communities.bricks import bricks_findings
from interp.lab.communities.core import core_findings
from interp.lab.communities.hyperactive import hyperactive_findings
from interp.lab.study import StudyResult

SHARE, INDEX, STEP = "{:.0%}".format, "{:.2f}".format, "{:.0f}".format
GOAL, NEAR_NONE, LEVEL = 0.7, 0.1, 0.05


def findings(result: StudyResult) -> list[str]:
    """Communities over training with their controls, the tensor's components, cores, bricks, hyperactive neurons."""
    return [
        *_over_training(result),
        *_controls(result),
        *_modularity(result),
        *_components(result),
        *core_findings(result),
        *bricks_findings(result),
        *hyperactive_findings(result),
    ]


def _over_training(result: StudyResult) -> list[str]:
    after = result.all_over("ari_after", "high_after", "accuracy_after", "generalizing", "frequencies")
    phases = result.all_over("ari_before", "ari_at", "step_half", "step_communities", "train_before")
    if after is None or phases is None:
        reached = ", ".join(SHARE(value) for value in result.each("accuracy_after") if value is not None)
        return [
            "Not every seed has a network that groks and ends with generalizing neurons of two frequencies (held-out "
            f"accuracy at the end: {reached or 'unknown'}), so that nothing is decided about communities before and "
            "after it."
        ]
    final, high, _, neurons, frequencies = after
    before, at, half, step, trained = phases
    reached = (
        f"at least {GOAL}"
        if final.low >= GOAL
        else f"below {GOAL}"
        if final.high < GOAL
        else f"not decidedly {GOAL}"
    )
    none = "near 0" if before.high <= NEAR_NONE else "not decidedly near 0"
    later = step.minus(half).verdict("later than", "before", "not decidedly before or after")
    chance = final.minus(high).verdict("above", "below", "not decidedly above")
    early = max(value or 0.0 for value in result.each("p_before"))
    already = (
        " In every seed the few links before grokking are with neurons of one final frequency beyond chance "
        f"(p at most {early:.3g}): communities begin before held-out accuracy shows them."
        if early <= LEVEL
        else ""
    )
    return [
        f"Communities of neurons that are active together agree with the final frequencies of the "
        f"{neurons.words(STEP)} generalizing neurons ({frequencies.words(STEP)} frequencies) by an adjusted Rand index "
        f"of {before.words(INDEX)} before grokking ({none}; the training set is then answered to "
        f"{trained.words(SHARE)}), {at.words(INDEX)} when half of the held-out examples are, and "
        f"{final.words(INDEX)} at the end ({reached}, {chance} shuffled frequencies' 95th percentile, "
        f"{high.words(INDEX)}).{already}",
        f"Half of the final agreement is there at step {step.words(STEP)}, {later} half held-out accuracy (step "
        f"{half.words(STEP)}). Checkpoints are {result.config.every} steps apart, which limits what this can tell.",
    ]


def _controls(result: StudyResult) -> list[str]:
    sentences = []
    control = result.all_over("control_accuracy", "control_linked", "control_ari", "linked_after", "all_ari")
    more = result.difference("linked_after", "control_linked")
    if control is not None and more is not None:
        accuracy, linked, ari, own, every = (
            one.words(shown) for one, shown in zip(control, (SHARE, SHARE, INDEX, SHARE, INDEX), strict=True)
        )
        sentences.append(
            f"With random labels, which cannot be generalised (held-out accuracy {accuracy}), {linked} of the neurons "
            f"are linked ({own} in the network that groks: "
            f"{more.verdict('more', 'fewer', 'not decidedly more')}), and communities agree with the neurons' "
            f"strongest frequencies by {ari}. Of all live neurons of the network that groks, memorizing ones among "
            f"them, the index is {every}: what is not periodic has no frequency to agree with."
        )
    halves, pairs = result.over("ari_halves"), result.over("ari_every_pair_after")
    both = result.all_over("ari_rectified", "ari_after")
    if halves is not None and pairs is not None and both is not None:
        gap = both[1].minus(both[0]).verdict("below", "above", "not decidedly below")
        sentences.append(
            f"Communities of two halves of the examples agree by {halves.words(INDEX)}. Without a threshold for links "
            f"the index at the end is {pairs.words(INDEX)}. With the rectified correlation it is "
            f"{both[0].words(INDEX)}, {gap} that of the squared one: neurons of one frequency in opposite phases are "
            "anticorrelated, and rectifying parts them."
        )
    return sentences


def _modularity(result: StudyResult) -> list[str]:
    both = result.all_over("modularity", "modularity_dealt", "modularity_p")
    if both is None:
        return ["Modularity is not known in every seed."]
    above = both[0].minus(both[1]).verdict("above", "below", "not decidedly apart from")
    return [
        f"Modularity at the end is {both[0].words(INDEX)}, {above} that of the same affinities dealt to other pairs "
        f"({both[1].words(INDEX)}; p at most {max(both[2].values):.3g}). As even that is high, modularity alone is no "
        "sign of communities."
    ]


def _components(result: StudyResult) -> list[str]:
    over = result.all_over("rank", "explained_held_out", "ari_components", "step_components", "step_half")
    if over is None:
        return ["The tensor's components are not known in every seed."]
    rank, explained, ari, step, half = over
    later = step.minus(half).verdict("later than", "before", "not decidedly before or after")
    less = result.difference("ari_components", "ari_after")
    beside = "" if less is None else less.verdict(", more than", ", less than", ", not decidedly less than")
    most = (
        " (the most that were tried, so a larger number might explain more)" if min(rank.values) >= 32 else ""
    )
    return [
        f"The affinities over time have {rank.words(STEP)} components{most}, which explain {explained.words(SHARE)} of "
        f"them on other examples; each neuron's strongest component agrees with its frequency by {ari.words(INDEX)}"
        f"{beside + ' communities at the end' if beside else ''}. Half of them have reached half of their strength by "
        f"step {step.words(STEP)}, {later} half held-out accuracy. Several components may share a frequency, as "
        "affinities within one depend on phases."
    ]
