"""The server answers its own page at its own address, and nothing else; what is malformed is an error, not a crash."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import UPDATE, ask, callback

from interp.explorer.guard import is_own_host

MEASURE = "..accuracies.children...map.figure...pending.children...python.children.."


def measure(chosen, mode="scale", factor=0.5, kept=(), quantity="true margin"):
    inputs = [
        ("selection.data", chosen),
        ("mode.value", mode),
        ("factor.value", factor),
        ("kept.data", list(kept) if isinstance(kept, tuple) else kept),
        ("quantity.value", quantity),
    ]
    return callback(MEASURE, inputs)


@pytest.fixture
def page(run, serve):
    return serve(run)


JSON = {"Content_Type": "application/json"}


def test_the_page_is_served_with_a_policy_that_fetches_nothing_from_elsewhere(page):
    status, headers, text = ask(page)
    assert status == 200
    assert "Grokscope explorer" in text
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "http" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost", ""]
)
def test_another_host_or_port_is_refused(page, host):
    status, _, text = ask(page, host=host.format(port=page.port) or " ")
    assert status == 403
    assert "its own address" in text


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}"])
def test_the_names_of_this_machine_are_answered(page, host):
    assert ask(page, host=host.format(port=page.port))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", [UPDATE, "/_dash-layout", "/_dash-dependencies"])
def test_requests_from_other_sites_are_refused(page, headers, path):
    method, body = ("POST", measure([1])) if path == UPDATE else ("GET", None)
    status, _, text = ask(page, method, path, body=body, **headers, **JSON)
    assert status == 403
    assert "other sites" in text


def test_its_own_pages_are_answered(page):
    own = {"Origin": f"http://127.0.0.1:{page.port}", "Sec_Fetch_Site": "same-origin"}
    status, _, text = ask(page, "POST", UPDATE, body=measure([1, 2]), **own, **JSON)
    assert status == 200
    assert "2 neurons times 0.5" in text


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../server.py",
        "/assets/%2e%2e/server.py",
        "/assets//etc/passwd",
        "/etc/passwd",
        "/server.py",
    ],
)
def test_no_file_but_the_pages_own_is_served(page, path):
    _, _, text = ask(page, path=path)
    assert "from __future__" not in text
    assert "root:" not in text


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"{}", b"\xff\xfe", b'{"output": "nothing.there"}', b"[" * 100_000],
)
def test_a_malformed_callback_is_an_error(page, body):
    status, _, text = ask(page, "POST", UPDATE, body=body, **JSON)
    assert 400 <= status < 500
    assert "Traceback" not in text
    assert ask(page)[0] == 200


MALFORMED = [
    measure("all"),
    measure(None),
    measure([10**9]),
    measure([-1]),
    measure([1, 1]),
    measure([True]),
    measure([1.5]),
    measure([[1]]),
    measure({"points": 3}),
    measure([1], mode="explode"),
    measure([1], mode=None),
    measure([1], factor="2"),
    measure([1], factor=1e9),
    measure([1], factor=None),
    measure([1], kept="everything"),
    measure([1], kept=[1]),
    measure([1], kept=[{"neurons": [1]}]),
    measure([1], kept=[{"neurons": [1], "mode": "zero", "factor": 1}] * 101),
    measure([1], quantity="../../etc/passwd"),
    measure([1], quantity=["true margin"]),
    callback("table.getRowsResponse", [("table.getRowsRequest", {"startRow": "0; DROP"})]),
    callback(
        "..answers-at.figure...histogram-at.figure...weights-at.figure...step-now.children..",
        [("step.value", 99), ("neuron.data", 1)],
    ),
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_what_cannot_be_used_is_said_on_the_page(page, body):
    status, _, text = ask(page, "POST", UPDATE, body=body, **JSON)
    assert status == 200
    answer = json.loads(text)
    assert answer["sideUpdate"]["message"]["children"]
    assert not answer.get("response")
    assert "Traceback" not in text


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(anything, anything, anything, anything)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_breaks_the_server(page, chosen, mode, factor, kept):
    status, _, text = ask(page, "POST", UPDATE, body=measure(chosen, mode, factor, kept), **JSON)
    assert status in (200, 400)
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("header", "host", "own"),
    [
        ("box:80", "box", True),
        ("box", "box", True),
        ("BOX:80", "box", True),
        ("other:80", "box", False),
        ("user@box:80", "box", False),
        ("box:80/x", "box", False),
        ("192.0.2.7:80", "0.0.0.0", True),
        ("[2001:db8::1]:80", "::", True),
        ("evil.example:80", "0.0.0.0", False),
        ("localhost:80", "0.0.0.0", True),
        ("[::1", "::", False),
        ("box:x", "box", False),
    ],
)
def test_whose_host_it_is(header, host, own):
    assert is_own_host(header, host, 80) is own


@pytest.mark.parametrize("odd", [["a"], {"a": 1}, 3, None, True, [], {}, "x" * 1000])
@pytest.mark.parametrize(
    "place",
    ["output", "outputs", "inputs", "state", "changedPropIds", "id", "property", "mode", "quantity", "kept"],
)
def test_a_value_of_another_kind_is_no_server_error(run, serve, place, odd):
    body = measure([0])
    if place in ("id", "property"):
        body["inputs"][0][place] = odd
    elif place in ("mode", "quantity", "kept"):
        body = measure([0], **{place: odd})
    else:
        body[place] = odd
    status, _, text = ask(serve(run), "POST", UPDATE, body=body, Content_Type="application/json")
    assert status < 500, text
    assert "Traceback" not in text
