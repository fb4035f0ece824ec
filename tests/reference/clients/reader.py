"""Reads the stream of changes with httpx-sse, and reports a send once it is ready."""

import json
import os

import httpx
from httpx_sse import connect_sse

URL = os.environ["URL"]
TOKEN = {"X-Webhook-Token": os.environ["TOKEN"]}
SEND = {"wa_id": "919876543210", "template_wamid": os.environ["EVENT"]}

seen: dict[str, str] = {}
with (
    httpx.Client(base_url=URL, headers=TOKEN) as client,
    connect_sse(
        client, "GET", "/api/webhooks/live/", headers={"Last-Event-ID": "of another store"}
    ) as source,
):
    for event in source.iter_sse():
        if event.event == "ready":
            httpx.post(f"{URL}/api/webhooks/track-send/", json=SEND, headers=TOKEN)
        if event.event != "message" or event.json()["wamid"] == os.environ["EVENT"]:
            seen[event.event] = event.data
        if {"ready", "lost", "message"} <= seen.keys():
            print(json.dumps(seen))
            break
