import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTracker, type Tracker, TrackerError, webhookRoute } from 'message-tracker';
import { bodyOf, fromMeta, inbound, status } from './helpers/meta.js';
import { Redis } from './helpers/redis.js';
import { APP_SECRET, Service, TOKEN } from './helpers/service.js';
import { until } from './helpers/until.js';

const PHONE = '919876543210';
let redis: Redis;
let service: Service;
let tracker: Tracker;

before(async () => {
  redis = await Redis.start();
  const settings = { TRACKER_REDIS__URL: redis.url, TRACKER_REDIS__TIMEOUT_S: '0.5' };
  service = await Service.start(settings);
  tracker = createTracker({ url: service.url, token: TOKEN });
});
after(async () => {
  await service.stop();
  await redis.stop();
});

test('while Redis is away reports are queued, and Meta is told to send again', async () => {
  redis.pause();
  const send = { wa_id: PHONE, template_wamid: 'wamid.queued.0', event_id: 'e-queued' };
  assert.equal((await tracker.trackSend(send)).queued, true);
  const report = { wamid: 'wamid.queued.0', status: 'read' as const, timestamp: '1768473065' };
  assert.deepEqual(await tracker.reportStatus(report), { ok: true, status: 'read', queued: true });
  const [first, bad] = await tracker.trackSends([
    { ...send, template_wamid: 'wamid.queued.1' },
    { ...send, wa_id: '' },
  ]);
  assert.equal(first?.ok && first.queued, true);
  assert.equal(bad?.ok, false);

  const messages: string[] = [];
  const { POST } = webhookRoute({
    tracker,
    appSecret: APP_SECRET,
    onMessage: (message) => void messages.push(message.id),
  });
  const body = bodyOf([status('wamid.queued.1')], [inbound('wamid.in')]);
  assert.equal((await POST(fromMeta(body))).status, 202);
  assert.deepEqual(messages, ['wamid.in']);

  const asked = tracker.stats({}, { retries: 0 });
  await assert.rejects(asked, (error) => {
    return error instanceof TrackerError && error.code === 'unavailable' && error.retryable;
  });

  redis.resume();
  const statusOf = async (wamid: string) => (await tracker.lookup(wamid)).get(wamid)?.status;
  await until(async () => (await statusOf('wamid.queued.0')) === 'read', 'the status to be merged');
  assert.equal((await POST(fromMeta(body))).status, 200);
  assert.equal(await statusOf('wamid.queued.1'), 'delivered');
  const { total, statuses } = await tracker.stats({ event_id: 'e-queued' });
  assert.deepEqual([total, statuses.read, statuses.delivered], [2, 1, 1]);
});
