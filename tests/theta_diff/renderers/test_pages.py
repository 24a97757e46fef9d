from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from theta_diff.files import report_of
from theta_diff.renderers import html
from theta_diff.renderers import markdown
from theta_diff.renderers import outlines
from theta_diff.renderers.colours import Palette
from theta_diff.renderers.html_assets import STYLE
from theta_diff.report import Detail
from theta_diff.report import Report

EVIL = "<script>alert(1)</script>|`\x1b[1m"


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.chdir(tmp_path)
    random = numpy.random.default_rng(0)
    names = [f"layer.{i}.{part}" for i in range(6) for part in ("key", "query")]
    old = {name: random.standard_normal((20, 10)).astype(numpy.float32) for name in (*names, EVIL)}
    save_file(old, "old.safetensors", metadata={"epoch": "3"})
    new = {name: tensor * numpy.float32(1 + 0.1 * number) for number, (name, tensor) in enumerate(old.items())}
    new[EVIL][0, 0] = numpy.nan
    new["layer.6.key"] = old["layer.0.key"] + 1
    save_file(new, "new.safetensors", metadata={"epoch": EVIL})
    return report_of(Path("old.safetensors"), Path("new.safetensors"), Detail.HISTOGRAMS)


class Tags(HTMLParser):
    """Collects tags and checks that they are balanced."""

    VOID = frozenset({"meta", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_balanced_and_loads_nothing(report: Report) -> None:
    page = html.page([report])
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert {"svg", "polyline", "table", "details"} <= set(tags.seen)
    assert "http:" not in page
    assert "https:" not in page


def test_nothing_in_a_checkpoint_becomes_markup(report: Report) -> None:
    page = html.page([report])
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert page.count("<script>") == 1


def test_the_page_tells_what_the_terminal_tells(report: Report) -> None:
    page = html.page([report])
    assert "NaN: 0 -&gt; 1" in page
    assert "scaled by 1.1" in page
    assert "12 groups modified, 1 added, 1 unchanged" in page


def test_an_empty_page_says_so() -> None:
    assert "no checkpoint differs" in html.page([])


@pytest.mark.skipif(not shutil.which("chromium"), reason="no headless browser here")
def test_search_hides_rows_in_a_real_browser(report: Report, tmp_path: Path) -> None:
    probe = (
        "search.value = 'query'; search.dispatchEvent(new Event('input'));"
        "document.title = [...document.querySelectorAll('details.row')].filter((r) => !r.hidden).length"
        " + '/' + document.querySelectorAll('details.row').length;"
    )
    page = html.page([report]).replace("</body>", f"<script>{probe}</script></body>")
    (tmp_path / "page.html").write_text(page)
    shown, _, every = _title(tmp_path / "page.html").partition("/")
    assert 0 < int(shown) < int(every)


def _title(page: Path) -> str:
    """The title that a page has given itself in a browser; one that does not run here says nothing about the page."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command = ["chromium", *options, f"--user-data-dir={page.parent}/browser", "--dump-dom", str(page)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"no headless browser runs here: {error}")
    return done.stdout.partition("<title>")[2].partition("</title>")[0]


def test_markdown_is_a_table(report: Report) -> None:
    text = markdown.text([report])
    lines = text.splitlines()
    assert lines[0] == "### `new.safetensors`"
    rows = [line for line in lines if line.startswith("| ")]
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    assert "\x1b" not in text
    assert "| added | `layer.6.key`" in text


def test_markdown_of_nothing() -> None:
    assert markdown.text([]) == "No checkpoint differs.\n"


def test_stat_has_a_line_for_each_group(report: Report) -> None:
    lines = list(outlines.stat(report, Palette()))
    assert len(lines) == len(outlines.group_names(report)) + 2


def test_names_are_in_natural_order(report: Report) -> None:
    names = outlines.group_names(report)
    assert names.index("layer.1.key") < names.index("layer.2.query") < names.index("layer.6.key")


def test_one_line_names_the_file(report: Report) -> None:
    assert outlines.one_line(report).startswith("new.safetensors: ")


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(scheme: str) -> None:
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)", 1)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", light if scheme == "light" else dark))
    for text in ("fg", "dim", "old", "new", "added", "removed", "changed"):
        for ground in ("bg", "soft"):
            one, other = sorted((luminance(colours[text]), luminance(colours[ground])))
            assert (other + 0.05) / (one + 0.05) >= 4.5, f"{text} on {ground}"
