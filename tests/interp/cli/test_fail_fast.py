"""Mistakes that need no tensor are told before PyTorch is imported."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from interp.cli import main
sys.argv = ["grokscope", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    heavy = [name for name in ("torch", "transformer_lens", "sklearn") if name in sys.modules]
    print(stop.code, heavy)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of every kind that is no checkpoint, and one that looks like one."""
    (tmp_path / "noise.pt").write_bytes(bytes(range(255, 0, -1)) * 9)
    (tmp_path / "image.pt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "good.pt").write_bytes(b"PK\3\4")
    (tmp_path / "native.safetensors").write_bytes(b"")
    (tmp_path / "native.json").write_text('{"format": "grokscope-1"}')
    (tmp_path / "broken.toml").write_text("[grid")
    (tmp_path / "net.py").write_text("")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("audit nosuch", "there is no file 'nosuch'; it has 'broken.toml'"),
        ("audit noise.pt", "'noise.pt' is no weights file that can be read; it seems to be of a format"),
        ("audit image.pt", "it seems to be a PNG image"),
        ("audit empty.pt", "'empty.pt' is empty"),
        ("audit folder", "the folder 'folder' holds no checkpoints"),
        ("audit native.safetensors --activation relu", "a native checkpoint says its own activation"),
        ("audit good.pt --fail-if 'accuracy.test <'", "cannot read the expression 'accuracy.test <'"),
        ("audit good.pt --html a.txt", "the report 'a.txt' should end in .html"),
        ("audit good.pt --table nosuch.csv", "the table 'nosuch.csv' does not exist"),
        ("audit good.pt --split-from nosuch", "there is no file 'nosuch'"),
        ("audit good.pt --ordering bogus", "unknown ordering 'bogus'"),
        ("audit good.pt --dialect bogus", "unknown dialect 'bogus'; expected one of 'chughtai', 'doshi'"),
        ("audit good.pt --task power", "unknown operation 'power'"),
        ("audit good.pt --model net.py --site x", "names no function"),
        ("audit good.pt --model no.py:build --site x", "there is no file 'no.py' to build the model from"),
        ("audit good.pt --relearn-lr 0.1", "--relearn-lr 0.1 is used with --relearn only"),
        ("audit good.pt --alpha 2", "alpha=2.0 is not in (0, 1)"),
        ("score good.pt --save x.txt", "expected a name ending in .parquet or .csv"),
        ("score good.pt --readout 1", "give --model too"),
        ("ablate good.pt --mode bogus", "unknown mode 'bogus'; expected zero, mean"),
        ("ablate good.pt --neurons label:bogus", "cannot select neurons by 'label:bogus'"),
        ("ablate good.pt --neurons @nosuch", "there is no file of neurons 'nosuch'"),
        ("dose good.pt --neurons lowest:2", "cannot select neurons by 'lowest:2'"),
        ("dynamics nosuch", "there is no file 'nosuch'"),
        ("explore nosuch", "there is no file 'nosuch'"),
        ("unlearn good.pt --json a.txt", "the findings 'a.txt' should end in .json"),
        ("transfer-gamma good.pt nosuch", "there is no file 'nosuch'"),
        ("train o --task a**", "cannot read the expression 'a**'"),
        ("train o --task divide --p 10", "divide needs a prime modulus"),
        ("train o --loss bogus", "unknown loss 'bogus'"),
        ("train o --lr 0", "lr=0.0 and log_every=10 must be above 0"),
        ("train o --width 9 --model transformer", "--width is an option of --model mlp"),
        ("sweep nosuch.toml", "there is no grid 'nosuch.toml'"),
        ("sweep broken.toml", "'broken.toml' is no valid TOML"),
        ("batch broken.toml", "'broken.toml' is no valid TOML"),
        ("batch good.pt", "say where the results go, with --out FOLDER"),
    ],
)
def test_a_mistake_is_told_before_pytorch_is_imported(folder: Path, arguments: str, message: str) -> None:
    words = [sys.executable, "-c", SCRIPT, *shlex.split(arguments)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    assert message in " ".join(done.stderr.split())
    assert done.stdout.strip() == "2 []"


def test_options_and_the_search_for_a_file_load_no_pytorch() -> None:
    modules = (
        "interp.checkpoints.options, interp.checkpoints.files, interp.checkpoints.safe, interp.selectors"
    )
    script = f"import sys, {modules}; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
