"""Every `curl` example of the pages is answered as its page shows, in their order there."""

import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from service.api.routes import ROUTES
from service.config import PREFIX
from tests.conftest import TOKEN, need_server
from tests.documents import PAGES, ROOT, calls_in, page
from tests.npm_tools import tool
from tests.process import Service
from tests.servers import RedisServer

API = "docs/api.md"
EXAMPLES = {
    str(path.relative_to(ROOT)): calls for path in PAGES if (calls := calls_in(path.read_text()))
}
"""By the page that they are on."""

SENDS = """\
{"wa_id": "919876543210", "template_wamid": "wamid.HBgLMTk4NzY1NDMyMTA", "event_id": "e-1"}
{"wa_id": "919876543211", "template_wamid": "wamid.HBgLMTk4NzY1NDMyMTE", "event_id": "e-1"}
"""
"""What `sends.ndjson` may hold."""

ENDLESS = "/live/"


class Reader(NamedTuple):
    """Somebody who tries the examples of a page, with a service of their own."""

    calls: list[str]
    service: Service


@pytest.fixture(scope="module", params=EXAMPLES)
def reader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    need_server()
    if shutil.which("curl") is None:
        if os.environ.get("CI"):
            pytest.fail("no curl here, and CI needs it")
        pytest.skip("no curl here")
    folder = tmp_path_factory.mktemp("reader")
    with RedisServer() as redis:
        variables = {"AUTH__TOKENS": TOKEN, "REDIS__URL": redis.url}
        settings = {f"{PREFIX}{name}": text for name, text in variables.items()}
        with Service(folder, **settings) as service:
            yield Reader(EXAMPLES[request.param], service)


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


def test_each_example_is_answered_as_shown(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "sends.ndjson").write_text(SENDS)
    for call in reader.calls:
        command, _, shown = call.partition("\n# ")
        answer = answer_to(command, reader.service, tmp_path)
        assert shown, command
        assert fits(shown.replace("\n#", ""), answer), (command, shown, answer)


def test_every_endpoint_has_an_example() -> None:
    """All but those that are shown in words: Meta's webhook, `latest` and the like of another."""
    shown = {
        match[1] for call in EXAMPLES[API] if (match := re.search(r"8080(/api/[^\s'?]*)", call))
    }
    named = {re.sub(r"wamid\.\w+", "{wamid}", path) for path in shown}
    in_words = {"message-logs/latest/", "whatsapp/"}
    in_words |= {"templates/", "campaigns/", "phone-numbers/"}
    expected = {
        route.path
        for route in ROUTES
        if route.path.startswith("/api/") and route.path.split("webhooks/")[1] not in in_words
    }
    assert named == expected


HANDLER = re.search(r"```ts\n(.*?)```", page("docs/coming-from-the-guide.md"), re.DOTALL)
CALLER = """
const [url, method, signature, body] = process.argv.slice(2);
const headers = signature ? { 'X-Hub-Signature-256': signature } : {};
const request = new Request(url, method === 'GET' ? {} : { method, headers, body });
const answer = await ({ GET, POST }[method])(request);
console.log(JSON.stringify([answer.status, await answer.text()]));
"""


def of_handler(service_url: str, folder: Path, *arguments: str) -> tuple[int, str]:
    """The answer of the documented webhook handler; 500 if it throws, as in Next.js."""
    assert HANDLER
    script = folder / "handler.mjs"
    code = HANDLER[1].replace("export ", "").replace(": Request", "")
    script.write_text(code + CALLER)
    command = [tool("node"), str(script), f"https://app.test/{arguments[0]}", *arguments[1:]]
    environment = os.environ | {"DJANGO_URL": service_url}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode:
        assert "fetch failed" in done.stderr
        return 500, ""
    status, text = json.loads(done.stdout)
    return status, text


def test_the_webhook_handler_loses_nothing_and_lets_nobody_in(tmp_path: Path) -> None:
    """The guide's own answers 200 while the service is away; anybody could post to it as Meta."""
    need_server()
    tool("node")
    status = {"id": "wamid.1", "status": "read", "timestamp": "1768473065"}
    change = {"field": "messages", "value": {"statuses": [status]}}
    body = json.dumps({"entry": [{"changes": [change]}]})
    signed = "sha256=" + hmac.digest(b"secret", body.encode(), hashlib.sha256).hex()
    variables = {"AUTH__TOKENS": TOKEN, "META__APP_SECRET": "secret", "META__VERIFY_TOKEN": "word"}
    with RedisServer() as redis:
        variables["REDIS__URL"] = redis.url
        settings = {f"{PREFIX}{name}": text for name, text in variables.items()}
        with Service(tmp_path, **settings) as service:
            url = service.url
            query = "?hub.mode=subscribe&hub.verify_token=word&hub.challenge=115"
            assert of_handler(url, tmp_path, query, "GET") == (200, "115")
            assert of_handler(url, tmp_path, "", "POST", "", body)[0] == 401
            assert of_handler(url, tmp_path, "", "POST", "sha256=00", body)[0] == 403
            assert of_handler(url, tmp_path, "", "POST", signed, body) == (200, "")
    assert of_handler(url, tmp_path, "", "POST", signed, body)[0] == 500
