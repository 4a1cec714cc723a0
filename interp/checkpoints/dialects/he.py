"""Checkpoints of He et al. (arXiv 2602.16849): a perceptron that reads both operands through the same matrix."""

from __future__ import annotations

import re
from dataclasses import replace

from interp.checkpoints.dialect import (
    Dialect,
    Fact,
    Hints,
    Reading,
    activation_fact,
    fitting,
    modulus_of_shape,
    unfit,
)
from interp.checkpoints.layouts import Layout
from interp.checkpoints.networks import mlp_readings
from interp.checkpoints.unwrap import StoredWeights

NAME = "he"
LAYOUT = Layout({"mlp.W_in": "N p", "mlp.W_out": "p N", "mlp.basis?": "p p"})
_IN_NAMES = {"square": re.compile("quad|square"), "relu": re.compile("relu")}


def readings(stored: StoredWeights, hints: Hints) -> list[Reading]:
    """Every way to read a file as this network: x² and ReLU, unless something says which.

    The table of Fourier waves that some files hold, ``mlp.basis``, has no part in the network and is left out.
    """
    _, sizes, problem = fitting(stored, LAYOUT)
    if problem:
        return unfit(stored, hints, NAME, problem)
    weights = {
        "embed.W_E": stored.tensors["mlp.W_in"].T[None],
        "unembed.W_U": stored.tensors["mlp.W_out"].T,
    }
    return mlp_readings(
        stored,
        hints,
        NAME,
        weights,
        p=modulus_of_shape(stored, hints, sizes["p"]),
        activation=activation_of(stored, hints),
        tied=True,
    )


def activation_of(stored: StoredWeights, hints: Hints) -> Fact[str]:
    """The activation function, which only the name of the file or of its folder tells."""
    fact = activation_fact(stored, hints, ("square", "relu"))
    names = f"{stored.path.parent.name}/{stored.path.stem}".lower()
    named = [activation for activation, words in _IN_NAMES.items() if words.search(names)]
    if len(named) != 1:
        return fact
    if not fact.said:
        return Fact((named[0],), notes=(f"activation {named[0]}: the name {names!r} says so",))
    if fact.values != (named[0],):
        against = f"the activation is read as {fact.values[0]}; the name {names!r} says {named[0]}"
        return replace(fact, notes=(*fact.notes, against))
    return fact


HE = Dialect(
    NAME,
    "MLP of one hidden layer, both operands through the same matrix; x² or ReLU",
    "arXiv 2602.16849",
    (LAYOUT,),
    readings,
)
