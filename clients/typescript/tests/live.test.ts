import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import {
  createTracker,
  type LiveRouteOptions,
  liveRoute,
  type LogEntry,
  type Tracker,
} from 'message-tracker';
import { Events } from './helpers/events.js';
import { answer, cut, hang, Proxy } from './helpers/proxy.js';
import { Service, TOKEN } from './helpers/service.js';
import { until } from './helpers/until.js';

const ADDRESS = 'https://app.test/api/live';
let service: Service;
let proxy: Proxy;
let tracker: Tracker;
let entries: LogEntry[];

before(async () => {
  service = await Service.start();
  proxy = await new Proxy(service.url).start();
  tracker = createTracker({ url: proxy.url, token: TOKEN });
});
beforeEach(() => {
  proxy.troubles = [];
  proxy.requests.length = 0;
  entries = [];
});
after(async () => {
  await proxy.stop();
  await service.stop();
});

/** What the route answers a page that may see the event in its address. */
function asked(query = '', init: RequestInit = {}, options: Partial<LiveRouteOptions> = {}) {
  const allow = (request: Request) => {
    const event_id = new URL(request.url).searchParams.get('event');
    return event_id ? { event_id } : null;
  };
  const onLog = (entry: LogEntry) => entries.push(entry);
  const { GET } = liveRoute({ allow, tracker, onLog, ...options });
  return GET(new Request(`${ADDRESS}${query}`, init));
}

const track = (wamid: string, event_id: string) =>
  createTracker({ url: service.url, token: TOKEN }).trackSend({
    wa_id: '919876543210',
    template_wamid: wamid,
    event_id,
  });

test('a page gets the changes of what it may see, and nothing else', async () => {
  const response = await asked('?event=e-1');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('Content-Type'), 'text/event-stream');
  assert.equal(response.headers.get('Cache-Control'), 'no-store, no-transform');
  const events = new Events(response);
  assert.ok(await events.next('ready'));
  await track('wamid.other', 'e-2');
  await track('wamid.own', 'e-1');
  const change = await events.next();
  assert.equal(JSON.parse(change?.['data'] ?? '').wamid, 'wamid.own');
  await events.leave();
});

test('a page that may see nothing gets 403, and the service is not asked', async () => {
  assert.equal((await asked()).status, 403);
  const allow = async () => Response.redirect('https://app.test/login');
  assert.equal((await asked('', {}, { allow })).status, 302);
  assert.equal(proxy.requests.length, 0);
});

test('an id that is missing by mistake lets a page see nothing', async () => {
  const allow = () => ({ event_id: undefined as unknown as string });
  assert.equal((await asked('', {}, { allow })).status, 500);
  assert.equal(proxy.requests.length, 0);
});

test('a page that connects again misses nothing', async () => {
  const first = new Events(await asked('?event=e-3'));
  await first.next('ready');
  await track('wamid.before', 'e-3');
  const lastId = (await first.next())?.['id'];
  assert.ok(lastId);
  await first.leave();
  const onlooker = new Events(await asked('?event=e-3'));
  await onlooker.next('ready');
  await track('wamid.meanwhile', 'e-3');
  await onlooker.next();
  await onlooker.leave();
  const headers = { 'Last-Event-ID': lastId };
  const second = new Events(await asked('?event=e-3', { headers }));
  assert.equal(JSON.parse((await second.next())?.['data'] ?? '').wamid, 'wamid.meanwhile');
  await second.leave();
});

test('when the page leaves, the connection to the service is closed', async () => {
  const isClosed = () => proxy.requests[0]?.socket.destroyed === true;
  const left = new Events(await asked('?event=e-4'));
  await left.next('ready');
  await left.leave();
  await until(isClosed, 'the connection to be closed');

  proxy.requests.length = 0;
  const controller = new AbortController();
  const aborted = new Events(await asked('?event=e-4', { signal: controller.signal }));
  await aborted.next('ready');
  controller.abort();
  await until(isClosed, 'the connection to be closed');
  assert.equal(await aborted.next(), undefined);
});

test('while the service is away a page is told when to come again', async () => {
  for (const trouble of [cut, answer(503), answer(502)]) {
    proxy.troubles = [trouble];
    const response = await asked('?event=e-5');
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('Retry-After'), '2');
    assert.equal(proxy.requests.length, 1);
    proxy.requests.length = 0;
  }
});

test('a fault that stays is logged, and the page learns nothing of it', async () => {
  const stranger = createTracker({ url: service.url, token: 'another-token' });
  const response = await asked('?event=e-6', {}, { tracker: stranger });
  assert.equal(response.status, 500);
  assert.equal(await response.text(), '');
  assert.equal(entries.at(-1)?.event, 'route_failed');
});

test('a stream that breaks ends in order, so that the page connects again', async () => {
  const events = new Events(await asked('?event=e-7'));
  await events.next('ready');
  proxy.requests[0]?.socket.destroy();
  assert.equal(await events.next(), undefined);
  assert.equal(entries.at(-1)?.event, 'live_ended');
});

test('a stream that falls silent ends, and the connection to the service is closed', async (t) => {
  const begun = (_: unknown, response: import('node:http').ServerResponse) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
  };
  proxy.troubles = [begun];
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const events = new Events(await asked('?event=e-8'));
  const ended = events.next();
  t.mock.timers.tick(45_000);
  assert.equal(await ended, undefined);
  t.mock.timers.reset();
  await until(() => proxy.requests[0]?.socket.destroyed === true, 'the connection to be closed');
});

test('a service that does not answer counts as away', async (t) => {
  proxy.troubles = [hang];
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const response = asked('?event=e-9');
  while (!proxy.requests.length) await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(5_000);
  assert.equal((await response).status, 503);
});
