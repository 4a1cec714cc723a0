"""Names of the studies; a leaf that imports none of them, so that the command line can list them at once."""

import ast
from pathlib import Path

STUDIES = {
    file.parent.name: (
        ast.get_docstring(ast.parse(file.with_name("__init__.py").read_text())) or ""
    ).partition("\n")[0]
    for file in sorted(Path(__file__).parent.glob("*/study.py"))
}
"""Name and one line for each: every folder here that holds a ``study.py``, and the first line of its docstring."""
