"""Record the explorer's page as an animated picture: ``python notebooks/images/record_explorer.py [RUN]``.

A real page is served by ``grokscope explore`` and driven in Chromium; a frame is taken once the page has answered,
so that the picture shows the page's own figures, and not how fast the recording machine is. Only the pointer is drawn
over it. Without RUN the network of ``grokscope demo`` is trained first. Needs the extra ``test``, and Chromium.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

PICTURE = Path(__file__).with_name("explorer.webp")
FRAMES_A_SECOND = 8
PAGE, WIDTH = (1280, 960), 900
"""Pixels of the page, and of the width that the picture is shrunk to."""
QUALITY = 75
POINTER = """
const arrow = document.createElement("div");
arrow.id = "recorded-pointer";
arrow.innerHTML = '<svg width="34" height="40" viewBox="0 0 17 20"><path d="M1 1v15l4-4 3 7 3-1-3-7h6z"' +
  ' fill="#111" stroke="#fff" stroke-width="1.2"/></svg>';
arrow.style = "position:fixed;left:0;top:0;z-index:9999;pointer-events:none";
document.body.append(arrow);
document.addEventListener("pointermove", e => {
  arrow.style.transform = `translate(${e.clientX}px, ${e.clientY}px)`;
}, true);
"""
QUIET = 6
"""Looks in a row, 40 ms apart, at which the page has nothing left to ask."""


class Recorder:
    """A page, the pointer on it, and the frames that were taken.

    Args:
        page: A page of Playwright on which the explorer is shown.
        pace: Share of the frames that is taken; below 1 for a shorter film of the same steps.
    """

    def __init__(self, page: Any, pace: float = 1.0) -> None:
        self.page, self.pace = page, pace
        self.frames: list[Image.Image] = []
        self.at = (640.0, 480.0)
        self.waiting: set[Any] = set()
        page.on("request", lambda request: self.waiting.add(request))
        for end in ("requestfinished", "requestfailed"):
            page.on(end, lambda request: self.waiting.discard(request))

    def shoot(self, count: int = 1) -> None:
        """Take one frame, and show it for `count` frames' time."""
        taken = Image.open(io.BytesIO(self.page.screenshot()))
        frame = taken.convert("RGB").resize(
            (WIDTH, round(WIDTH * PAGE[1] / PAGE[0])), Image.Resampling.LANCZOS
        )
        self.frames += [frame] * max(1, round(count * self.pace))

    def settle(self) -> None:
        """Wait until all that the page asked its server for has come and is drawn."""
        quiet = 0
        while quiet < QUIET:
            self.page.wait_for_timeout(40)
            quiet = 0 if self.waiting else quiet + 1

    def move(self, x: float, y: float, frames: int = 5) -> None:
        """Move the pointer in a straight line, at first fast and then slower."""
        start, steps = self.at, max(1, round(frames * self.pace))
        for step in range(1, steps + 1):
            way = 1 - (1 - step / steps) ** 2
            self.at = (start[0] + way * (x - start[0]), start[1] + way * (y - start[1]))
            self.page.mouse.move(*self.at)
            self.shoot()

    def move_to(self, target: Any, frames: int = 5) -> None:
        """Move the pointer to the middle of an element."""
        box = target.bounding_box()
        self.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, frames)

    def click(self, target: Any, frames: int = 5) -> None:
        """Move to an element and click it."""
        self.move_to(target, frames)
        self.page.mouse.down()
        self.page.mouse.up()
        self.settle()
        self.shoot(2)

    def choose(self, menu: str, option: str) -> None:
        """Choose an option of a menu."""
        self.click(self.page.locator(f"#{menu}"))
        self.click(self.page.get_by_role("option", name=option, exact=True), 3)

    def drag(self, value: float, frames: int = 14) -> None:
        """Drag the handle of the factor from where it is to a value."""
        handle = self.page.locator("#live-section [role=slider]").first
        track = self.page.locator("#live-section .dash-slider-track").first.bounding_box()
        self.move_to(handle)
        low, high = (float(handle.get_attribute(f"aria-value{end}")) for end in ("min", "max"))
        end = track["x"] + track["width"] * (value - low) / (high - low)
        start, steps = self.at, max(2, round(frames * self.pace))
        self.page.mouse.down()
        for step in range(1, steps + 1):
            self.at = (start[0] + (end - start[0]) * step / steps, start[1])
            self.page.mouse.move(*self.at)
            self.settle()
            self.shoot()
        self.page.mouse.up()
        self.settle()
        self.shoot(14)

    def scroll(self, distance: float, frames: int = 5) -> None:
        """Scroll the page down, or up if the distance is negative."""
        steps = max(1, round(frames * self.pace))
        for _ in range(steps):
            self.page.mouse.wheel(0, distance / steps)
            self.page.wait_for_timeout(120)
            self.shoot()


def play(film: Recorder) -> None:
    """Remove the neurons that memorise, undo it, and weaken those that generalise, beside the map of all answers."""
    page = film.page
    film.shoot(10)
    film.choose("by-label", "memorizing")
    film.shoot(6)
    film.drag(0)
    film.click(page.locator("#undo"))
    film.shoot(4)
    film.choose("by-label", "generalizing")
    film.scroll(560)
    film.choose("quantity", "Which answers are right")
    film.drag(0.3, 10)
    film.click(page.locator("#undo"))
    film.shoot(6)
    film.scroll(-560)
    film.shoot(6)


@contextmanager
def explorer(run: Path) -> Iterator[str]:
    """Serve the page of a run with ``grokscope explore``, and give its address."""
    command = [sys.executable, "-m", "interp.cli", "explore", str(run), "--no-open", "--most", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            address = re.search(r"http://\S+/", line)
            if address is None:
                raise SystemExit(f"grokscope explore gave no address but {line!r}")
            yield address[0]
        finally:
            server.terminate()


def record(
    run: Path, browser: str, act: Callable[[Recorder], None] = play, pace: float = 1.0
) -> list[Image.Image]:
    """Frames of the explorer's page of a run while `act` uses it."""
    from playwright.sync_api import sync_playwright

    with explorer(run) as address, sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": PAGE[0], "height": PAGE[1]})
        page.set_default_timeout(120_000)
        page.goto(address)
        for place in (
            "#scatter .js-plotly-plot .main-svg",
            "#accuracies .card",
            "#map .js-plotly-plot .main-svg",
        ):
            page.wait_for_selector(place)
        page.evaluate(POINTER)
        film = Recorder(page, pace)
        page.mouse.move(*film.at)
        film.settle()
        act(film)
        chromium.close()
        return film.frames


def save(frames: list[Image.Image], path: Path) -> None:
    """Write an endless animation, under a temporary name first; equal frames in a row become one that lasts longer."""
    kept, durations = [], []
    for frame in frames:
        if kept and frame.tobytes() == kept[-1].tobytes():
            durations[-1] += 1000 // FRAMES_A_SECOND
        else:
            kept.append(frame)
            durations.append(1000 // FRAMES_A_SECOND)
    part = path.with_name(path.name + ".part")
    how: dict[str, Any] = {"quality": QUALITY, "method": 4, "minimize_size": True}
    kept[0].save(
        part, path.suffix[1:], save_all=True, append_images=kept[1:], duration=durations, loop=0, **how
    )
    part.replace(path)


def main(arguments: list[str] | None = None) -> None:
    """Record the picture of README."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, nargs="?", help="a folder of checkpoints; trained if left out")
    parser.add_argument("--out", type=Path, default=PICTURE, help="a .webp file")
    parser.add_argument("--pace", type=float, default=1.0, help="share of the frames that is taken")
    chosen = parser.parse_args(arguments)
    browser = os.environ.get("GROKSCOPE_BROWSER") or shutil.which("chromium")
    if browser is None:
        parser.error("no chromium is installed, and GROKSCOPE_BROWSER names no browser")
    with tempfile.TemporaryDirectory() as folder:
        run, out = chosen.run or Path("runs", "r0"), chosen.out.absolute()
        if chosen.run is None:
            os.chdir(folder)  # the page shows the path of the run
            command = [sys.executable, "-m", "interp.cli", "train", "--out", str(run), "--corrupt", "0.35"]
            subprocess.run(command, check=True)
        frames = record(run, browser, pace=chosen.pace)
        save(frames, out)
    print(f"{out}: {len(frames) / FRAMES_A_SECOND:.1f} s, {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
