import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { createTracker, type Send, type Tracker } from 'message-tracker';
import { Events } from './helpers/events.js';
import { bodyOf, fromMeta, handshake, inbound, signatureOf, status } from './helpers/meta.js';
import { APP_SECRET, Service, TOKEN, VERIFY_TOKEN } from './helpers/service.js';
import { Snippets } from './helpers/snippets.js';

let service: Service;
let tracker: Tracker;
let readme: Snippets;
let guide: Snippets;
const ran = new Set<string>();

before(async () => {
  service = await Service.start();
  process.env['TRACKER_URL'] = service.url;
  process.env['TRACKER_TOKEN'] = TOKEN;
  process.env['META_APP_SECRET'] = APP_SECRET;
  process.env['META_VERIFY_TOKEN'] = VERIFY_TOKEN;
  tracker = createTracker();
  readme = await Snippets.of('README.md');
  guide = await Snippets.of('../../docs/coming-from-the-guide.md');
});
after(() => service.stop());

function load(name: string, page = readme) {
  if (page === readme) ran.add(name);
  return page.load(name);
}

const statusOf = async (wamid: string) => (await tracker.lookup(wamid)).get(wamid)?.status;

function sends(event_id: string, number: number): Send[] {
  return Array.from({ length: number }, (_, index) => ({
    wa_id: `91987654${3210 + index}`,
    template_wamid: `wamid.${event_id}.${index}`,
    event_id,
  }));
}

/** Lets a webhook route show what it does. */
async function tryWebhook(name: string, page: Snippets): Promise<void> {
  const { GET, POST } = await load(name, page);
  const wamid = `wamid.${Math.random()}`;
  const posted = await POST(fromMeta(bodyOf([status(wamid)], [inbound('wamid.in')])));
  assert.equal(posted.status, 200);
  assert.equal(await statusOf(wamid), 'delivered');
  assert.equal((await POST(fromMeta(bodyOf(), signatureOf('other')))).status, 403);
  const asked = { 'hub.mode': 'subscribe', 'hub.verify_token': VERIFY_TOKEN, 'hub.challenge': '1' };
  assert.equal(await (await GET(handshake(asked))).text(), '1');
}

test('the webhook route', async (t) => {
  const { mock } = t.mock.method(console, 'log', () => {});
  await tryWebhook('app/api/webhooks/whatsapp/route.ts', readme);
  assert.deepEqual(mock.calls[0]?.arguments, ['Somebody wrote', 'text']);
});

test('the invitation', async () => {
  const { invite } = await load('lib/invite.ts');
  await invite({ id: 'g-1', phone: '919876543210' }, 'e-invite');
  const [log] = await tracker.logs({ event_id: 'e-invite' });
  assert.equal(log?.wamid, 'wamid.rsvp_invite_v2.919876543210');
  assert.equal(log?.guest_id, 'g-1');
});

test('the status', async () => {
  const { reportRead } = await load('lib/status.ts');
  assert.equal(await reportRead('wamid.readme.status'), 'read');
});

test('the campaign', async () => {
  const { report, reportAll } = await load('lib/campaign.ts');
  const given = sends('e-campaign', 3);
  given[1] = { ...given[1]!, wa_id: 'undefined' };
  const refused = await report(given);
  assert.equal(refused.length, 1);
  assert.equal(refused[0].template_wamid, 'wamid.e-campaign.1');
  assert.equal(refused[0].field, 'wa_id');
  async function* stream() {
    yield* given;
  }
  assert.equal(await reportAll(stream()), 1);
});

test('the questions', async () => {
  await tracker.trackSends(sends('e-readme', 2));
  const errors = [{ code: 131049, title: 'Withheld' }];
  const at = { timestamp: '1768473065' };
  await tracker.reportStatuses([
    { wamid: 'wamid.e-readme.0', status: 'failed', errors, ...at },
    { wamid: 'wamid.e-readme.1', status: 'read', ...at },
  ]);
  const { answersAbout } = await load('lib/questions.ts');
  const answers = await answersAbout('e-readme', 'r-none', ['wamid.e-readme.0', 'never']);
  assert.equal(answers.statuses.get('wamid.e-readme.0').status, 'failed');
  assert.equal(answers.latest, null);
  assert.equal(answers.counts.read, 1);
  assert.equal(answers.rates.failed, 0.5);
  assert.equal(answers.logs[0].wamid, 'wamid.e-readme.1');
  assert.deepEqual(answers.toSendAgain, ['919876543210']);
});

test('the careful one', async () => {
  const { careful } = await load('lib/careful.ts');
  const [send] = sends('e-careful', 1);
  const { signal } = new AbortController();
  assert.equal(await careful(send, signal), 'kept');
  assert.match(await careful({ ...send, wa_id: '' }, signal), /^bad_request 400 wa_id: wa_id /);
  await assert.rejects(careful(send, AbortSignal.abort()), { name: 'AbortError' });
});

test('the log', async (t) => {
  const { mock } = t.mock.method(console, 'error', () => {});
  const logged = await load('lib/logged.ts');
  await assert.rejects(logged.tracker.message('wamid.never'));
  assert.equal(mock.calls[0]?.arguments[0], 'call_failed');
});

test('the live route', async () => {
  const { GET } = await load('app/api/live/route.ts');
  const asked = (cookie: string) =>
    GET(new Request('https://app.test/api/live?event=e-readme', { headers: { Cookie: cookie } }));
  assert.equal((await asked('user=nobody')).status, 403);
  const events = new Events(await asked('user=zoe'));
  assert.ok(await events.next('ready'));
  await events.leave();
});

test('the Express application', async (t) => {
  const { app } = await load('server.ts');
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const body = bodyOf([status('wamid.readme.express')]);
  const { port } = server.address() as AddressInfo;
  const headers = { 'X-Hub-Signature-256': signatureOf(body), Connection: 'close' };
  const url = `http://127.0.0.1:${port}/webhooks/whatsapp`;
  assert.equal((await fetch(url, { method: 'POST', headers, body })).status, 200);
  assert.equal(await statusOf('wamid.readme.express'), 'delivered');
});

test('every example was run', () => {
  assert.deepEqual([...ran].sort(), [...readme.names].sort());
});

test('the examples for those who come from the guide, in at most 20 lines', async (t) => {
  t.mock.method(console, 'log', () => {});
  assert.ok(guide.lines <= 20, `${guide.lines} lines`);
  await tryWebhook('app/api/webhooks/whatsapp/route.ts', guide);
  const { send } = await load('lib/send.ts', guide);
  const event = { event_id: 'e-guide', event_registration_id: 'r-guide' };
  await send({ ...event, wa_id: '919876543210', template_name: 'rsvp_invite_v2' }, ['John Doe']);
  const [log] = await tracker.logs({ event_id: 'e-guide' });
  assert.equal(log?.wamid, 'wamid.rsvp_invite_v2.919876543210.John Doe');
});
