"""From a moved slider to changed figures in a real browser, and from the command to the first figures.

    python tests/benchmarks/explorer.py [--width 500] [--moves 40]

The time of a move runs from the key that moves the slider until the accuracies are new and the map is drawn again.
Beside it stands what the same change costs with hooks: a forward pass over all examples, and their accuracies.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import browser_path
from playwright.sync_api import Page, sync_playwright

import interp

TIME_A_MOVE = """
(key) => new Promise((done) => {
  const map = document.querySelector("#map .js-plotly-plot"), cards = document.getElementById("accuracies");
  const thumb = document.querySelector("#factor [role=slider]");
  let told = false, drawn = false;
  const start = performance.now();
  const ready = () => { if (told && drawn) { watch.disconnect(); done(performance.now() - start); } };
  const watch = new MutationObserver(() => { told = true; ready(); });
  watch.observe(document.getElementById("pending"), { childList: true, subtree: true, characterData: true });
  map.once("plotly_afterplot", () => requestAnimationFrame(() => { drawn = true; ready(); }));
  thumb.focus();
  thumb.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
})
"""


def trained(folder: Path, width: int, steps: int) -> Path:
    """A folder with the paper's network of some width, trained for a few steps."""
    task = interp.ModularTask("add", p=97, train_fraction=0.5, corrupt_fraction=0.35, seed=0)
    config = interp.TrainConfig(steps=steps, save_every=steps)
    interp.train(task, interp.MLPConfig(width=width), config, out=folder, show_progress=False)
    return folder


def with_hooks(path: Path) -> float:
    """Seconds that one change of half the neurons costs with hooks; the median of five."""
    opened = interp.load_checkpoint(path)
    chosen = range(0, opened.model.neuron_sites()[-1].width, 2)
    times = []
    for factor in (0.1, 0.3, 0.5, 0.7, 0.9):
        start = perf_counter()
        with interp.rescale(opened.model, chosen, factor):
            interp.accuracy(opened.model, opened.task)
        times.append(perf_counter() - start)
    return statistics.median(times)


def moves_of(page: Page, width: int, moves: int) -> list[float]:
    """Milliseconds of each move, with half the neurons chosen."""
    page.locator("#by-number").fill(", ".join(map(str, range(0, width, 2))))
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.getElementById('chosen').textContent.includes('{width // 2} of')")
    page.wait_for_timeout(500)
    return [page.evaluate(TIME_A_MOVE, "ArrowLeft") for _ in range(moves)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--moves", type=int, default=40)
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    path = browser_path()
    if path is None:
        sys.exit("no browser is installed")
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        run = trained(Path(folder) / "run", asked.width, asked.steps)
        hooks = with_hooks(run)
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        start = perf_counter()
        command = [sys.executable, "-m", "interp.cli", "explore", str(run), "--no-open", "--out", folder]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert server.stdout is not None
            url = re.search(r"http://\S+", server.stdout.readline())[0]
            served = perf_counter() - start
            page.goto(url)
            page.wait_for_selector("#scatter .js-plotly-plot .main-svg")
            page.wait_for_selector("#accuracies .card")
            seen = perf_counter() - start
            page.wait_for_selector("#answers-at .js-plotly-plot .main-svg", timeout=600_000)
            times = moves_of(page, asked.width, asked.moves)
        finally:
            server.terminate()
            server.wait()
        chromium.close()
    worst = sorted(times)[int(0.95 * len(times)) - 1]
    print(f"{asked.width} neurons: address after {served:.1f} s, first figures after {seen:.1f} s")
    print(
        f"a move: median {statistics.median(times):.0f} ms, 95 % below {worst:.0f} ms, first {times[0]:.0f} ms"
    )
    print(f"the same change with hooks: {1000 * hooks:.0f} ms before anything is sent or drawn")


if __name__ == "__main__":
    main()
