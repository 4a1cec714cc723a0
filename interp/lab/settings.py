"""Ranges of a study's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interp.errors import ConfigError


def check_ranges(settings: Any, ranges: Mapping[str, Sequence[str]]) -> None:
    """Check that each setting lies in its interval.

    Args:
        settings: Numbers, as attributes.
        ranges: Names of settings for each interval, such as ``"(0, 1]"`` or ``"[1, inf)"``.

    Raises:
        ConfigError: One does not, or is nan.

    Example:
        >>> from types import SimpleNamespace
        >>> check_ranges(SimpleNamespace(share=0.5, width=0), {"(0, 1)": ["share"], "[1, inf)": ["width"]})
        Traceback (most recent call last):
        interp.errors.ConfigError: width=0 is below 1
    """
    for interval, names in ranges.items():
        low, high = (float(end) for end in interval[1:-1].split(","))
        for name in names:
            value = getattr(settings, name)
            above = low <= value if interval[0] == "[" else low < value
            below = value <= high if interval[-1] == "]" else value < high
            if not (above and below):
                least = interval[1:].split(",")[0]
                beyond = (
                    f"below {least}"
                    if interval == f"[{least}, inf)" and value < low
                    else f"not in {interval}"
                )
                raise ConfigError(f"{name}={value} is {beyond}")
