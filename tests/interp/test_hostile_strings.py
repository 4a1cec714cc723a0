"""Scripts, escape codes, formulas and Markdown in every text of every file: no page, terminal or table obeys them."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from serving import see, served

import interp
from interp.checkpoints import save_checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.cli import main
from interp.data import ModularTask
from interp.errors import GrokscopeError
from interp.lab.grids.table import read_description
from interp.lab.running import run_study
from interp.models import analytic_mlp, planted_mlp

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCRIPT = "</script><script>window.__pwned=1</script>"
NAME = "=cmd()\"'><img src=x onerror=window.__pwned=1>\x1b]0;t\x07`*_[x](javascript:window.__pwned=1)"
ATTACK = f"{NAME}<svg onload=window.__pwned=1>{SCRIPT}<a href='javascript:window.__pwned=1'>x</a>{{{{7*7}}}}"
P = 11


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in plain data, and to a new key of every dictionary in it."""
    if path:
        yield path
    if isinstance(value, dict):
        yield (*path, ATTACK)
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def attacked(value: Any, place: tuple[Any, ...]) -> Any:
    """Plain data with the attack at a place."""
    changed = deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = ATTACK
    return changed


def attack(file: Path, accepted: Callable[[], object]) -> int:
    """Put the attack into every place of a JSON file that is still accepted with it; how many there are comes back."""
    content, count = json.loads(file.read_text()), 0
    for place in list(places(content)):
        try:
            changed = attacked(content, place)
        except (TypeError, KeyError, IndexError):  # below a value that was replaced
            continue
        file.write_text(json.dumps(changed))
        try:
            accepted()
        except GrokscopeError:
            continue
        content, count = changed, count + 1
    file.write_text(json.dumps(content))
    return count


@dataclass
class Made:
    """All pages by name, and what was printed and written beside them."""

    pages: dict[str, Path] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    run: Path = Path()
    report: Any = None

    def command(self, *words: object, code: tuple[int, ...] = (0,)) -> str:
        shown = io.StringIO()
        before, sys.argv = sys.argv, ["grokscope", *map(str, words)]
        try:
            with redirect_stdout(shown), redirect_stderr(shown), pytest.raises(SystemExit) as stop:
                main()
        finally:
            sys.argv = before
        assert (stop.value.code or 0) in code, shown.getvalue()
        self.printed.append(shown.getvalue())
        return shown.getvalue()


def native(made: Made, root: Path) -> None:
    """A series whose JSON files and training curve hold the attack wherever they may."""
    run = made.run = root / NAME / SCRIPT.strip("/") / NAME
    task = ModularTask("add", p=P, train_fraction=0.7, corrupt_fraction=0.2)
    model = planted_mlp(task, generalizing=20, memorizing=20, dead=2).model
    for step in (0, 5):
        save_checkpoint(
            run / f"step-{step:08d}",
            model,
            task,
            step=step,
            metrics={"accuracy": {"train": 1.0}},
            training={"lr": 0.1},
        )
    records = [{"step": step, "loss": 0.5, "accuracy": {"train": 1.0, "test": 0.9}} for step in (0, 5)]
    (run / "history.json").write_text(json.dumps(records))
    count = attack(run / "step-00000005.json", lambda: load_checkpoint(run / "step-00000005.safetensors"))
    assert count >= 5
    from interp.checkpoints.files import training_history

    attack(run / "history.json", lambda: training_history(run))


def audits(made: Made, out: Path) -> None:
    made.command(
        "audit", made.run, "--random", 1, "--html", out / "report.html", "--markdown", out / "report.md", "--json",
        out / "report.json",
    )  # fmt: skip
    made.pages["report"] = out / "report.html"
    made.command("score", made.run, "--csv", out / "neurons.csv")
    made.tables.append(out / "neurons.csv")
    made.command("ablate", made.run, "--random", 1)
    made.command("dose", made.run, "--random", 1, "--points", 3, "--html", out / "dose.html")
    made.pages["dose"] = out / "dose.html"
    made.command("dynamics", made.run, "--html", out / "dynamics.html")
    made.pages["dynamics"] = out / "dynamics.html"


def foreign(made: Made, out: Path) -> None:
    """A stranger's file whose wrapper, left out tensors and configurations are hostile; and an edited description."""
    model = analytic_mlp("add", p=P, width=60)
    first = torch.cat([table.T for table in model.embed.W_E], dim=1)
    weights = {"fc1.weight": first, "fc2.weight": model.unembed.weight.T}
    folder = made.run.parent / "foreign"
    folder.mkdir()
    torch.save(
        {ATTACK: {"state": weights}, "epoch": ATTACK, "config": {"p": P, ATTACK: ATTACK, "note": ATTACK}},
        folder / f"{NAME}.pt",
    )
    options = {"p": P, "operation": "add", "activation": "square", ATTACK: ATTACK, "optimizer": ATTACK}
    (folder / "config.json").write_text(json.dumps(options))
    words = (
        "audit",
        folder / f"{NAME}.pt",
        "--activation",
        "square",
        "--task",
        "add",
        "--p",
        P,
        "--random",
        1,
    )
    made.command(*words, "--html", out / "foreign.html", "--markdown", out / "foreign.md")
    made.pages["foreign"] = out / "foreign.html"


def tables(made: Made, out: Path) -> None:
    """Tables whose columns, splits and labels are hostile: the former is measured, the others are refused."""
    header = [f"{ATTACK}a", f"{ATTACK}b", "label", "split"]
    for kind, label, split in (("table", "", "train"), ("labels", ATTACK, "train"), ("splits", "", ATTACK)):
        rows = [(a, b, f"{label}{(a + b) % P}", split) for a in range(P) for b in range(P)]
        with (out / f"{kind}{NAME}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        made.command(
            "audit", made.run / "step-00000000.safetensors", "--table", out / f"{kind}{NAME}.csv", "--random", 1,
            "--html", out / f"{kind}.html", "--markdown", out / f"{kind}.md", code=(0 if kind == "table" else 2,),
        )  # fmt: skip
    made.pages["table"] = out / "table.html"


def batches(made: Made, out: Path) -> None:
    """A job with hostile names, failures that quote the attack, and a store that was received."""
    bad = made.run.parent / f"bad{NAME}.safetensors"
    bad.write_bytes(b"")
    bad.with_suffix(".json").write_text(
        json.dumps({"format": "grokscope-1", "model": {}, "task": {}, "step": ATTACK})
    )
    made.command(
        "batch",
        made.run.parent,
        "--out",
        out / "jobs",
        "--measure",
        "audit",
        "--random",
        1,
        "--workers",
        1,
        code=(3,),
    )
    made.pages["overview"] = out / "jobs" / "overview.html"
    made.pages |= {
        f"audit {i}": page for i, page in enumerate(sorted((out / "jobs" / "audits").glob("*.html"))[:2])
    }
    store = out / "received"
    (store / "checkpoints").mkdir(parents=True)
    for part in (out / "jobs" / "checkpoints").glob("*.parquet"):
        pq.write_table(hostile_texts(pq.read_table(part)), store / "checkpoints" / part.name)
    from interp.jobs import open_store
    from interp.jobs.overview import overview

    (out / "received.html").write_text(overview(open_store(store).checkpoints, ATTACK))
    made.pages["received"] = out / "received.html"


def hostile_texts(table: pa.Table, spared: tuple[str, ...] = ("status", "measure")) -> pa.Table:
    """A table whose texts are all the attack, each another one."""
    for place, column in enumerate(table.schema):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_string(kind) and column.name not in spared:
            texts = [
                None if v is None else f"{ATTACK}{i}" for i, v in enumerate(table.column(place).to_pylist())
            ]
            table = table.set_column(place, column, pa.array(texts, pa.string()).cast(column.type))
    return table


def sweeps(made: Made, out: Path) -> None:
    """A grid with a hostile title, names and values, drawn from its own and from received results."""
    text = (
        f"title = {json.dumps(ATTACK)}\np = 7\nwidth = 8\nsteps = 20\ntrain_fraction = 0.8\n"
        f"[[runs]]\nname = {json.dumps(ATTACK)}\n[runs.grid]\nweight_decay = [0, 1]\nlr = [0.01, 0.1]\n"
    )
    (out / f"{NAME}.toml").write_text(text)
    made.command("sweep", out / f"{NAME}.toml", "--out", out / f"swept{NAME}", "--workers", 1)
    made.tables.append(out / f"swept{NAME}" / "runs.csv")
    for kind in ("phase", "accuracy", "pruning"):
        made.command("plot", kind, out / f"swept{NAME}", "--html", out / f"{kind}.html", code=(0, 2))
    grid = out / f"swept{NAME}"
    pq.write_table(
        hostile_texts(pq.read_table(grid / "runs.parquet"), ("status", "phase", "phase_by_table")),
        grid / "runs.parquet",
    )
    attack(grid / "grid.json", lambda: read_description(grid))
    for kind in ("phase", "accuracy", "pruning"):
        made.command("plot", kind, grid, "--html", out / f"received-{kind}.html", code=(0, 2))
    made.pages |= {
        page.stem: page for name in ("phase", "accuracy", "pruning") for page in out.glob(f"*{name}.html")
    }


def notebooks(made: Made, out: Path) -> None:
    """What results show of themselves in a notebook, and a study's page."""
    report = made.report = interp.audit(made.run, n_random=1)
    study = run_study("lens", [0], opened=load_checkpoint(made.run), show_progress=False)
    shown = [report, report.accuracy, report.table, next(iter(report.removals.values())), study]
    body = "\n".join(one._repr_html_() for one in shown)
    (out / "notebook.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{body}</body>")
    made.pages["notebook"] = out / "notebook.html"
    made.command("study", "lens", made.run, "--html", out / "study.html")
    made.pages["study"] = out / "study.html"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("hostile")
    (out := root / "out").mkdir()
    made = Made()
    native(made, root)
    for make in (audits, foreign, tables, batches, sweeps, notebooks):
        make(made, out)
    return made


def harmless(page: Any) -> None:
    """No script of the attack has run, and none of its elements is there."""
    page.wait_for_timeout(300)
    assert page.evaluate("window.__pwned") is None
    planted = "img[src='x'], svg[onload], a[href^='javascript'], [onerror]"
    assert page.locator(planted).count() == 0
    assert page.evaluate("document.title").count("\x1b") == 0


def test_a_page_that_is_not_escaped_is_noticed(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><body><script>0{ATTACK}</body>")
    page = browser.new_context(offline=True).new_page()
    page.goto((tmp_path / "page.html").as_uri())
    with pytest.raises(AssertionError):
        harmless(page)


def test_no_script_runs_in_any_page(made: Made, browser: Any) -> None:
    assert len(made.pages) >= 10
    for name, file in made.pages.items():
        context = browser.new_context(offline=True)
        page, errors = context.new_page(), []
        page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
        page.on("console", lambda m, errors=errors: errors.append(m.text) if m.type == "error" else None)
        page.goto(file.as_uri())
        harmless(page)
        assert errors == [], name
        context.close()


def test_no_script_runs_in_the_explorer(made: Made, page: Any, tmp_path: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    with served(made.run, folder) as explorer:
        see(page, explorer)
        page.locator("#by-number").fill("3, 4")
        page.keyboard.press("Enter")
        page.wait_for_function("document.getElementById('chosen').textContent.startsWith('2 of')")
        page.locator("#save").click()
        page.wait_for_function("document.getElementById('saved').textContent.includes('saved as')")
        page.locator("summary", has_text="Copy as Python").click()
        harmless(page)


def test_nothing_commands_the_terminal(made: Made) -> None:
    assert len(made.printed) >= 10
    assert any("onerror" in text for text in made.printed)
    for text in made.printed:
        assert not {"\x1b", "\x07"} & set(text)


def test_no_cell_is_a_formula(made: Made) -> None:
    texts = 0
    for table in made.tables:
        with table.open(newline="") as file:
            for row in csv.reader(file):
                for cell in row:
                    if cell[:1] in ("=", "@", "\t", "\r"):
                        raise AssertionError(f"{table.name}: {cell!r}")
                    texts += "onerror" in cell
    assert texts


def test_markdown_shows_and_does_not_obey(made: Made) -> None:
    for file in made.pages["report"].parent.glob("*.md"):
        text = file.read_text()
        assert "onerror" in text
        assert not {"\x1b", "\x07"} & set(text)
        for active in ("<img", "<script", "</script", "<svg", "[x]("):
            assert all(text[i - 1] == "\\" for i in range(len(text)) if text.startswith(active, i)), active
