"""From a moved slider to changed figures in a real browser.

The time of a move runs from the key that moves the slider until the accuracies are new and the map is drawn again.
"""

from __future__ import annotations

import atexit
import re
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

from playwright.sync_api import Page, sync_playwright
from timing import Contest, Cost, Line, Peer, Work

import interp

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import browser_path

WIDTH, STEPS = 500, 20
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


def trained(folder: Path) -> Path:
    """A folder with the paper's network, trained for a few steps."""
    task = interp.ModularTask("add", p=97, train_fraction=0.5, corrupt_fraction=0.35, seed=0)
    config = interp.TrainConfig(steps=STEPS, save_every=STEPS)
    interp.train(task, interp.MLPConfig(width=WIDTH), config, out=folder, show_progress=False)
    return folder


def with_hooks(path: Path) -> Work:
    """The same change of half the neurons with hooks: a forward pass over all examples, and their accuracies."""
    opened = interp.load_checkpoint(path)

    def change() -> None:
        with interp.rescale(opened.model, range(0, WIDTH, 2), 0.5):
            interp.accuracy(opened.model, opened.task)

    return change


def choose_half(page: Page) -> None:
    page.locator("#by-number").fill(", ".join(map(str, range(0, WIDTH, 2))))
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.getElementById('chosen').textContent.includes('{WIDTH // 2} of')")
    page.wait_for_timeout(500)


def contest() -> Contest:
    """Moves of the slider in a browser, from the key to the new figures, while one page stays open."""
    folder = Path(mkdtemp(prefix="grokscope-explorer-"))
    run = trained(folder / "run")
    playwright = sync_playwright().start()
    chromium = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    command = [sys.executable, "-m", "interp.cli", "explore", str(run), "--no-open", "--out", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    atexit.register(lambda: (chromium.close(), playwright.stop(), server.terminate(), server.wait()))
    page.goto(re.search(r"http://\S+", server.stdout.readline())[0])
    page.wait_for_selector("#answers-at .js-plotly-plot .main-svg", timeout=600_000)
    choose_half(page)

    def move() -> Cost:
        spent = page.evaluate(TIME_A_MOVE, "ArrowLeft") / 1000
        return Cost(spent, spent)

    hooks = Peer(lambda: with_hooks(run), note="before anything is sent or drawn")
    return Contest(move, {"the same change with hooks": hooks}, seconds=0.15)


LINES = {"explorer": Line("explorer, from a key to new figures, p=97, N=500", contest)}
