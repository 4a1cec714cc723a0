"""Spikes of a simulated network with known connections, and scores of estimates of these."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.metrics import roc_auc_score
from torch import Tensor

NEURONS, HUBS = 24, 3


def connections(generator: np.random.Generator) -> Bool[np.ndarray, "neuron neuron"]:
    """A directed graph, from row to column: the first neurons are hubs, each of which drives seven random others."""
    graph = np.zeros((NEURONS, NEURONS), bool)
    for hub in range(HUBS):
        graph[hub, HUBS + generator.permutation(NEURONS - HUBS)[:7]] = True
    return graph


def simulate(graph: np.ndarray, bins: int, generator: np.random.Generator) -> Int[Tensor, " token"]:
    """Spikes of integrate-and-fire neurons with noise, joined as in a graph: neurons in the order of time.

    A spike raises those that the neuron drives one bin later; neurons that fire in one bin come in random order.
    """
    drive = np.where(np.arange(NEURONS) < HUBS, 0.3, 0.0)
    potential, spikes, events = np.zeros(NEURONS), np.zeros(NEURONS), []
    for noise in 0.5 * generator.standard_normal((bins, NEURONS)):
        potential = 0.3 * potential * (1 - spikes) + drive + noise + 1.4 * (spikes @ graph)
        spikes = (potential >= 1).astype(float)
        events.append(generator.permutation(np.flatnonzero(spikes)))
    return torch.from_numpy(np.concatenate(events))


def follow_graph(tokens: Tensor) -> Float[np.ndarray, "neuron neuron"]:
    """Without a network: by what factor the column's neuron is more frequent in six tokens after the row's."""
    counts, after = np.zeros((NEURONS, NEURONS)), tokens.numpy()
    for lag in range(1, 7):
        np.add.at(counts, (after[:-lag], after[lag:]), 1)
    share = np.bincount(after, minlength=NEURONS) / len(after)
    return counts / counts.sum(1, keepdims=True) / share


def auc(estimate: np.ndarray, graph: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve over all pairs of neurons, and within the targets of each hub, averaged."""
    pairs = ~np.eye(NEURONS, dtype=bool)
    own = [roc_auc_score(graph[hub, HUBS:], estimate[hub, HUBS:]) for hub in range(HUBS)]
    return float(roc_auc_score(graph[pairs], estimate[pairs])), float(np.mean(own))
