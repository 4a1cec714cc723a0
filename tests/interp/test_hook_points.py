"""TransformerLens' own classes, at a part of the cost, and a whole package for whoever imports it before or after."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LIGHT, WHOLE = "import interp.hook_points", "import transformer_lens"
SHOWN = """
import json, sys
{first}
{second}
import transformer_lens
from interp.hook_points import HookedRootModule, HookPoint
from interp.models import HookedMLP, MLPConfig
model = HookedMLP(MLPConfig(width=3), vocab=5)
assert transformer_lens.HookedRootModule is HookedRootModule and isinstance(model, HookedRootModule)
assert transformer_lens.hook_points.HookPoint is HookPoint
assert isinstance(model.hook_dict["blocks.0.mlp.hook_post"], HookPoint)
names = [name for name in sys.modules if name.split(".")[0] == "transformer_lens"]
print(json.dumps({{name: sorted(vars(sys.modules[name])) for name in sorted(names)}}))
"""


def run(script: str, *arguments: str) -> str:
    words = [sys.executable, "-W", "ignore", "-c", script, *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_neither_transformers_nor_datasets_are_loaded() -> None:
    heavy = "('transformers', 'datasets', 'pandas', 'transformer_lens')"
    script = f"import sys, interp.models, interp.audit; print([m for m in {heavy} if m in sys.modules])"
    assert run(script).strip() == "[]"


@pytest.mark.slow
def test_a_later_and_an_earlier_import_give_the_same_package() -> None:
    """Modules and the names in them, which include a module as an attribute of its package."""
    before = json.loads(run(SHOWN.format(first=WHOLE, second=LIGHT)))
    after = json.loads(run(SHOWN.format(first=LIGHT, second=WHOLE)))
    assert len(before) > 50
    assert before == after


LAID_OUT_OTHERWISE = {
    "__init__.py": "from .hook_points import HookPoint\nfrom .HookedRootModule import HookedRootModule\n",
    "hook_points.py": "class HookPoint: ...\n",
    "HookedRootModule.py": "from transformer_lens.tools import helper\nclass HookedRootModule: ...\n",
    "tools.py": "helper = 1\n",
}


@pytest.mark.parametrize("helpers", [False, True])
def test_other_files_than_expected_are_loaded_as_a_whole(tmp_path: Path, helpers: bool) -> None:
    package = tmp_path / "transformer_lens"
    package.mkdir()
    for name, text in LAID_OUT_OTHERWISE.items():
        (package / name).write_text(text)
    if helpers:
        (package / "utilities").mkdir()
        (package / "utilities" / "slice.py").write_text("Slice = 1\n")
    script = """
import sys
sys.path.insert(0, sys.argv[1])
import interp.hook_points as light
import transformer_lens
assert transformer_lens.HookPoint is light.HookPoint and transformer_lens.tools.helper == 1
print([name for name in sys.modules if name.startswith("transformer_lens.utilities")])
"""
    assert run(script, str(tmp_path)).strip() == "[]"
