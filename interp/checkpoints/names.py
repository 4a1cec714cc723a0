"""Names of tensors in files: what wrappers add to them, and tensors that lie beside the network's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")

PARTS = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_fpw_module", "_forward_module")
"""What compiling, activation checkpointing and sharding put into names, anywhere."""
PREFIXES = ("module.", "_module.", "model.")
"""What averaging, data parallelism, Opacus and Lightning put before all names."""
AVERAGED = frozenset(("ema", "swa", "averaged", "average", "avg", "shadow", "polyak", "teacher"))
"""Words by which a copy of the weights, averaged over training, is known."""
_COMPANION = re.compile(
    r"(?:\w*_)?(?:criterion|loss|losses|loss_fn|loss_func|loss_function|metrics?|acc|accuracy)(?:_\w+)?\..+"
    r"|n_averaged|initted|num_updates|(?:\w+\.)?n_averaged"
)
_FLAX = re.compile(r"(?:params\.)*Dense_(\d+)\.(kernel|bias)")


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case.

    Example:
        >>> words_of("model_EMA.state-dict")
        ['model', 'ema', 'state', 'dict']
    """
    return [word for word in re.split(r"[^A-Za-z0-9]+", name.lower()) if word]


def is_averaged(name: str) -> bool:
    """True for a name of averaged weights, such as ``model_ema``."""
    return not AVERAGED.isdisjoint(words_of(name))


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
    beside = {name for name in tensors if _COMPANION.fullmatch(name)}
    return beside if len(beside) < len(tensors) else set()


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

    Returns:
        The tensors, notes, and True if `choice` named one of the copies.
    """
    groups: dict[str, dict[str, T]] = {}
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(first, {})[rest] = tensor
    averaged = [first for first in groups if is_averaged(first)]
    twins = [
        (first, other)
        for first in averaged
        for other in groups
        if other not in averaged and groups[other].keys() == groups[first].keys()
    ]
    if not twins:
        return dict(tensors), [], False
    copy, own = twins[0]
    names = (copy, own)
    asked = None if choice is None else next((n for n in names if choice == n or choice in words_of(n)), None)
    taken = asked or own
    (other,) = (name for name in names if name != taken)
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(f"{other}.")}
    note = f"read the weights under {taken!r}; {other!r} holds weights too: --weights {other} reads those"
    return kept, [note], asked is not None


def variants(tensors: Mapping[str, Tensor]) -> Iterator[tuple[dict[str, Tensor], list[str]]]:
    """The tensors as they are, then under other names that they could be meant by, each with notes.

    Whole numbers, which are no weights, are left out; a first part that all names share is stripped; layers of flax are
    turned into PyTorch's.
    """
    yield dict(tensors), []
    floats = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
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
