"""``grokscope explore``: it says where it is, warns of what it opens, and ends quietly."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "interp.cli", "explore"]


def test_it_serves_until_it_is_interrupted(series: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, str(series), "--no-open", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+/", said)
        assert url is not None, said
        with urllib.request.urlopen(url[0], timeout=20) as answer:
            assert answer.status == 200
            assert b"Grokscope explorer" in answer.read()
        os.kill(server.pid, signal.SIGINT)
        _, errors = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "opening" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "nowhere"], "no such folder"),
        (["--host", "192.0.2.1"], "cannot listen at '192.0.2.1'"),
        (["--site", "blocks.7.mlp.hook_post"], "blocks.7"),
        (["--activation", "relu"], "activation"),
    ],
)
def test_what_cannot_be_served_is_refused(
    fail: Callable[..., str], series: Path, options: list[str], message: str
) -> None:
    assert message in fail("explore", series, "--no-open", *options)


def test_a_port_in_use_is_named(fail: Callable[..., str], series: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}" in fail("explore", series, "--no-open", "--port", port)


def test_an_address_that_others_reach_is_warned_of(fail: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"PK\3\4")
    assert "whoever reaches 0.0.0.0" in fail("explore", tmp_path / "broken", "--host", "0.0.0.0", "--no-open")


def test_a_language_model_is_served_with_its_sequences(
    run: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "texts.txt").write_text("one two three")
    given: dict[str, object] = {}

    def explore_language(model: Path, sequences: Path, **how: object) -> None:
        given.update(how, model=model, sequences=sequences)

    monkeypatch.setattr("interp.explorer.language.explore_language", explore_language)
    words = ("--sequences", tmp_path / "texts.txt", "--heads", "--prompt-tokens", 1, "--seed", 3, "--no-open")
    run("explore", tmp_path / "model", *words)
    chosen = {name: given[name] for name in ("model", "kind", "prompt_tokens", "seed", "open_browser")}
    assert chosen == {
        "model": tmp_path / "model",
        "kind": "heads",
        "prompt_tokens": 1,
        "seed": 3,
        "open_browser": False,
    }
