"""Files that hold the configuration of a weights file, by their names alone, on this machine or in another store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import TypeVar

from interp.checkpoints.files import BESIDE, HISTORY, INDEX_ENDING, SHARD, is_weights
from interp.checkpoints.name_words import (
    CONFIG_WORDS,
    KIND_WORDS,
    STEP_WORDS,
    identities,
    is_configuration,
    own_words,
    words_of,
)

P = TypeVar("P", bound=PurePath)
ENDINGS = (".json", ".yaml", ".yml", ".toml")
HYDRA = PurePath(".hydra/config.yaml")  # where Hydra writes the configuration of a run
MAX_OTHERS = 20  # files of other names that are looked into


def config_files(path: P, list_folder: Callable[[P], Iterable[str]]) -> tuple[list[P], list[P]]:
    """The files that belong to a weights file as its configuration, and others that may hold it.

    A file belongs to the weights if it has their stem (``NAME.json``), the rest of their name once the words that say
    the kind of file are left out (``config_NAME.json`` beside ``model_NAME.pt``), their numbers (``config_7.json``
    beside ``mlp7.pt``), or no name but such words (``config.json``, ``hparams.yaml``), also above a folder such as
    ``checkpoints``; so does ``.hydra/config.yaml``. If no other weights are there, a JSON, YAML or TOML file of any
    name may hold it, but not one that by its name belongs to other weights: of another number, or of another stem
    beside a word such as ``config`` or ``model``.

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
    rest = _rest(path, names, near)
    others = [folder / name for name in rest if not _of_others(path.name, name)]
    return near, others if len(others) <= MAX_OTHERS and _alone(path.name, names) else []


def unused_files(path: P, names: Iterable[str], used: Iterable[P]) -> list[P]:
    """The files in a folder that may be configurations, are not used for its weights, and belong to no others there.

    Example:
        >>> from pathlib import PurePosixPath
        >>> names = ["mlp_7.pt", "cnn_8.pt", "config_7.json", "config_8.json", "config_9.json"]
        >>> place = PurePosixPath("run/mlp_7.pt")
        >>> [file.name for file in unused_files(place, names, [place.with_name("config_7.json")])]
        ['config_9.json']
    """
    names = sorted(names)
    rest = _rest(path, names, list(used))
    if not rest:
        return []
    weights = [name for name in names if is_weights(name) and name not in BESIDE]
    stems = {stem_of(name) for name in weights}
    rest = [name for name in rest if PurePath(name).stem not in stems]
    if not rest:
        return []
    owned = {identity for name in weights if name != path.name for identity in identities(stem_of(name))}
    return [path.parent / name for name in rest if tuple(own_words(PurePath(name).stem)) not in owned]


def _rest(path: P, names: Iterable[str], used: Iterable[P]) -> list[str]:
    known = {*BESIDE, HISTORY, path.name, *(file.name for file in used if file.parent == path.parent)}
    return [name for name in _texts(names) if name not in known]


def _of_others(weights: str, name: str) -> bool:
    """True for a file that by its name belongs to other weights than these."""
    own, words = own_words(PurePath(name).stem), own_words(stem_of(weights))
    numbers = {word for word in words if word.isdigit()}
    if numbers and any(word.isdigit() and word not in numbers for word in own):
        return True
    kind = not (CONFIG_WORDS | KIND_WORDS).isdisjoint(words_of(PurePath(name).stem))
    return kind and bool(own) and bool(words)


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
    words, run, numbers = identities(stem)
    ranked: list[tuple[int, bool, int, str]] = []
    for name in texts:
        own = tuple(own_words(PurePath(name).stem))
        config = is_configuration(name)
        reasons = (
            PurePath(name).stem == stem,
            own and own == words,
            own and own == run,
            own and own == numbers and config,
            config and not own,
        )
        if any(reasons):
            rank = [bool(reason) for reason in reasons].index(True)
            ranked.append((rank, not config, ENDINGS.index(PurePath(name).suffix), name))
    return [name for *_, name in sorted(ranked) if name != weights]


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
