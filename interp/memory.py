"""Memory that a computation needs, worked out and compared with what there is before any of it is taken."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from interp.errors import ConfigError

LIMIT = "GROKSCOPE_MEMORY"
"""The environment variable that sets the budget: an amount such as ``2GiB``, or a number of GiB."""
SHARE, WORKING_SHARE = 0.75, 0.25
"""Of the memory that is available now: what a computation may take at most, and what it takes where it has a choice."""
MIB, GIB = 2**20, 2**30
UNITS = {"b": 1, "kib": 2**10, "mib": MIB, "gib": GIB, "kb": 10**3, "mb": 10**6, "gb": 10**9, "": GIB}


def budget() -> int:
    """Bytes that one computation may take: what `LIMIT` says, or else `SHARE` of what is available.

    Raises:
        ConfigError: `LIMIT` is no amount of memory.
    """
    return _limit() or int(SHARE * _free())


def working_budget() -> int:
    """Bytes that work takes which can be done in blocks: what `LIMIT` says, or else `WORKING_SHARE` of what is free.

    Raises:
        ConfigError: `LIMIT` is no amount of memory.
    """
    return _limit() or int(WORKING_SHARE * _free())


@contextmanager
def limited(amount: str | None) -> Iterator[None]:
    """Hold work inside the block, and in processes that it starts, to an amount of memory; as it is if None.

    Raises:
        ConfigError: It is no amount.

    Example:
        >>> with limited("2GiB"):
        ...     working_budget()
        2147483648
    """
    if amount is None:
        yield
        return
    parse_amount(amount)
    before = os.environ.get(LIMIT)
    os.environ[LIMIT] = amount
    try:
        yield
    finally:
        os.environ.pop(LIMIT)
        if before is not None:
            os.environ[LIMIT] = before


def parse_amount(text: str, name: str = LIMIT) -> int:
    """Bytes of an amount of memory such as ``2GiB``, ``500 MiB`` or ``1.5`` (GiB).

    Args:
        name: What the amount was given by, for the message.

    Raises:
        ConfigError: It is no amount, or not above 0.

    Example:
        >>> parse_amount("512MiB"), parse_amount("2") == parse_amount("2GiB")
        (536870912, True)
    """
    match = re.fullmatch(r"([0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\s*([a-z]*)", text.strip().lower())
    size = float(match[1]) * UNITS.get(match[2], 0) if match else 0.0
    if not 1 <= size < 2**20 * GIB:
        raise ConfigError(
            f"{name}={text!r} is no amount of memory; expected one such as 2GiB, 500MiB or 1.5 (GiB)"
        )
    return int(size)


def _limit() -> int | None:
    text = os.environ.get(LIMIT)
    return parse_amount(text) if text else None


def _free() -> int:
    return min(_available(), _left_in_group())


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
            f"{purpose} needs about {_shown(need)} of memory, and {_shown(most)} may be used; {advice}, or raise the "
            f"limit with the environment variable {LIMIT}, such as 8GiB, or with --memory where a command has it"
        )


def _shown(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.1f} MiB"


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
