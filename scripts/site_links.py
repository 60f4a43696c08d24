"""Hook of the site: links that lead from docs/ to other files of the repository work there too.

Pages are written to be read in the repository as well, where ``../docker/server.Dockerfile`` is a file. The
site gets a copy of every file that a page links to. Docstrings name each other in single backticks; where
such a name has a place in the reference, it becomes a link.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(?<=\]\()(?:\.\./)+[^)#\s]+")
_COPIES = "repository"
_NAME = re.compile(r"<code>((?:bacctl\.)?[A-Z]\w*(?:\.\w+)*)</code>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that pages link to."""
    for page in tuple(files.documentation_pages()):
        for target in _targets(page.content_string, page.src_uri):
            copy = f"{_COPIES}/{target}"
            if files.get_file_from_path(copy) is None:
                files.append(File.generated(config, copy, abs_src_path=str(_ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to the copies."""

    def lead(link: re.Match[str]) -> str:
        target = _target(link.group(), page.file.src_uri)
        if target is None:
            return link.group()
        return posixpath.relpath(f"{_COPIES}/{target}", posixpath.dirname(page.file.src_uri) or ".")

    return _LINK.sub(lead, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make names in docstrings references, which become links where the name is known."""

    def refer(name: re.Match[str]) -> str:
        full = f"bacctl.{name[1].removeprefix('bacctl.')}"
        return f'<autoref identifier="{full}" optional>{name.group()}</autoref>'

    return _NAME.sub(refer, html) if page.file.src_uri.startswith("reference/") else html


def _targets(markdown: str, src_uri: str) -> Iterator[str]:
    for link in _LINK.findall(markdown):
        target = _target(link, src_uri)
        if target is not None:
            yield target


def _target(link: str, src_uri: str) -> str | None:
    """Return the path in the repository of a link out of docs/, None for a link within, or to nothing."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(src_uri), link))
    outside = not path.startswith(("docs/", ".."))
    return path if outside and (_ROOT / path).is_file() else None
