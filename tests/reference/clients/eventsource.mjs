// Reads the stream of changes with the package eventsource, and reports a send once it is ready.
import { EventSource } from "eventsource";

const { URL: url, TOKEN: token, EVENT: wamid } = process.env;
const headers = { "X-Webhook-Token": token };
const seen = {};

const source = new EventSource(`${url}/api/webhooks/live/`, {
  fetch: (input, init) =>
    fetch(input, { ...init, headers: { "Last-Event-ID": "of another store", ...init.headers, ...headers } }),
});

function note({ type, data }) {
  if (type !== "message" || JSON.parse(data).wamid === wamid) seen[type] = data;
  if (!("ready" in seen && "lost" in seen && "message" in seen)) return;
  source.close();
  console.log(JSON.stringify(seen));
}

source.addEventListener("message", note);
source.addEventListener("lost", note);
source.addEventListener("ready", async (event) => {
  note(event);
  const body = JSON.stringify({ wa_id: "919876543210", template_wamid: wamid });
  await fetch(`${url}/api/webhooks/track-send/`, { method: "POST", headers, body });
});
