"""Names of the studies; a leaf that imports none of them, so that the command line can list them at once."""

import ast
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from interp import lab
from probes.plugins import declared, leave_out

GROUP = "grokscope.studies"


def _summary(file: Path) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _own() -> dict[str, str]:
    """Those of this folder: each folder that holds a ``study.py``; names are spelled as commands are."""
    files = (file for folder in lab.__path__ for file in sorted(Path(folder).glob("*/study.py")))
    return {file.parent.name.replace("_", "-"): _summary(file.parent / "__init__.py") for file in files}


def _added(taken: dict[str, str]) -> dict[str, EntryPoint]:
    """Those of other packages whose module there is."""
    points = {}
    for name, point in declared(GROUP).items():
        if name in taken:
            leave_out(point, f"the name {name!r} is taken")
        else:
            points[name] = point
    return points


def _summary_of(point: EntryPoint) -> str:
    """One line on a study of another package, whose module is not run; its parent packages are imported."""
    try:
        spec = find_spec(point.module)
    except Exception as error:  # of the other package's own imports; it is named in the warning
        leave_out(point, f"{type(error).__name__}: {error}")
        return ""
    if spec is None or spec.origin is None:
        leave_out(point, f"there is no module {point.module!r}")
        return ""
    return _summary(Path(spec.origin)) or point.value


_OWN = _own()
ADDED = _added(_OWN)
"""Entry points of the studies of other packages, none of which is loaded."""
_SUMMARIES = {name: _summary_of(point) for name, point in ADDED.items()}
STUDIES = _OWN | {name: summary for name, summary in _SUMMARIES.items() if summary}
"""Name and one line for each study."""
