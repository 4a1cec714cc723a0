"""Neurons whose description is known: detectors written into weights, and networks trained on residues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from interp.analysis.describing import describe
from interp.analysis.predicates import task_predicates
from interp.data import ModularTask, TableTask
from interp.hooks import capture
from interp.models import HookedMLP, MLPConfig
from probes.descriptions import choose

EACH, RANDOM = 20, 60
"""Detectors of each kind, and neurons with random weights beside them."""
NOISE = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
SETTINGS = {
    "95": ("highest 5 %, weight .2", 0.95, 0.2),
    "99": ("highest 1 %, weight .2", 0.99, 0.2),
    "pmi": ("highest 5 %, weight 1", 0.95, 1.0),
}
"""In words, quantile and weight of each way to describe."""
SHUFFLED = 20
MODULUS = 3


@dataclass(frozen=True)
class Planted:
    """A network of square neurons, part of them detectors.

    Attributes:
        truths: The description that each detector should be given; the neurons after them have random weights.
    """

    model: HookedMLP
    truths: tuple[str, ...]


def planted_detectors(p: int, noise: float, seed: int) -> Planted:
    """Detectors of ``a mod 3 = r``, ``b mod 4 = r`` and ``a = r``, with Gaussian noise on every weight.

    Args:
        p: The modulus.
        noise: Its standard deviation, as a share of the weight by which a detector tells its inputs.
        seed: Of residues, noise and random weights; equal noise, scaled, at equal seeds.

    Example:
        >>> planted = planted_detectors(23, 0.1, 0)
        >>> planted.model.config.width, len(planted.truths), planted.truths[0][:9]
        (120, 60, 'a mod 3 =')
    """
    generator = np.random.default_rng(seed)
    width, values = 3 * EACH + RANDOM, np.arange(p)
    weights, truths = noise * generator.normal(size=(2, p, width)), []
    for neuron in range(3 * EACH):
        kind = neuron // EACH
        modulus = (3, 4, p)[kind]
        residue = int(generator.integers(modulus))
        weights[kind % 2, :, neuron] += values % modulus == residue
        truths.append((f"a mod 3 = {residue}", f"b mod 4 = {residue}", f"a = {residue}")[kind])
    weights[:, :, 3 * EACH :] = generator.normal(size=(2, p, RANDOM))
    model = HookedMLP(MLPConfig(width=width), vocab=p)
    with torch.no_grad():
        model.embed.W_E.copy_(torch.from_numpy(weights))
    return Planted(model, tuple(truths))


def is_class(description: str) -> bool:
    """True for a description by the residues of an operand or of the answer."""
    return " mod " in description


def measure_planted(
    p: int, noise: float, level: float, seed: int
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Share of the detectors described rightly, of random neurons described by a class, and of shuffled ones at all."""
    task = ModularTask("add", p=p)
    numbers: dict[str, float | None] = {}
    right: dict[str, list[float]] = {name: [] for name in SETTINGS}
    for size in dict.fromkeys((*NOISE, noise)):
        planted = planted_detectors(p, size, seed)
        for name, (_, quantile, weight) in SETTINGS.items():
            result = describe(planted.model, task, quantile=quantile, weight=weight, level=level, seed=seed)
            texts = result["description"].tolist()
            hits = np.array([text == truth for text, truth in zip(texts, planted.truths, strict=False)])
            if size in NOISE:
                right[name].append(float(hits.mean()))
            if size == noise:
                numbers[f"right_{name}"] = float(hits.mean())
                others = slice(len(hits), None)
                numbers[f"random_class_{name}"] = float(np.mean([*map(is_class, texts[others])]))
                numbers[f"random_described_{name}"] = float(result.described[others].mean())
                for kind, rows in (("agreement", hits), ("random_agreement", result.described[others])):
                    part = (
                        result["agreement"][: len(hits)]
                        if kind == "agreement"
                        else result["agreement"][others]
                    )
                    numbers[f"{kind}_{name}"] = float(part[rows].mean()) if rows.any() else None
            if size == 0:
                numbers[f"exact_{name}"] = float(hits.mean())
    numbers |= shuffled(planted_detectors(p, noise, seed).model, task, level, seed)
    return numbers, {"noise": list(NOISE), "right": right}


def shuffled(model: HookedMLP, task: ModularTask, level: float, seed: int) -> dict[str, float]:
    """Descriptions of neurons whose activations are dealt anew among the inputs: the share of them, and of networks."""
    generator = np.random.default_rng(seed)
    predicates, _ = task_predicates(task, task.dataset)
    hook = model.neuron_sites()[-1].hook
    activations = capture(model, task.dataset.inputs, hook)[hook].double().numpy()
    described = []
    for _ in range(SHUFFLED):
        dealt = generator.permuted(activations, axis=0)
        rows = generator.permutation(len(dealt))[: len(dealt) // 2]
        varying = predicates.varying(rows).at(rows)
        choice = choose(dealt[rows], varying, quantile=0.95, level=level)
        described.append(choice.predicate >= 0)
    each = np.array(described)
    return {"shuffled_described": float(each.mean()), "shuffled_networks": float(each.any(1).mean())}


def measure_trained(p: int, width: int, updates: int, level: float, seed: int) -> dict[str, float]:
    """Networks trained on (a mod 3 + b mod 3) mod 3, and on the same with operands renamed at random."""
    natural, generator = np.arange(p), np.random.default_rng(seed)
    numbers = {}
    for name, names in (("trained", natural), ("renamed", generator.permutation(p))):
        model, task = train_on_residues(p, names, width, updates, seed)
        data = task.dataset
        right = model(data.inputs).argmax(1) == data.labels
        numbers[f"{name}_accuracy"] = float(right[data.test].float().mean())
        own = residue_columns(task, names) if name == "renamed" else None
        for key, (_, quantile, weight) in SETTINGS.items():
            settings: dict[str, Any] = {"quantile": quantile, "weight": weight, "level": level, "seed": seed}
            result = describe(model, task, **settings)
            texts = result["description"].tolist()
            numbers[f"{name}_class_{key}"] = float(np.mean([*map(is_class, texts)]))
            if own is None:
                expected = truths_of(model, names)
                numbers[f"trained_right_{key}"] = _share_right(texts, expected)
                numbers[f"trained_chance_{key}"] = float(
                    np.mean([_share_right(texts, np.roll(expected, shift, 0)) for shift in range(1, width)])
                )
            else:
                texts = describe(model, task, own, **settings)["description"].tolist()
                numbers[f"renamed_right_{key}"] = _share_right(texts, truths_of(model, names, "own "))
    return numbers


def train_on_residues(
    p: int, names: np.ndarray, width: int, updates: int, seed: int
) -> tuple[HookedMLP, TableTask]:
    """A ReLU network of one layer, and its task, whose answer is (names[a] mod 3 + names[b] mod 3) mod 3."""
    generator = np.random.default_rng(seed)
    pairs = np.stack(np.divmod(np.arange(p * p), p), 1)
    labels = (names[pairs] % MODULUS).sum(1) % MODULUS
    task = TableTask.from_arrays(pairs, labels, train=generator.random(p * p) < 0.6)
    data = task.dataset
    config = MLPConfig(width=width, activation="relu")
    model = HookedMLP(config, vocab=p, n_outputs=MODULUS, seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=1.0)
    inputs, answers = data.inputs[data.train], data.labels[data.train]
    for _ in range(updates):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), answers).backward()
        optimizer.step()
    return model.eval(), task


def truths_of(model: HookedMLP, names: np.ndarray, prefix: str = "") -> np.ndarray:
    """Right descriptions of each neuron by its weights, ``(neuron, 3)``.

    The residue of each operand with the largest mean weight, and the answer that follows from both.
    """
    weights = model.embed.W_E.detach().numpy()
    residues = names % MODULUS
    means = np.stack([weights[:, residues == residue].mean(1) for residue in range(MODULUS)])
    left, right = means.argmax(0)
    return np.array(
        [
            (
                f"{prefix}input 0 mod 3 = {a}",
                f"{prefix}input 1 mod 3 = {b}",
                f"answer = {(a + b) % MODULUS}",
            )
            for a, b in zip(left.tolist(), right.tolist(), strict=True)
        ]
    )


def residue_columns(task: TableTask, names: np.ndarray) -> dict[str, np.ndarray]:
    """Predicates of the renamed operands' residues, as a user who suspects them would give them."""
    inputs = task.dataset.inputs.numpy()
    return {
        f"own input {side} mod 3 = {residue}": names[inputs[:, side]] % MODULUS == residue
        for side in (0, 1)
        for residue in range(MODULUS)
    }


def _share_right(texts: Sequence[str], expected: np.ndarray) -> float:
    return float(np.mean([text in truths for text, truths in zip(texts, expected, strict=True)]))
