"""`make vendor`: copies the pages' libraries from node_modules into the package.

So the service can be installed and run without Node and without a network. A `vendor.json`, beside
the files, lists them. A test compares the files with it, and it with `package-lock.json`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent

FOLDERS = {
    ROOT / "service/dashboard/vendor": {
        "htm": ("dist/htm.module.js", "htm.js"),
        "preact": ("dist/preact.mjs", "preact.js"),
        "preact/hooks": ("hooks/dist/hooks.mjs", "preact-hooks.js"),
        "uplot": ("dist/uPlot.esm.js", "uplot.js"),
        "uplot/css": ("dist/uPlot.min.css", "uplot.css"),
    },
    ROOT / "service/site/docs/vendor": {
        "swagger-ui-dist": ("swagger-ui-bundle.js", "swagger-ui-bundle.js"),
        "swagger-ui-dist/css": ("swagger-ui.css", "swagger-ui.css"),
        "swagger-ui-dist/notice": ("NOTICE", "swagger-ui-dist.NOTICE.txt"),
        "swagger-ui-dist/licenses": (
            "swagger-ui-bundle.js.LICENSE.txt",
            "swagger-ui-bundle.js.LICENSE.txt",
        ),
    },
}
"""For each folder its packages, or parts of them: the file's path in the package, its name here."""


_MAPS = ("//# sourceMappingURL=", "/*# sourceMappingURL=")


def main() -> None:
    """Empties the folders and copies all files into them."""
    for vendor, files in FOLDERS.items():
        shutil.rmtree(vendor, ignore_errors=True)
        vendor.mkdir(parents=True)
        entries = [
            entry
            for part, (source, name) in files.items()
            for entry in _copy(vendor, part, source, name)
        ]
        entries.sort(key=lambda entry: entry["file"])
        (vendor / "vendor.json").write_text(json.dumps(entries, indent=2) + "\n")


def _copy(vendor: Path, part: str, source: str, name: str) -> list[dict[str, str]]:
    """Copies a file, and its package's licence; returns their entries for `vendor.json`."""
    package = part.partition("/")[0]
    folder = ROOT / "node_modules" / package
    about = json.loads((folder / "package.json").read_text())
    texts = {name: _browser_ready((folder / source).read_text())}
    if part == package:
        texts[f"{package}.LICENSE.txt"] = (folder / "LICENSE").read_text()
    for file, text in texts.items():
        (vendor / file).write_text(text)
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
    # Not by `splitlines`: it would break a line at characters that a text in a script may hold.
    lines = [line for line in text.split("\n") if not line.startswith(_MAPS)]
    return "\n".join(lines).rstrip("\n").replace('from"preact"', 'from"./preact.js"') + "\n"


if __name__ == "__main__":
    main()
