"""The logits among what a network returns."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from jaxtyping import Float
from torch import Tensor

from interp.errors import ConfigError, cut
from interp.models.nested import Keys, item_at, keys_of_tensor, keys_text, tensors_in

NAMED = ("logits", "last_hidden_state")
"""Outputs that are read by their name, the first of them that there is."""
LONGEST = 200  # letters of the keys of an output
_KEY = re.compile(r"\.?([A-Za-z_]\w*|\d{1,6})|\[(-?\d{1,6})\]")


def output_keys(text: str) -> Keys:
    """The keys of an output from a text: names and indices, with dots or in brackets.

    Raises:
        ConfigError: It is none.

    Example:
        >>> output_keys("1"), output_keys("head.logits"), output_keys("[1].scores")
        ((1,), ('head', 'logits'), (1, 'scores'))
    """
    if len(text) > LONGEST or not re.fullmatch(rf"(?:{_KEY.pattern})+", text):
        raise ConfigError(
            f"the output {cut(text)} is no index and no name; write for example 1 or head.logits"
        )
    parts = [match[1] or match[2] for match in _KEY.finditer(text)]
    return tuple(int(part) if re.fullmatch(r"-?\d+", part) else part for part in parts)


def logits_keys(
    output: Any, n_examples: int, classes: Collection[int] = (), given: Keys | None = None
) -> tuple[Keys, str | None]:
    """The keys of the logits in what a network returned, and a sentence about the choice where there was one.

    They are ``.logits``, ``.last_hidden_state``, or the one tensor that can be logits: floating, examples first, or
    second after positions. Of several, or where the name does not fit, it is the one with as many outputs as classes.

    Args:
        n_examples: How many examples were given to the network.
        classes: Numbers of classes that the examples may have.
        given: Keys that the user gave.

    Raises:
        ConfigError: There is no such tensor, or several are alike.

    Example:
        >>> import torch
        >>> logits_keys((torch.zeros(4, 120), torch.zeros(4, 11)), 4, {11})[0]
        (1,)
    """
    if given is not None:
        keys = keys_of_tensor(output, given)
        if keys is None:
            raise ConfigError(f"the network returns no output {_text(given)!r}, but {_returned(output)}")
        others = any(place != keys for place, _ in tensors_in(output))
        return keys, _read(output, keys, "as was given") if others else None
    if isinstance(output, Tensor):
        return (), None
    places = _places(output, n_examples)
    fitting = [keys for keys in places if item_at(output, keys).shape[-1] in classes]
    for name in NAMED:
        within = [keys for keys in places if keys[:1] == (name,)]
        named = [keys for keys in within if not classes or keys in fitting] or ([] if fitting else within)
        if len(named) == 1 and len(within) == 1:
            return named[0], None if name == NAMED[0] or len(places) == 1 else _read(
                output, named[0], "by its name"
            )
    if len(fitting) == 1 and len(places) > 1:
        return fitting[0], _read(output, fitting[0], "as many outputs as classes")
    first = [keys for keys in places if len(item_at(output, keys)) == n_examples] or places
    if len(first) == 1 and not (set(fitting) - set(first)) and isinstance(output, (tuple, list)):
        alone = len(list(tensors_in(output))) == 1
        return first[0], None if alone else _read(output, first[0], "the only one that can be")
    if len(fitting) == 1:
        return fitting[0], _read(output, fitting[0], "as many outputs as classes")
    if not places:
        raise ConfigError(
            f"the network returns {_returned(output)}; expected logits. "
            "Pass forward=lambda module, inputs: … that returns them"
        )
    wanted = f", and {' or '.join(map(str, sorted(classes)))} classes are asked for" if classes else ""
    raise ConfigError(
        f"the network returns {_returned(output)}{wanted}: nothing says which of them holds the logits. Name it, such "
        f"as output={_text(places[-1])!r} (--output {_text(places[-1])})"
    )


def _places(output: Any, n_examples: int) -> list[Keys]:
    """The keys of the tensors that may be logits: floating, with examples on their first axis, or on the second."""
    return [
        keys
        for keys, tensor in tensors_in(output)
        if tensor.is_floating_point()
        and 1 <= tensor.ndim <= 3
        and (len(tensor) == n_examples or (tensor.ndim == 3 and tensor.shape[1] == n_examples))
    ]


def _text(keys: Keys) -> str:
    return ".".join(map(str, keys))


def _returned(output: Any) -> str:
    """The kind of an output, and the names and shapes of its tensors."""
    parts = [f"{keys_text(keys)} {tuple(tensor.shape)}" for keys, tensor in tensors_in(output)]
    return f"a {type(output).__name__} with {', '.join(parts) or 'no tensors'}"


def _read(output: Any, keys: Keys, why: str) -> str:
    shape = tuple(item_at(output, keys).shape)
    return f"the network returns {_returned(output)}; {keys_text(keys)} {shape} is read as the logits ({why})"


def logits_of(logits: Tensor, readout: int, n_outputs: int | None) -> Float[Tensor, "example output"]:
    """Logits at one position, of the first outputs.

    Args:
        readout: Of positions as a second axis, the one that counts.
        n_outputs: How many outputs are classes; all if None.

    Raises:
        ConfigError: The shape cannot be logits.

    Example:
        >>> import torch
        >>> logits_of(torch.zeros(2, 5, 9), -1, 4).shape
        torch.Size([2, 4])
    """
    if logits.ndim == 3 and not -logits.shape[1] <= readout < logits.shape[1]:
        raise ConfigError(f"readout={readout} is none of the output's {logits.shape[1]} positions")
    logits = at_position(logits, readout)
    if logits.ndim != 2 or (n_outputs or 0) > logits.shape[1]:
        wanted = "output" if n_outputs is None else f"at least {n_outputs} outputs"
        raise ConfigError(
            f"the network's output has shape {tuple(logits.shape)}; expected (example, {wanted}), or also positions "
            "as a second axis. Pass forward=lambda module, inputs: … that returns that"
        )
    return logits[:, :n_outputs]


def read_logits(
    output: Any,
    n_examples: int,
    readout: int,
    n_outputs: int | None,
    given: Keys | None,
    example_axis: int | None = None,
) -> tuple[Float[Tensor, "example output"], Keys, tuple[str, ...]]:
    """`logits_of` the `logits_keys` in what a network returned, with these keys, and what was chosen or left out.

    Args:
        example_axis: Counts examples: 0, or 1 where positions come first; None: as the lengths tell.

    Example:
        >>> import torch
        >>> read_logits(torch.zeros(4, 12), 4, -1, 11, None)[1:]
        ((), ('of 12 outputs the first 11 are read as classes',))
    """
    keys, chosen = logits_keys(output, n_examples, () if n_outputs is None else (n_outputs,), given)
    whole = item_at(output, keys)
    if example_axis is None and whole.ndim == 3 and len(whole) != n_examples == whole.shape[1]:
        raise ConfigError(
            f"the output {tuple(whole.shape)} seems to have examples on its second axis; pass example=… to adopt, "
            "which tells the axes"
        )
    whole = whole.transpose(0, 1) if example_axis else whole
    logits = logits_of(whole, readout, n_outputs)
    left_out = whole.shape[-1] > logits.shape[1]
    cut = (f"of {whole.shape[-1]} outputs the first {n_outputs} are read as classes",) if left_out else ()
    return logits, keys, (*([chosen] if chosen else ()), *cut)


def at_position(values: Tensor, position: int) -> Tensor:
    """One position of ``(example, position, …)``; values without positions as they are."""
    return values[:, position] if values.ndim == 3 else values
