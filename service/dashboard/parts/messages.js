// The latest messages, as they change.
import { html, useEffect, useRef, useState } from '../lib.js';
import { useLoader } from '../loader.js';
import { useReasons } from '../reasons.js';
import { href, queryOf } from '../route.js';
import { beganMs, merged, MOST_ROWS } from '../rows.js';
import { useStill } from '../still.js';
import { STATUSES } from '../words.js';
import { Card, Empty, Problem, Skeleton, Status, Time, Waiting } from './basics.js';

const STEP = 50;
const DOUBT_MS = 5000; // how often the service is asked whether others' messages belong to a recipient

export function Messages({ selection, ...shown }) {
  const [status, setStatus] = useState('');
  const [cursor, setCursor] = useState(null);
  const aside = html`<div class="switch" role="group" aria-label="Status now">
    ${[['', 'All'], ...Object.entries(STATUSES).map(([name, { label }]) => [name, label])].map(
      ([name, label]) => html`<button key=${name} type="button" aria-pressed=${name === status}
        onClick=${() => { setStatus(name); setCursor(null); }}>${label}</button>`,
    )}
  </div>`;
  return html`<${Card} id="messages" title=${cursor ? 'Older messages' : 'Latest messages'} aside=${aside} className="messages">
    <${List} key=${`${status} ${cursor}`} ...${shown} selection=${selection} status=${status} cursor=${cursor} onPage=${setCursor} />
  <//>`;
}

/**
 * Which changed messages belong to what is shown. Whose a message is the service alone knows: for a
 * recipient only those count whom its own list has, and `doubts` says when it is to be asked again.
 */
function membership({ kind }, status) {
  let rows = [];
  const listed = ({ wamid, recipient_id: id }) => rows.some((row) => row.wamid === wamid || (id && row.recipient_id === id));
  const theirs = (row) => kind !== 'recipient' || listed(row);
  return {
    list: (latest) => (rows = latest),
    accepts: (row) => (!status || row.status === status) && theirs(row),
    doubts: (changes) => kind === 'recipient' && !changes.every(theirs),
  };
}

function useMessages({ api, bus, selection, onError, status, cursor }) {
  const limit = useRef(cursor ? MOST_ROWS : STEP);
  const meanwhile = useRef(null); // changes that come while the list is being loaded
  const members = useRef(null);
  members.current ??= membership(selection, status);
  const { accepts, doubts } = members.current;
  const ask = (more, signal) => api.page('message-logs/', { ...queryOf(selection), status, cursor, ...more }, signal);
  const load = async (signal) => {
    meanwhile.current = [];
    const { body, next } = await ask({ limit: limit.current }, signal);
    members.current.list(body.logs);
    const rows = merged(body.logs, meanwhile.current, { accepts, grows: !cursor, whole: !next });
    meanwhile.current = null;
    return { rows, next };
  };
  const list = useLoader(load, 500, [], onError);
  const doubt = useRef(0);
  const changed = (changes) => {
    meanwhile.current?.push(...changes);
    list.change(({ rows, next }) => ({ rows: merged(rows, changes, { accepts, grows: !cursor, whole: !next }), next }));
    if (doubts(changes)) doubt.current ||= setTimeout(() => { doubt.current = 0; list.ask(); }, DOUBT_MS);
  };
  useEffect(() => {
    const leave = bus.subscribe({ rows: changed, anew: list.ask });
    return () => { leave(); clearTimeout(doubt.current); };
  }, [bus]);
  return { ...list, limit, nextCursor: async () => (await ask({ limit: MOST_ROWS })).next };
}

function List({ onPage, ...shown }) {
  const list = useMessages(shown);
  const { cursor, status, onError } = shown;
  const [problem, setProblem] = useState(null);
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
    setProblem(null);
    try {
      // New messages may have pushed others out at the end: where it ends is asked for now.
      onPage(cursor ? next : await list.nextCursor());
    } catch (error) {
      onError(error);
      setProblem(error);
    }
  }
  return html`<${Rows} rows=${rows} ...${shown} />
    <div class="more">
      ${cursor && html`<button type="button" class="button" onClick=${() => onPage(null)}>Latest messages</button>`}
      ${next && !cursor && list.limit.current < MOST_ROWS && html`<button type="button" class="button" onClick=${more}>Show more</button>`}
      ${next && (cursor || list.limit.current >= MOST_ROWS) && html`<button type="button" class="button" onClick=${older}>Older messages</button>`}
    </div>
    ${problem
      ? html`<${Problem} what="The older messages could not be loaded." error=${problem} onAgain=${older} />`
      : list.error && html`<${Problem} what="The list could not be brought up to date." error=${list.error} onAgain=${list.askNow} />`}`;
}

const wamidOf = (row) => row.wamid;

function Rows({ rows, bus, reasons, selection }) {
  const place = useRef(null);
  const list = useStill(rows, wamidOf, '.message-rows');
  const change = useRef(null);
  change.current = list.change;
  useEffect(() => bus.subscribe({ rows: (changes) => change.current(changes) }), [bus]);
  useReasons(reasons, list.shown.filter((row) => row.status === 'failed'));
  function show() {
    list.show();
    setTimeout(() => place.current?.querySelector('a')?.focus()); // the button goes, with the focus
  }
  return html`<div class="message-rows" ref=${place}>
    <${Waiting} list=${list} noun="message" onShow=${show} />
    <ul class="rows">${list.shown.map((row) => html`<${Row} key=${row.wamid} row=${row} reasons=${reasons} selection=${selection} />`)}</ul>
  </div>`;
}

function Row({ row, reasons, selection }) {
  const who = row.guest_name || row.recipient_id || 'Recipient not known';
  const fresh = row.fresh ? `fresh-${row.fresh % 2}` : '';
  const at = beganMs(row) && new Date(beganMs(row)).toISOString();
  return html`<li class="row ${row.status} ${fresh}">
    <a href=${href({ ...selection, message: row.wamid })}>
      <span class="row-status"><${Status} of=${row.status} /></span>
      <span class="row-who"><strong>${who}</strong>${row.guest_name && html` <span class="quiet">${row.recipient_id}</span>`}</span>
      <span class="row-what quiet">${row.status === 'failed' ? reasons.of(row) : (row.template_name ?? row.message_type)}</span>
      <span class="row-when quiet"><${Time} at=${at} /></span>
    </a>
  </li>`;
}
