"""The guard of the server: it answers requests to its own name and port, from its own pages, and no others."""

from __future__ import annotations

import ipaddress
import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from interp.errors import GrokscopeError

if TYPE_CHECKING:
    from dash import Dash
    from flask import Flask, Response

LOG = logging.getLogger("grokscope.explorer")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::", "")
LARGEST_REQUEST = 32 * 2**20
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval' {hashes}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Plotly compiles its WebGL code, hence 'unsafe-eval'; nothing is fetched from anywhere else."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
OWN_SITES = ("same-origin", "none")
EVERY_SITE = (*OWN_SITES, "same-site", "cross-site")
"""The page itself may be opened from a link anywhere, nothing else may."""


def is_own_host(header: str, host: str, port: int) -> bool:
    """True if a Host header names this server.

    A page of another site can have its own name resolve to this machine (DNS rebinding); its requests then name that
    site. So only the name that the server was started with is answered, and where it listens on every address also
    this machine's name and any plain address, which no name server can make up.

    Example:
        >>> is_own_host("127.0.0.1:8050", "127.0.0.1", 8050), is_own_host("evil.example:8050", "127.0.0.1", 8050)
        (True, False)
    """
    try:
        named = urlsplit(f"//{header}")
        name, given = (named.hostname or "").lower(), named.port or 80
    except ValueError:
        return False
    if given != port or named.username is not None or named.path:
        return False
    if host in LOOPBACK:
        return name in LOOPBACK
    if host not in EVERYWHERE:
        return name == host.lower()
    if name in (*LOOPBACK, socket.gethostname().lower(), socket.getfqdn().lower()):
        return True
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


def guard(app: Dash, host: str, port: int) -> None:
    """Make the app's server refuse what does not come from its own pages, and answer errors in one line.

    Call it after all callbacks are defined.
    """
    from flask import Response, request
    from werkzeug.exceptions import HTTPException

    server: Flask = app.server
    server.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    policy = POLICY.format(hashes=" ".join(app.csp_hashes()))

    @server.before_request
    def check() -> Response | None:
        if not is_own_host(request.headers.get("Host", ""), host, port):
            own = (
                f"this server answers to its own address and port {port} only; a tunnel has to keep the port"
            )
            return Response(own, 403, mimetype="text/plain")
        origin = request.headers.get("Origin")
        same = origin is None or origin == f"http://{request.headers['Host']}"
        sites = EVERY_SITE if request.path == "/" else OWN_SITES
        if not same or request.headers.get("Sec-Fetch-Site", "none") not in sites:
            return Response("requests from other sites are refused", 403, mimetype="text/plain")
        return None

    @server.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        response.headers["Content-Security-Policy"] = policy
        return response

    @server.errorhandler(Exception)
    def refuse(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return Response(f"{error.code} {error.name}", error.code, mimetype="text/plain")
        if isinstance(error, GrokscopeError):
            return Response(str(error), 400, mimetype="text/plain")
        LOG.debug("a request failed", exc_info=error)
        message = f"the request cannot be answered ({type(error).__name__})"
        return Response(message, 400, mimetype="text/plain")
