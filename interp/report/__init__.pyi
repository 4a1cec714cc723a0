from .console import print_removal as print_removal
from .console import print_report as print_report
from .html import to_html as to_html
from .markdown import to_markdown as to_markdown
from .saving import save as save
