import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTracker, type Send, type Tracker, TrackerError } from 'message-tracker';
import { Service, TOKEN } from './helpers/service.js';

const PHONE = '919876543210';
let service: Service;
let tracker: Tracker;

before(async () => {
  service = await Service.start();
  tracker = createTracker({ url: service.url, token: TOKEN });
});
after(() => service.stop());

/** Sends of one event. */
function sends(event_id: string, number: number): Send[] {
  return Array.from({ length: number }, (_, index) => ({
    wa_id: PHONE,
    template_wamid: `wamid.${event_id}.${index}`,
    event_id,
  }));
}

function failed(code: string, field?: string) {
  return (error: unknown) => {
    assert.ok(error instanceof TrackerError);
    assert.equal(error.code, code);
    assert.equal(error.field, field);
    return true;
  };
}

test('a send with an event is answered with its map_id, one without with its wamid', async () => {
  const [send] = sends('tracked', 1);
  assert.ok(send);
  const answer = await tracker.trackSend(send);
  assert.ok('map_id' in answer);
  assert.match(answer.map_id, /^[0-9a-f-]{36}$/);
  assert.equal(answer.queued, false);
  assert.deepEqual(await tracker.trackSend({ wa_id: PHONE, template_wamid: 'wamid.alone' }), {
    ok: true,
    standalone: true,
    wamid: 'wamid.alone',
    queued: false,
  });
});

test('a status is answered with what the message has after it', async () => {
  const report = { wamid: 'wamid.status', recipient_id: PHONE, timestamp: '1768473065' };
  const read = await tracker.reportStatus({ ...report, status: 'read' });
  assert.deepEqual(read, { ok: true, status: 'read', queued: false });
  const late = await tracker.reportStatus({ ...report, status: 'delivered' });
  assert.equal(late.status, 'read');
});

test('a refused report throws an error with the sentence and the field of the service', async () => {
  const bad = { wa_id: PHONE, template_wamid: '' };
  await assert.rejects(tracker.trackSend(bad), (error) => {
    assert.ok(error instanceof TrackerError);
    assert.equal(error.code, 'bad_request');
    assert.equal(error.status, 400);
    assert.equal(error.field, 'template_wamid');
    assert.equal(error.operation, 'trackSend');
    assert.equal(error.retryable, false);
    assert.match(error.message, /^template_wamid /);
    assert.match(error.requestId ?? '', /^[0-9a-f-]{36}$/);
    return true;
  });
});

test('a wrong token is told from other failures', async () => {
  const stranger = createTracker({ url: service.url, token: 'another-token' });
  await assert.rejects(stranger.stats(), failed('forbidden'));
});

test('an address without the service is told from other failures', async () => {
  const lost = createTracker({ url: `${service.url}/elsewhere`, token: TOKEN });
  await assert.rejects(lost.stats(), failed('not_found'));
});

test('many sends are answered in their order, a bad one by a refusal of its own', async () => {
  const given = sends('many', 2_500);
  given[1_200] = { wa_id: '', template_wamid: 'wamid.bad' };
  const answers = await tracker.trackSends(given);
  assert.equal(answers.length, 2_500);
  const { length: kept } = answers.filter((answer) => answer.ok && answer.queued === false);
  assert.equal(kept, 2_499);
  const bad = answers[1_200];
  assert.ok(bad && !bad.ok);
  assert.equal(bad.field, 'wa_id');
  assert.equal((await tracker.stats({ event_id: 'many' })).total, 2_499);
});

test('many statuses are answered in their order', async () => {
  const statuses = ['sent', 'read', 'delivered'] as const;
  const reports = statuses.map((status) => ({
    wamid: 'wamid.many',
    status,
    timestamp: 1768473065,
  }));
  const answers = await tracker.reportStatuses(reports);
  assert.deepEqual(
    answers.map((answer) => answer.ok && answer.status),
    ['sent', 'read', 'read'],
  );
});

test('a batch that is too large for one request goes in several', async () => {
  const commas = ','.repeat(500);
  const given = sends('large', 1_000).map((send) => ({ ...send, guest_name: commas }));
  const answers = await tracker.trackSends(given);
  assert.equal(answers.filter((answer) => answer.ok).length, 1_000);
  const [id, name] = ['😀'.repeat(128), '😀'.repeat(512)];
  const wide = sends('wide', 1_000).map((send) => {
    return { ...send, guest_name: name, template_name: name, campaign_id: id, guest_id: id };
  });
  assert.ok(JSON.stringify(wide).length * 2 > 5 * 1024 ** 2); // in bytes
  assert.ok((await tracker.trackSends(wide)).every((answer) => answer.ok));
});

test('a single item that is too large is refused, and the others are taken', async () => {
  const [first, second, third] = sends('giant', 3);
  assert.ok(first && second && third);
  const giant = { ...second, guest_name: 'x'.repeat(6 * 1024 * 1024) };
  const answers = await tracker.trackSends([first, giant, third]);
  assert.deepEqual(
    answers.map((answer) => answer.ok),
    [true, false, true],
  );
});

test('nothing is sent before somebody awaits or iterates', async () => {
  const items = tracker.trackSends(sends('lazy', 1));
  assert.equal((await tracker.stats({ event_id: 'lazy' })).total, 0);
  await items;
  assert.equal((await tracker.stats({ event_id: 'lazy' })).total, 1);
});

test('lookup takes any number of wamids and leaves out those never seen', async () => {
  await tracker.trackSends(sends('lookup', 1_500));
  const wamids = sends('lookup', 2_000).map((send) => String(send.template_wamid));
  const found = await tracker.lookup(wamids);
  assert.equal(found.size, 1_500);
  assert.equal(found.get('wamid.lookup.1499')?.status, 'sent');
  assert.equal(found.has('wamid.lookup.1500'), false);
  assert.equal((await tracker.lookup('wamid.lookup.0')).size, 1);
  assert.equal((await tracker.lookup([])).size, 0);
});

test('logs come newest first, over all pages, each message once', async () => {
  await tracker.trackSends(sends('logs', 450));
  const all = await tracker.logs({ event_id: 'logs' });
  assert.equal(new Set(all.map((log) => log.wamid)).size, 450);
  assert.equal(all[0]?.wamid, 'wamid.logs.449');
  const sizes = [];
  for await (const page of tracker.logs({ event_id: 'logs' }, { pageSize: 100 }).pages()) {
    sizes.push(page.logs.length);
  }
  assert.deepEqual(sizes, [100, 100, 100, 100, 50]);
});

test('filters hold together', async () => {
  await tracker.trackSends([
    ...sends('filters', 3),
    { wa_id: '447700900123', template_wamid: 'w' },
  ]);
  const logs = await tracker.logs({
    recipient_id: '447700900123',
    standalone: true,
    status: 'sent',
  });
  assert.deepEqual(
    logs.map((log) => log.wamid),
    ['w'],
  );
});

test('a filter without a value is refused, for it would list all messages', async () => {
  const none = { event_id: undefined as unknown as string };
  await assert.rejects(async () => tracker.logs(none), failed('invalid_argument', 'event_id'));
  await assert.rejects(tracker.stats({ event_id: '' }), failed('invalid_argument', 'event_id'));
  await assert.rejects(tracker.latest(''), failed('invalid_argument', 'registration_id'));
  await assert.rejects(tracker.message(''), failed('invalid_argument', 'wamid'));
});

test('latest returns the latest message of a registration, or null', async () => {
  const [first, second] = sends('latest', 2);
  await tracker.trackSends([
    { ...first!, event_registration_id: 'r-1' },
    { ...second!, event_registration_id: 'r-1' },
  ]);
  assert.equal((await tracker.latest('r-1'))?.wamid, 'wamid.latest.1');
  assert.equal(await tracker.latest('r-2'), null);
});

test('versions come with what is asked for with them', async () => {
  const wamid = 'wamid.versions.0';
  await tracker.trackSend({ ...sends('versions', 1)[0]!, event_registration_id: 'r-versions' });
  await tracker.reportStatus({ wamid, status: 'read', timestamp: 1768473065 });
  const versions = true;
  assert.equal((await tracker.logs({ event_id: 'versions', versions }))[0]?.version, 2);
  assert.equal((await tracker.latest('r-versions', { versions }))?.version, 2);
  assert.equal((await tracker.lookup(wamid, { versions })).get(wamid)?.version, 2);
  assert.equal((await tracker.lookup(wamid)).get(wamid)?.version, undefined);
  assert.equal((await tracker.latest('r-versions'))?.version, undefined);
});

test('message returns everything about a message, whatever its id', async () => {
  const wamid = 'wamid/with ?odd=#chars&%';
  await tracker.trackSend({ wa_id: PHONE, template_wamid: wamid, campaign_id: 'c-1' });
  const message = await tracker.message(wamid);
  assert.equal(message.wamid, wamid);
  assert.equal(message.campaign_id, 'c-1');
  assert.deepEqual(
    message.timeline.map((entry) => entry.status),
    ['sent'],
  );
  await assert.rejects(tracker.message('wamid.never'), failed('not_found'));
});

test('failures lists recipients, and the counts of codes with each page', async () => {
  const given = sends('failures', 3).map((send, index) => ({ ...send, wa_id: PHONE + index }));
  await tracker.trackSends(given);
  await tracker.reportStatuses(
    [0, 1].map((index) => ({
      wamid: `wamid.failures.${index}`,
      status: 'failed' as const,
      timestamp: 1768473065,
      errors: [{ code: 131026, title: 'Message undeliverable' }],
    })),
  );
  const failures = await tracker.failures({
    event_id: 'failures',
    class: 'never',
    sent_since: false,
  });
  assert.deepEqual(
    failures.map((row) => [row.wamid, row.error_code]),
    [
      ['wamid.failures.1', '131026'],
      ['wamid.failures.0', '131026'],
    ],
  );
  for await (const page of tracker.failures({ event_id: 'failures' }).pages()) {
    assert.equal(page.failures[0]?.count, 2);
  }
});

test('stats returns the numbers of an event', async () => {
  await tracker.trackSends(sends('stats', 3));
  const stats = await tracker.stats({ event_id: 'stats' });
  assert.deepEqual(stats.statuses, { sent: 3, delivered: 0, read: 0, failed: 0 });
});

test('the lists have the events, templates, campaigns and sending numbers', async () => {
  const [send] = sends('lists', 1);
  await tracker.trackSend({
    ...send!,
    template_name: 'rsvp_invite_v2',
    campaign_id: 'lists-campaign',
    phone_number_id: '106540352242922',
  });
  assert.ok((await tracker.events()).some((event) => event.event_id === 'lists'));
  assert.equal((await tracker.templates())[0]?.template_name, 'rsvp_invite_v2');
  assert.equal((await tracker.campaigns())[0]?.campaign_id, 'lists-campaign');
  assert.equal((await tracker.phoneNumbers())[0]?.phone_number_id, '106540352242922');
  const one = [];
  for await (const event of tracker.events({ pageSize: 1 })) one.push(event.event_id);
  assert.equal(new Set(one).size, one.length);
  assert.ok(one.includes('lists') && one.length > 1);
});

test('erase removes the messages and says how many', async () => {
  await tracker.trackSends(sends('erase', 3));
  assert.deepEqual(await tracker.erase({ event_id: 'erase' }), { erased: 3, complete: true });
  assert.equal((await tracker.stats({ event_id: 'erase' })).total, 0);
  await assert.rejects(tracker.erase({}), failed('bad_request'));
});
