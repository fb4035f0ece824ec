// What a caller writes on the client that @hey-api/openapi-ts makes.
import { client } from "./generated/client.gen";
import {
  eraseMessages,
  getMessageStats,
  listMessageLogs,
  lookUpStatuses,
  trackSend,
  trackSends,
  updateStatus,
} from "./generated/sdk.gen";
import type { TrackSendRequest } from "./generated/types.gen";

declare const process: { env: Record<"URL" | "TOKEN" | "EVENT", string> };
const { URL: baseUrl, TOKEN: token, EVENT: event } = process.env;
client.setConfig({ baseUrl, auth: token });

function send(number: number): TrackSendRequest {
  return { wa_id: "919876543210", template_wamid: `wamid.${event}.${number}`, event_id: event };
}

async function main() {
  const sent = await trackSend({ body: send(1) });
  const batch = await trackSends({ body: { messages: [send(2), send(3)] } });
  const status = await updateStatus({
    body: { wamid: `wamid.${event}.1`, status: "delivered", timestamp: "2026-01-15T10:30:05.000Z" },
  });
  const found = await lookUpStatuses({ body: { wamids: [`wamid.${event}.1`] } });
  const page = await listMessageLogs({ query: { event_id: event, standalone: false, limit: 2 } });
  const stats = await getMessageStats({ query: { event_id: event } });
  const refused = await trackSend({ body: { wa_id: "", template_wamid: "wamid.0" } });
  const erased = await eraseMessages({ body: { event_id: event } });
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
