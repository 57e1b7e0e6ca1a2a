"""Check the documents: links lead somewhere, the command reference is current, every folder stands in the tree."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import reference

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def main() -> int:
    """Print every fault; 1 where there is one."""
    faults = [*broken_links(), *missing_folders()]
    for fault in faults:
        sys.stderr.write(fault + "\n")
    sys.argv.append("--check")
    return max(reference.main(), int(bool(faults)))


def documents() -> list[Path]:
    """Every Markdown page of the repository."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def broken_links() -> list[str]:
    """Relative links whose file does not exist."""
    return [
        f"{page.relative_to(ROOT)}: link to {target} leads nowhere"
        for page in documents()
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists()
    ]


def missing_folders() -> list[str]:
    """Folders of the package that the README's tree leaves out."""
    tree = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = (path for path in (ROOT / "src" / "driftline").iterdir() if (path / "__init__.py").is_file())
    return [f"README.md: the tree has no line for {path.name}/" for path in folders if f"{path.name}/" not in tree]


if __name__ == "__main__":
    sys.exit(main())
