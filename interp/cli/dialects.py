"""``grokscope dialects``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from rich.text import Text

from interp.cli.console import print_table, write_numbers
from interp.cli.places import written

EXAMPLES = "grokscope dialects", "grokscope dialects --json -"
NATIVE: dict[str, Any] = {
    "name": "native",
    "summary": "what grokscope train and ablate write: an MLP or a transformer, with its task and split",
    "keys": ["a .json of the same name that says format: grokscope-1"],
    "reference": "Grokscope",
}


def dialects(json: Annotated[Path | None, written("json", ", with optional tensors too.")] = None) -> None:
    """List the kinds of checkpoint that are read, and the tensors that each is known by."""
    from interp.checkpoints.select import dialects as known

    entries = [NATIVE]
    for dialect in known():
        keys = list(map(str, dialect.layouts))
        entries.append(
            {"name": dialect.name, "summary": dialect.summary, "keys": keys, "reference": dialect.reference}
        )
    rows = []
    for entry in entries:
        text = Text(f"{entry['summary']} ({entry['reference']})")
        for keys in dict.fromkeys(keys.split(", optional ")[0] for keys in entry["keys"]):
            text.append(f"\n• {keys}", "dim")
        rows.append((entry["name"], text + "\n"))
    print_table("", ("dialect", "what it holds, and the tensors it is known by"), rows, left=(0, 1))
    write_numbers({"dialects": entries}, json, "dialects")
