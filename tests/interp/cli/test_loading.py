"""A command loads what it needs: the rest would be most of the time of a short one."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

from interp.checkpoints import save_checkpoint
from interp.cli.loading import loading
from interp.data import ModularTask
from interp.models import analytic_mlp

HEAVY = (
    "datasets", "transformers", "pandas", "scipy.stats", "sklearn", "plotly", "jinja2", "dash", "ray", "matplotlib",
    "pyarrow.parquet", "pyarrow.dataset", "torch._dynamo", "sympy",
)  # fmt: skip
SCRIPT = f"""
import sys
from interp.cli import main
sys.argv = ["grokscope", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print("loaded", [name for name in {HEAVY} if name in sys.modules])
"""


def test_an_audit_for_the_terminal_loads_neither_figures_nor_tables(tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    task = ModularTask("add", p=13, train_fraction=0.5, corrupt_fraction=0.3)
    save_checkpoint(file, analytic_mlp("add", p=13, width=24), task)
    words = [sys.executable, "-c", SCRIPT, "audit", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_garbage_is_collected_again_afterwards() -> None:
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()
