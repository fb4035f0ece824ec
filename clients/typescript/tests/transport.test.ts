import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import {
  createTracker,
  type LogEntry,
  type Send,
  type Tracker,
  TrackerError,
} from 'message-tracker';
import { answer, cut, hang, Proxy } from './helpers/proxy.js';
import { Service, TOKEN } from './helpers/service.js';
import { until } from './helpers/until.js';

const PHONE = '919876543210';
/** For what would end by itself, but late. */
const PROMPT = { timeout: 20_000 };
let service: Service;
let proxy: Proxy;
let tracker: Tracker;
let entries: LogEntry[];

before(async () => {
  service = await Service.start();
  proxy = await new Proxy(service.url).start();
});
beforeEach(() => {
  proxy.troubles = [];
  proxy.requests.length = 0;
  entries = [];
  tracker = createTracker({ url: proxy.url, token: TOKEN, onLog: (entry) => entries.push(entry) });
});
after(async () => {
  await proxy.stop();
  await service.stop();
});

function send(name: string, event_id?: string): Send {
  const event = event_id === undefined ? {} : { event_id };
  return { wa_id: PHONE, template_wamid: `wamid.${name}`, ...event };
}

function failed(code: string, status?: number) {
  return (error: unknown) => {
    assert.ok(error instanceof TrackerError);
    assert.equal(error.code, code);
    assert.equal(error.status, status);
    return true;
  };
}

test('a call survives cut connections and a service that is away, all under one id', async () => {
  proxy.troubles = [cut, answer(503, { 'Retry-After': '0' }), answer(502, {}, '<html>')];
  const answered = await tracker.trackSend(send('survives'));
  assert.equal(answered.ok, true);
  assert.deepEqual(
    entries.map(({ event, attempt, code, status }) => [event, attempt, code, status]),
    [
      ['call_retried', 1, 'network', undefined],
      ['call_retried', 2, 'unavailable', 503],
      ['call_retried', 3, 'unavailable', 502],
      ['call_succeeded', 4, undefined, undefined],
    ],
  );
  const ids = proxy.requests.map((request) => request.headers['x-request-id']);
  assert.equal(ids.length, 4);
  assert.equal(new Set(ids).size, 1);
});

test('an answer that breaks off is asked for again, and the report is there once', async () => {
  proxy.truncateNext = true;
  await tracker.trackSend(send('broken', 'broken'));
  assert.equal(proxy.requests.length, 2);
  assert.equal((await tracker.stats({ event_id: 'broken' })).total, 1);
});

test('Retry-After is heeded, and the wait has a random part', async () => {
  proxy.troubles = [answer(503, { 'Retry-After': '1' }), answer(429, { 'Retry-After': '0' })];
  await tracker.trackSend(send('waits'));
  const waits = entries.flatMap(({ waitMs }) => waitMs ?? []);
  assert.ok(waits[0]! >= 1_150 && waits[0]! <= 1_300, `${waits[0]}`);
  assert.ok(waits[1]! >= 300 && waits[1]! <= 600, `${waits[1]}`);
});

test('Retry-After may be a date', async () => {
  proxy.troubles = [answer(503, { 'Retry-After': new Date(Date.now() + 3_600_000).toUTCString() })];
  await assert.rejects(tracker.trackSend(send('dated')), (error) => {
    assert.ok(error instanceof TrackerError);
    assert.ok(error.retryAfterMs! > 3_500_000);
    return failed('unavailable', 503)(error);
  });
  assert.equal(proxy.requests.length, 1); // nobody waits for an hour
});

test('after the last try the error is thrown', async () => {
  proxy.troubles = [answer(503), answer(503), answer(503)];
  await assert.rejects(tracker.trackSend(send('last'), { retries: 1 }), failed('unavailable', 503));
  assert.equal(proxy.requests.length, 2);
  assert.equal(entries.at(-1)?.event, 'call_failed');
});

test('what will fail again is not tried again', async () => {
  const redirect = answer(302, { Location: 'http://elsewhere.test/' });
  for (const [trouble, code, status] of [
    [answer(400), 'bad_request', 400],
    [answer(403), 'forbidden', 403],
    [answer(500, {}, 'oops'), 'server_error', 500],
    [redirect, 'unexpected_answer', 302],
    [answer(200, {}, '<html>'), 'unexpected_answer', 200],
  ] as const) {
    proxy.troubles = [trouble];
    proxy.requests.length = 0;
    await assert.rejects(tracker.stats(), failed(code, status));
    assert.equal(proxy.requests.length, 1);
  }
});

test('a try that takes too long ends, and the next one succeeds', PROMPT, async () => {
  proxy.troubles = [hang];
  await tracker.trackSend(send('hangs'), { timeoutMs: 200 });
  assert.equal(entries[0]?.code, 'timeout');
  proxy.troubles = [hang];
  const once = { timeoutMs: 200, retries: 0 };
  await assert.rejects(tracker.trackSend(send('hangs'), once), failed('timeout'));
});

test('a body that stops coming counts as too long as well', PROMPT, async () => {
  proxy.troubles = [(_, response) => response.writeHead(200).write('{"ok":')];
  const once = { timeoutMs: 200, retries: 0 };
  await assert.rejects(tracker.stats({}, once), failed('timeout'));
});

test('a service that is not there is a network error, with its cause', async () => {
  const lost = createTracker({ url: 'http://127.0.0.1:9', token: TOKEN, retries: 0 });
  await assert.rejects(lost.stats(), (error) => {
    assert.ok(error instanceof TrackerError && error.cause);
    return failed('network')(error);
  });
});

test('a signal aborts a call under way, and the wait between two tries', PROMPT, async () => {
  const reason = new Error('The page was left.');
  for (const trouble of [hang, answer(503, { 'Retry-After': '30' })]) {
    proxy.troubles = [trouble];
    proxy.requests.length = 0;
    const controller = new AbortController();
    const { signal } = controller;
    const call = tracker.trackSend(send('aborted'), { signal, timeoutMs: 600_000 });
    const rejected = assert.rejects(call, (error) => error === reason);
    await until(() => proxy.requests.length === 1, 'the request');
    if (trouble !== hang) await until(() => entries.length > 0, 'the wait');
    controller.abort(reason);
    await rejected;
    assert.equal(proxy.requests.length, 1);
    entries.length = 0;
  }
});

test('a signal that was aborted before stops a call from being made', async () => {
  await assert.rejects(tracker.stats({}, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  assert.equal(proxy.requests.length, 0);
});

test('a signal stops a stream of sends though its source hangs', PROMPT, async () => {
  const controller = new AbortController();
  const { signal } = controller;
  let isAnswered = false;
  let letGo = () => {};
  async function* source() {
    yield send('first', 'midway');
    await until(() => isAnswered, 'the first answer');
    setImmediate(() => controller.abort());
    await new Promise<void>((resolve) => (letGo = resolve));
  }
  const consume = async () => {
    for await (const each of tracker.trackSends(source(), { signal })) isAnswered = each.ok;
  };
  await assert.rejects(consume(), { name: 'AbortError' });
  assert.ok(isAnswered);
  letGo();
});

test('a slow source holds nothing back: what has come goes out within a second', async () => {
  let isReported = false;
  async function* source() {
    yield send('early', 'slow');
    await until(async () => {
      isReported = (await tracker.stats({ event_id: 'slow' })).total === 1;
      return isReported;
    }, 'the first send to be reported');
    yield send('late', 'slow');
  }
  assert.equal((await tracker.trackSends(source())).length, 2);
  assert.ok(isReported);
});

test('if a source fails, what came before is reported', async () => {
  async function* source() {
    yield send('before', 'source');
    throw new Error('Meta refused the next one.');
  }
  await assert.rejects(async () => tracker.trackSends(source()), /Meta refused/);
  assert.equal((await tracker.stats({ event_id: 'source' })).total, 1);
});

test('a source that is left early is closed', async () => {
  let isClosed = false;
  async function* source() {
    try {
      for (let index = 0; ; index++) yield send(`endless.${index}`, 'endless');
    } finally {
      isClosed = true;
    }
  }
  for await (const each of tracker.trackSends(source())) {
    assert.ok(each.ok);
    break;
  }
  assert.ok(isClosed);
});

test('a stream of sends goes on over troubles, and repeats do no harm', async () => {
  proxy.troubles = [cut, answer(503, { 'Retry-After': '0' })];
  proxy.truncateNext = true;
  const sends = Array.from({ length: 1_200 }, (_, index) => send(`trouble.${index}`, 'trouble'));
  const answers = await tracker.trackSends(sends);
  assert.equal(answers.filter((each) => each.ok).length, 1_200);
  assert.equal((await tracker.stats({ event_id: 'trouble' })).total, 1_200);
});

test('no log entry and no error holds the token, a number or an id of a message', async () => {
  proxy.troubles = [cut, answer(503, { 'Retry-After': '0' })];
  await tracker.trackSend(send('secret'));
  await tracker.message('wamid.secret');
  const errors = await Promise.all([
    tracker.trackSend({ wa_id: PHONE, template_wamid: 'wamid.secret\n' }).catch(String),
    tracker.message('wamid.secret.none').catch(String),
  ]);
  const told = JSON.stringify([entries, errors]);
  assert.ok(entries.length > 3);
  for (const secret of [TOKEN, PHONE, 'wamid.secret']) assert.ok(!told.includes(secret), told);
});
