"""Checkpoints whose tensors have names in capitals."""

from interp.checkpoints.builders import mlp_readings
from interp.checkpoints.dialect import Dialect, ForeignFile, Reading
from interp.checkpoints.layouts import Layout

LAYOUT = Layout({"IN": "N p", "OUT": "p N"})


def readings(file: ForeignFile) -> list[Reading]:
    """The one way to read such a file."""
    _, sizes = file.fit(LAYOUT)
    weights = {"embed.W_E": file.tensors["IN"].T[None], "unembed.W_U": file.tensors["OUT"].T}
    return mlp_readings(file, weights, p=sizes["p"], activation=file.activation("square"), tied=True)


DIALECT = Dialect("upper", 99, "MLP with names in capitals", "an example", (LAYOUT,), readings)
