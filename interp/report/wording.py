"""Numbers, the task and the network in words, and the words of a report for someone who has not read the papers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.data.operations import operation_in_words
from interp.data.splits import SPLITS
from interp.markup import UNKNOWN, number, percentage
from interp.measuring.band import INTERVAL
from interp.report.component_captions import WITHOUT
from interp.report.component_captions import WORDS as COMPONENT_WORDS
from probes.columns import COLUMNS, column
from probes.labels import LABELS
from probes.parts import FREQUENCIES, Parts, dimensions

if TYPE_CHECKING:
    from interp.results import AuditReport


WORDS: dict[str, str] = {
    "rule": "What the task asks for, such as a + b modulo p. A network that follows it is right on pairs that it has "
    "never seen.",
    "memory": "Answers learnt by heart. They are right on examples that were trained on, and say nothing of others.",
    "training examples": "What the network was trained on. The clean ones have the right label.",
    "corrupted examples": "Training examples whose label was redrawn at random before training. “As labelled” counts "
    "answers that repeat that label, which only memory can; “as true” counts answers that follow the rule.",
    "held-out examples": "Examples that were kept from training, also called the test set.",
    "operands, pair": "The two numbers that the operation is applied to.",
    "neuron": "One number that the network computes on the way to its answer. Taking it out means setting it to 0.",
    "activation": "The value of a neuron for one example.",
    "weights": "The numbers that training changes: how strongly a neuron reacts to each input, and how strongly it "
    "votes for each answer.",
    "logit": "The network's score of one possible answer; the answer with the largest is what it says. Effects are in "
    "these units.",
    "margin": "By how much the logit of the right answer (or of a corrupted label) is above all others. Below 0 "
    "another answer wins.",
    "effect": "How much the margins fall, on average, if one neuron is taken out.",
    "loss": "How wrong the answers are, as training measures it: 0 is certain and right.",
    "ordering": "The order of the numbers in which a solution of the task is a wave: 0, 1, 2, … for sums, the discrete "
    "logarithm for products.",
    "frequency": "How many full waves fit into the ordering. Key frequencies are those of the neurons of the rule.",
    "phase": "Where in its cycle a wave begins.",
    "spectrum, energy": "How a curve is made of waves: the share of its variance at each frequency. All shares add up "
    "to 100 %.",
    "variance": "How much a curve goes up and down around its mean.",
    "periodic": "Repeating itself at regular intervals: most of the variance is at one frequency.",
    "IPR": "Inverse participation ratio: how much of the spectrum is at one frequency, from 0 (spread over all, as "
    "noise) to 1 (one pure wave).",
    f"random sets, {INTERVAL} interval": "The same number of neurons, drawn at random and taken out instead; "
    f"{INTERVAL} of the "
    "draws lie between the two numbers. Only what is outside it is more than chance.",
    "p-value, q-value": "How likely chance alone gives a value as extreme. The q-value takes into account how many "
    "neurons were looked at: of all those up to 0.01, about 1 % are false finds.",
    "runner-up": "The strongest of all wrong answers to an example. A memorised label that is runner-up more often "
    "than labels that nobody trained on has left a trace in the network.",
    "relearning": "Training a network again on what was removed from it: what was only hidden comes back faster than "
    "something new is learnt.",
    "grokking": "Learning the rule long after the training examples were memorised.",
}


def headline(report: AuditReport) -> str:
    """The finding in a few words: how far the network generalises, and the phase, of tasks that have them."""
    finding, phase = report.base_rate.finding, report.phase.name
    if finding is None:
        return "whether it generalises cannot be told"
    return finding if phase is None else f"{finding} (phase: {phase})"


def task_sentence(report: AuditReport) -> str:
    """The task in words."""
    task = report.task
    name = operation_in_words(task["operation"], task.get("p")) if task.get("operation") else "a custom task"
    if (group := (report.table.meta.get("null") or {}).get("group")) is not None:
        whole = task.get("p") == group["order"]
        name = f"{name.partition(' of ')[0] if whole else f'{name}, a group in it'} ({group_sentence(group)})"
    count = task.get("examples")
    if task.get("train_fraction") is None:
        which = (
            ", not known which examples" if count is None else f", {count} examples, not known which of them"
        )
        return f"{name}{which} it was trained on"
    examples = "all examples" if count is None else f"{count} examples"
    trained, corrupted = percentage(task["train_fraction"]), task.get("corrupt_fraction")
    wrong = "none" if corrupted == 0 else percentage(corrupted)
    return f"{name}, {trained} of {examples} trained on, {wrong} of those corrupted"


def model_sentence(report: AuditReport) -> str:
    """The network in words."""
    model = {key: value for key, value in report.model.items() if value is not None}
    kind, width = model.get("kind") or "network", model.get("width")
    neurons = "" if width is None else f" with {width} neurons"
    activation = f", {model['activation']} activation" if "activation" in model else ""
    if kind == "transformer" and "n_layers" in model:
        only = model["n_layers"] == 1 and report.table.site_name == "blocks.0.mlp.hook_post"
        return f"{_transformer(model)}{activation}{'' if only else f'; scored at {report.table.site_name}'}"
    if kind == "adopted":
        layout = f", {model['layout']}" if str(model.get("layout")).count(",") > 1 else ""
        place = f"{report.table.site_name}{layout}"
        return f"{model.get('module', 'a network')} of its author's code{neurons} at {place}"
    if kind == "mlp":
        kind = "MLP" if "depth" not in model else f"MLP of {model['depth']} layers of weights"
        norm = f", {model['norm']} norm" if model.get("norm", "none") != "none" else ""
        return f"{kind}{neurons}{activation}{norm}"
    return f"{kind}{neurons}{activation}"


def _transformer(model: dict[str, Any]) -> str:
    layers, norms = model["n_layers"], {"none": ", no norm", "layer": ", layer norm", "pre": ", layer norm"}
    many = "1 layer" if layers == 1 else f"{layers} layers"
    heads = f"{model.get('n_heads', UNKNOWN)} heads and {model.get('d_mlp', UNKNOWN)} neurons"
    prompt = f", reads “{model['prompt']}”" if "prompt" in model else ""
    coefficient = model.get("attn_coeff", 1)
    attention = "" if coefficient == 1 else f", attention coefficient {number(coefficient)}"
    causal = "causal " if model.get("causal") else ""
    return (
        f"{causal}transformer of {many} with {heads} each, {model.get('d_model', UNKNOWN)} wide{prompt}{attention}"
        f"{norms.get(str(model.get('norm')), '')}"
    )


def in_words(frequencies: Iterable[int]) -> str:
    """Frequencies in words, runs of three or more as ``first to last``.

    Example:
        >>> in_words([1, 2, 3, 7, 9])
        '1 to 3, 7, 9'
    """
    values = np.array(list(frequencies))
    runs = np.split(values, 1 + np.flatnonzero(np.diff(values) != 1))
    shown = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(shown) or "none"


def parts_in_words(numbers: Iterable[int], parts: Parts) -> str:
    """Components in words; frequencies as of `in_words`.

    Example:
        >>> parts_in_words([1, 2, 3], FREQUENCIES)
        '1 to 3'
    """
    if not parts.known:
        return in_words(numbers)
    return ", ".join(map(parts.brief, numbers)) or "none"


def group_sentence(group: Mapping[str, Any]) -> str:
    """A group of a table's ``meta["null"]`` in words.

    Example:
        >>> group_sentence({"name": "S4", "order": 24, "classes": 5, "abelian": False, "exponent": 12})
        'S4: 24 elements in 5 classes, not abelian, exponent 12'
    """
    size = f"{group['order']} elements in {group['classes']} classes"
    named = "" if group["name"].startswith("a group of order") else f"{group['name']}: "
    return f"{named}{size}, {'' if group['abelian'] else 'not '}abelian, exponent {group['exponent']}"


def components_sentence(group: str, components: Sequence[Mapping[str, Any]]) -> str:
    """The components of a group that neurons lie in, those with most neurons first.

    Example:
        >>> components_sentence("S5", [{"name": "standard", "size": 16, "dimension": 4, "neurons": 58}])
        'Components of S5 with neurons in them: standard (16 dimensions) 58.'
    """
    parts = [f"{one['name']} ({dimensions(one['size'])}) {one['neurons']}" for one in components]
    return f"Components of {group} with neurons in them: {'; '.join(parts) or 'none'}."


def glossary(parts: Parts = FREQUENCIES) -> dict[str, str]:
    """`WORDS`, then splits, labels and columns of a table of neurons with their meanings.

    Example:
        >>> glossary()["memorizing"].startswith("Not periodic")
        True
    """
    splits = {split.title: split.meaning for split in SPLITS.values()}
    labels = {name: parts.worded(label.meaning) for name, label in LABELS.items()}
    columns = {known.heading: parts.worded(plain(known.meaning)) for known in COLUMNS.values()}
    words = WORDS
    if parts.known:
        words = {word: text for word, text in (WORDS | COMPONENT_WORDS).items() if word not in WITHOUT}
    return words | splits | labels | {title: text for title, text in columns.items() if title not in words}


def plain(meaning: str) -> str:
    """The meaning of a column with the titles of other columns in place of their names.

    Example:
        >>> plain("False-discovery rate of `p_value` over the neurons.")
        'False-discovery rate of “p-value” over the neurons.'
    """
    return re.sub("`([^`]+)`", lambda name: f"“{column(name[1]).title}”", meaning)
