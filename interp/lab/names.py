"""Names of the studies; a leaf that imports none of them, so that the command line can list them at once."""

import ast
from pathlib import Path


def _summary(package: Path) -> str:
    """The first line of a package's docstring."""
    text = (package / "__init__.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


STUDIES = {
    file.parent.name: _summary(file.parent) for file in sorted(Path(__file__).parent.glob("*/study.py"))
}
"""Name and one line for each folder here that holds a ``study.py``."""
