"""`make vendor`: copies the dashboard's libraries from node_modules into the package.

So the service can be installed and run without Node and without a network. `vendor.json`, beside
the files, lists them. A test compares the files with it, and it with `package-lock.json`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
VENDOR = ROOT / "service/dashboard/vendor"

FILES = {
    "htm": ("dist/htm.module.js", "htm.js"),
    "preact": ("dist/preact.mjs", "preact.js"),
    "preact/hooks": ("hooks/dist/hooks.mjs", "preact-hooks.js"),
    "uplot": ("dist/uPlot.esm.js", "uplot.js"),
    "uplot/css": ("dist/uPlot.min.css", "uplot.css"),
}
"""For each package, or part of one: the file's path in the package, and its name here."""


def main() -> None:
    """Empties the folder and copies all files into it."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    entries = [entry for part in FILES for entry in _copied(part)]
    entries.sort(key=lambda entry: entry["file"])
    (VENDOR / "vendor.json").write_text(json.dumps(entries, indent=2) + "\n")


def _copied(part: str) -> list[dict[str, str]]:
    """Copies a file, and its package's licence; returns their entries for `vendor.json`."""
    package = part.partition("/")[0]
    folder = ROOT / "node_modules" / package
    about = json.loads((folder / "package.json").read_text())
    source, name = FILES[part]
    texts = {name: _browser_ready((folder / source).read_text())}
    if part == package:
        texts[f"{package}.LICENSE.txt"] = (folder / "LICENSE").read_text()
    for file, text in texts.items():
        (VENDOR / file).write_text(text)
    return [
        {
            "file": file,
            "name": package,
            "version": about["version"],
            "license": about["license"],
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        for file, text in texts.items()
    ]


def _browser_ready(text: str) -> str:
    """The text without source maps and bare module names, which a browser can't load."""
    # An import map would do for the names, but the page's policy allows no inline script.
    lines = [line for line in text.splitlines() if not line.startswith("//# sourceMappingURL=")]
    return "\n".join(lines).replace('from"preact"', 'from"./preact.js"') + "\n"


if __name__ == "__main__":
    main()
