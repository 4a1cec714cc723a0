from .serving import app_of as app_of
from .serving import explore as explore
