"""``grokscope doctor``."""

from __future__ import annotations

import typer
from rich.text import Text

from interp.cli.console import print_table, say, write_numbers
from interp.cli.exit_codes import HOLDS
from interp.cli.places import Json

EXAMPLES = "grokscope doctor", "grokscope doctor --json -"
STYLES = {"ok": "green", "missing": "yellow", "broken": "bold red"}


def doctor(json: Json = None) -> None:
    """Examine the installation: versions, devices, threads, memory, cache folders, and what features lack."""
    from interp.doctor import examine, to_dict

    checks = examine()
    answer = to_dict(checks)
    area = ""
    rows = []
    for check in checks:
        text = Text(check.value)
        if check.advice:
            text.append(f"\n{check.advice}", "dim")
        first = "" if check.area == area else check.area
        rows.append((first, check.name, Text(check.state, STYLES[check.state]), text))
        area = check.area
    print_table("", ("", "check", "state", "value"), rows, left=(0, 1, 2, 3))
    write_numbers(answer, json, "doctor")
    if not answer["usable"]:
        say("The installation is not usable: see what is broken.", error=True)
        raise typer.Exit(HOLDS)
