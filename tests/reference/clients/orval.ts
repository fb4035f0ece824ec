// What a caller writes on the client that orval makes.
import {
  eraseMessages,
  getMessageStats,
  listMessageLogs,
  lookUpStatuses,
  trackSend,
  trackSends,
  type TrackSendRequest,
  updateStatus,
} from "./generated/client";

declare const process: { env: Record<"URL" | "TOKEN" | "EVENT", string> };
const { TOKEN: token, EVENT: event } = process.env;
const options = { headers: { "X-Webhook-Token": token } };

function send(number: number): TrackSendRequest {
  return { wa_id: "919876543210", template_wamid: `wamid.${event}.${number}`, event_id: event };
}

async function main() {
  const sent = await trackSend(send(1), options);
  const batch = await trackSends({ messages: [send(2), send(3)] }, options);
  const status = await updateStatus(
    { wamid: `wamid.${event}.1`, status: "delivered", timestamp: "2026-01-15T10:30:05.000Z" },
    options,
  );
  const found = await lookUpStatuses({ wamids: [`wamid.${event}.1`] }, options);
  const page = await listMessageLogs({ event_id: event, standalone: false, limit: 2 }, options);
  const stats = await getMessageStats({ event_id: event }, options);
  const refused = await trackSend({ wa_id: "", template_wamid: "wamid.0" }, options);
  const erased = await eraseMessages({ event_id: event }, options);
  const told = {
    id: sent.status === 200 && "map_id" in sent.data ? sent.data.map_id.length : 0,
    results: batch.status === 200 ? batch.data.results.length : 0,
    status: status.status === 200 ? status.data.status : "",
    found: found.status === 200 ? found.data.statuses[`wamid.${event}.1`]?.status : "",
    page: page.status === 200 ? page.data.logs.map((log) => log.wamid) : [],
    total: stats.status === 200 ? stats.data.total : 0,
    refused: refused.status === 400 ? refused.data.field : "",
    erased: erased.status === 200 ? erased.data.erased : 0,
  };
  console.log(JSON.stringify(told));
}

main();
