"""`make screenshot`: takes the pictures of the dashboard in docs, from the same demo each time.

It needs Chromium on PATH, and fonts for names in every script (on Debian fonts-noto-core and
fonts-noto-cjk).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal, NamedTuple

import click
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from scripts.demo import MESSAGES, ROOT, SEED, Demo, demo
from scripts.story import RUNNING

AGREED = """() => {
  const [title, pick] = ['.title .quiet', '.pick[aria-current] .pick-about span']
    .map((place) => document.querySelector(place).textContent);
  return title === pick;
}"""
"""Whether the list of events, which is refreshed less often, shows the same as the page."""

TO_TOP = "id => scrollTo(0, document.getElementById(id).closest('section').offsetTop - 16)"

FLAGS = ("--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-gpu")


class Picture(NamedTuple):
    """How a picture is taken.

    Attributes:
        file: its name in `docs`.
        width: the width of the window, in CSS pixels.
        height: the height of the window, in CSS pixels.
        scale: pixels of the picture for one CSS pixel.
        scheme: light or dark.
        part: the id of the part of the page to scroll to; `""` for the top of the page.
    """

    file: str
    width: int
    height: int
    scale: float
    scheme: Literal["light", "dark"]
    part: str = ""


PICTURES = (
    Picture("dashboard.png", 1280, 900, 1.25, "light"),
    Picture("dashboard-phone.png", 390, 844, 2, "dark", part="timing"),
)


def main() -> None:
    """Takes all pictures."""
    asyncio.run(_take_all())


async def _take_all() -> None:
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("There is no chromium on PATH.")
    async with demo(MESSAGES, seed=SEED, port=0) as shown, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        for picture in PICTURES:
            await _take(picture, browser, shown)
        await browser.close()


async def _take(picture: Picture, browser: Browser, shown: Demo) -> None:
    context = await browser.new_context(
        viewport=ViewportSize(width=picture.width, height=picture.height),
        device_scale_factor=picture.scale,
        color_scheme=picture.scheme,
        reduced_motion="reduce",
        timezone_id="UTC",
    )
    page = await context.new_page()
    async with _going_on(shown):
        await _enter(page, shown)
    await page.wait_for_function(AGREED)
    if picture.part:
        await page.evaluate(TO_TOP, picture.part)
    path = ROOT / "docs" / picture.file
    await page.screenshot(path=path)
    await context.close()
    click.echo(f"docs/{picture.file}: {path.stat().st_size // 1024} KiB")


@asynccontextmanager
async def _going_on(shown: Demo) -> AsyncIterator[None]:
    """Lets the story go on inside of the block."""
    telling = asyncio.create_task(shown.go_on())
    yield
    telling.cancel()
    with suppress(asyncio.CancelledError):
        await telling


async def _enter(page: Page, shown: Demo) -> None:
    """Signs in, opens the event whose send is under way, and waits until the page is complete."""
    await page.goto(f"{shown.url}/dashboard/")
    await page.get_by_label("Token").fill(shown.token)
    await page.get_by_label("Token").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("All messages")
    toggle = page.locator(".picker-toggle")
    if await toggle.is_visible():  # on a phone
        await toggle.click()
    await page.get_by_role("link", name=RUNNING.event_id).click()
    await expect(page.locator(".connection")).to_have_text("Live")
    await expect(page.locator(".rows .row").first).to_be_visible()
    await expect(page.locator(".chart canvas")).to_be_visible()
    await expect(page.locator(".desk strong, .desk .badge").filter(has_text="?")).to_have_count(0)


if __name__ == "__main__":
    main()
