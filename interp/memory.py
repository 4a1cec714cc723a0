"""Memory that a computation needs, worked out and compared with what there is before any of it is taken."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from interp.errors import ConfigError

LIMIT = "GROKSCOPE_MEMORY"
"""The environment variable that sets the budget, in GiB."""
SHARE = 0.75
"""Of the memory that is available now."""
GIB = 2**30


def budget() -> int:
    """Bytes that one computation may take: what `LIMIT` says, or else a share of what is available.

    Raises:
        ConfigError: `LIMIT` is no number above 0.
    """
    if text := os.environ.get(LIMIT):
        try:
            limit = float(text)
        except ValueError:
            limit = 0.0
        if not 0 < limit < 2**20:
            raise ConfigError(f"{LIMIT}={text!r} is no number of GiB above 0")
        return int(limit * GIB)
    return int(SHARE * min(_available(), _left_in_group()))


def check_need(need: int, purpose: str, advice: str) -> None:
    """Refuse a computation that would need more than the budget.

    Args:
        need: Bytes, as nearly as they can be worked out.
        purpose: The computation, as the subject of a sentence.
        advice: The likely fix.

    Raises:
        ConfigError: It would; the message has both figures.

    Example:
        >>> check_need(10**16, "this", "take less")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        interp.errors.ConfigError: this needs about 9313225.7 GiB of memory, and ... GiB may be used; take less...
    """
    most = budget()
    if need > most:
        raise ConfigError(
            f"{purpose} needs about {need / GIB:.1f} GiB of memory, and {most / GIB:.1f} GiB may be used; {advice}, or "
            f"raise the limit with {LIMIT}=GiB"
        )


def _available() -> int:
    """Bytes that the system can give; all of the machine's where it does not say."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2**63


def _left_in_group() -> int:
    """Bytes that a container's limit leaves; beyond any machine's where there is none."""
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        return max(0, limit - used)
    return 2**63
