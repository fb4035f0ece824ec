// The latest messages, as they change.
import { html, useEffect, useRef, useState } from '../lib.js';
import { useLoader } from '../loader.js';
import { href, queryOf } from '../route.js';
import { beganMs, merged, MOST_ROWS } from '../rows.js';
import { phone, STATUSES } from '../words.js';
import { Card, Empty, Problem, Skeleton, Status, Time } from './basics.js';

const STEP = 50;

export function Messages({ api, bus, selection, onError }) {
  const [status, setStatus] = useState('');
  const [cursor, setCursor] = useState(null);
  const aside = html`<div class="switch" role="group" aria-label="Status">
    ${[['', 'All'], ...Object.entries(STATUSES).map(([name, { label }]) => [name, label])].map(
      ([name, label]) => html`<button key=${name} type="button" aria-pressed=${name === status}
        onClick=${() => { setStatus(name); setCursor(null); }}>${label}</button>`,
    )}
  </div>`;
  return html`<${Card} id="messages" title=${cursor ? 'Older messages' : 'Latest messages'} aside=${aside} className="messages">
    <${List} key=${`${status} ${cursor}`} api=${api} bus=${bus} selection=${selection} onError=${onError}
      status=${status} cursor=${cursor} onPage=${setCursor} />
  <//>`;
}

/** Whether a changed message belongs to what is shown. */
function belongs({ kind, value }, status) {
  return (row) => (!status || row.status === status) && (kind !== 'phone' || same(row.recipient_id, value));
}

/** Two numbers of ten digits or more are one person's when one is the ending of the other. */
function same(one, other) {
  if (!one) return false;
  if (Math.min(one.length, other.length) < 10) return one === other;
  return one.endsWith(other) || other.endsWith(one);
}

function useMessages({ api, bus, selection, onError, status, cursor }) {
  const limit = useRef(cursor ? MOST_ROWS : STEP);
  const meanwhile = useRef(null); // changes that come while the list is being loaded
  const accepts = belongs(selection, status);
  const ask = (more, signal) => api.page('message-logs/', { ...queryOf(selection), status, cursor, ...more }, signal);
  const load = async (signal) => {
    meanwhile.current = [];
    const { body, next } = await ask({ limit: limit.current }, signal);
    const rows = merged(body.logs, meanwhile.current, { accepts, grows: !cursor, whole: !next });
    meanwhile.current = null;
    return { rows, next };
  };
  const list = useLoader(load, 500, [], onError);
  const changed = (changes) => {
    meanwhile.current?.push(...changes);
    list.change(({ rows, next }) => ({ rows: merged(rows, changes, { accepts, grows: !cursor, whole: !next }), next }));
  };
  useEffect(() => bus.subscribe({ rows: changed, anew: list.ask }), [bus]);
  return { ...list, limit, nextCursor: async () => (await ask({ limit: MOST_ROWS })).next };
}

function List({ onPage, ...shown }) {
  const list = useMessages(shown);
  const { cursor, selection, status } = shown;
  if (!list.data) {
    if (!list.error) return html`<${Skeleton} lines=${8} />`;
    return html`<${Problem} what="The messages could not be loaded." error=${list.error} onAgain=${list.ask} />`;
  }
  const { rows, next } = list.data;
  if (!rows.length && !next) return html`<${Empty} title=${status ? 'No message is at this status.' : 'There are no messages.'} />`;
  function more() {
    list.limit.current = Math.min(MOST_ROWS, list.limit.current * 2);
    list.ask();
  }
  async function older() {
    // New messages may have pushed others out at the end: where it ends is asked for now.
    onPage(cursor ? next : await list.nextCursor());
  }
  return html`<ul class="rows">${rows.map((row) => html`<${Row} key=${row.wamid} row=${row} selection=${selection} />`)}</ul>
    <div class="more">
      ${cursor && html`<button type="button" class="button" onClick=${() => onPage(null)}>Latest messages</button>`}
      ${next && !cursor && list.limit.current < MOST_ROWS && html`<button type="button" class="button" onClick=${more}>Show more</button>`}
      ${next && (cursor || list.limit.current >= MOST_ROWS) && html`<button type="button" class="button" onClick=${older}>Older messages</button>`}
    </div>`;
}

function Row({ row, selection }) {
  const who = row.guest_name || phone(row.recipient_id) || 'Recipient not known';
  const fresh = row.fresh ? `fresh-${row.fresh % 2}` : '';
  const at = beganMs(row) && new Date(beganMs(row)).toISOString();
  return html`<li class="row ${row.status} ${fresh}">
    <a href=${href({ ...selection, message: row.wamid })}>
      <span class="row-status"><${Status} of=${row.status} /></span>
      <span class="row-who"><strong>${who}</strong>${row.guest_name && html` <span class="quiet">${phone(row.recipient_id)}</span>`}</span>
      <span class="row-what quiet">${row.status === 'failed' ? (row.error_message ?? 'No reason given') : (row.template_name ?? row.message_type)}</span>
      <span class="row-when quiet"><${Time} at=${at} /></span>
    </a>
  </li>`;
}
