"""Files that hold the configuration of a weights file, by their names alone, on this machine or in another store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import TypeVar

from interp.checkpoints.files import BESIDE, HISTORY, INDEX_ENDING, SHARD, is_weights

P = TypeVar("P", bound=PurePath)
ENDINGS = (".json", ".yaml", ".yml", ".toml")
HYDRA = PurePath(".hydra/config.yaml")  # where Hydra writes the configuration of a run
MAX_OTHERS = 20  # files of other names that are looked into
CONFIG_WORDS = frozenset({
    "config", "configs", "configuration", "cfg", "conf", "hparams", "hparam", "hyperparameters", "hyperparams", "hyper",
    "parameters", "params", "param", "args", "arguments", "settings", "setting", "options", "opts", "flags", "meta",
})  # fmt: skip
KIND_WORDS = frozenset({
    "model", "models", "weights", "weight", "checkpoint", "checkpoints", "ckpt", "ckpts", "net", "network",
    "state", "states", "dict", "statedict", "final", "best", "last", "latest", "train", "training", "trainer",
    "run", "experiment", "ema", "raw", "pytorch", "bin",
})  # fmt: skip
STEP_WORDS = frozenset(("step", "steps", "epoch", "epochs", "iteration", "iter", "e", "s", "version"))


def config_files(path: P, list_folder: Callable[[P], Iterable[str]]) -> tuple[list[P], list[P]]:
    """The files that belong to a weights file as its configuration, and others that may hold it.

    A file belongs to the weights if it has their stem (``NAME.json``), the rest of their name once the words that say
    the kind of file are left out (``config_NAME.json`` beside ``model_NAME.pt``), or no name but such words
    (``config.json``, ``hparams.yaml``), also above a folder such as ``checkpoints``; so does ``.hydra/config.yaml``. If
    no other weights are there, a JSON, YAML or TOML file of any name may hold it.

    Args:
        path: The weights.
        list_folder: The names in a folder; empty if it cannot be listed.

    Returns:
        Those that belong, the nearest first, and the others.

    Example:
        >>> from pathlib import PurePosixPath
        >>> folders = {"run": ["hparams.yaml"], "run/checkpoints": ["last.ckpt", "last.json", "notes.json"]}
        >>> near, other = config_files(PurePosixPath("run/checkpoints/last.ckpt"), lambda at: folders[str(at)])
        >>> [str(file) for file in near], [str(file) for file in other]
        (['run/checkpoints/last.json', 'run/hparams.yaml'], ['run/checkpoints/notes.json'])
    """
    folder = path.parent
    names = sorted(list_folder(folder))
    near = [folder / name for name in _ranked(path.name, _texts(names))]
    near += _hydra(folder, names, list_folder)
    words = words_of(folder.name)
    if words and all(word in KIND_WORDS | STEP_WORDS or word.isdigit() for word in words):
        above = sorted(list_folder(folder.parent))
        near += [folder.parent / name for name in _texts(above) if _is_general(name)]
        near += _hydra(folder.parent, above, list_folder)
    known = {*BESIDE, HISTORY, path.name, *(file.name for file in near if file.parent == folder)}
    others = [folder / name for name in _texts(names) if name not in known]
    return near, others if len(others) <= MAX_OTHERS and _alone(path.name, names) else []


def _hydra(folder: P, names: Iterable[str], list_folder: Callable[[P], Iterable[str]]) -> list[P]:
    known = HYDRA.parent.name in names and HYDRA.name in list_folder(folder / HYDRA.parent)
    return [folder / HYDRA] if known else []


def stem_of(name: str) -> str:
    """A weights file's name without its ending; of an index, that of the weights whose shards it names.

    Example:
        >>> stem_of("model_7f.pt"), stem_of("big.safetensors.index.json"), stem_of("pytorch_model.bin.index.json")
        ('model_7f', 'big', 'pytorch_model')
    """
    stem = name.removesuffix(INDEX_ENDING)
    return PurePath(stem).stem if PurePath(stem).suffix else stem


def _ranked(weights: str, texts: list[str]) -> list[str]:
    stem = stem_of(weights)
    words = [word for word in words_of(stem) if word not in KIND_WORDS]
    run = list(words)
    while run and (run[-1].isdigit() or re.sub(r"\d+$", "", run[-1]) in STEP_WORDS):
        run.pop()
    ranked: list[tuple[int, bool, int, str]] = []
    for name in texts:
        parts = words_of(PurePath(name).stem)
        own = [word for word in parts if word not in KIND_WORDS | CONFIG_WORDS]
        config = not CONFIG_WORDS.isdisjoint(parts)
        reasons = (PurePath(name).stem == stem, own and own == words, own and own == run, config and not own)
        if any(reasons):
            rank = [bool(reason) for reason in reasons].index(True)
            ranked.append((rank, not config, ENDINGS.index(PurePath(name).suffix), name))
    return [name for *_, name in sorted(ranked) if name != weights]


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return [word for word in re.split(r"[^A-Za-z0-9]+", name.lower()) if word]


def _texts(names: Iterable[str]) -> list[str]:
    return [
        name
        for name in names
        if name.endswith(ENDINGS) and not name.endswith(INDEX_ENDING) and not name.startswith(".")
    ]


def _is_general(name: str) -> bool:
    """True for a name such as config.json or train_args.yaml: of no network in particular."""
    words = set(words_of(PurePath(name).stem))
    return bool(words & CONFIG_WORDS) and words <= CONFIG_WORDS | KIND_WORDS


def _alone(weights: str, names: Iterable[str]) -> bool:
    """True if there are no weights but these, their shards and the data that lies beside some."""
    stem = stem_of(weights)
    return not any(
        name != weights
        and is_weights(name)
        and name not in BESIDE
        and not (SHARD.search(PurePath(name).stem) and SHARD.sub("", PurePath(name).stem) == stem)
        for name in names
    )
