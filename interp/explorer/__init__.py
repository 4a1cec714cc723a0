"""The explorer: a page on which neurons are looked at, changed, and measured again at once."""

from interp.explorer.language import explore_language as explore_language
from interp.explorer.server import app_of as app_of
from interp.explorer.server import explore as explore
