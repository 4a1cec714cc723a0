"""Words in the names of weights and of their configurations."""

from __future__ import annotations

import re
from pathlib import PurePath

CONFIG_WORDS = frozenset({
    "config", "configs", "configuration", "cfg", "conf", "hparams", "hparam", "hyperparameters", "hyperparams", "hyper",
    "parameters", "params", "param", "args", "arguments", "settings", "setting", "options", "opts", "flags", "meta",
})  # fmt: skip
KIND_WORDS = frozenset({
    "model", "models", "weights", "weight", "checkpoint", "checkpoints", "ckpt", "ckpts", "net", "network",
    "state", "states", "dict", "statedict", "final", "best", "last", "latest", "train", "training", "trainer",
    "run", "experiment", "ema", "raw", "pytorch", "bin",
})  # fmt: skip
_NUMBERED = re.compile(r"^([a-z]+)(\d+)$")
STEP_WORDS = frozenset(("step", "steps", "epoch", "epochs", "iteration", "iter", "e", "s", "version"))


def is_configuration(name: str) -> bool:
    """True for a name with a word such as ``config``.

    Example:
        >>> is_configuration("train_config.json"), is_configuration("results.json")
        (True, False)
    """
    return not CONFIG_WORDS.isdisjoint(words_of(PurePath(name).stem))


def identities(stem: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The own words of a stem, the same without a step at its end, and its numbers alone."""
    words = own_words(stem)
    run = list(words)
    while run and (run[-1].isdigit() or re.sub(r"\d+$", "", run[-1]) in STEP_WORDS):
        run.pop()
    return tuple(words), tuple(run), tuple(word for word in words if word.isdigit())


def own_words(stem: str) -> list[str]:
    """The words of a stem that do not say the kind of file; a number after letters is a word by itself."""
    parts = [part for word in words_of(stem) for part in _NUMBERED.sub(r"\1 \2", word).split()]
    return [word for word in parts if word not in KIND_WORDS | CONFIG_WORDS]


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return [word for word in re.split(r"[^A-Za-z0-9]+", name.lower()) if word]
