"""Kurtosis of a neuron's activations over the examples, as a column of every table."""

from scipy.stats import kurtosis

from probes.columns import Column, Score


def measure(cached, task):
    """Excess kurtosis of each neuron, ``(neuron,)``."""
    activations = cached.activations.double().numpy()
    return {"kurtosis": kurtosis(activations.reshape(-1, activations.shape[-1]), axis=0)}


def fail(cached, task):
    raise RuntimeError("no such luck")


SCORE = Score({"kurtosis": Column("kurtosis", "", "Excess kurtosis over the examples.")}, measure)
FAILING = Score({"luck": Column("luck", "", "Never measured.")}, fail)
TAKEN = Score({"ipr": Column("IPR", "", "A column that there is.")}, measure)
