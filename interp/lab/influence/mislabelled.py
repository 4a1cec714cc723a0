"""Training sets with wrong labels, and networks that learn parts of them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from interp.data import ModularTask
from interp.data.split_encoding import encode_split
from interp.lab.influence.memory import memory_effects
from interp.measuring.evaluation import accuracy, all_logits, margins
from interp.models import HookedMLP, MLPConfig
from interp.subject import score
from interp.training import TrainConfig, finish, prepare
from probes.agreement import auc

TRAINED_ON = 0.8  # share of all examples in the training set; the others are held out of every network's
CONTROLS = 20  # random sets of examples that stand in for the memorised ones


class Sums:
    """Addition modulo p with wrong labels, and networks that learn parts of its training set.

    `wrong` marks the training examples with a wrong label, `chance` is the accuracy of a guess, and `held_out` has
    each network's, in the order trained, on what none is trained on.
    """

    def __init__(self, config: Any, seed: int) -> None:
        self.task = ModularTask("add", config.p, TRAINED_ON, config.wrong, corrupt="wrong", seed=seed)
        steps, decay = config.steps, config.weight_decay
        self.training = TrainConfig(steps, weight_decay=decay, save_every=0, log_every=steps, seed=seed)
        self.shape, self.data = MLPConfig(width=config.width), self.task.dataset
        self.rows = self.data.train.nonzero()[:, 0]
        self.wrong, self.chance = self.data.mislabelled[self.rows].numpy(), 1 / config.p
        self.held_out: list[float] = []

    def train(self, keep: Bool[np.ndarray, " example"], number: int) -> HookedMLP:
        """A new network, trained on this part of the training set."""
        train = torch.zeros_like(self.data.train)
        train[self.rows] = torch.from_numpy(keep)
        part = replace(self.data, train=train, corrupted=self.data.corrupted & train)
        task = replace(self.task, split=encode_split(part))
        training = replace(self.training, seed=_seed(self.training.seed, number))
        model = finish(prepare(task, self.shape, training)).model
        assert isinstance(model, HookedMLP)
        return model

    def __call__(self, keep: Bool[np.ndarray, " example"], number: int) -> Bool[np.ndarray, " example"]:
        """Predict each label of the training set by a new network, trained on this part; True where it is right."""
        model = self.train(keep, number)
        self.held_out.append(accuracy(model, self.data).test or 0.0)
        right = margins(all_logits(model, self.data), self.data.labels) > 0
        return right[self.rows].numpy()

    def neurons(
        self, memorised: Bool[np.ndarray, " example"], number: int
    ) -> tuple[dict[str, float | None], dict[str, Any]]:
        """Compare neurons that know the memorised examples with those that an audit calls memorizing.

        The audit knows the wrong labels; the cost of removing a neuron to the memorised examples does not. The network
        of that number is trained on the whole training set. ``neurons_auc`` is of the cost against the audit's labels,
        ``neurons_control`` the same with random examples; None if a kind is missing. Beside them are the costs.
        """
        model = self.train(np.ones(len(self.rows), bool), number)
        label = score(model, self.task)["label"]
        kinds = {kind: label == kind for kind in ("memorizing", "generalizing")}
        labelled = kinds["memorizing"] | kinds["generalizing"]
        numbers: dict[str, float | None] = {f"n_{kind}": float(mask.sum()) for kind, mask in kinds.items()}
        numbers |= {"neurons_auc": None, "neurons_control": None}
        if memorised.all() or not memorised.any():
            return numbers, {}
        generator, costs = np.random.default_rng(self.training.seed), []
        for chosen in (memorised, *(generator.permutation(memorised) for _ in range(CONTROLS))):
            whole = np.zeros(len(self.data), bool)
            whole[self.rows.numpy()] = chosen
            costs.append(memory_effects(model, self.data, whole))
        areas = [auc(cost[labelled], kinds["memorizing"][labelled]) for cost in costs]
        if areas[0] is not None:
            numbers |= {"neurons_auc": areas[0], "neurons_control": float(np.mean(areas[1:]))}  # type: ignore[arg-type]
        shown = {"memorised": costs[0], "random": costs[1]}
        by_kind = {name: {k: x[mask].tolist() for k, mask in kinds.items()} for name, x in shown.items()}
        return numbers, by_kind


class Digits:
    """Small images of digits with wrong labels, and networks that learn parts of them; otherwise as `Sums`.

    The weight decay is an L2 penalty, and training ends before all steps are done if the training set is learnt.
    """

    def __init__(self, config: Any, seed: int) -> None:
        from sklearn.datasets import load_digits

        generator = np.random.default_rng(seed)
        inputs, labels = load_digits(return_X_y=True)
        order = generator.permutation(len(labels))
        self.inputs, self.true, self.n = inputs[order] / 16, labels[order], round(TRAINED_ON * len(labels))
        self.wrong = generator.permutation(self.n) < round(config.wrong * self.n)
        shift = np.where(self.wrong, generator.integers(1, 10, self.n), 0)
        self.labels, self.chance, self.held_out = (self.true[: self.n] + shift) % 10, 0.1, list[float]()
        self.settings = {"hidden_layer_sizes": (config.width,), "alpha": config.weight_decay}
        self.settings["max_iter"], self.seed = config.steps, seed

    def __call__(self, keep: Bool[np.ndarray, " example"], number: int) -> Bool[np.ndarray, " example"]:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        model = MLPClassifier(**self.settings, solver="lbfgs", random_state=_seed(self.seed, number))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # how many steps is the caller's choice
            model.fit(self.inputs[: self.n][keep], self.labels[keep])
        answers = model.predict(self.inputs)
        self.held_out.append(float((answers == self.true)[self.n :].mean()))
        return np.asarray(answers[: self.n] == self.labels)


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
