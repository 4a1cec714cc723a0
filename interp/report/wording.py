"""Numbers, the task and the network in words, as every form of the report shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from interp.markup import UNKNOWN, number, percentage

if TYPE_CHECKING:
    from interp.results import AuditReport


def task_sentence(report: AuditReport) -> str:
    """The task in words."""
    task = report.task
    modulus = "" if task.get("p") is None else f" modulo {task['p']}"
    name = f"{task['operation']}{modulus}" if task.get("operation") else "a custom task"
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
        return f"{model.get('module', 'a network')} of its author's code{neurons} at {report.table.site_name}"
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
    runs: list[list[int]] = []
    for frequency in frequencies:
        if runs and frequency == runs[-1][-1] + 1:
            runs[-1].append(frequency)
        else:
            runs.append([frequency])
    shown = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(shown) or "none"
