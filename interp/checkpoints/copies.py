"""Words by which keys and files tell copies of one network apart: averaged, raw, before and after training."""

from __future__ import annotations

import re
from collections.abc import Iterable

AVERAGED = frozenset(("ema", "swa", "averaged", "average", "avg", "shadow", "polyak", "teacher"))
"""Words by which a copy of the weights, averaged over training, is known."""
INITIAL = frozenset(("init", "initial", "initialization", "initialisation", "start", "untrained", "before"))
"""Words by which the weights from before training are known."""
RAW = "raw"
"""The choice of weights that are not averaged."""


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


def is_initial(name: str) -> bool:
    """True for a name of weights from before training, such as ``initial_weights``."""
    return not INITIAL.isdisjoint(words_of(name))


def named_by(choice: str, names: Iterable[str]) -> list[str]:
    """The names that a choice of weights means: itself, else those with that word.

    Without either, "ema" means any averaged ones, and "raw" those beside averaged ones.

    Example:
        >>> named_by("ema", ["model", "model_ema"]), named_by("ema", ["model", "averaged"]), named_by("b", ["model"])
        (['model_ema'], ['averaged'], [])
        >>> named_by("raw", ["model", "model_ema"]), named_by("raw", ["model"]), named_by("net", ["net_a", "net_b"])
        (['model'], [], ['net_a', 'net_b'])
    """
    names = list(names)
    by_name = [name for name in names if name == choice] or [
        name for name in names if choice in words_of(name)
    ]
    averaged = list(filter(is_averaged, names))
    raw = [name for name in names if averaged and name not in averaged]
    return by_name or {"ema": averaged, RAW: raw}.get(choice, [])
