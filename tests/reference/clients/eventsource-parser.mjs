// Reads the stream of changes with eventsource-parser, and reports a send once it is ready.
import { EventSourceParserStream } from "eventsource-parser/stream";

const { URL: url, TOKEN: token, EVENT: wamid } = process.env;
const headers = { "X-Webhook-Token": token };
const seen = {};

const response = await fetch(`${url}/api/webhooks/live/`, {
  headers: { ...headers, "Last-Event-ID": "of another store" },
});
const events = response.body
  .pipeThrough(new TextDecoderStream())
  .pipeThrough(new EventSourceParserStream());

for await (const { event = "message", data } of events) {
  if (event === "ready") {
    const body = JSON.stringify({ wa_id: "919876543210", template_wamid: wamid });
    await fetch(`${url}/api/webhooks/track-send/`, { method: "POST", headers, body });
  }
  if (event !== "message" || JSON.parse(data).wamid === wamid) seen[event] = data;
  if ("ready" in seen && "lost" in seen && "message" in seen) break;
}
console.log(JSON.stringify(seen));
