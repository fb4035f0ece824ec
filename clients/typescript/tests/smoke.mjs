// Uses the package as it was built, in the runtime that runs this: every part of it once. Returns
// what came of it. It is given the package, since not all runtimes can import it.

/** @param {typeof import('../dist/esm/index.js')} library */
export async function smoke(library, url, token, { body, signature, appSecret }) {
  const { createTracker, liveRoute, TrackerError, webhookRoute } = library;
  const tracker = createTracker({ url, token });
  const found = {};

  const live = liveRoute({ tracker, allow: () => ({ event_id: 'e-smoke' }) });
  const stream = await live.GET(new Request('https://app.test/api/live'));
  const reader = stream.body.getReader();
  found.live = new TextDecoder().decode((await reader.read()).value).includes('event: ready');
  await reader.cancel();

  async function* sends() {
    for (let index = 0; index < 2_500; index++) {
      yield { wa_id: '919876543210', template_wamid: `wamid.smoke.${index}`, event_id: 'e-smoke' };
    }
  }
  found.sent = 0;
  for await (const answer of tracker.trackSends(sends())) if (answer.ok) found.sent += 1;
  found.logs = (await tracker.logs({ event_id: 'e-smoke' })).length;

  const webhook = webhookRoute({ tracker, appSecret, onLog: () => {} });
  const post = (signed) => {
    const headers = { 'X-Hub-Signature-256': signed };
    return webhook.POST(new Request('https://app.test/webhook', { method: 'POST', headers, body }));
  };
  found.webhook = (await post(signature)).status;
  found.forged = (
    await post(signature.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')))
  ).status;
  found.delivered = (await tracker.lookup('wamid.smoke.0')).get('wamid.smoke.0').status;

  const aborted = new AbortController();
  setTimeout(() => aborted.abort(), 10);
  const nowhere = createTracker({ url: 'http://127.0.0.1:9', token });
  found.aborted = await nowhere.stats({}, { signal: aborted.signal }).catch((error) => error.name);
  const refused = await tracker.message('wamid.never').catch((error) => error);
  found.refused = refused instanceof TrackerError && refused.code;
  return found;
}
