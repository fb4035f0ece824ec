// What a caller writes on the types that openapi-typescript makes, with openapi-fetch.
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/schema";

declare const process: { env: Record<"URL" | "TOKEN" | "EVENT", string> };
const { URL: baseUrl, TOKEN: token, EVENT: event } = process.env;
const client = createClient<paths>({ baseUrl, headers: { "X-Webhook-Token": token } });

function send(number: number): components["schemas"]["TrackSendRequest"] {
  return { wa_id: "919876543210", template_wamid: `wamid.${event}.${number}`, event_id: event };
}

async function main() {
  const sent = await client.POST("/api/webhooks/track-send/", { body: send(1) });
  const batch = await client.POST("/api/webhooks/track-send/batch/", {
    body: { messages: [send(2), send(3)] },
  });
  const status = await client.POST("/api/webhooks/message-status/", {
    body: { wamid: `wamid.${event}.1`, status: "delivered", timestamp: "2026-01-15T10:30:05.000Z" },
  });
  const found = await client.POST("/api/webhooks/message-status-lookup/", {
    body: { wamids: [`wamid.${event}.1`] },
  });
  const page = await client.GET("/api/webhooks/message-logs/", {
    params: { query: { event_id: event, standalone: false, limit: 2 } },
  });
  const stats = await client.GET("/api/webhooks/message-stats/", {
    params: { query: { event_id: event } },
  });
  const refused = await client.POST("/api/webhooks/track-send/", {
    body: { wa_id: "", template_wamid: "wamid.0" },
  });
  const erased = await client.POST("/api/webhooks/erase/", { body: { event_id: event } });
  const told = {
    id: sent.data && "map_id" in sent.data ? sent.data.map_id.length : 0,
    results: batch.data?.results.length,
    status: status.data?.status,
    found: found.data?.statuses[`wamid.${event}.1`]?.status,
    page: page.data?.logs.map((log) => log.wamid),
    total: stats.data?.total,
    refused: refused.error?.field,
    erased: erased.data?.erased,
  };
  console.log(JSON.stringify(told));
}

main();
