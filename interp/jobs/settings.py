"""What a job does with each checkpoint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from interp.checkpoints.options import OpenOptions
from interp.errors import ConfigError, choose, near_matches
from probes.spectrum import Convention

MEASURES = ("scores", "labels", "causal", "audit")
KINDS: dict[str, tuple[str, type | tuple[type, ...]]] = {
    **dict.fromkeys(("p", "readout", "seed", "n_random"), ("a whole number", int)),
    "attn_coeff": ("a number", (int, float)),
    "sites": ("a list of names", (list, tuple, str)),
    "convention": ("a table", (dict, Convention)),
}
"""What each setting must be, in words and as a type; all others are text."""


@dataclass(frozen=True)
class Settings:
    """How every checkpoint of a group is opened and measured.

    Args:
        measure: ``"scores"``: periodicity of the weights, without running the network (only neurons that no token feeds
            directly are run). ``"labels"``: also accuracies, phase, labels and every neuron's own effect. ``"causal"``:
            also what happens without the memorizing, and without the generalizing neurons, beside random sets.
            ``"audit"``: all of an audit, with its page.
        options: What the checkpoints do not say of themselves.
        site: Hook name of the neurons; each model's last site if None.
        seed: Of all draws.
        n_random: Random draws of every control, for ``"causal"`` and ``"audit"``.
        convention: Of the IPR.

    Raises:
        ConfigError: The measure is unknown, or a number is out of range.

    Example:
        >>> Settings("labels").digest == Settings("labels", seed=1).digest
        False
    """

    measure: str = "scores"
    options: OpenOptions = field(default_factory=OpenOptions)
    site: str | None = None
    seed: int = 0
    n_random: int = 20
    convention: Convention = field(default_factory=Convention)

    def __post_init__(self) -> None:
        choose("measure", self.measure, MEASURES)
        for name, least in (("seed", 0), ("n_random", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"{name}={value!r} must be a whole number of at least {least}")

    def to_dict(self) -> dict[str, Any]:
        """The settings, ready for JSON; `from_dict` gives equal settings back."""
        options = {
            name: value
            for name, value in asdict(self.options).items()
            if value != getattr(OpenOptions(), name)
        }
        paths: dict[str, Any] = {
            name: str(Path(options[name]).absolute())
            for name in ("split_from", "table", "model")
            if name in options
        }
        return {
            "measure": self.measure,
            **options,
            **paths,
            "site": self.site,
            "seed": self.seed,
            "n_random": self.n_random,
            "convention": self.convention.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """Settings from plain values: those of `OpenOptions` and of this class, by name.

        Raises:
            ConfigError: A name is unknown, or a value cannot be used.
        """
        own = [f.name for f in fields(cls) if f.name != "options"]
        opening = [f.name for f in fields(OpenOptions)]
        for name in values:
            if name not in (*own, *opening):
                raise ConfigError(f"unknown setting {name!r}; {near_matches(name, [*own, *opening])}")
            _check_kind(name, values[name])
        options = {name: values[name] for name in opening if name in values}
        if "sites" in options:
            options["sites"] = (
                (options["sites"],) if isinstance(options["sites"], str) else tuple(options["sites"])
            )
        rest = {name: values[name] for name in own if name in values}
        if isinstance(rest.get("convention"), dict):
            try:
                rest["convention"] = Convention(**rest["convention"])
            except (TypeError, ValueError) as error:
                raise ConfigError(f"the convention {rest['convention']} cannot be used: {error}") from None
        return cls(options=OpenOptions(**options), **rest)

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any setting, and with the content of any file that one names.

        Raises:
            ConfigError: Such a file cannot be read.
        """
        values = self.to_dict()
        if self.measure in ("scores", "labels"):
            del values["n_random"]
        for name in ("split_from", "table", "model"):
            if values.get(name) is not None:
                path, _, function = (
                    values[name].rpartition(":") if name == "model" else (values[name], "", "")
                )
                values[name] = f"{_content(name, path)} {function}"
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _check_kind(name: str, value: Any) -> None:
    words, kind = KINDS.get(name, ("text", str))
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise ConfigError(f"{name}={value!r} is not {words}")


def _content(name: str, path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"cannot read {name} {path!r}: {error.strerror}") from None
