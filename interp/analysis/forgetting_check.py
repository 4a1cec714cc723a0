"""Are removed memories gone: ranks, a linear probe, relearning and the rule, each beside its controls."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.analysis.dealt_weights import dealt_anew
from interp.analysis.forgetting import ForgettingCheck, held_out
from interp.analysis.relearning import relearn_beside
from interp.analysis.removing import chosen_neurons
from interp.data import Dataset, Task
from interp.errors import ConfigError
from interp.hooks import capture
from interp.interventions import Edit, edit_from_mode, intervene
from interp.measuring.evaluation import all_logits, margins
from interp.measuring.traces import Traces, memory_traces, more_often
from interp.models import HookedModel, neuron_site
from interp.subject import Network, Subject, subject_of
from probes.ridge_probe import ridge_probe

MOST_EXAMPLES = 2_000
"""Of the wrongly labelled, and of the held-out; the probe is fitted to at most twice as many others."""
MOST_FEATURES = 4_096
"""A site with more numbers an example is averaged over its positions."""
NOTHING = "Nothing to check: no label is known to be wrong, or there are only two classes."


def check_forgetting(
    network: Network,
    task: Task | None = None,
    neurons: Any = "label:memorizing",
    *,
    after: Network | None = None,
    site: str | None = None,
    steps: int = 100,
    lr: float | None = None,
    draws: int = 19,
    seed: int | None = None,
) -> ForgettingCheck | None:
    """Look for memorised wrong labels in a network that should have forgotten them.

    Four looks, each beside controls: the rank of the wrong label among the wrong answers; the same by a linear probe of
    the activations, which is fitted to other training examples and to one half of the wrongly labelled ones, and asked
    about the other half; the steps in which the labels are learnt again; and held-out examples, which show if the rule
    was forgotten too. Sources: arXiv 2505.16831 and 2409.02228; the controls are this project's.

    Args:
        network: The network before: a hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task; a checkpoint's own if None.
        neurons: Those that are taken out, as of `interp.remove`; without effect if `after` is given.
        after: The network after any unlearning, of the same task; None: `network` without `neurons`.
        site: Hook name of the neurons that are taken out and probed; the model's last site if None.
        steps: Of relearning, at most; 0: leave it out.
        lr: Learning rate of relearning; if None that of the training, or 0.01.
        draws: Of each control of relearning; below 19 it cannot be found faster.
        seed: Of all draws.

    Returns:
        None where no label is known to be wrong, or there are fewer than three classes.

    Raises:
        ConfigError: The networks have other classes, or a number is out of range. HookNameError: `after` has no such
            site. InterventionError: the neurons cannot be used.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)
        >>> check = check_forgetting(planted_mlp(task).model, task, [0, 1], steps=0)
        >>> check.verdict
        'something is left'
    """
    subject = subject_of(network, task, site=site, seed=seed)
    if draws < 1 or steps < 0:
        raise ConfigError(f"draws={draws} and steps={steps}; expected at least 1 draw and 0 steps")
    if subject.data.n_classes < 3 or not subject.data.mislabelled.any():
        return None
    if after is not None:
        return _check(subject, _same_task(subject, after), (), np.zeros(0, int), steps, lr, draws)
    _, removed = chosen_neurons(subject, neurons)
    edits = (edit_from_mode(subject.model, removed, "zero", site=subject.hook),)
    return _check(subject, subject, edits, removed, steps, lr, draws)


def _check(
    subject: Subject,
    changed: Subject,
    edits: tuple[Edit, ...],
    removed: Int[np.ndarray, " removed"],
    steps: int,
    lr: float | None,
    draws: int,
) -> ForgettingCheck:
    """Compare a network with another one, or with itself without some neurons."""
    data = subject.data.at(_rows(subject.data, np.random.default_rng(subject.seed)))
    before, now = _View(subject), _View(changed, edits, removed)
    outputs = [view.logits(data) for view in (before, now)]
    data = data.to("cpu")
    readout = memory_traces(outputs[1], outputs[0], data, seed=subject.seed)
    assert readout is not None
    probe, shuffled, untrained = _probes(before, now, data, subject.seed)
    p_value = probe.p_value
    if p_value is not None:
        hits, others = (round(one.memorised.runner_up * one.memorised.examples) for one in (probe, untrained))
        n = probe.memorised.examples
        p_value = max(p_value, more_often(hits, n, others, n))
    relearning = None
    if steps:
        relearning = relearn_beside(changed, edits, len(removed), steps=steps, lr=lr, draws=draws)
    answered_before, answered_after = (
        float(_right(one, data.labels)[data.mislabelled].mean()) for one in outputs
    )
    return ForgettingCheck(
        int(data.mislabelled.sum()),
        answered_before,
        answered_after,
        readout,
        probe,
        shuffled.memorised,
        untrained.memorised,
        p_value,
        relearning,
        _held_out(outputs, data),
    )


class _View:
    """A network as it is looked at: with edits, and without the neurons that these take out."""

    def __init__(self, subject: Subject, edits: tuple[Edit, ...] = (), removed: Any = ()) -> None:
        self.model, self.hook, self.edits = subject.model, subject.hook, edits
        self.removed = np.asarray(removed, dtype=int)

    def logits(self, data: Dataset) -> Float[Tensor, "example output"]:
        """Of every example, on the CPU."""
        with intervene(self.model, *self.edits) if self.edits else nullcontext():
            return all_logits(self.model, data, batch_size=MOST_EXAMPLES).cpu()

    def activations(
        self, data: Dataset, model: HookedModel | None = None
    ) -> Float[np.ndarray, "example feature"]:
        """Of the neurons that are left; at all positions, or their mean where these are many."""
        place = neuron_site(self.model, self.hook)
        captured = capture(model or self.model, data.inputs, place.hook, batch_size=MOST_EXAMPLES)[place.hook]
        kept = np.delete(captured.movedim(place.axis, -1).double().cpu().numpy(), self.removed, axis=-1)
        flat = kept.reshape(len(kept), -1)
        return flat if flat.shape[1] <= MOST_FEATURES else kept.reshape(len(kept), -1, kept.shape[-1]).mean(1)


def _same_task(subject: Subject, after: Network) -> Subject:
    """The other network, measured on the first one's examples."""
    other = subject_of(after, subject.task, site=subject.hook, seed=subject.seed)
    classes = all_logits(other.model, subject.data.at(slice(0, 1))).shape[1]
    if classes != subject.data.n_classes:
        raise ConfigError(
            f"the network after unlearning has {classes} classes, the one before {subject.data.n_classes}; give two "
            "networks of one task"
        )
    return other


def _rows(data: Dataset, generator: np.random.Generator) -> Int[Tensor, " row"]:
    """Wrongly labelled, held-out and other training examples, of each at most so many."""
    kinds = {data.mislabelled: 1, data.test: 1, data.train & ~data.mislabelled: 2}
    chosen = []
    for mask, times in kinds.items():
        rows = mask.nonzero()[:, 0].cpu().numpy()
        few = generator.choice(rows, min(len(rows), times * MOST_EXAMPLES), replace=False)
        chosen.append(np.sort(few))
    return torch.as_tensor(np.concatenate(chosen), device=data.labels.device)


def _probes(before: _View, now: _View, data: Dataset, seed: int) -> tuple[Traces, Traces, Traces]:
    """Ranks by a probe; by one fitted to labels that are dealt anew; and of weights that are."""
    generator = np.random.default_rng(seed)
    labels, wrong = data.labels.numpy(), data.mislabelled.numpy()
    folds = generator.permutation(len(labels)) % 2
    train = data.train.numpy()
    dealt = labels.copy()
    dealt[train] = generator.permutation(labels[train])

    def scores(activations: Float[np.ndarray, "example feature"], fitted: Any) -> Tensor:
        result = np.zeros((len(labels), data.n_classes))
        for fold in (0, 1):
            taught = train & (~wrong | (folds != fold))
            asked = ~taught & (folds == fold)
            result[asked] = ridge_probe(
                activations[taught], fitted[taught], activations[asked], data.n_classes
            )
        return torch.as_tensor(result)

    first, activations = scores(before.activations(data), labels), now.activations(data)
    each = [scores(activations, labels), scores(activations, dealt)]
    each.append(scores(now.activations(data, dealt_anew(now.model, generator)), labels))
    probe, shuffled, untrained = (memory_traces(one, first, data, seed=seed) for one in each)
    assert probe is not None
    assert shuffled is not None
    assert untrained is not None
    return probe, shuffled, untrained


def _right(
    logits: Float[Tensor, "example output"], labels: Int[Tensor, " example"]
) -> Bool[np.ndarray, " example"]:
    return (margins(logits.clone(), labels) > 0).numpy()


def _held_out(outputs: list[Tensor], data: Dataset) -> Any:
    rows, true = data.test.numpy(), data.true_labels
    if not rows.any():
        return None
    base_rate = float(torch.bincount(true[data.test]).max() / rows.sum())
    before, after = (_right(one, true)[rows] for one in outputs)
    return held_out(before, after, base_rate)
