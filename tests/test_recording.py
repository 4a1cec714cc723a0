"""README's animated picture: it lasts about twenty seconds, and the script that records it works on the real page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from browser import browser_path
from PIL import Image, ImageChops, ImageSequence

import interp

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "notebooks" / "images" / "record_explorer.py"
PICTURE = ROOT / "notebooks" / "images" / "explorer.webp"
MOST_BYTES = 2_500_000


def frames(path: Path) -> list[Image.Image]:
    """Frames of an animation, each with its duration in milliseconds."""
    with Image.open(path) as opened:
        return [frame.copy() for frame in ImageSequence.Iterator(opened)]


def test_the_committed_picture_lasts_about_twenty_seconds_and_is_the_one_in_readme() -> None:
    shown = frames(PICTURE)
    assert 15_000 <= sum(frame.info["duration"] for frame in shown) <= 25_000
    assert shown[0].width == 900
    assert PICTURE.stat().st_size <= MOST_BYTES
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"!\[[^\]]{40,}\]\(notebooks/images/explorer\.webp\)", readme)


@pytest.mark.slow
def test_the_script_records_a_page_that_changes(tmp_path: Path) -> None:
    browser = browser_path()
    if browser is None:
        pytest.skip("no Chromium is installed, and GROKSCOPE_BROWSER is not set")
    task = interp.ModularTask(
        "add", p=47, train_fraction=0.6, corrupt_fraction=0.3, seed=0
    )  # both labels occur
    interp.train(task, interp.MLPConfig(width=200), interp.TrainConfig(steps=600), out=tmp_path / "run")
    out = tmp_path / "short.webp"
    command = [sys.executable, str(SCRIPT), str(tmp_path / "run"), "--out", str(out), "--pace", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    shown = [frame.convert("RGB") for frame in frames(out)]
    assert len(shown) > 10
    cards = (0, 80, 900, 150)  # where the accuracies stand
    first = shown[0].crop(cards)
    assert sum(ImageChops.difference(first, one.crop(cards)).getbbox() is not None for one in shown) >= 3
    assert not list(tmp_path.glob("*.part"))
