"""What is served is said in words, and what cannot be served is refused before anything is opened."""

from pathlib import Path

import pytest

import interp
from interp.checkpoints.options import OpenOptions
from interp.errors import ConfigError
from interp.explorer.server import header_of


class Stop(Exception):
    """Ends a server that a test has seen enough of."""


def address(path, host):
    """The address that a server at a host says it has; it is ended at once."""
    said = []

    def ready(url):
        said.append(url)
        raise Stop

    with pytest.raises(Stop):
        interp.explore(path, host=host, open_browser=False, ready=ready)
    return said[0]


def test_the_header_names_the_file_the_task_and_the_network(run, serve):
    header = header_of(serve(run).session.subject)
    assert "step-00000300.safetensors (grokscope-1, step 300)" in header
    assert "add modulo 23" in header
    assert "60 neurons" in header


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("::1", "http://[::1]:"),
        ("::", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),
    ],
)
def test_the_address_that_is_told_can_be_opened(run, host, expected):
    assert address(run, host).startswith(expected)


@pytest.mark.parametrize(
    "options",
    [{"most": 1}, {"port": 70_000}, {"port": -1}, {"folder": "nowhere"}, {"host": "192.0.2.1"}],
)
def test_what_cannot_be_served_is_refused(tmp_path, options):
    with pytest.raises(ConfigError):
        interp.explore(tmp_path / "not even there", open_browser=False, **options)


def test_the_script_opens_the_checkpoint_as_it_was_opened():
    from interp.explorer.server import _call

    options = OpenOptions(activation="relu", p=113, table=Path("rows.csv"))
    expected = "interp.load_checkpoint('net.pth', activation='relu', p=113, table='rows.csv')"
    assert _call("net.pth", options) == expected
