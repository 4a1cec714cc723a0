"""Checkpoints of He et al. (arXiv 2602.16849): a perceptron that reads both operands through the same matrix."""

from __future__ import annotations

import re

from interp.checkpoints.builders import mlp_readings
from interp.checkpoints.dialect import Dialect, Fact, ForeignFile, Reading
from interp.checkpoints.layouts import Layout

LAYOUT = Layout({"mlp.W_in": "N p", "mlp.W_out": "p N", "mlp.basis?": "p p"})
_IN_NAMES = {"square": re.compile("quad|square"), "relu": re.compile("relu")}


def readings(file: ForeignFile) -> list[Reading]:
    """Every way to read a file as this network: x² and ReLU, unless something says which.

    The table of Fourier components that some files hold, ``mlp.basis``, has no part in the network and is left out.
    """
    _, sizes = file.fit(LAYOUT)
    weights = {"embed.W_E": file.tensors["mlp.W_in"].T[None], "unembed.W_U": file.tensors["mlp.W_out"].T}
    return mlp_readings(file, weights, p=sizes["p"], activation=_activation(file), tied=True)


def _activation(file: ForeignFile) -> Fact[str]:
    """The activation function, which only the name of the file or of its folder tells."""
    fact = file.activation("square", "relu")
    names = f"{file.stored.path.parent.name}/{file.stored.path.stem}".lower()
    named = [activation for activation, words in _IN_NAMES.items() if words.search(names)]
    if len(named) != 1:
        return fact
    if not fact.known:
        return Fact((named[0],), notes=(f"activation {named[0]}: the name {names!r} says so",))
    if fact.values != (named[0],):
        return fact.with_notes(
            f"the activation is read as {fact.values[0]}; the name {names!r} says {named[0]}"
        )
    return fact


DIALECT = Dialect(
    "he",
    20,
    "MLP of one hidden layer, both operands through the same matrix; x² or ReLU",
    "arXiv 2602.16849",
    (LAYOUT,),
    readings,
)
