"""The report: one HTML file with its styles, scripts and data inside, which asks nothing of any network.

The scripts under `static/` are plain ES modules. A page without a server cannot import, so here each module becomes a
function that is called at once and returns its exports, one after the other: no build step, and no name can clash.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import asdict
from pathlib import Path

from driftline.console.content import Report
from driftline.data.files import replace_text

STATIC = Path(__file__).parent / "static"
MODULES = (
    "strings.js",
    "format.js",
    "dom.js",
    "scales.js",
    "reader.js",
    "river.js",
    "forecast.js",
    "slate.js",
    "models.js",
    "population.js",
    "quality.js",
    "page.js",
)
"""The scripts in the order of their imports."""

_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (const|function) (\w+)", re.MULTILINE)


def write_report(report: Report, path: Path) -> Path:
    """Write the page; a page that was there is replaced whole or, with SaveError, left as it was."""
    replace_text(path, render(report))
    return path


def render(report: Report) -> str:
    """The page as text: `static/report.html` with styles, scripts, data, and the policy that allows only these."""
    style = (STATIC / "report.css").read_text(encoding="utf-8")
    script = bundle()
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": html.escape(policy, quote=True),
        "title": html.escape(f"{report.data.name} · Driftline"),
        "style": style,
        "script": script,
        "data": embed(asdict(report)),
    }
    page = (STATIC / "report.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page)


def bundle() -> str:
    """All modules as one script."""
    return "\n".join(
        as_value(name.removesuffix(".js"), (STATIC / name).read_text(encoding="utf-8")) for name in MODULES
    )


def as_value(name: str, text: str) -> str:
    r"""A module as a constant that holds its exports; imports are read from the constants before it.

    >>> as_value("b", 'import { x } from "./a.js";\nexport const y = x;')
    'const $b = (() => {\nconst { x } = $a;\nconst y = x;\nreturn { y };\n})();'
    """
    exports = ", ".join(match[2] for match in _EXPORT.finditer(text))
    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(r"const \1 = $\2;", text)).rstrip("\n")
    return f"const ${name} = (() => {{\n{body}\nreturn {{ {exports} }};\n}})();"


def embed(document: object) -> str:
    r"""JSON that may stand inside a script element: no `<`, `>` or `&`, so no text can end it or open another.

    >>> embed("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _hash(text: str) -> str:
    """What a content security policy calls the source of an inline element."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
