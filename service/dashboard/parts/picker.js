// What can be looked at: everything, an event, or a template.
import { html, useEffect, useRef, useState } from '../lib.js';
import { useLoader } from '../loader.js';
import { href } from '../route.js';
import { useStill } from '../still.js';
import { count, many } from '../words.js';
import { Problem, Skeleton, Time } from './basics.js';

const STEP = 50;
const MOST = 200;
const LISTS = {
  event: { path: 'events/', name: 'event_id', title: 'Events' },
  template: { path: 'templates/', name: 'template_name', title: 'Templates' },
};

export function Picker({ api, bus, selection, onError }) {
  const [open, setOpen] = useState(false); // on a narrow screen
  const [kind, setKind] = useState(selection.kind === 'template' ? 'template' : 'event');
  useEffect(() => setOpen(false), [selection]);
  const current = selection.kind === 'all' ? 'Everything' : selection.value;
  return html`<nav class="picker ${open ? 'open' : ''}" aria-label="What to look at">
    <button type="button" class="button picker-toggle" aria-expanded=${open} aria-controls="picker-body"
      onClick=${() => setOpen(!open)}>
      <span class="quiet">Showing</span> <strong>${current}</strong> <span class="chevron" aria-hidden="true"></span>
    </button>
    <div id="picker-body">
      <a class="pick all" href="#" aria-current=${selection.kind === 'all' ? 'page' : null}>Everything</a>
      <div class="switch" role="group" aria-label="List">
        ${Object.entries(LISTS).map(
          ([each, { title }]) => html`<button key=${each} type="button" aria-pressed=${each === kind}
            onClick=${() => setKind(each)}>${title}</button>`,
        )}
      </div>
      <${List} key=${kind} kind=${kind} api=${api} bus=${bus} selection=${selection} onError=${onError} />
    </div>
  </nav>`;
}

function List({ kind, api, bus, selection, onError }) {
  const { path, name, title } = LISTS[kind];
  const [cursor, setCursor] = useState(null);
  const limit = useRef(STEP);
  const load = async (signal) => {
    const { body, next } = await api.page(path, { limit: limit.current, cursor }, signal);
    return { items: body[path.replace('/', '')], next };
  };
  const list = useLoader(load, 3000, [kind, cursor], onError);
  useEffect(() => bus.subscribe({ rows: list.ask, anew: list.ask }), [bus, list.ask]);
  if (!list.data) {
    if (!list.error) return html`<${Skeleton} lines=${6} />`;
    return html`<${Problem} what=${`The ${title.toLowerCase()} could not be loaded.`} error=${list.error} onAgain=${list.askNow} />`;
  }
  const { items, next } = list.data;
  if (!items.length && !next) return html`<p class="quiet pad">There are no ${title.toLowerCase()} yet.</p>`;
  function more() {
    if (limit.current >= MOST) return setCursor(next);
    limit.current = Math.min(MOST, limit.current * 2);
    list.ask();
  }
  return html`<${Picks} kind=${kind} items=${items} selection=${selection} />
    <div class="more">
      ${cursor && html`<button type="button" class="button plain" onClick=${() => setCursor(null)}>Latest ${title.toLowerCase()}</button>`}
      ${next && html`<button type="button" class="button plain" onClick=${more}>More ${title.toLowerCase()}</button>`}
    </div>
    ${list.error && html`<${Problem} what="The list could not be brought up to date." error=${list.error} onAgain=${list.askNow} />`}`;
}

/** The one with the latest message stands first; the order changes only while nobody is at it. */
function Picks({ kind, items, selection }) {
  const { name } = LISTS[kind];
  const { shown } = useStill(items, (item) => item[name], '.picks');
  return html`<ul class="picks">
    ${shown.map((item) => html`<li key=${item[name]}>
      <a class="pick" href=${href({ kind, value: item[name] })}
        aria-current=${selection.kind === kind && selection.value === item[name] ? 'page' : null}>
        <span class="pick-name">${item[name]}</span>
        <${Shares} item=${item} />
        <span class="pick-about"><span>${many(item.total, 'message')}</span> <${Time} at=${item.latest_at} /></span>
      </a>
    </li>`)}
  </ul>`;
}

const ORDER = ['read', 'delivered', 'sent', 'failed'];

/** A line whose parts are the messages at each status. */
function Shares({ item }) {
  const words = ORDER.map((status) => `${count(item.statuses[status])} ${status}`).join(', ');
  return html`<span class="shares" title=${`Now: ${words}`}>
    ${ORDER.map((status) => html`<span key=${status} class=${status} style=${{ flexGrow: item.statuses[status] }}></span>`)}
  </span>`;
}
