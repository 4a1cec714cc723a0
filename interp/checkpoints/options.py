"""Options for what a checkpoint does not say of itself, checked at once. Nothing here loads PyTorch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from interp.errors import ConfigError, choose
from interp.files import beside_missing

NATIVE = "native"


@dataclass(frozen=True)
class OpenOptions:
    """Options for what a checkpoint does not say of itself; None where it does, or where measuring shall decide.

    The command line has an option for each field, explained by the text below.

    Args:
        dialect: How the file is written: one of ``grokscope dialects``.
        activation: The activation function: square, relu, gelu …
        attn_coeff: c in the attention pattern c * softmax + 1 - c.
        task: add, subtract, multiply, divide, a polynomial such as 'a**2 + a*b', a group such as group:S5 or
            group:Z2xZ4, table:FILE with an n × n table of results, or read: from the network's own answers.
        p: The modulus, or the number of elements.
        split_from: A file of the pairs that were trained on.
        table: A .parquet or .csv file of examples, labels and split, for any other task.
        model: FILE.py:FUNCTION that builds your own module for these weights. Runs the code of that file.
        sites: The neurons: a hook name, also at one position, such as blocks.0.mlp.hook_post@2. With `model` an input
            or output of a submodule, such as mlp.2:input; may be repeated, the last one is measured.
        tokens: What `model`, or a transformer of a known dialect, reads for operands a and b, such as 'a b ='.
        readout: The position that the answer of `model` is read at; the last if left out.
        output: Which of several outputs of `model` holds the logits: an index or a name, such as 1 or head.logits.
        axis: Which axis of the last `site` counts neurons, where neither its module nor runs of `model` tell: -1, or
            -2,-1 for two that count them together.
        part: Of complex activations of `model` what is scored: real, imag or abs.
        loop: Where submodules of `model` run once a step: what the steps are, time or segment.
        weights: Which weights of a file that holds several, such as ema.
        ordering: The order to read neurons in: natural, log (discrete logarithm) or task, which is the default.

    Raises:
        ConfigError: A value is unknown or out of range, or an option has no meaning beside, or without, another.
    """

    dialect: str | None = None
    activation: str | None = None
    attn_coeff: float | None = None
    task: str | None = None
    p: int | None = None
    split_from: Path | str | None = None
    table: Path | str | None = None
    model: str | None = None
    sites: tuple[str, ...] = field(default=(), metadata={"option": "--site"})
    tokens: str | None = None
    readout: int | None = None
    output: str | None = None
    axis: str | None = None
    part: str | None = None
    loop: str | None = None
    weights: str | None = None
    ordering: str | None = None

    def __post_init__(self) -> None:
        if self.model is None:
            self._refuse(
                "readout",
                "output",
                "axis",
                "part",
                "loop",
                why="says how your own module is used; give --model too",
            )
        else:
            why = "does not apply to your own module; leave it out, or --model"
            self._refuse("dialect", "activation", "attn_coeff", why=why)
            if not self.sites:
                raise ConfigError(f"name the neurons of {self.model} with --site, such as --site mlp.2:input")
            _ = self.neuron_axes  # a text that is none is an error here
        if self.dialect is not None:
            from interp.checkpoints.dialects import dialect_names

            choose("dialect", self.dialect, [*dialect_names(), NATIVE])
        if self.task is not None or self.p is not None or self.ordering is not None:
            from interp.data.operations import (
                MODULUS,
                ORDERINGS,
                READ,
                check_operation,
                own_modulus,
                table_file,
            )

            choose("ordering", self.ordering or "task", ORDERINGS)
            task = self.task or "add"
            if (file := table_file(task)) is not None and not file.is_file():
                raise ConfigError(
                    f"the table of results {str(file)!r} does not exist; {beside_missing(file)}"
                )
            p = own_modulus(self.task) or MODULUS  # with which any operation can be checked
            check_operation("add" if file or task == READ else task, p if self.p is None else self.p)
        if self.table is not None and self.split_from is not None:
            raise ConfigError("--table says what was trained on already; leave out --split-from")

    def _refuse(self, *names: str, why: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise ConfigError(f"--{name.replace('_', '-')} {why}")

    @property
    def neuron_axes(self) -> dict[str, tuple[int, ...]] | None:
        """The last site's axes that count neurons, as `interp.adopt` takes them; None if they are not given."""
        if self.axis is None:
            return None
        parts = self.axis.replace(" ", "").split(",")
        if not all(re.fullmatch(r"-?\d{1,2}", part) for part in parts) or len(set(parts)) not in (1, 2):
            raise ConfigError(f"--axis {self.axis!r} is no axis; write -1, or two of them, such as -2,-1")
        return {self.sites[-1]: tuple(int(part) for part in parts)}

    @property
    def given(self) -> dict[str, Any]:
        """The fields that differ from their defaults, by name."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}

    @property
    def changes_task(self) -> bool:
        """True if examples or their split are others than a native checkpoint says."""
        return any(value is not None for value in (self.table, self.split_from, self.task, self.p))


def check_source(path: Path | str, options: OpenOptions) -> None:
    """Refuse, before PyTorch is loaded, what cannot be opened for a reason that no tensor decides.

    Raises:
        CheckpointError: There is no file, or its first bytes are of no weights file.
        ConfigError: An option names a file that is missing, or says what a native checkpoint says itself.
    """
    from interp.checkpoints.files import native_settings, shards
    from interp.checkpoints.safe import check_format, open_file
    from interp.checkpoints.series import find_checkpoint

    file = find_checkpoint(Path(path), options.weights)
    if options.model is not None:
        factory_of(options.model)
        check_format(shards(file)[0])
    elif options.dialect == NATIVE or (options.dialect is None and native_settings(file) is not None):
        check_native(options)
    else:
        check_format(shards(file)[0])
    if options.split_from is not None:
        open_file(Path(options.split_from)).close()
    if options.table is not None and not (table := Path(options.table)).exists():
        raise ConfigError(f"the table {str(table)!r} does not exist; {beside_missing(table)}")


def check_native(options: OpenOptions) -> None:
    """Refuse options that a native checkpoint would not follow, as it says itself what they are for."""
    if options.weights is not None:
        raise ConfigError(f"a native checkpoint holds one network; leave out --weights {options.weights}")
    for name in ("activation", "attn_coeff", "tokens"):
        if (value := getattr(options, name)) is not None:
            raise ConfigError(f"a native checkpoint says its own {name}; leave out {value!r}")


def factory_of(where: str) -> tuple[Path, str]:
    """The Python file and the function in it that a text such as ``net.py:build`` names."""
    path, colon, name = where.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise ConfigError(
            f"the model {where!r} names no function; write a Python file and a function in it, as in net.py:build"
        )
    if not Path(path).is_file():
        raise ConfigError(f"there is no file {path!r} to build the model from")
    return Path(path), name
