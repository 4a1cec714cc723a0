"""The refresh step in training, beside replay alone, twice the gradients and random directions; and in audits."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import one_hot

from interp.data import ModularTask
from interp.lab.continual.method import Method, Together
from interp.lab.continual.methods.refresh import Refresh
from interp.lab.continual.methods.replay import Replay
from interp.lab.continual.metrics import sequence_metrics
from interp.lab.continual.sequence import Training, learn_in_sequence
from interp.lab.continual.tasks import permuted_digits
from interp.models import HookedModel, MLPConfig
from interp.subject import Subject
from interp.training import TrainConfig, train
from probes.agreement import auc
from probes.periodicity import ipr
from probes.spectrum import power

ARMS = {
    "replay": "replay alone",
    "refresh": "refresh and replay",
    "random": "random steps and replay",
    "double": "replay, twice the updates",
}
TASKS, UPDATES, HIDDEN, RATE = 4, 200, 100, 0.1
MODULUS, WIDTH, WRONG = 59, 300, 0.15
"""Of the network whose memorizing neurons are looked for; it generalises, and answers its wrong labels."""
SCORES = {
    "unlearning": "unlearning all training examples",
    "wrong": "unlearning the wrongly labelled",
    "shuffled": "unlearning labels dealt anew",
    "ipr": "aperiodicity",
}


def compare_refresh(size: float, kept: int, seed: int) -> dict[str, float]:
    """Average accuracy after all tasks of each of `ARMS`, all from the same first weights and batches."""
    replay, results = Replay(kept), {}
    arms: dict[str, tuple[Method, int]] = {
        "replay": (replay, UPDATES),
        "refresh": (Together((replay, Refresh(size))), UPDATES),
        "random": (Together((replay, Refresh(size, direction="random"))), UPDATES),
        "double": (replay, 2 * UPDATES),
    }
    for name, (method, updates) in arms.items():
        tasks = permuted_digits(TASKS, torch.Generator().manual_seed(seed))
        network = _classifier(torch.Generator().manual_seed(seed))
        learnt = learn_in_sequence(network, tasks, method, Training(updates=updates, lr=RATE), seed=seed)
        results[f"digits_{name}"] = sequence_metrics(learnt.accuracy, learnt.untrained)["average"]
    return results


def _classifier(generator: torch.Generator) -> nn.Module:
    network = nn.Sequential(nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
    with torch.no_grad():
        for one in network.parameters():
            fan_in = 64 if one.shape[0] == HIDDEN else HIDDEN
            one.copy_((2 * torch.rand(one.shape, generator=generator) - 1) / fan_in**0.5)
    return network


def candidates(seed: int, modulus: int = MODULUS, width: int = WIDTH) -> dict[str, float | None]:
    """Areas under the curve with which scores tell memorizing from generalizing neurons of a network for addition.

    ``unlearning``: change of a neuron's weights in one step up the gradient of all training examples, as a share of
    their length; ``wrong``: of the wrongly labelled ones only; ``shuffled``: of labels that are dealt anew. ``ipr``:
    how little periodic it is; the labels are not independent of it.
    """
    task = ModularTask(
        "add", p=modulus, train_fraction=0.7, corrupt_fraction=WRONG, corrupt="wrong", seed=seed
    )
    settings = TrainConfig(steps=250, weight_decay=1.0, save_every=0, log_every=200, seed=seed)
    model = train(task, MLPConfig(width=width), settings, show_progress=False).model
    subject = Subject(model, task, seed=seed)
    labels = np.asarray(subject.table["label"])
    data, chosen = task.dataset, np.isin(labels, ("memorizing", "generalizing"))
    memorizing = labels[chosen] == "memorizing"
    own = data.labels[data.train]
    dealt = own[torch.randperm(len(own), generator=torch.Generator().manual_seed(seed))]
    place = subject.place
    vectors = [*place.input_vectors, place.readout]
    scores = {
        "unlearning": unlearning_change(model, data.inputs[data.train], own),
        "wrong": unlearning_change(model, data.inputs[data.mislabelled], data.labels[data.mislabelled]),
        "shuffled": unlearning_change(model, data.inputs[data.train], dealt),
        "ipr": -np.mean(
            [ipr(power(one.detach().double().numpy())) for one in vectors if one is not None], axis=0
        ),
    }
    accuracy = subject.accuracy
    return {
        **{f"auc_{name}": auc(score[chosen], memorizing) for name, score in scores.items()},
        "candidates_test": accuracy.test,
        "candidates_memorised": accuracy.corrupted_as_labelled,
        "candidates_memorizing": float(memorizing.sum()),
    }


def unlearning_change(model: HookedModel, inputs: Tensor, labels: Tensor) -> Float[np.ndarray, " neuron"]:
    """Change of every neuron's weights in one step up the gradient, as a share of their length, up to a factor.

    Of a network with one layer, each of whose weight matrices has an axis as long as there are neurons, or is the
    readout or embedding; the loss is the squared error that it was trained with.
    """
    parameters = list(model.parameters())
    logits = model(inputs)
    loss = (logits - one_hot(labels, logits.shape[1])).square().mean()
    width = model.neuron_sites()[-1].width
    change, length = np.zeros(width), np.zeros(width)
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        axis = next((place for place, size in enumerate(parameter.shape) if size == width), None)
        if axis is not None:
            change += _by_neuron(gradient, axis)
            length += _by_neuron(parameter, axis)
    return np.sqrt(change / np.maximum(length, 1e-30))


def _by_neuron(values: Tensor, axis: int) -> Float[np.ndarray, " neuron"]:
    """Sums of squares along all other axes."""
    return values.detach().movedim(axis, 0).flatten(1).square().sum(1).double().numpy()
