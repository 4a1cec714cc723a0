"""The same figures from strangers' networks, wherever their configuration lies and whatever it is called."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from interp.audit import audit
from interp.errors import CheckpointError
from interp.results import AuditReport

FILES = Path(__file__).parents[4] / "shared" / "checkpoints"
NETWORKS = sorted(FILES.glob("*.pt*"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),  # seven audits each
    pytest.mark.skipif(not NETWORKS, reason="no ../shared/checkpoints"),
]
STATED = {
    "nanda_low_precision_mod_addition": {"p": 113, "act_type": "ReLU", "fn_name": "add"},
    "he": {"p": 23, "activation": "quad"},
}
"""Configuration of files that have none beside them, in their authors' words."""


def plain(source: Path) -> dict[str, torch.Tensor]:
    content = torch.load(source, map_location="cpu", weights_only=True)
    for name in ("model", "model_state_dict", "state_dict"):
        content = content[name] if isinstance(content, dict) and name in content else content
    return {name: tensor.contiguous().clone() for name, tensor in content.items()}


def beside(config: str, weights: str = "{}") -> Callable[[Path, dict[str, Any], Path], Path]:
    """A way to put a configuration beside weights, by their names."""

    def write(source: Path, settings: dict[str, Any], folder: Path) -> Path:
        path = folder / (weights.format(source.stem) + source.suffix)
        shutil.copy(source, path)
        lines = (f"{name}: {json.dumps(value)}" for name, value in settings.items())
        text = "\n".join(lines) if config.endswith("yaml") else json.dumps(settings)
        (folder / config.format(source.stem)).write_text(text)
        return path

    return write


def lightning(source: Path, settings: dict[str, Any], folder: Path) -> Path:
    content = {"state_dict": plain(source), "hyper_parameters": settings, "epoch": 3, "global_step": 70}
    torch.save(content, folder / "last.ckpt")
    return folder / "last.ckpt"


def hugging_face(source: Path, settings: dict[str, Any], folder: Path) -> Path:
    place = folder / "checkpoint-400"
    place.mkdir()
    save_file(plain(source), place / "model.safetensors")
    more = {"architectures": ["Net"], "torch_dtype": "float32", "transformers_version": "4.46"}
    (place / "config.json").write_text(json.dumps(more | settings))
    return place


WAYS = {
    "NAME.json": beside("{}.json"),
    "config.json": beside("config.json"),
    "cfg.json": beside("cfg.json"),
    "config_NAME.json": beside("config_{}.json", "model_{}"),
    "hparams.yaml": beside("hparams.yaml"),
    "Lightning": lightning,
    "Hugging Face": hugging_face,
}


def figures(path: Path) -> dict[str, Any] | str:
    """All figures of an audit, or the error without the file's name."""
    try:
        report: AuditReport = audit(path, n_random=3)
    except CheckpointError as error:
        return re.sub(r"'/[^']+'", "FILE", str(error))
    result = report.to_dict()
    for name in (
        "checkpoint",
        "step",
        "stored_accuracy",
    ):  # stored beside the weights, not in the configuration
        result.pop(name, None)
    kept = (note for note in result.pop("reading", ()) if not note.startswith(("settings:", "stripped")))
    return {**json.loads(json.dumps(result)), "reading": list(kept)}


@pytest.mark.parametrize(
    "source", [*NETWORKS, *FILES.glob("he_p23_quad/9800.pth")], ids=lambda path: path.stem
)
def test_every_way_gives_the_same_figures(source: Path, tmp_path: Path) -> None:
    described = source.with_suffix(".json")
    settings = (
        json.loads(described.read_text())
        if described.exists()
        else STATED["he" if source.parent.name.startswith("he") else source.stem]
    )
    results = {}
    for name, write in WAYS.items():
        folder = tmp_path / name.replace(" ", "")
        folder.mkdir()
        results[name] = figures(write(source, settings, folder))
    first, *_ = results.values()
    for name, result in results.items():
        assert result == first, name
