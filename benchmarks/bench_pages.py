"""What a reader's browser makes of a study's pages: size, first paint, requests, errors, links, accessibility.

Opens the pages of the embedded study (else of `tiny`; skipped where neither has run) in a headless Chromium, in light
and dark. axe-core is fetched from npm, which is skipped where there is none. Prints one line per figure, writes
`benchmarks/results/pages.json`, and ends with status 1 when a figure falls short. Figures are listed in
`benchmarks/README.md`.
"""

import json
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/helpers"))
from chromium import Chromium, executable  # noqa: E402
from reporting import figure, report  # noqa: E402

STUDIES = ("embedded", "tiny")
AXE = "axe-core@4.14.1"
# What of axe's findings keeps somebody from reading.
SERIOUS = ("serious", "critical")
PAINTS = 5
SCHEMES = ("light", "dark")
GOALS = {
    "size of index.html, MB": 3,
    "first paint of index.html, s": 1,
    "requests": 0,
    "errors in the console": 0,
    "links that lead nowhere": 0,
    "serious findings of axe-core": 0,
}


def study_folder():
    """Results of a study that has run to its end; None where there is none."""
    folders = (ROOT / "results" / name for name in STUDIES)
    return next((folder for folder in folders if (folder / "index.html").is_file()), None)


def pages(folder):
    """Every page that a study has."""
    return sorted([*folder.glob("*.html"), *(folder / "figures").glob("*.html")])


def broken_links(page):
    """Links of a page to files that are not there; report.html is made on request, and linked by none."""
    text = page.read_text(encoding="utf-8")
    targets = (unquote(link.partition("#")[0]) for link in re.findall(r'<a [^>]*href="([^"]+)"', text))
    return [link for link in targets if link and not re.match(r"\w+:", link) and not (page.parent / link).exists()]


def fetch_axe(folder):
    """The text of axe-core, from npm; None where it cannot be fetched."""
    try:
        command = ["npm", "pack", AXE, "--silent"]
        name = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=120).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    with tarfile.open(folder / name.split()[-1]) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


def first_paint(profile, page):
    """Seconds from a fresh start of the browser's page to its first content; median of several."""
    seconds = []
    for number in range(PAINTS):
        with Chromium(profile / f"paint-{number}") as browser:
            browser.open(page)
            browser.wait("performance.getEntriesByName('first-contentful-paint').length > 0")
            paint = browser.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            seconds.append(paint / 1000)
    return round(statistics.median(seconds), 2)


def visit(profile, page, axe):
    """What one page asks for, complains of, and what axe finds in it in either scheme: (requests, errors, findings)."""
    requests, errors, findings = set(), set(), []
    for scheme in SCHEMES:
        with Chromium(profile / f"{page.stem}-{scheme}") as browser:
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.send("Emulation.setEmulatedMedia", browser.page, features=features)
            browser.open(page)
            requests |= set(browser.outside())
            errors |= set(browser.errors)
            if axe:
                browser.run(axe + "; 0")
                found = json.loads(
                    browser.run("axe.run(document, {iframes: false}).then(r => JSON.stringify(r.violations))")
                )
                findings += [
                    f"{page.name} ({scheme}): {each['id']}: {node['target']}"
                    for each in found
                    if each["impact"] in SERIOUS
                    for node in each["nodes"]
                ]
    return requests, errors, findings


def main():
    """Measure and report."""
    folder = study_folder()
    if folder is None or executable() is None:
        why = "no study has run" if folder is None else "Chromium is not installed"
        return report("pages", [figure(f"pages: {name}", why, f"<= {goal}", None) for name, goal in GOALS.items()], [])
    with tempfile.TemporaryDirectory() as name:
        profile = Path(name)
        axe, visits = fetch_axe(profile), {page: None for page in pages(folder)}
        found = {"size of index.html, MB": round((folder / "index.html").stat().st_size / 1e6, 2)}
        found["first paint of index.html, s"] = first_paint(profile, folder / "index.html")
        visits = [visit(profile, page, axe) for page in visits]
        lists = {
            "requests": sorted(set().union(*(each[0] for each in visits))),
            "errors in the console": sorted(set().union(*(each[1] for each in visits))),
            "links that lead nowhere": [
                f"{page.name}: {link}" for page in pages(folder) for link in broken_links(page)
            ],
            "serious findings of axe-core": sum((each[2] for each in visits), []) if axe else None,
        }
    figures = []
    for name, goal in GOALS.items():
        what = lists.get(name)
        if name in lists and what is None:
            figures.append(figure(f"pages: {name}", f"{AXE} could not be fetched", f"<= {goal}", None))
            continue
        value = len(what) if name in lists else found[name]
        details = {"found": what[:20]} if what else {}
        figures.append(figure(f"pages: {name}", value, f"<= {goal}", value <= goal, **details))
    return report("pages", figures, [], study=folder.name, pages=len(pages(folder)))


if __name__ == "__main__":
    sys.exit(main())
