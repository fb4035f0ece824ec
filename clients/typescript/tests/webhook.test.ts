import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import {
  createTracker,
  type InboundMessage,
  type LogEntry,
  type Tracker,
  TrackerError,
  type WebhookOptions,
  webhookRoute,
} from 'message-tracker';
import {
  ADDRESS,
  bodyOf,
  fromMeta,
  handshake,
  inbound,
  signatureOf,
  status,
} from './helpers/meta.js';
import { answer, cut, Proxy } from './helpers/proxy.js';
import { APP_SECRET, Service, TOKEN, VERIFY_TOKEN } from './helpers/service.js';

let service: Service;
let proxy: Proxy;
let tracker: Tracker;
let entries: LogEntry[];
let messages: InboundMessage[];

before(async () => {
  service = await Service.start();
  proxy = await new Proxy(service.url).start();
  tracker = createTracker({ url: proxy.url, token: TOKEN });
});
beforeEach(() => {
  proxy.troubles = [];
  proxy.requests.length = 0;
  entries = [];
  messages = [];
});
after(async () => {
  await proxy.stop();
  await service.stop();
});

function route(options: WebhookOptions = {}) {
  return webhookRoute({
    appSecret: APP_SECRET,
    verifyToken: VERIFY_TOKEN,
    tracker,
    onMessage: (message) => void messages.push(message),
    onLog: (entry) => entries.push(entry),
    ...options,
  });
}

/** The status that a route answers Meta with. */
async function posted(request: Request, options?: WebhookOptions): Promise<number> {
  return (await route(options).POST(request)).status;
}

const statusOf = async (wamid: string) => (await tracker.lookup(wamid)).get(wamid)?.status;
const idsOfMessages = () => messages.map((message) => message.id);

test('what Meta signed is kept, to the byte, and its messages are handed over', async () => {
  const body = bodyOf([status('wamid.kept.1'), status('wamid.kept.2')], [inbound('wamid.in')]);
  assert.equal(await posted(fromMeta(body)), 200);
  assert.equal(await statusOf('wamid.kept.1'), 'delivered');
  assert.equal(await statusOf('wamid.kept.2'), 'delivered');
  assert.deepEqual(messages, [inbound('wamid.in')]);
  const [passedOn] = proxy.requests;
  assert.equal(passedOn?.headers['x-hub-signature-256'], signatureOf(body));
});

test('the context of a message says which number it came to', async () => {
  const numbers: unknown[] = [];
  const onMessage: WebhookOptions['onMessage'] = (_, context) => {
    numbers.push(context.metadata?.phone_number_id, context.contacts?.[0]?.profile?.name);
  };
  await posted(fromMeta(bodyOf([], [inbound('wamid.context')])), { onMessage });
  assert.deepEqual(numbers, ['106540352242922', 'Zoë']);
});

test('every message of every entry and change is handed over, in order', async () => {
  const changes = [1, 2].map((number) => ({
    field: 'messages',
    value: { messages: [inbound(`a.${number}`), null, 'odd', inbound(`b.${number}`)] },
  }));
  const other = { field: 'calls', value: { messages: [inbound('not.a.message')] } };
  const entry = [{ changes: [changes[0], other] }, null, { changes: [null, changes[1]] }, {}];
  assert.equal(await posted(fromMeta(JSON.stringify({ entry }))), 200);
  assert.deepEqual(idsOfMessages(), ['a.1', 'b.1', 'a.2', 'b.2']);
});

test('the handshake is answered with the challenge, as plain text', async () => {
  const asked = {
    'hub.mode': 'subscribe',
    'hub.verify_token': VERIFY_TOKEN,
    'hub.challenge': '<b>1158201444</b>',
  };
  const answered = await route().GET(handshake(asked));
  assert.equal(answered.status, 200);
  assert.equal(await answered.text(), '<b>1158201444</b>');
  assert.equal(answered.headers.get('Content-Type'), 'text/plain');
});

test('a handshake with another word, another mode or no challenge is refused', async () => {
  const asked = { 'hub.mode': 'subscribe', 'hub.verify_token': VERIFY_TOKEN, 'hub.challenge': '1' };
  for (const change of [
    { 'hub.verify_token': `${VERIFY_TOKEN}x` },
    { 'hub.verify_token': '' },
    { 'hub.mode': 'unsubscribe' },
    { 'hub.challenge': '' },
  ]) {
    const answered = await route().GET(handshake({ ...asked, ...change }));
    assert.equal(answered.status, 403);
  }
  assert.equal((await route().GET(new Request(ADDRESS))).status, 403);
  assert.equal(entries[0]?.reason, 'handshake');
});

test('a missing or wrong signature is refused, and nothing is passed on', async () => {
  const body = bodyOf([status('wamid.forged')], [inbound('wamid.forged.in')]);
  const right = signatureOf(body);
  assert.equal(await posted(fromMeta(body, null)), 401);
  for (const wrong of [
    signatureOf(body, 'another secret'),
    signatureOf(`${body} `),
    right.slice(0, -1),
    right.toUpperCase(),
    right.slice('sha256='.length),
    `sha1=${right.slice('sha256='.length)}`,
    'sha256=',
  ]) {
    assert.equal(await posted(fromMeta(body, wrong)), 403, wrong);
  }
  assert.equal(proxy.requests.length, 0);
  assert.deepEqual(messages, []);
  assert.deepEqual(
    new Set(entries.map(({ reason }) => reason)),
    new Set(['signature_missing', 'signature_wrong']),
  );
});

test('while the secret changes, both are taken', async () => {
  const body = bodyOf([], [inbound('wamid.rotated')]);
  const appSecret = ['the next secret', APP_SECRET];
  assert.equal(await posted(fromMeta(body), { appSecret }), 200);
  assert.equal(await posted(fromMeta(body, signatureOf(body, 'third')), { appSecret }), 403);
});

test('a body over 5 MiB is refused, whether it says its length or not', async () => {
  let pulled = 0;
  const large = (said: Record<string, string>) => {
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(++pulled && 1024 * 1024)),
    });
    const headers = { 'X-Hub-Signature-256': signatureOf(''), ...said };
    const init = { method: 'POST', headers, body, duplex: 'half' };
    return new Request(ADDRESS, init);
  };
  assert.equal(await posted(large({})), 413);
  assert.ok(pulled < 10);
  pulled = 0;
  assert.equal(await posted(large({ 'Content-Length': String(6 * 1024 * 1024) })), 413);
  assert.ok(pulled <= 1); // a stream reads one piece ahead by itself
});

test('a large body that Meta may send is taken whole', async () => {
  const statuses = Array.from({ length: 1_000 }, (_, index) => ({
    ...status(`wamid.big.${index}`),
    biz_opaque_callback_data: 'x'.repeat(512),
    padding: 'x'.repeat(2_000),
  }));
  assert.equal(await posted(fromMeta(bodyOf(statuses))), 200);
  assert.equal(await statusOf('wamid.big.999'), 'delivered');
});

test('a service that is away for a moment is asked again at once', async () => {
  proxy.troubles = [cut];
  assert.equal(await posted(fromMeta(bodyOf([status('wamid.moment')]))), 200);
  assert.equal(await statusOf('wamid.moment'), 'delivered');
});

test('while the service is away Meta is told to send again, and messages are handed over', async () => {
  const body = bodyOf([status('wamid.away')], [inbound('wamid.away.in')]);
  const away = createTracker({ url: 'http://127.0.0.1:9', token: TOKEN });
  assert.equal(await posted(fromMeta(body), { tracker: away }), 503);
  assert.deepEqual(idsOfMessages(), ['wamid.away.in']);
  const [entry] = entries.filter(({ event }) => event === 'webhook_not_kept');
  assert.equal(entry?.code, 'network');
  // Meta sends it again.
  assert.equal(await posted(fromMeta(body)), 200);
  assert.equal(await posted(fromMeta(body)), 200);
  assert.equal(await statusOf('wamid.away'), 'delivered');
});

test('whatever the service answers but 200, Meta is not told 200', async () => {
  const body = bodyOf([status('wamid.not')]);
  for (const status of [202, 400, 403, 413, 500, 503]) {
    const json = '{"ok":true,"queued":true}';
    proxy.troubles = [answer(status, {}, json), answer(status, {}, json)];
    const told = await posted(fromMeta(body));
    assert.equal(told, status === 202 ? 202 : 503);
  }
  const wrong = createTracker({ url: service.url, token: 'another-token' });
  assert.equal(await posted(fromMeta(body), { tracker: wrong }), 503);
});

test('an error of onMessage loses neither statuses nor other messages, and Meta sends again', async () => {
  const body = bodyOf([status('wamid.odd')], [inbound('one'), inbound('two'), inbound('three')]);
  const failure = new Error('The database is away.');
  const onMessage = (message: InboundMessage) => {
    if (message.id === 'two') throw failure;
    messages.push(message);
  };
  assert.equal(await posted(fromMeta(body), { onMessage }), 500);
  assert.deepEqual(idsOfMessages(), ['one', 'three']);
  assert.equal(await statusOf('wamid.odd'), 'delivered');
  const [entry] = entries.filter(({ event }) => event === 'on_message_failed');
  assert.equal(entry?.error, failure);
  const rejecting = async () => Promise.reject(failure);
  assert.equal(await posted(fromMeta(body), { onMessage: rejecting }), 500);
});

test('a slow onMessage holds no status back', async () => {
  let letGo = () => {};
  const waits = new Promise<void>((resolve) => (letGo = resolve));
  const onMessage = async () => {
    while ((await statusOf('wamid.slow')) !== 'delivered');
    letGo();
  };
  const body = bodyOf([status('wamid.slow')], [inbound('slow')]);
  assert.equal(await posted(fromMeta(body), { onMessage }), 200);
  await waits;
});

test('without onMessage statuses are kept all the same', async () => {
  const body = bodyOf([status('wamid.alone')], [inbound('wamid.unheard')]);
  assert.equal(await posted(fromMeta(body), { onMessage: undefined }), 200);
});

test('a signed body that is no JSON is not kept, and does no harm', async () => {
  for (const body of ['', 'no json', '[]', 'null', '"text"']) {
    assert.equal(await posted(fromMeta(body)), 503, body);
  }
  assert.deepEqual(messages, []);
});

test('a missing setting is an error when a request comes, not before', async () => {
  for (const name of ['META_APP_SECRET', 'META_VERIFY_TOKEN', 'TRACKER_URL', 'DJANGO_URL']) {
    assert.equal(process.env[name], undefined);
  }
  const log = (entry: LogEntry) => entries.push(entry);
  const bare = webhookRoute({ onLog: log });
  const signed = fromMeta(bodyOf());
  assert.equal((await bare.POST(signed)).status, 500);
  assert.equal((await bare.GET(handshake({ 'hub.verify_token': '' }))).status, 500);
  const halfway = webhookRoute({ tracker, appSecret: '', onLog: log });
  assert.equal((await halfway.POST(signed)).status, 500);
  assert.equal(
    (await webhookRoute({ tracker, appSecret: [], onLog: log }).POST(signed)).status,
    500,
  );
  for (const { event, error } of entries) {
    assert.equal(event, 'route_failed');
    assert.ok(error instanceof TrackerError);
    assert.equal(error.code, 'invalid_settings');
  }
});

test('the environment has the secret and the word, if they are not given', async () => {
  process.env['META_APP_SECRET'] = APP_SECRET;
  process.env['TRACKER_URL'] = service.url;
  process.env['TRACKER_TOKEN'] = TOKEN;
  try {
    const { POST } = webhookRoute();
    assert.equal((await POST(fromMeta(bodyOf([status('wamid.environment')])))).status, 200);
    assert.equal(await statusOf('wamid.environment'), 'delivered');
  } finally {
    for (const name of ['META_APP_SECRET', 'TRACKER_URL', 'TRACKER_TOKEN'])
      delete process.env[name];
  }
});
