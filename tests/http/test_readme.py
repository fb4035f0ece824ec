"""Every `curl` line of the README is answered as the README shows, in their order there."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.config import PREFIX
from service.routes import ROUTES
from tests.conftest import TOKEN, need_server
from tests.process import Service
from tests.servers import RedisServer

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(curl .*?)```", README, re.DOTALL)
SENDS = """\
{"wa_id": "919876543210", "template_wamid": "wamid.HBgLMTk4NzY1NDMyMTA", "event_id": "e-1"}
{"wa_id": "919876543211", "template_wamid": "wamid.HBgLMTk4NzY1NDMyMTE", "event_id": "e-1"}
"""
"""What `sends.ndjson` may hold."""

ENDLESS = "/live/"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    need_server()
    if shutil.which("curl") is None:
        if os.environ.get("CI"):
            pytest.fail("no curl here, and CI needs it")
        pytest.skip("no curl here")
    folder = tmp_path_factory.mktemp("readme")
    with RedisServer() as redis:
        variables = {"AUTH__TOKENS": TOKEN, "REDIS__URL": redis.url}
        with Service(folder, **{f"{PREFIX}{name}": text for name, text in variables.items()}) as it:
            yield it


def answer_to(command: str, service: Service, folder: Path) -> str:
    """What the command prints; of a stream that has no end, what comes in two seconds."""
    command = command.replace("http://127.0.0.1:8080", service.url)
    if ENDLESS in command:
        command = command.replace("curl ", "curl --max-time 2 ", 1)
    done = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl --no-progress-meter ", 1)],
        cwd=folder,
        env=os.environ | {"TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode in ({28} if ENDLESS in command else {0}), done.stderr
    return done.stdout


def fits(shown: str, answer: str) -> bool:
    """Whether an answer is what is shown; `…` is anything, and white space doesn't count."""
    bare_shown, bare_answer = (re.sub(r"\s", "", text) for text in (shown, answer))
    pattern = ".*".join(map(re.escape, bare_shown.split("…")))
    return re.search(pattern, bare_answer, re.DOTALL) is not None


def test_each_example_is_answered_as_shown(service: Service, tmp_path: Path) -> None:
    (tmp_path / "sends.ndjson").write_text(SENDS)
    for block in BLOCKS:
        command, _, shown = block.partition("\n# ")
        answer = answer_to(command, service, tmp_path)
        assert shown, command
        assert fits(shown.replace("\n#", ""), answer), (command, shown, answer)


def test_every_endpoint_has_an_example() -> None:
    """All but those that are shown in words: Meta's webhook, `latest` and the like of another."""
    shown = {match[1] for block in BLOCKS if (match := re.search(r"8080(/api/[^\s'?]*)", block))}
    named = {re.sub(r"wamid\.\w+", "{wamid}", path) for path in shown}
    in_words = {"message-logs/latest/", "templates/", "whatsapp/"}
    expected = {
        route.path
        for route in ROUTES
        if route.path.startswith("/api/") and route.path.split("webhooks/")[1] not in in_words
    }
    assert named == expected
