"""Pages in a real browser: what it lays out, at several widths and in both colour schemes."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
"""A headless browser, where one is installed."""

WIDTHS = (1280, 400)

SCRIPT = """
const channel = part => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
const numbers = colour => colour.match(/[0-9.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
function background(node, view) {
  for (; node; node = node.parentElement) {
    const colour = numbers(view.getComputedStyle(node).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
}
function look(frame, width) {
  const view = frame.contentWindow, page = frame.contentDocument, faults = [];
  page.querySelectorAll("details").forEach(part => { part.open = true; });
  if (page.documentElement.scrollWidth > width) faults.push("scrolls to " + page.documentElement.scrollWidth);
  for (const node of page.body.querySelectorAll("*")) {
    const box = node.getBoundingClientRect(), name = node.tagName + " " + node.textContent.trim().slice(0, 40);
    const own = [...node.childNodes].some(child => child.nodeType == 3 && child.data.trim());
    if (box.width && (box.right > width + 1 || box.left < -1)) faults.push("outside: " + name);
    if (node.clientWidth && node.scrollWidth > node.clientWidth + 1) faults.push("cut: " + name);
    if (!own || !box.width) continue;
    const [a, b] = [luminance(numbers(view.getComputedStyle(node).color)), luminance(background(node, view))];
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) faults.push("low contrast: " + name);
  }
  for (const entry of view.performance.getEntriesByType("resource"))
    if (!entry.name.startsWith("data:")) faults.push("request: " + entry.name);
  for (const image of page.images) if (!image.naturalWidth) faults.push("picture: " + image.alt);
  return { width, dark: view.matchMedia("(prefers-color-scheme: dark)").matches, faults };
}
window.onload = () => {
  const results = [...document.querySelectorAll("iframe")].map(frame => look(frame, frame.clientWidth));
  document.getElementById("results").textContent = JSON.stringify(results);
};
"""


@dataclasses.dataclass(frozen=True)
class Look:
    """What is wrong with a page at a width."""

    page: str
    width: int
    dark: bool
    faults: list[str]


def look_at(pages: Sequence[Path], directory: Path, *, dark: bool) -> list[Look]:
    """Open pages at all widths in one browser, with everything unfolded; returns what is wrong with each."""
    assert BROWSER is not None
    frames = "".join(
        f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{escaped(page.read_text())}"></iframe>'
        for page in pages
        for width in WIDTHS
    )
    harness = directory / f"harness_{dark}.html"
    harness.write_text(f'<meta charset="utf-8">{frames}<pre id="results"></pre><script>{SCRIPT}</script>')
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,900"]
    command += [f"--user-data-dir={directory / 'profile'}", "--no-first-run", "--disable-extensions"]
    command += ["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--dump-dom", harness.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    text = re.search(r'<pre id="results">(.*?)</pre>', shown, re.DOTALL)
    assert text is not None, shown[-2000:]
    results = json.loads(unescaped(text[1]))
    names = [page.parent.name for page in pages for _ in WIDTHS]
    return [Look(name, **result) for name, result in zip(names, results, strict=True)]


def escaped(text: str) -> str:
    """A text as an attribute's value."""
    return text.replace("&", "&amp;").replace('"', "&quot;")


def unescaped(text: str) -> str:
    """The text of an element as it was before."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
