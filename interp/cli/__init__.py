"""The command line: parse, call one function, print. Nothing heavy is imported before a command runs."""

from interp.cli.application import app, main

__all__ = ["app", "main"]
