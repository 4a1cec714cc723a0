"""The explorer in a real browser: what a person does, and that the numbers are those of the Python interface."""

import re
from pathlib import Path

import pytest
from buttons import check_buttons
from serving import DRAWN, see

import interp
from interp.explorer.session import CODES
from interp.models import neuron_site

FACTOR = "Factor that the neurons are multiplied by"


def accuracies(page):
    """What the cards say, by split."""
    pairs = (
        "[...document.querySelectorAll('.card[data-split]')].map(c => [c.dataset.split, +c.dataset.accuracy])"
    )
    return dict(page.evaluate(pairs))


def known(values):
    return {
        split: pytest.approx(value, abs=1e-5)
        for split, value in values.to_dict().items()
        if value is not None
    }


def wait_for(page, text, place):
    page.wait_for_function(
        "([id, text]) => document.getElementById(id).textContent.includes(text)", arg=[place, text]
    )


def trying(page, text):
    """Wait until the accuracies are those of the change that is tried."""
    wait_for(page, text, "pending")
    page.wait_for_timeout(50)


def pick(page, menu, option):
    page.locator(f"#{menu}").click()
    page.get_by_role("option", name=option, exact=True).click()


def write(page, place, text):
    page.locator(f"#{place}").fill(text)
    page.keyboard.press("Enter")


def to_the_left(page, times):
    page.get_by_role("slider", name=FACTOR).focus()
    for _ in range(times):
        page.keyboard.press("ArrowLeft")


@pytest.fixture
def opened(run, serve, page):
    """The page of a training run, with its first figures."""
    served = serve(run)
    see(page, served)
    return served


def test_a_slider_gives_the_accuracies_of_the_python_interface_and_undo_takes_them_back(opened, page):
    model, task = opened.session.subject.model, opened.session.subject.task
    before = interp.accuracy(model, task)
    assert accuracies(page) == known(before)
    write(page, "by-number", "0-29")
    wait_for(page, "30 of 60", "chosen")
    to_the_left(page, 40)
    trying(page, "30 neurons times 0.6")
    with interp.rescale(model, range(30), 0.6):
        after = interp.accuracy(model, task)
    assert after.train != before.train
    assert accuracies(page) == known(after)
    page.locator("#undo").click()
    trying(page, "nothing is tried")
    assert accuracies(page) == known(before)


@pytest.mark.slow
def test_neurons_chosen_while_the_first_figures_are_drawn_are_kept(run, serve, page):
    slow = page.context.new_cdp_session(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    for _ in range(3):
        page.goto(serve(run).url)
        page.locator(DRAWN).first.wait_for()
        write(page, "by-number", "0-29")
        wait_for(page, "30 of 60", "chosen")


@pytest.mark.slow
def test_a_lasso_chooses_the_neurons_inside_it(opened, page):
    drawn = page.locator("#scatter .nsewdrag").first
    area = before = None
    while area is None or area != before:  # until the page has its place for it
        before, area = area, drawn.bounding_box()
        page.wait_for_timeout(500)
    page.mouse.move(area["x"] + area["width"] * 0.5, area["y"] + 4)
    page.mouse.down()
    for x, y in ((0.99, 0.01), (0.99, 0.99), (0.5, 0.99), (0.5, 0.02)):
        page.mouse.move(area["x"] + area["width"] * x, area["y"] + area["height"] * y, steps=4)
    page.mouse.up()
    page.wait_for_function("/^[1-9]/.test(document.getElementById('chosen').textContent)")
    middle = page.evaluate(
        "document.querySelector('#scatter .js-plotly-plot')._fullLayout.xaxis.range.reduce((a, b) => a + b) / 2"
    )
    expected = int((opened.session.subject.table["ipr"] > middle).sum())
    assert 0 < expected < 60
    assert abs(int(page.locator("#chosen").inner_text().split()[0]) - expected) <= 2  # one on the line


@pytest.mark.slow
def test_changes_are_kept_one_on_another_and_undone_one_by_one(opened, page):
    model, task = opened.session.subject.model, opened.session.subject.task
    label = str(opened.session.subject.table["label"][0])
    pick(page, "by-label", label)
    chosen = opened.session.subject.table.where(label=label).neuron
    wait_for(page, f"{len(chosen)} of 60", "chosen")
    page.get_by_text("set to their mean").click()
    trying(page, "set to their mean")
    page.locator("#keep").click()
    page.wait_for_selector("#history li")
    write(page, "by-number", "1, 5, 7")
    wait_for(page, "3 of 60", "chosen")
    page.get_by_text("set to 0").click()
    trying(page, "3 neurons set to 0")
    with interp.ablate(model, chosen, "mean", reference=task), interp.ablate(model, [1, 5, 7]):
        both = interp.accuracy(model, task)
    assert accuracies(page) == known(both)
    page.locator("#undo").click()
    trying(page, "nothing is tried")
    with interp.ablate(model, chosen, "mean", reference=task):
        one = interp.accuracy(model, task)
    assert accuracies(page) == known(one)
    page.locator("#undo").click()
    page.wait_for_selector("#history li", state="detached")
    page.wait_for_timeout(300)
    assert accuracies(page) == known(interp.accuracy(model, task))


@pytest.mark.slow
def test_an_edit_is_saved_as_a_checkpoint_that_an_audit_confirms(opened, page):
    write(page, "by-number", "0-19")
    wait_for(page, "20 of 60", "chosen")
    page.get_by_text("set to 0").click()
    trying(page, "20 neurons set to 0")
    shown = accuracies(page)
    page.locator("#save").click()
    wait_for(page, "saved as", "saved")
    saved = re.search(r"saved as (.+)", page.locator("#saved").inner_text())[1]
    report = interp.audit(saved, n_random=2)
    assert shown == known(report.accuracy)
    assert (report.table["label"][:20] == "dead").all()
    assert list(opened.folder.glob("*.safetensors"))


@pytest.mark.slow
def test_the_script_that_is_copied_gives_the_numbers_that_are_shown(opened, page, capsys):
    write(page, "by-number", "3-9")
    wait_for(page, "7 of 60", "chosen")
    to_the_left(page, 7)
    trying(page, "7 neurons times 0.93")
    shown = accuracies(page)
    page.get_by_text("Copy as Python").click()
    exec(page.locator("#python").inner_text(), {})
    assert f"test {shown['test']:.3f}" in capsys.readouterr().out


@pytest.mark.slow
def test_the_map_shows_the_margins_after_the_change(opened, page):
    write(page, "by-number", "0-59")
    wait_for(page, "60 of 60", "chosen")
    to_the_left(page, 50)
    trying(page, "60 neurons times 0.5")
    page.wait_for_timeout(300)
    session = opened.session
    z = page.evaluate(
        "[...document.querySelector('#map .js-plotly-plot')._fullData[0].z].map(row => [...row])"
    )
    halved = 0.5 * session.measure(()).margins[1]  # all neurons are half: so are logits and margins
    a, b = session.subject.data.inputs.T
    for i in range(0, len(halved), 37):
        assert z[int(a[i])][int(b[i])] == pytest.approx(float(halved[i]), abs=1e-4)
    pick(page, "quantity", "Which answers are right")
    page.wait_for_function("document.querySelector('#map .js-plotly-plot').data.length > 1")


@pytest.mark.slow
def test_a_series_is_stepped_through(opened, page):
    page.wait_for_selector(f"#answers-at {DRAWN}", timeout=60_000)
    wait_for(page, "step 300", "step-now")
    series = opened.scoring.series
    page.get_by_role("slider", name="Checkpoint of the run").focus()
    page.keyboard.press("ArrowLeft")
    wait_for(page, "step 150", "step-now")
    page.wait_for_timeout(300)
    z = page.evaluate(
        "[...document.querySelector('#answers-at .js-plotly-plot')._fullData[0].z].map(row => [...row])"
    )
    shown = [code for row in z for code in row]
    measured = series.dynamics.records[1]["accuracy"]["test"]
    right, wrong = (shown.count(CODES[f"held out, {what}"]) for what in ("right", "wrong"))
    assert right / (right + wrong) == pytest.approx(measured, abs=1e-6)
    neuron = int(page.locator("#number").input_value())
    drawn = page.evaluate("[...document.querySelector('#weights-at .js-plotly-plot')._fullData[0].y]")
    at_150 = interp.load_checkpoint(opened.session.subject.source.path.parent / "step-00000150.safetensors")
    expected = neuron_site(at_150.model).input_vectors[0][neuron].tolist()
    assert drawn == pytest.approx(expected, abs=2e-3)
    page.locator("#play").click()
    wait_for(page, "step 300", "step-now")
    page.locator("#play").click()
    wait_for(page, "Play", "play")
    for name in ("race", "alignment", "trajectory", "histogram-at"):
        page.wait_for_selector(f"#{name} {DRAWN}")


@pytest.mark.slow
def test_the_table_is_sorted_and_filtered_by_the_server_and_shows_its_neurons(opened, page):
    table = opened.session.subject.table
    page.wait_for_selector("#table .ag-row")
    page.get_by_role("columnheader", name="IPR", exact=True).get_by_text("IPR").click()
    lowest = int(table["ipr"].argmin())
    page.wait_for_function(
        "n => document.querySelector('#table .ag-row[row-index=\"0\"] .ag-cell').textContent === String(n)",
        arg=lowest,
    )
    page.locator("#table .ag-row[row-index='0'] .ag-cell").first.click()
    page.wait_for_function("n => document.getElementById('number').value === String(n)", arg=lowest)
    wait_for(page, str(table["label"][lowest]), "facts")
    page.get_by_label("label Filter Input").fill("gener")
    count = int((table["label"] == "generalizing").sum())
    page.wait_for_timeout(1200)
    page.locator("#by-filter").click()
    wait_for(page, f"{count} of 60", "chosen")
    page.locator("#next").click()
    page.wait_for_function(
        "n => document.getElementById('number').value === String(n)", arg=(lowest + 1) % 60
    )


@pytest.mark.slow
def test_keys_do_what_buttons_do(opened, page):
    shown = int(page.locator("#number").input_value())
    page.locator("h1").click()
    page.keyboard.press("n")
    page.wait_for_function("n => document.getElementById('number').value === String(n)", arg=(shown + 1) % 60)
    write(page, "by-number", "2")
    wait_for(page, "1 of 60", "chosen")
    to_the_left(page, 5)
    trying(page, "1 neuron times 0.95")
    page.keyboard.press("k")
    page.wait_for_selector("#history li")
    page.keyboard.press("u")
    page.wait_for_selector("#history li", state="detached")


@pytest.mark.slow
def test_every_control_can_be_reached_and_has_a_name(opened, page):
    reached = set()
    page.locator("h1").click()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label')")
        )
    wanted = {
        "by-label",
        "by-frequency",
        "score",
        "threshold",
        "by-number",
        "clear",
        "keep",
        "undo",
        "reset",
        "save",
        FACTOR,
    }
    assert wanted <= reached
    unnamed = """[...document.querySelectorAll('#explorer button, #explorer input, #explorer [role=slider]')]
        .filter(e => !e.closest('.ag-root-wrapper') && !e.labels?.length && !e.getAttribute('aria-label')
            && !e.getAttribute('aria-labelledby') && !e.textContent.trim() && !e.closest('[role=option]'))
        .map(e => e.outerHTML.slice(0, 200))"""
    assert page.evaluate(unnamed) == []


@pytest.mark.slow
def test_a_mistake_is_said_and_goes_away(opened, page):
    write(page, "by-number", "3, many")
    wait_for(page, "'many' is no neuron", "message")
    write(page, "by-number", "3")
    wait_for(page, "1 of 60", "chosen")
    assert page.locator("#message").inner_text() == ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["png", "svg", "html"])
def test_figures_are_downloaded(opened, page, kind):
    page.locator("#overview-section .download summary").click()
    with page.expect_download() as download:
        page.get_by_role(
            "button", name=f"Download “Periodicity against causal effect” as {kind.upper()}"
        ).click()
    content = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename == f"scatter.{kind}"
    assert content.startswith({"png": b"\x89PNG", "svg": b"<svg", "html": b"<!doctype html>"}[kind])


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(opened, page, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_selector(f"#answers-at {DRAWN}", timeout=60_000)
    page.wait_for_timeout(800)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    bright = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (background, ink)]
    assert (bright[0] > bright[1]) == (scheme == "light")


@pytest.mark.slow
def test_twenty_thousand_neurons(serve, page, tmp_path):
    task = interp.ModularTask("add", p=11, train_fraction=0.7, corrupt_fraction=0.2)
    config = interp.TrainConfig(steps=3, save_every=3)
    interp.train(task, interp.MLPConfig(width=20_000), config, out=tmp_path / "wide", show_progress=False)
    served = serve(tmp_path / "wide" / "step-00000003.safetensors")
    page.goto(served.url)
    page.wait_for_selector("#accuracies .card")
    page.wait_for_selector("#table .ag-row")
    assert page.evaluate(
        "document.querySelector('#scatter .js-plotly-plot').data.every(t => t.type === 'scattergl')"
    )
    write(page, "by-number", "0-9999")
    wait_for(page, "10000 of 20000", "chosen")
    page.get_by_text("set to 0").click()
    trying(page, "10000 neurons set to 0")
    with interp.ablate(served.session.subject.model, range(10_000)):
        assert accuracies(page) == known(interp.accuracy(served.session.subject.model, task))
    assert page.locator("#table .ag-row").count() < 200


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_buttons_of_figures_cover_nothing(opened, page, width):
    page.set_viewport_size({"width": width, "height": 900})
    names = (
        "weights",
        "activations",
        "loss",
        "race",
        "trajectory",
        "histogram-at",
        "weights-at",
        "answers-at",
    )
    for name in names:
        page.wait_for_selector(f"#{name} {DRAWN}")
    check_buttons(page, at_least=len(names) + 2)
