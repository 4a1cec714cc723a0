"""The sentences of the study of forgetting."""

from __future__ import annotations

import numpy as np

from interp.lab.forgetting.refresh import ARMS, SCORES, TASKS
from interp.lab.forgetting.unlearning import RELEARNT
from interp.lab.study import StudyResult

SHARE, TENTH = "{:.1%}".format, "{:.1f}".format
GENERALISED = 0.99


def findings(result: StudyResult) -> list[str]:
    """Forgetting and its generalisation, its predictors, probe, relearning, neurons, and the refresh step."""
    return [
        *_forgetting(result),
        *_predictors(result),
        *_probe(result),
        *_relearning(result),
        *_neurons(result),
        *_refresh(result),
    ]


def _forgetting(result: StudyResult) -> list[str]:
    names = ("held_out_before", "held_out_after_sums", "other_after", "updates", "forget_after")
    over, linear = result.all_over(*names), result.over("held_out_after_linear")
    kept = result.difference("held_out_after_sums", "chance_high")
    assert over is not None
    assert linear is not None
    assert kept is not None
    before, held_out, other, updates, left = over
    lowest = min(value or 0.0 for value in result.each("lowest_before"))
    generalised = (
        "" if lowest >= GENERALISED else f" Not every operation had generalised: one was at {SHARE(lowest)}."
    )
    reached = all(value == 1 for value in result.each("at_chance"))
    chance = (
        f"came to chance after {updates.words(TENTH)} updates ({left.words(SHARE)} are right)"
        if reached
        else f"did not come to chance for every operation ({left.words(SHARE)} are right)"
    )
    partly = kept.verdict("partly kept", "not kept", "not decidedly kept above chance")
    return [
        f"Held-out examples were answered to {before.words(SHARE)} before.{generalised} Under random labels half of an "
        f"operation's training examples {chance}. Held-out examples of a forgotten sum are {partly}: "
        f"{held_out.words(SHARE)} are right (of the forgotten first operand {linear.words(SHARE)}), and of the "
        f"operation's other training examples {other.words(SHARE)}.",
        *_generalisation(result),
        *_slowly(result),
        *_control(result),
    ]


def _slowly(result: StudyResult) -> list[str]:
    over = result.all_over("slow_updates", "slow_forget", "slow_held_out")
    less = result.difference("held_out_after_sums", "slow_held_out")
    assert over is not None
    assert less is not None
    updates, left, held_out = over[0].words(TENTH), over[1].words(SHARE), over[2].words(SHARE)
    verdict = less.verdict("fewer than", "more than", "not decidedly fewer than")
    return [
        f"How it is forgotten matters: at half the learning rate, after {updates} updates, {left} of the forget set of "
        f"a + b and {held_out} of its held-out examples are right, {verdict} at the full rate."
    ]


def _generalisation(result: StudyResult) -> list[str]:
    names = ("generalisation_held_out_sums", "generalisation_held_out_linear", "lost_other_sums")
    over = result.all_over(*names, "lost_linear_of_sums", "lost_sums_of_linear")
    apart = result.difference("lost_other_sums", "generalisation_held_out_sums")
    skills = result.difference("generalisation_held_out_linear", "generalisation_held_out_sums")
    assert over is not None
    assert apart is not None
    assert skills is not None
    sums, linear, other_sums, linear_of_sums, sums_of_linear = (one.words(SHARE) for one in over)
    much = "not decidedly another share"
    return [
        f"Forgetting a sum generalises to its held-out examples by {sums}, to the other sums, of which no example had "
        f"a random label, by {other_sums} ({apart.verdict('more', 'less', much)}), and to the first operand by "
        f"{linear_of_sums}. Forgetting the first operand generalises to its own held-out examples by {linear} "
        f"({skills.verdict('more', 'less', much)} than that of a sum) and to the sums by {sums_of_linear}."
    ]


def _control(result: StudyResult) -> list[str]:
    kept = result.all_over("held_out_control", "others_control", "wrong_after")
    less, wrong = result.difference("held_out_control", "held_out_after"), result.over("wrong_before")
    assert kept is not None
    assert less is not None
    assert wrong is not None
    more = less.verdict("more", "fewer", "not decidedly more")
    return [
        f"Fine-tuned as long on the true labels of the same examples, {kept[0].words(SHARE)} of the "
        f"operation's held-out examples stay right, {more} than under random labels, and "
        f"{kept[1].words(SHARE)} of the other operations'. Wrong labels of the operation, which are no part of "
        f"what was to be forgotten, are still answered to {kept[2].words(SHARE)} (before: {wrong.words(SHARE)})."
    ]


def _predictors(result: StudyResult) -> list[str]:
    parts = []
    for name, words in (("confidence", "confidence"), ("variance", "variance of hidden states")):
        over = result.over(f"rank_{name}")
        if over is None:
            parts.append(f"{words}: not known in every seed")
            continue
        predicts = over.verdict(
            "more is forgotten", "less is forgotten", "it is not decided if more is forgotten"
        )
        each = ", ".join(map("{:.1f}".format, over.values))
        parts.append(f"{words}: {predicts} where it is higher (rank correlations {each})")
    return [
        "Predictors of generalisation over the four operations, before forgetting; "
        + "; ".join(parts)
        + ". The seeds share these operations, which are too few to say it of others."
    ]


def _probe(result: StudyResult) -> list[str]:
    names = ("probe_after", "forget_after", "probe_untrained", "probe_shuffled", "probe_before")
    over = result.all_over(*names)
    more = result.difference("probe_after_sums", "probe_untrained_sums")
    less = result.difference("probe_before", "probe_after")
    linear = result.all_over("probe_after_linear", "probe_untrained_linear")
    assert over is not None
    assert more is not None
    assert less is not None
    assert linear is not None
    after, answers, untrained, shuffled, before = (one.words(SHARE) for one in over)
    return [
        f"A linear probe of the hidden states reads {after} of the forgotten answers (the network: {answers}), "
        f"{less.verdict('less than', 'more than', 'not decidedly less than')} before ({before}); with labels dealt "
        f"anew {shuffled}, in an untrained network {untrained}. For the three sums the probe reads "
        f"{more.verdict('more', 'less', 'not decidedly more')} than in the untrained network (difference "
        f"{more.words(SHARE)}); the operation that answers its first operand is no evidence, as it can be read in an "
        f"untrained network to {linear[1].words(SHARE)} (after forgetting: {linear[0].words(SHARE)})."
    ]


def _relearning(result: StudyResult) -> list[str]:
    half = {name: result.over(f"relearn_{name}_50") for name in RELEARNT}
    true, rest = half["true"], result.over("rest_true_sums")
    assert true is not None
    assert rest is not None
    parts = []
    for name, words in RELEARNT.items():
        difference, own = result.difference(f"relearn_{name}_50", "relearn_true_50"), half[name]
        if name == "true" or difference is None or own is None:
            continue
        parts.append(f"{words} {own.words(TENTH)} ({difference.verdict('slower', 'faster', 'not decided')})")
    compared = []
    for name, words in (
        ("shifted", "follow another rule that is taught in the same way"),
        ("scratch", "come from scratch"),
    ):
        other, gap = (
            result.over(f"rest_{name}_sums"),
            result.difference("rest_true_sums", f"rest_{name}_sums"),
        )
        assert other is not None
        assert gap is not None
        more = gap.verdict("more", "fewer", "not decidedly more")
        compared.append(f"{more} than {words} ({other.words(SHARE)})")
    return [
        f"Fine-tuned on the true labels of half of the forgotten examples, half of them are back after "
        f"{true.words(TENTH)} updates; {', '.join(parts)}. Of a sum's forgotten examples that it was not fine-tuned "
        f"on {rest.words(SHARE)} come back as well, {' and '.join(compared)}."
    ]


def _neurons(result: StudyResult) -> list[str]:
    sentences = []
    for quantity, words in (("weights", "weights"), ("effect", "contributions to the true answer")):
        both = result.all_over(f"{quantity}_excess_generalizing", f"{quantity}_excess_memorizing")
        apart = result.difference(f"{quantity}_excess_generalizing", f"{quantity}_excess_memorizing")
        if both is None or apart is None:
            sentences.append(f"Changes of the {words} are not known for both kinds of neurons in every seed.")
            continue
        general, memory = (one.words(lambda value: f"{np.expm1(value):+.0%}") for one in both)
        verdict = apart.verdict(
            "higher for generalizing ones", "higher for memorizing ones", "not decidedly different"
        )
        sentences.append(
            f"Beside fine-tuning on true labels, forgetting changes the {words} of generalizing neurons by {general} "
            f"and those of memorizing ones by {memory} (means of logarithms, as shares): {verdict}."
        )
    for kind in ("generalizing", "memorizing"):
        falls = result.difference(f"ipr_after_{kind}", f"ipr_control_{kind}")
        values = result.all_over(f"ipr_before_{kind}", f"ipr_after_{kind}", f"ipr_control_{kind}")
        if falls is not None and values is not None:
            before, after, kept = (one.words("{:.2f}".format) for one in values)
            sentences.append(
                f"The periodicity (IPR) of {kind} neurons goes from {before} to {after}, which is "
                f"{falls.verdict('above', 'below', 'not decidedly apart from')} that after true labels ({kept})."
            )
    return sentences


def _refresh(result: StudyResult) -> list[str]:
    arms = result.all_over(*(f"digits_{name}" for name in ARMS))
    assert arms is not None
    shown = ", ".join(f"{words} {one.words(SHARE)}" for words, one in zip(ARMS.values(), arms, strict=True))
    parts = []
    for name, words in ARMS.items():
        if name != "refresh" and (gain := result.difference("digits_refresh", f"digits_{name}")) is not None:
            parts.append(f"{gain.verdict('better than', 'worse than', 'not decidedly apart from')} {words}")
    areas = {name: result.over(f"auc_{name}") for name in SCORES}
    unlearning = areas["unlearning"]
    sentences = [
        f"The refresh step on permuted digits, average accuracy after {TASKS} tasks: {shown}. It is {', '.join(parts)}."
    ]
    if unlearning is not None and all(areas.values()):
        where = (
            "above"
            if unlearning.low > 0.5
            else "below"
            if unlearning.high < 0.5
            else "not decidedly apart from"
        )
        listed = ", ".join(
            f"{words} {areas[name].words('{:.2f}'.format)}"  # type: ignore[union-attr]
            for name, words in SCORES.items()
        )
        shuffled = result.difference("auc_unlearning", "auc_shuffled")
        assert shuffled is not None
        more = shuffled.verdict("above", "below", "not decidedly apart from")
        claim = " Neurons that change most are no candidates for memory here." if where == "below" else ""
        sentences.append(
            f"Memorizing against generalizing neurons by their change in the unlearning step, areas under the curve: "
            f"{listed}. The first is {where} .5, and {more} that of labels dealt anew.{claim}"
        )
    return sentences
