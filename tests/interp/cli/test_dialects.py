"""``grokscope dialects``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable

from interp.checkpoints.select import dialects

Command = Callable[..., str]


def test_every_dialect_is_listed_native_first(run: Command) -> None:
    words = run("dialects")
    listed = re.findall(r"^ (\w+) +\w", words, re.MULTILINE)
    assert listed == ["dialect", "native", *(dialect.name for dialect in dialects())]


def test_the_list_is_plain_and_80_columns_wide_in_a_pipe() -> None:
    command = [sys.executable, "-m", "interp.cli", "dialects"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    for dialect in dialects():
        assert "".join(dialect.summary.split())[:20] in "".join(done.stdout.split())


def test_the_json_has_the_same(run: Command) -> None:
    found = json.loads(run("dialects", "--json", "-"))["dialects"]
    assert found[0]["name"] == "native"
    for dialect in dialects():
        (listed,) = [one for one in found if one["name"] == dialect.name]
        assert listed["summary"] == dialect.summary
        assert listed["reference"] == dialect.reference
        assert listed["keys"]
