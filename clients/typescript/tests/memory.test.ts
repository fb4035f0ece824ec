import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTracker, type Send } from 'message-tracker';
import { Service, TOKEN } from './helpers/service.js';

const NUMBER = 100_000;
const MOST_GROWTH_MIB = 100;

function* sends(event_id: string, number: number): Generator<Send> {
  for (let index = 0; index < number; index++) {
    yield {
      wa_id: '919876543210',
      template_wamid: `wamid.HBgLMTk4NzY1NDMyMTA${event_id}${index}`,
      event_id,
      event_registration_id: `registration-${index}`,
      template_name: 'rsvp_invite_v2',
      flow_type: 'rsvp',
      guest_name: `Guest number ${index}`,
    };
  }
}

test('100,000 sends are streamed in level memory', async (t) => {
  const service = await Service.start();
  t.after(() => service.stop());
  const tracker = createTracker({ url: service.url, token: TOKEN });
  await tracker.trackSends(sends('warm-up', 5_000));
  const before = process.memoryUsage.rss();
  const begun = Date.now();
  let kept = 0;
  let most = before;
  for await (const answer of tracker.trackSends(sends('many', NUMBER))) {
    if (answer.ok && !answer.queued) kept += 1;
    if (kept % 5_000 === 0) most = Math.max(most, process.memoryUsage.rss());
  }
  const seconds = (Date.now() - begun) / 1_000;
  const grownMib = Math.round((most - before) / 1024 ** 2);
  t.diagnostic(`${NUMBER} sends in ${seconds.toFixed(1)} s; memory grew by ${grownMib} MiB`);
  assert.equal(kept, NUMBER);
  assert.equal((await tracker.stats({ event_id: 'many' })).total, NUMBER);
  assert.ok(grownMib < MOST_GROWTH_MIB, `${grownMib} MiB`);
});
