// The numbers: how far messages came, and what is still on its way.
import { html } from '../lib.js';
import { count, many, share } from '../words.js';
import { Card, Status } from './basics.js';

const STAGES = [
  ['sent', 'accepted by WhatsApp'],
  ['delivered', 'reached the phone'],
  ['read', 'opened'],
  ['failed', 'didn’t arrive'],
];

export function Funnel({ stats }) {
  return html`<${Card} id="funnel" title="How far messages came" className="funnel">
    <ol class="stages">
      ${STAGES.map(([status, about]) => {
        const number = stats.reached[status];
        const rate = stats.rates[status] ?? number / stats.total;
        return html`<li key=${status} class=${status}>
          <div class="stage-name"><${Status} of=${status} /> <span class="quiet about">${about}</span></div>
          <${Bar} part=${number / stats.total} className=${status} />
          <div class="stage-number"><strong>${count(number)}</strong> <span class="quiet">${share(rate)}</span></div>
        </li>`;
      })}
    </ol>
  <//>`;
}

export function Bar({ part, className = '' }) {
  const width = `${Math.min(100, Math.max(part > 0 ? 0.4 : 0, part * 100))}%`;
  return html`<div class="bar ${className}" aria-hidden="true"><span style=${{ width }}></span></div>`;
}

const AGES = [
  [3600, 'less than an hour'],
  [86_400, 'an hour to a day'],
  [604_800, 'a day to a week'],
  [2_592_000, 'a week to 30 days'],
  [null, 'over 30 days'],
];

export function Awaiting({ awaiting }) {
  const most = Math.max(1, ...awaiting.by_age.map((age) => age.count));
  const counts = new Map(awaiting.by_age.map((age) => [age.under_s, age.count]));
  return html`<${Card} id="awaiting" title="Waiting for delivery" className="awaiting">
    <p class="figure"><strong>${count(awaiting.total)}</strong> <span class="quiet">sent, and not delivered so far</span></p>
    <ul class="ages">
      ${AGES.map(([under, label]) => {
        const number = counts.get(under) ?? 0;
        return html`<li key=${label} class=${under === null && number ? 'late' : ''}>
          <span>${label}</span>
          <${Bar} part=${number / most} className="waiting" />
          <span class="number">${count(number)}</span>
        </li>`;
      })}
    </ul>
    ${counts.get(null) > 0 &&
    html`<p class="hint">WhatsApp gives up after 30 days: count the oldest ${many(counts.get(null), 'message')} as lost.</p>`}
  <//>`;
}
