"""Ways to spoil files, drawn from a generator: bytes of any, values of JSON-like ones, cells and lines of text."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

EDGES = [
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    b"\0" * 8,
    b"[" * 5000,
    b"{",
    b'"',
    b"\n",
    b"PK\3\4",
    b"9" * 40,
]
"""Runs of bytes that formats give a meaning, or numbers at the ends of their range."""
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 7, 13, 64, 97, 1009, 2003, 4093, 4096, 100_003, 300_000, 40_000_000,
    2**31, 2**53,
    2**63, 10**30, 0.5, -0.5, 1.5, 1e-320, 1e30, float("nan"), float("inf"), float("-inf"), "", "a", "7",
    "add", "subtract",
    "a*b", "a**2 + b", "a**999999999", "(" * 200, "multiply", "relu", "square", "gelu", "x" * 5000,
    "</script>", "\x00",
    "\ud800", "é", "../..", "/dev/zero", "unknown", "none", "batch", [], {}, [1], [[1, 2]], [None],
    {"a": 1}, [[[]]],
]  # fmt: skip
"""Values of the wrong type, of the wrong size, and right ones in the wrong place."""


def spoil_bytes(content: bytes, random: Random, *, first: int = 0) -> bytes:
    """Content with one to four places changed, cut, doubled or moved; those before `first` stay."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        end = len(data)
        at = random.randrange(min(first, max(end - 1, 0)), max(end, 1))
        length = min(random.choice((1, 1, 2, 4, 16, 200)), end - at)
        match random.randrange(8):
            case 0:
                data[at : at + 1] = bytes([(data[at] if end else 0) ^ (1 << random.randrange(8))])
            case 1:
                data[at : at + length] = random.randbytes(length)
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = random.choice(EDGES)
            case 4:
                edge = random.choice(EDGES)
                data[at : at + len(edge)] = edge
            case 5:
                data[at:at] = data[at : at + length]
            case 6:
                del data[at:]
            case _:
                other = random.randrange(max(end, 1))
                data[at : at + length] = data[other : other + length]
    return bytes(data)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a nested one, itself left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in [(*path, key), *places(inner, (*path, key))]]


def spoil_value(value: Any, random: Random, draw: Callable[[], Any] | None = None) -> Any:
    """A nested value in which one or two values are replaced, taken out, doubled or given another name."""
    changed = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 2))):
        every = places(changed)
        if not every:
            return changed
        *outer, last = random.choice(every)
        part = changed
        for key in outer:
            part = part[key]
        new = draw() if draw is not None and random.random() < 0.3 else random.choice(VALUES)
        match random.randrange(6):
            case 0:
                del part[last]
            case 1 if isinstance(part, dict):
                part[str(random.choice((f"{last} ", "extra", str(last).upper())))] = part.pop(last)
            case 2 if isinstance(part[last], (int, float)) and not isinstance(part[last], bool):
                part[last] = part[last] * random.choice((-1, 2, 0.5, 10**6)) + random.choice((0, 1, -1))
            case 3:
                part[last] = [part[last]] if random.random() < 0.5 else {"value": part[last]}
            case _:
                part[last] = copy.deepcopy(new)
    return changed


def as_json(value: Any) -> bytes:
    """JSON with all that Python's writer permits, NaN and lone surrogates included."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


CELLS = [
    "", "0", "1", "-1", "7", "13", "4096", "1000000", "2147483648", "9223372036854775808", "9" * 400,
    "1e400", "nan", "inf",
    "0.5", "1.0", "true", "x", '"', '"a,b"', " 3", "3 ", "\x00", "é", "train", "test", "Train",
    "2020-01-01", "=1+1", "1_000",
]  # fmt: skip


def spoil_table(rows: list[list[str]], random: Random) -> list[list[str]]:
    """Rows of texts, the header first, in which cells, rows or columns are changed."""
    rows = [list(row) for row in rows]
    for _ in range(random.choice((1, 1, 2, 5))):
        row = random.randrange(len(rows))
        column = random.randrange(max(1, len(rows[row])))
        match random.randrange(8):
            case 0:
                rows.insert(row, list(rows[row]))
            case 1 if len(rows) > 1:
                del rows[row]
            case 2:
                rows[row].insert(column, random.choice(CELLS))
            case 3:
                for one in rows:
                    one[column : column + 1] = []
            case 4:
                rows[0][column : column + 1] = [
                    random.choice((*CELLS, "label", "split", "ordering", "true_label", "a"))
                ]
            case 5:
                rows[random.randrange(len(rows))][column : column + 1] = [random.choice(CELLS)]
            case _:
                rows[row][column : column + 1] = [str(random.randrange(10))]
        if not rows:
            return [[]]
    return rows


def as_csv(rows: list[list[str]]) -> bytes:
    return ("\n".join(",".join(row) for row in rows) + "\n").encode("utf-8", "surrogatepass")


TOML_VALUES = [
    "1", "-1", "0", "1.5", "nan", "inf", "true", '"a"', '""', "[]", "[1]", '["a"]', "{}", "{a = 1}",
    "2020-01-01", "9" * 30,
    "9" * 5000, "[" * 3000, "[[1], [2]]", '"../.."', '"/dev/zero"', "[0, 0]", '"\\u0000"', "40000000",
    "1009", "1e400",
    str(list(range(40))), '"audit"', '"labels"', '"ray"', "100003", "4093", "[2003]", '"/dev/**"', '["*/*/*"]',
]  # fmt: skip


def spoil_toml(text: str, random: Random) -> str:
    """Lines of TOML with values replaced, keys renamed, lines doubled, taken out or moved."""
    lines = text.splitlines()
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(lines))
        key, equals, _ = lines[at].partition("=")
        match random.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(random.randrange(len(lines)), lines[at])
            case 2:
                lines.insert(at, f"{random.choice(('p', 'seed', 'measure', 'extra', 'out', 'grid', 'steps'))} = "
                                 f"{random.choice(TOML_VALUES)}")  # fmt: skip
            case 3:
                lines[at] = random.choice(
                    ("[grid]", "[[runs]]", "[[files]]", "[x]", "[[grid]]", "[out]", "]", "= 3")
                )
            case _ if equals:
                lines[at] = f"{key}= {random.choice(TOML_VALUES)}"
        if not lines:
            return ""
    return "\n".join(lines) + "\n"
