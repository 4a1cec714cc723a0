"""Settings under which a job opens and measures each checkpoint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from interp.checkpoints.options import OpenOptions
from interp.errors import ConfigError, choose
from interp.files import digest_of
from interp.jobs.toml import check_names, field_kinds, typed
from interp.language.source import check_ending
from probes.spectrum import Convention

MEMORY = "memory"
MEASURES = ("scores", "labels", "causal", "audit", MEMORY)
FILES = ("split_from", "table", "model", "sequences", "since")


@dataclass(frozen=True)
class Settings:
    """Settings under which every checkpoint of a group is opened and measured.

    Args:
        measure: ``"scores"``: periodicity of the weights, without running the network (only neurons that no token feeds
            directly are run). ``"labels"``: also accuracies, phase, labels and every neuron's own effect. ``"causal"``:
            also what happens without the memorizing, and without the generalizing neurons, beside random sets.
            ``"audit"``: all of an audit, with its page. ``"memory"``: of language models, how much of some sequences
            each reproduces.
        options: What the checkpoints do not say of themselves.
        site: Hook name of the neurons; each model's last site if None.
        seed: Of all draws.
        n_random: Random draws of every control, for ``"causal"`` and ``"audit"``.
        convention: Of the IPR.
        sequences: The file of the sequences whose memory is measured, for ``"memory"`` alone.
        prompt_tokens: Tokens of every prompt, for ``"memory"``; as the file says if None.
        since: The file of an earlier checkpoint that the neurons' drift is measured from, for ``"labels"`` and more.

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
    sequences: str | None = None
    prompt_tokens: int | None = None
    since: str | None = None

    def __post_init__(self) -> None:
        choose("measure", self.measure, MEASURES)
        for name, least in (("seed", 0), ("n_random", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"{name}={value!r} must be a whole number of at least {least}")
        self._check_memory()
        if self.since is not None and self.measure in ("scores", MEMORY):
            raise ConfigError(
                f"measure={self.measure!r} runs no activations, whose drift since {self.since!r} is asked for; "
                "take measure='labels' (--measure labels), or leave out since"
            )

    def _check_memory(self) -> None:
        if self.measure == MEMORY and self.sequences is None:
            raise ConfigError("memory is measured of sequences; say which: sequences=FILE (--sequences FILE)")
        if self.measure != MEMORY and self.sequences is not None:
            raise ConfigError(
                f"measure={self.measure!r} is of classifiers, and sequences of language models; leave one of them out, "
                f"or take measure={MEMORY!r}"
            )
        if self.sequences is None:
            if self.prompt_tokens is not None:
                raise ConfigError("prompt_tokens says nothing without sequences; give both")
            return
        check_ending(self.sequences)
        if self.prompt_tokens is not None and self.prompt_tokens < 1:
            raise ConfigError(f"prompt_tokens={self.prompt_tokens} is below 1")
        if others := [*self.options.given, *(["site"] if self.site else [])]:
            raise ConfigError(
                f"{others[0]} says how a classifier is opened; leave it out, or the sequences, for language models"
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings, ready for JSON; `from_dict` gives equal settings back."""
        options: dict[str, Any] = self.options.given
        if self.sequences is not None:
            options = {"sequences": self.sequences, "prompt_tokens": self.prompt_tokens}
        if self.since is not None:
            options = {**options, "since": self.since}
        paths = {name: str(Path(options[name]).absolute()) for name in FILES if name in options}
        own = {name: getattr(self, name) for name in ("measure", "site", "seed", "n_random")}
        return {**options, **paths, **own, "convention": self.convention.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """Settings from plain values: those of `OpenOptions` and of this class, by name."""
        opening = field_kinds(OpenOptions)
        kinds = {**field_kinds(cls), "convention": dict, **opening}
        check_names(values, kinds, "setting")
        values = {name: typed(name, v, kinds[name]) for name, v in values.items() if v is not None}
        if isinstance(sites := values.get("sites", ()), str):
            sites = (sites,)
        options = {name: value for name, value in values.items() if name in opening} | {"sites": tuple(sites)}
        own = {name: value for name, value in values.items() if name not in opening}
        if "convention" in own:
            try:
                own["convention"] = Convention(**own["convention"])
            except (TypeError, ValueError) as error:
                raise ConfigError(f"the convention {own['convention']} cannot be used: {error}") from None
        return cls(options=OpenOptions(**options), **own)

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any setting, and with the content of any file that one names."""
        values = self.to_dict()
        if self.measure in ("scores", "labels", MEMORY):
            del values["n_random"]
        for name in FILES:
            if name in values:
                path, _, function = (
                    values[name].rpartition(":") if name == "model" else (values[name], "", "")
                )
                values[name] = f"{digest_of(path, name)} {function}"
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
