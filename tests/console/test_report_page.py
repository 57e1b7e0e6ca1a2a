"""The report page: self-contained, safe with hostile text, whole or not written at all."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from driftline.console import report as page
from driftline.console.content import Interval, Report
from driftline.errors import SaveError

sys.path.insert(0, str(Path(__file__).parent))
from small_report import EVIL, small_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def embedded(text: str) -> dict[str, object]:
    """The data inside a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    document = json.loads(found[1])
    assert isinstance(document, dict)
    return document


def test_the_page_holds_the_whole_report_as_json() -> None:
    report = small_report()
    assert embedded(page.render(report)) == json.loads(json.dumps(asdict(report)))


def test_a_hostile_title_cannot_leave_the_data_block() -> None:
    text = page.render(small_report())
    assert "alert(1)</script>" not in text
    assert text.count("</script>") == 2
    assert EVIL in json.dumps(embedded(text), ensure_ascii=False).replace("\\u2028", "\u2028")


def test_the_policy_allows_only_the_inlined_style_and_script() -> None:
    text = page.render(small_report())
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])  # type: ignore[index]
    for tag, directive in (("style", "style-src"), ('script type="module"', "script-src")):
        source = re.search(rf"<{tag}>(.*?)</", text, re.DOTALL)
        assert source
        digest = base64.b64encode(hashlib.sha256(source[1].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_the_page_asks_nothing_of_any_network() -> None:
    text = page.render(small_report()).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|url\((?!#)", text)


def test_modules_become_constants_that_read_each_other() -> None:
    module = 'import { x } from "./a.js";\nexport const y = x;\nexport function z() {}\n'
    assert page.as_value("b", module) == (
        "const $b = (() => {\nconst { x } = $a;\nconst y = x;\nfunction z() {}\nreturn { y, z };\n})();"
    )


def test_every_module_is_bundled_after_those_that_it_imports() -> None:
    assert {path.name for path in page.STATIC.glob("*.js")} == set(page.MODULES)
    for place, name in enumerate(page.MODULES):
        wanted = re.findall(r'from "\./([\w.]+)"', (page.STATIC / name).read_text(encoding="utf-8"))
        assert set(wanted) <= set(page.MODULES[:place])
    assert "import {" not in page.bundle()


def test_both_languages_have_the_same_texts() -> None:
    text = (page.STATIC / "strings.js").read_text(encoding="utf-8")
    english, chinese = text.split("\n  zh: {\n")
    keys = re.compile(r"(?:^ {4,6}|[,{] )(\w+): (?=[\"(`{\[])", re.MULTILINE)
    assert set(keys.findall(english.split("en: {\n")[1])) == set(keys.findall(chinese))


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        page.render(replace(small_report(), seconds=float("nan")))


def test_a_second_page_replaces_the_first_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    page.write_report(small_report(), path)
    page.write_report(replace(small_report(), version="0.0.1"), path)
    assert embedded(path.read_text(encoding="utf-8"))["version"] == "0.0.1"
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]


def test_a_full_disk_is_one_line_and_the_old_page_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = page.write_report(small_report(), tmp_path / "report.html")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SaveError, match="No space left on device; what was there is untouched"):
        page.write_report(replace(small_report(), version="9"), path)
    assert embedded(path.read_text(encoding="utf-8"))["version"] == "0.0.0"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def opened(report: Report, tmp_path: Path, language: str) -> subprocess.CompletedProcess[str]:
    """The page as a browser draws it; its console is in `stderr`."""
    path = page.write_report(report, tmp_path / "report.html")
    return subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr", "--virtual-time-budget=2000", "--window-size=1280,2000", "--dump-dom",
            f"{path.as_uri()}#lang={language}",
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip


def told(report: Report, tmp_path: Path, language: str = "en") -> str:
    """The words of the page that a reader sees."""
    drawn = opened(report, tmp_path, language).stdout.split("<main")[1].split("</main>")[0]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", drawn)))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to open the page in")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_browser_draws_every_section_and_runs_no_hostile_text(tmp_path: Path, language: str) -> None:
    dom = opened(small_report(), tmp_path, language)
    assert "CONSOLE" not in dom.stderr
    for part in ("person", "slate", "models", "population", "quality", "again"):
        assert f'<section id="{part}"' in dom.stdout
    for mark in ('class="layer c0"', 'class="inside', 'class="came"', 'class="dots best"', 'class="holiday"'):
        assert mark in dom.stdout
    assert "<strong>&lt;/script&gt;&lt;script&gt;alert(1)" in dom.stdout
    assert "NaN" not in dom.stdout.split("</main>")[0].split("<main")[1]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to open the page in")
@pytest.mark.parametrize(
    ("language", "within", "across"),
    [
        ("en", "8 Sept – 9 Dec 2011", "2 Jun 2018 – 1 Jun 2019"),
        ("zh", "2011年9月8日 – 12月9日", "2018年6月2日 – 2019年6月1日"),
    ],
)
def test_a_span_of_days_says_the_year_where_the_language_does_and_both_where_they_differ(
    tmp_path: Path, language: str, within: str, across: str
) -> None:
    report = small_report()
    assert report.population
    spans = replace(report.population, earlier=("2018-06-02", "2019-06-01"), recent=("2011-09-08", "2011-12-09"))
    words = told(replace(report, population=spans), tmp_path, language)
    assert across in words
    assert within in words


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to open the page in")
def test_only_a_river_of_about_a_year_is_called_one(tmp_path: Path) -> None:
    report = small_report()
    assert report.river
    for first, title in (
        ("2019-03-01", "The year of one person"),
        ("2015-03-01", "One person"),
        ("2020-01-01", "One person"),
    ):
        river = replace(report.river, dates=(first, *report.river.dates[1:]))
        assert title in told(replace(report, river=river), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to open the page in")
@pytest.mark.parametrize(("low", "says"), [(0.01, True), (-0.01, False)])
def test_the_best_model_is_told_as_better_only_beyond_chance(tmp_path: Path, low: float, says: bool) -> None:
    """A ratio in the first lines needs a paired difference to popularity whose interval leaves 0 out."""
    report = small_report()
    assert report.models
    best, other = report.models.rows
    weaker = {"ndcg@10": Interval(0.05, 0.02, 0.08)}
    base = replace(other, name="popularity", metrics=weaker, behind={"ndcg@10": Interval(0.05, low, 0.09)})
    words = told(replace(report, models=replace(report.models, rows=(best, base))), tmp_path)
    assert ("2.0 times as good as popularity" in words) is says


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to open the page in")
def test_a_forecast_names_the_largest_share_and_not_a_majority(tmp_path: Path) -> None:
    """A tenth of what comes is not most of it."""
    words = told(small_report(), tmp_path)
    assert "The largest share should go to Kitchen: 50%" in words
    assert "Most of it" not in words
