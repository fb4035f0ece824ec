import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createTracker, TrackerError } from 'message-tracker';

const NAMES = ['TRACKER_URL', 'TRACKER_TOKEN', 'DJANGO_URL', 'DJANGO_RSVP_SECRET'];
const before = new Map(NAMES.map((name) => [name, process.env[name]]));

beforeEach(() => {
  for (const name of NAMES) delete process.env[name];
});
afterEach(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

/** The request that a tracker with these options would make. */
async function requestOf(options: Parameters<typeof createTracker>[0]): Promise<Request> {
  const requests: Request[] = [];
  const fetch = async (...given: ConstructorParameters<typeof Request>) => {
    requests.push(new Request(...given));
    return Response.json({ log: null });
  };
  await createTracker({ ...options, fetch: fetch as typeof globalThis.fetch }).latest('r-1');
  const [request] = requests;
  assert.ok(request);
  return request;
}

function refused(message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TrackerError);
    assert.equal(error.code, 'invalid_settings');
    assert.match(error.message, message);
    return true;
  };
}

test('the url and the token go into each request', async () => {
  const request = await requestOf({ url: 'http://tracker.test/', token: 'a-token' });
  assert.equal(
    request.url,
    'http://tracker.test/api/webhooks/message-logs/latest/?registration_id=r-1',
  );
  assert.equal(request.headers.get('X-Webhook-Token'), 'a-token');
});

test('a url may have a path, as behind a proxy', async () => {
  const request = await requestOf({ url: 'http://proxy.test/tracker', token: 'a-token' });
  assert.match(request.url, /^http:\/\/proxy\.test\/tracker\/api\/webhooks\//);
});

test('a redirect is not followed, and no answer is taken from a cache', async () => {
  const request = await requestOf({ url: 'http://tracker.test', token: 'a-token' });
  assert.equal(request.redirect, 'manual');
  assert.equal(request.cache, 'no-store');
});

test("the environment has the url and the token under our names, or the guide's", async () => {
  process.env['DJANGO_URL'] = 'http://guide.test';
  process.env['DJANGO_RSVP_SECRET'] = 'secret-of-the-guide';
  const first = await requestOf({});
  assert.match(first.url, /^http:\/\/guide\.test\//);
  assert.equal(first.headers.get('X-Webhook-Token'), 'secret-of-the-guide');

  process.env['TRACKER_URL'] = 'http://ours.test';
  process.env['TRACKER_TOKEN'] = 'our-token';
  const second = await requestOf({});
  assert.match(second.url, /^http:\/\/ours\.test\//);
  assert.equal(second.headers.get('X-Webhook-Token'), 'our-token');
});

test('a missing url or token is refused at once', () => {
  const url = 'http://tracker.test';
  for (const none of [undefined, '', 'undefined', 'null']) {
    assert.throws(() => createTracker({ url, token: none }), refused(/token is missing/));
    assert.throws(
      () => createTracker({ url: none, token: 'a-token' }),
      refused(/url .* is missing/),
    );
  }
});

test('a url that is none, and a token that no header can hold, are refused', () => {
  for (const url of ['tracker.test', 'ftp://tracker.test', 'http://', 'http://tracker.test/?a=1']) {
    assert.throws(() => createTracker({ url, token: 'a-token' }), refused(/must be an address/));
  }
  for (const token of [' a-token', 'a-token\n', 'a\r\nb', 'tökén']) {
    const act = () => createTracker({ url: 'http://tracker.test', token });
    assert.throws(act, refused(/^The token must be printable ASCII/));
  }
});

test('numbers that can not be meant are refused', () => {
  const given = { url: 'http://tracker.test', token: 'a-token' };
  assert.throws(() => createTracker({ ...given, timeoutMs: 0 }), refused(/timeoutMs/));
  assert.throws(() => createTracker({ ...given, retries: -1 }), refused(/retries/));
  assert.throws(() => createTracker({ ...given, retries: Number.NaN }), refused(/retries/));
});
