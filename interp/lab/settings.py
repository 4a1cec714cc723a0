"""Settings of studies: each field says its default, its meaning and its range; help and check are made from it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from interp.errors import ConfigError


def setting(default: Any, words: str, interval: str = "[-inf, inf]") -> Any:
    """A field of `Settings`: its default, its meaning, and the interval of its values, such as ``"(0, 1]"``.

    Example:
        >>> @dataclass(frozen=True)
        ... class Config(Settings):
        ...     width: int = setting(100, "Neurons.", "[1, inf)")
        >>> Config(width=0)
        Traceback (most recent call last):
        interp.errors.ConfigError: width=0 is below 1
    """
    return field(default=default, metadata={"help": words, "interval": interval})


@dataclass(frozen=True)
class Settings:
    """Base of the frozen dataclass of a study's settings.

    Raises:
        ConfigError: A number is nan or not in its interval.
    """

    def __post_init__(self) -> None:
        for one in fields(self):
            value, interval = getattr(self, one.name), one.metadata["interval"]
            if isinstance(value, (int, float)):
                least, most = interval[1:-1].split(", ")
                inside = float(least) <= value if interval[0] == "[" else float(least) < value
                inside &= value <= float(most) if interval[-1] == "]" else value < float(most)
                if not inside:
                    below = interval == f"[{least}, inf)" and value < float(least)
                    raise ConfigError(
                        f"{one.name}={value} is {f'below {least}' if below else f'not in {interval}'}"
                    )
