"""``grokscope audit`` and ``batch`` of language models: files, exit codes, the saved model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from language_models import TEXT, saved, tiny, word_tokenizer
from typer.testing import CliRunner

from interp.cli import app
from interp.language.opening import open_language_model

Command = Callable[..., str]
REPEATED = "the cat sat on the mat and then it saw a red bird under a blue tree the dog ran on"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt one text by heart."""
    network, tokenizer = tiny(), word_tokenizer()
    ids = torch.tensor([tokenizer(REPEATED)["input_ids"]])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        network(ids, labels=ids).loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("trained") / "model"
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rng, file = np.random.default_rng(0), tmp_path / "texts.jsonl"
    rows = [{"text": REPEATED, "split": "trained", "group": "[b]x"}]
    rows += [{"text": " ".join(rng.choice(TEXT.split(), 20)), "split": "control"} for _ in range(7)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_a_memorised_text_is_reported_located_and_taken_out(
    run: Command, model: Path, texts: Path, tmp_path: Path
) -> None:
    files = {name: tmp_path / f"memory.{name}" for name in ("json", "html")}
    output = run(
        "audit", model, "--sequences", texts, "--json", files["json"], "--html", files["html"], "--random", 2,
        "--methods", "gradient", "--shares", 0.1, "--save", tmp_path / "edited", "--window", 1, "--no-generate",
    )  # fmt: skip
    report = json.loads(files["json"].read_text())
    assert report["settings"]["methods"] == ["gradient"]
    assert report["settings"]["shares"] == [0.1]
    assert report["sequences"]["total"] == 8
    assert report["memory"][0]["accuracy"] == 1
    assert "<b>x" not in files["html"].read_text()
    removed = report["groups"][0]["removed"] if report["groups"] else []
    if not removed:
        assert "nothing is saved" in output
        return
    edited, before = open_language_model(tmp_path / "edited"), open_language_model(model)
    for one, other in zip(edited.units().sites, before.units().sites, strict=True):
        changed = (one.reader.weight != other.reader.weight).any(0)
        assert int(changed.sum()) <= len(removed)


def test_the_exit_code_tells_that_a_text_is_memorised(model: Path, texts: Path) -> None:
    words = ["audit", str(model), "--sequences", str(texts), "--no-locate", "--no-generate", "--window", "1"]
    for condition, code in (("sequences.total == 8", 1), ("sequences.total > 8", 0)):
        assert CliRunner().invoke(app, [*words, "--fail-if", condition]).exit_code == code


def test_bad_rows_and_methods_are_one_message(fail: Command, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text": "the cat sat", "split": "train"}')
    assert "the split of row 0" in fail("audit", model, "--sequences", tmp_path / "bad.jsonl")
    (tmp_path / "good.txt").write_text(REPEATED)
    assert "unknown method 'bogus'" in fail(
        "audit", model, "--sequences", tmp_path / "good.txt", "--methods", "bogus"
    )
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("")
    assert "is there already" in fail(
        "audit", model, "--sequences", tmp_path / "good.txt", "--save", tmp_path / "there"
    )


def test_a_batch_counts_sequences(
    run: Command, fail: Command, model: Path, texts: Path, tmp_path: Path
) -> None:
    words = ("batch", model.parent, "--sequences", texts, "--out", tmp_path / "out", "--workers", 1)
    assert "sequences in the store │ 8" in " ".join(run(*words).split())
    assert "stored before │ 1" in " ".join(run("batch", "--out", tmp_path / "out").split())
    recorded = ("batch", "--out", tmp_path / "out", "--sequences", texts, "--prompt-tokens", 4)
    assert "leave out --measure, --prompt-tokens, --sequences" in fail(*recorded)
    assert "--sequences FILE" in fail("batch", model, "--measure", "memory", "--out", tmp_path / "other")
    saved(tmp_path / "second" / "checkpoint-7", "gpt2", tokenizer=True)
    again = run(
        "batch",
        tmp_path / "second",
        "--sequences",
        texts,
        "--prompt-tokens",
        4,
        "--out",
        tmp_path / "out",
        "--workers",
        1,
    )
    assert "sequences in the store │ 16" in " ".join(again.split())
