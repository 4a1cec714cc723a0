"""Audit reports for people and programs: JSON, Markdown, a self-contained HTML page, and the terminal."""

from interp.report.console import print_removal, print_report
from interp.report.html import to_html
from interp.report.markdown import to_markdown
from interp.report.saving import save
