"""Names of the studies; a leaf that imports none of them, so that the command line can list them at once."""

import ast
from pathlib import Path

from interp import lab


def _summary(package: Path) -> str:
    text = (package / "__init__.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


STUDIES = {
    file.parent.name.replace("_", "-"): _summary(file.parent)
    for folder in lab.__path__
    for file in sorted(Path(folder).glob("*/study.py"))
}
"""Name and one line for each folder here that holds a ``study.py``; names are spelled as commands are."""
