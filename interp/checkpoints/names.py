"""Names of tensors in files: what wrappers add to them, and tensors that lie beside the network's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from torch import Tensor

from interp.checkpoints.copies import AVERAGED, is_averaged, named_by
from interp.errors import CheckpointError

T = TypeVar("T")

PARTS = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_fpw_module", "_forward_module")
"""Parts that compiling, activation checkpointing and sharding put into names, anywhere."""
PREFIXES = ("module.", "_module.", "model.")
"""Parts that averaging, data parallelism, Opacus and Lightning put before all names."""
COUNTERS = frozenset(("decay", "num_updates", "initted", "step", "n_averaged"))
"""Counts that averaging keeps beside its copy of the weights."""
_COMPANION = re.compile(
    r"(?:\w*_)?(?:criterion|loss|losses|loss_fn|loss_func|loss_function|metrics?|acc|accuracy)(?:_\w+)?\..+"
    r"|n_averaged|initted|num_updates|step|(?:\w+\.)?n_averaged"
)
_PARAMETER = re.compile(
    r"(?:\w*_)?(?:weight|bias|kernel|scale|gamma|beta|embedding)(?:_(?!mask)\w+)?|[WwBb](?:_\w+|\d*)"
    r"|[xy]_embed|basis|running_(?:mean|var)"
)
_FLAX = re.compile(r"(?:params\.)*Dense_(\d+)\.(kernel|bias)")


def without_parts(names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Each name without the parts that wrappers put into it, and notes of those; as they are if two became one.

    Example:
        >>> without_parts(["net._orig_mod.0.weight", "head.weight"])
        ({'net._orig_mod.0.weight': 'net.0.weight', 'head.weight': 'head.weight'}, ["stripped '_orig_mod.' from names"])
    """
    renamed, seen = {}, dict.fromkeys(PARTS, False)
    for name in names:
        pieces = name.split(".")
        kept = [piece for piece in pieces if piece not in seen]
        for piece in pieces:
            if piece in seen and kept:
                seen[piece] = True
        renamed[name] = ".".join(kept) or name
    if len(set(renamed.values())) < len(renamed):
        return {name: name for name in renamed}, []
    return renamed, [f"stripped '{part}.' from names" for part, used in seen.items() if used]


def companions(tensors: Mapping[str, Tensor]) -> set[str]:
    """Names of a loss' or a metric's tensors and of counters of averaging, which are no part of the network."""
    beside = set(filter(is_companion, tensors))
    return beside if len(beside) < len(tensors) else set()


def is_companion(name: str) -> bool:
    """True for a name of a loss' or a metric's tensor, or of a counter of averaging."""
    return _COMPANION.fullmatch(name) is not None


def is_parameter(name: str) -> bool:
    """True for a tensor's name that a parameter of a layer has, in any dialect, and no mask, table or counter.

    Example:
        >>> [is_parameter(name) for name in ("net.fc2.bias", "blocks.0.attn.b_Q", "attn.mask", "freqs")]
        [True, True, False, False]
    """
    return _PARAMETER.fullmatch(name.rpartition(".")[2]) is not None


def without_prefixes(
    tensors: Mapping[str, T], prefixes: Iterable[str] = PREFIXES
) -> tuple[dict[str, T], list[str]]:
    """Tensors without the known prefixes that all names share, and notes of those."""
    result, notes = dict(tensors), []
    prefixes = tuple(prefixes)
    for _ in range(len(prefixes)):
        prefix = next((p for p in prefixes if result and all(n.startswith(p) and n != p for n in result)), "")
        if prefix:
            result = {name.removeprefix(prefix): tensor for name, tensor in result.items()}
            notes.append(f"stripped the prefix {prefix!r}")
    return result, notes


def chosen_copy(tensors: Mapping[str, T], choice: str | None) -> tuple[dict[str, T], list[str], bool]:
    """Of a network that is held twice, under two first parts of names, the copy that is chosen; else all.

    The names of an averaged copy may lack the dots of the others, or follow ``ema_``; they become the network's own.

    Returns:
        The tensors, notes, and True if `choice` named one of the copies.

    Raises:
        CheckpointError: `choice` could mean both.

    Example:
        >>> chosen_copy({"model.fc.weight": 1, "model_ema.fcweight": 2}, "ema")[0]
        {'model.fc.weight': 2}
    """
    pair = _twins(tensors)
    if pair is None:
        return dict(tensors), [], False
    (own, plain), (copy, averaged) = pair
    asked = [] if choice is None else named_by(choice, (own, copy))
    if len(asked) > 1:
        raise CheckpointError(
            f"weights={choice!r} could mean those under {own!r} or under {copy!r}; write the whole of a name"
        )
    taken = asked[0] if asked else own
    other = own if taken == copy else copy
    counters = {
        name for name in tensors if name.startswith(f"{copy}.") and name.partition(".")[2] in COUNTERS
    }
    aside = {*averaged.values(), *counters}
    kept = {name: tensor for name, tensor in tensors.items() if name not in aside}
    if taken == copy:
        kept |= {plain[key]: tensors[averaged[key]] for key in plain}
    note = f"read the weights under {taken!r}; {other!r} holds weights too: --weights {other} reads those"
    return kept, [note], bool(asked)


def _twins(tensors: Mapping[str, T]) -> tuple[tuple[str, dict[str, str]], tuple[str, dict[str, str]]] | None:
    """The network's own tensors and an averaged copy of them: a name for each, and the names without dots."""
    groups: dict[str, dict[str, str]] = {}
    for name in tensors:
        first, dot, rest = name.partition(".")
        if dot and rest not in COUNTERS:
            groups.setdefault(first, {})[rest.replace(".", "")] = name
    for copy in filter(is_averaged, groups):
        for own in groups:
            if not is_averaged(own) and groups[own].keys() == groups[copy].keys():
                return (own, groups[own]), (copy, groups[copy])
    for word in AVERAGED:
        averaged = {name.removeprefix(f"{word}_"): name for name in tensors if name.startswith(f"{word}_")}
        plain = {name: name for name in tensors if name not in averaged.values()}
        if averaged and averaged.keys() == plain.keys():
            return ("model", plain), (word, averaged)
    return None


def variants(tensors: Mapping[str, Tensor]) -> Iterator[tuple[dict[str, Tensor], list[str]]]:
    """The tensors as they are, then under other names that they could be meant by, each with notes.

    Whole numbers, which are no weights, are left out unless their name is a parameter's; a first part that all names
    share is stripped; layers of flax are turned into PyTorch's.
    """
    yield dict(tensors), []
    floats = {
        name: tensor for name, tensor in tensors.items() if tensor.is_floating_point() or is_parameter(name)
    }
    left, notes = [name for name in tensors if name not in floats], []
    if left and floats:
        notes = [f"left out, as no weights but whole numbers: {', '.join(map(repr, left[:6]))}"]
        yield floats, notes
    for renaming in (_flax, _first_part):
        renamed, note = renaming(floats)
        while note:
            notes = [*notes, note]
            yield renamed, notes
            renamed, note = _first_part(renamed)


def _flax(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    matches = {name: match for name in tensors if (match := _FLAX.fullmatch(name))}
    if not tensors or len(matches) < len(tensors):
        return {}, ""
    turned = {}
    for name, match in matches.items():
        kernel = match[2] == "kernel"
        turned[f"fc{int(match[1]) + 1}.{'weight' if kernel else 'bias'}"] = (
            tensors[name].mT.contiguous() if kernel and tensors[name].ndim == 2 else tensors[name]
        )
    return turned, "flax: 'Dense_0.kernel' is read as 'fc1.weight', turned round, and so on"


def _first_part(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    firsts = {name.partition(".")[0] for name in tensors if "." in name}
    if len(firsts) != 1 or not all("." in name for name in tensors):
        return {}, ""
    (first,) = firsts
    return {name.partition(".")[2]: t for name, t in tensors.items()}, f"stripped the prefix {first + '.'!r}"
