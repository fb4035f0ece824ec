import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import express from 'express';
import { createTracker, liveRoute, type Tracker, webhookRoute } from 'message-tracker';
import { nodeHandler } from 'message-tracker/node';
import { Events } from './helpers/events.js';
import { bodyOf, inbound, signatureOf, status } from './helpers/meta.js';
import { APP_SECRET, Service, TOKEN, VERIFY_TOKEN } from './helpers/service.js';
import { until } from './helpers/until.js';

let service: Service;
let tracker: Tracker;
let servers: http.Server[] = [];
let messages: string[] = [];
let live: { signal: AbortSignal; path: string } | undefined;

before(async () => {
  service = await Service.start();
  tracker = createTracker({ url: service.url, token: TOKEN });
});
after(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await service.stop();
});

const webhook = webhookRoute({
  appSecret: APP_SECRET,
  verifyToken: VERIFY_TOKEN,
  tracker: { forwardWebhook: (...given) => tracker.forwardWebhook(...given) },
  onMessage: (message) => void messages.push(message.id),
  onLog: () => {},
});
const changes = liveRoute({
  allow: ({ signal, url }) => {
    live = { signal, path: new URL(url).pathname };
    return { event_id: 'e-node' };
  },
  tracker: { live: (...given) => tracker.live(...given) },
});

/** Frees what nothing holds any more. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

async function served(listener: http.RequestListener): Promise<string> {
  const server = http.createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function post(url: string, body: string, signature = signatureOf(body)): Promise<Response> {
  const headers = { 'Content-Type': 'application/json', 'X-Hub-Signature-256': signature };
  return fetch(url, { method: 'POST', headers, body });
}

/** Express with the handler behind what an application may put before it. */
function application(...before: express.RequestHandler[]): express.Express {
  const router = express.Router();
  for (const each of before) router.use(each);
  router.all('/whatsapp', nodeHandler(webhook));
  router.all('/live', nodeHandler(changes));
  return express().use('/api', router);
}

for (const [name, listener, path] of [
  ['plain Node', nodeHandler(webhook), '/'],
  ['Express', application(), '/api/whatsapp'],
  ['Express with express.raw()', application(express.raw({ type: '*/*' })), '/api/whatsapp'],
] as const) {
  test(`${name} takes a webhook and answers the handshake`, async () => {
    messages = [];
    const url = `${await served(listener)}${path}`;
    const wamid = `wamid.${name}`;
    const body = bodyOf([status(wamid)], [inbound(`in.${name}`)]);
    assert.equal((await post(url, body)).status, 200);
    assert.equal((await tracker.lookup(wamid)).get(wamid)?.status, 'delivered');
    assert.deepEqual(messages, [`in.${name}`]);
    assert.equal((await post(url, body, signatureOf('other'))).status, 403);
    const challenge = await fetch(
      `${url}?hub.mode=subscribe&hub.verify_token=${VERIFY_TOKEN}&hub.challenge=1158201444`,
    );
    assert.equal(await challenge.text(), '1158201444');
    const put = await fetch(url, { method: 'PUT' });
    assert.equal(put.status, 405);
    assert.equal(put.headers.get('Allow'), 'GET, POST');
  });
}

test('a body that was parsed before is never taken for what Meta signed', async (t) => {
  const { mock } = t.mock.method(console, 'error', () => {});
  const url = `${await served(application(express.json()))}/api/whatsapp`;
  assert.equal((await post(url, bodyOf([status('wamid.parsed')]))).status, 500);
  assert.match(String(mock.calls[0]?.arguments[1]), /before express\.json\(\)/);
});

test('a body that is too large is not read to its end', async () => {
  const url = await served(nodeHandler(webhook));
  assert.equal((await post(url, 'x'.repeat(6 * 1024 * 1024))).status, 413);
});

test('changes reach a page through Express, until it leaves', async () => {
  const url = `${await served(application())}/api/live`;
  const events = new Events(await fetch(url));
  assert.ok(await events.next('ready'));
  await tracker.trackSend({ wa_id: '919876543210', template_wamid: 'w', event_id: 'e-node' });
  assert.equal(JSON.parse((await events.next())?.['data'] ?? '').wamid, 'w');
  assert.equal(live?.path, '/api/live');
  assert.equal(live?.signal.aborted, false);
  collectGarbage();
  await events.leave();
  await until(() => live?.signal.aborted === true, 'the route to learn that the page left');
});
