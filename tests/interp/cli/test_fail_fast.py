"""Mistakes that need no tensor are told before PyTorch is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, os, shlex, sys
from interp.cli import main

for number, words in enumerate(json.loads(sys.argv[1])):
    sys.argv = ["grokscope", *shlex.split(words)]
    kept = os.dup(2)
    with open(f"{os.environ['ERRORS']}/{number}", "w") as file:
        os.dup2(file.fileno(), 2)
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        sys.stderr.flush()
        os.dup2(kept, 2)
    print(code, [name for name in ("torch", "transformer_lens", "sklearn") if name in sys.modules])
"""
"""Runs commands one after another in one process, which keeps what each of them imports."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every kind that is no checkpoint, and one that looks like one."""
    tmp_path = tmp_path_factory.mktemp("mistakes")
    (tmp_path / "noise.pt").write_bytes(bytes(range(255, 0, -1)) * 9)
    (tmp_path / "image.pt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "good.pt").write_bytes(b"PK\3\4")
    (tmp_path / "native.safetensors").write_bytes(b"")
    (tmp_path / "native.json").write_text('{"format": "grokscope-1"}')
    (tmp_path / "broken.toml").write_text("[grid")
    (tmp_path / "net.py").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model" / "tokenizer.json").write_text("{}")
    (tmp_path / "words.txt").write_text("one two three")
    (tmp_path / "spoilt.jsonl").write_text("[1]")
    return tmp_path


MISTAKES = [
    ("audit nosuch", "there is no file 'nosuch'; the folder '.' has 'broken.toml'"),
    ("audit noise.pt", "'noise.pt' is no weights file that can be read; it seems to be of a format"),
    ("audit image.pt", "it seems to be a PNG image"),
    ("audit empty.pt", "'empty.pt' is empty"),
    ("audit folder", "the folder 'folder' holds no checkpoints"),
    ("audit native.safetensors --activation relu", "a native checkpoint says its own activation"),
    ("audit good.pt --fail-if 'accuracy.test <'", "cannot read the expression 'accuracy.test <'"),
    ("audit good.pt --html a.txt", "--html 'a.txt' should end in .html, or be -"),
    ("audit good.pt --table nosuch.csv", "the table 'nosuch.csv' does not exist"),
    ("audit good.pt --split-from nosuch", "there is no file 'nosuch'"),
    ("audit good.pt --ordering bogus", "unknown ordering 'bogus'"),
    ("audit good.pt --dialect bogus", "unknown dialect 'bogus'; expected one of 'chughtai', 'doshi'"),
    ("audit good.pt --task power", "unknown operation 'power'"),
    ("audit good.pt --model net.py --site x", "names no function"),
    ("audit good.pt --model no.py:build --site x", "there is no file 'no.py' to build the model from"),
    ("audit good.pt --relearn-lr 0.1", "--relearn-lr 0.1 is used with --relearn only"),
    ("audit good.pt --alpha 2", "alpha=2.0 is not in (0, 1)"),
    (
        "audit model",
        "'model' is a language model; give the texts that it may have memorised with --sequences",
    ),
    ("audit hf://a/b", "is a language model"),
    (
        "audit good.pt --sequences words.txt",
        "'good.pt' is no language model; with --sequences expected a folder",
    ),
    ("audit nosuch --sequences words.txt", "there is no language model 'nosuch'; the folder '.' has"),
    ("audit model --sequences nosuch.txt", "there is no file 'nosuch.txt' of sequences;"),
    (
        "audit model --sequences a.pdf",
        "the sequences 'a.pdf' should end in .jsonl, .parquet, .csv or .txt",
    ),
    ("audit model --sequences spoilt.jsonl", "line 1 of the sequences 'spoilt.jsonl' is no JSON object"),
    ("audit model --sequences words.txt --task add", "--task says how a classifier is opened"),
    ("audit model --sequences words.txt --site x", "--site says how a classifier is opened"),
    ("audit model --sequences words.txt --min-share 0.3", "--min-share is for classifiers"),
    ("audit model --sequences words.txt --relearn-lr 0.1", "--relearn-lr is for classifiers"),
    ("audit model --sequences words.txt --alpha 2", "alpha=2.0 is not between 0 and 1"),
    ("audit model --sequences words.txt --shares 7", "shares=[7.0] are no shares"),
    (
        "audit model --sequences words.txt --reference good.pt",
        "--reference 'good.pt' is no language model",
    ),
    ("audit model --sequences words.txt --no-locate --save x", "leave out --no-locate"),
    ("audit model --sequences words.txt --force", "--force is used with --save only"),
    ("audit good.pt --heads", "--heads is for language models; give --sequences FILE too"),
    ("audit good.pt --methods gradient", "--methods is for language models"),
    ("audit good.pt --no-generate", "--generate is for language models"),
    ("explore model", "'model' is a language model"),
    ("explore good.pt --prompt-tokens 3", "--prompt-tokens is for language models"),
    ("explore model --sequences words.txt --p 5", "--p says how a classifier is opened"),
    ("batch model --out o --sequences words.txt --random 3", "--random is for classifiers"),
    ("batch model --out o --prompt-tokens 3", "--prompt-tokens is for language models"),
    ("score good.pt --csv x.txt", "--csv 'x.txt' should end in .csv"),
    ("score good.pt --readout 1", "give --model too"),
    ("ablate good.pt --mode bogus", "unknown mode 'bogus'; expected zero, mean"),
    ("ablate good.pt --neurons label:bogus", "cannot select neurons by 'label:bogus'"),
    ("ablate good.pt --neurons @nosuch", "there is no file of neurons 'nosuch'"),
    ("dose good.pt --neurons lowest:2", "cannot select neurons by 'lowest:2'"),
    ("dynamics nosuch", "there is no file 'nosuch'"),
    ("explore nosuch", "there is no file 'nosuch'"),
    ("unlearn good.pt --json a.txt", "--json 'a.txt' should end in .json"),
    ("transfer-gamma good.pt nosuch", "there is no file 'nosuch'"),
    ("train --out o --task a**", "cannot read the expression 'a**'"),
    ("train --out o --task divide --p 10", "divide needs a prime modulus"),
    ("train --out o --loss bogus", "unknown loss 'bogus'"),
    ("train --out o --lr 0", "lr=0.0 and log_every=10 must be above 0"),
    ("train --out o --width 9 --model transformer", "--width is an option of --model mlp"),
    ("sweep nosuch.toml", "there is no grid 'nosuch.toml'"),
    ("sweep broken.toml", "'broken.toml' is no valid TOML"),
    ("batch broken.toml", "'broken.toml' is no valid TOML"),
    ("batch good.pt", "say where the results go, with --out FOLDER"),
]


@pytest.fixture(scope="module")
def outcomes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """For each mistake, the exit code with the heavy packages that are imported by then, and the message."""
    errors = tmp_path_factory.mktemp("errors")
    commands = json.dumps([arguments for arguments, _ in MISTAKES])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, commands],
        cwd=folder,
        env=os.environ | {"ERRORS": str(errors)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return [(line, (errors / str(number)).read_text()) for number, line in enumerate(lines)]


@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=[arguments for arguments, _ in MISTAKES])
def test_a_mistake_is_told_before_pytorch_is_imported(outcomes: list[tuple[str, str]], number: int) -> None:
    code, error = outcomes[number]
    assert MISTAKES[number][1] in " ".join(error.split())
    assert code == "2 []"


def test_options_and_the_search_for_a_file_load_no_pytorch() -> None:
    modules = (
        "interp.checkpoints.options, interp.checkpoints.files, interp.checkpoints.safe, interp.selectors"
    )
    script = f"import sys, {modules}; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
