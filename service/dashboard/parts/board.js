// Everything behind the token: the head, what can be picked, and what is shown of it.
import { html, useEffect, useMemo, useRef, useState } from '../lib.js';
import { Live } from '../live.js';
import { useLoader } from '../loader.js';
import { close, go, href, queryOf, read, useRoute } from '../route.js';
import { count, fullTime, many, phone, time } from '../words.js';
import { Empty, Problem, Skeleton } from './basics.js';
import { Failures } from './failures.js';
import { Message } from './message.js';
import { Messages } from './messages.js';
import { Awaiting, Funnel } from './numbers.js';
import { Picker } from './picker.js';
import { Timing } from './timing.js';

// How often everything is asked for anew: while there is no live stream, and while there is one, since
// messages grow older, and those erased or moved away are told to nobody here.
const CUT_MS = 10_000;
const LIVE_MS = 30_000;

/** Hands on what the live stream says to those who want to know. */
class Bus {
  #listeners = new Set();

  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  rows = (rows) => this.#listeners.forEach((listener) => listener.rows?.(rows));
  anew = () => this.#listeners.forEach((listener) => listener.anew?.());
}

export function Board({ api, onDenied, onLeave }) {
  const route = useRoute();
  const { kind, value, message } = route;
  const selection = useMemo(() => ({ kind, value }), [kind, value]);
  const bus = useMemo(() => new Bus(), [selection]);
  const [connection, setConnection] = useState('connecting');
  const failed = (error) => error.denied && onDenied();

  useEffect(() => {
    // A phone number's changes are picked out of everybody's: there is no stream of its own.
    const query = kind === 'phone' ? {} : queryOf(selection);
    const on = { rows: bus.rows, anew: bus.anew, state: setConnection, denied: onDenied };
    const live = new Live(api, query, on);
    live.start();
    return () => live.stop();
  }, [bus]);

  const cut = connection === 'reconnecting' || connection === 'away';
  useEffect(() => {
    const timer = setInterval(bus.anew, cut ? CUT_MS : LIVE_MS);
    return () => clearInterval(timer);
  }, [cut, bus]);

  useEffect(() => {
    document.title = `${titleOf(selection)} – Message tracker`;
  }, [selection]);

  const shown = { api, bus, selection, onError: failed };
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the numbers</a>
    <${Head} connection=${connection} onLeave=${onLeave} />
    <div class="frame">
      <${Picker} ...${shown} />
      <main id="main" tabindex="-1">
        ${kind === 'phone'
          ? html`<${Person} key=${value} ...${shown} />`
          : html`<${Overview} key=${href(selection)} connection=${connection} ...${shown} />`}
      </main>
    </div>
    ${message && html`<${Message} key=${message} wamid=${message} onClose=${() => close(selection)} ...${shown} />`}
  `;
}

function skip(event) {
  event.preventDefault(); // the part behind # is taken
  document.getElementById('main').focus();
}

function titleOf({ kind, value }) {
  if (kind === 'phone') return phone(value);
  return kind === 'all' ? 'All messages' : value;
}

const STATES = {
  connecting: 'Connecting…',
  live: 'Live',
  reconnecting: 'Reconnecting…',
  away: 'Not connected',
};

function Head({ connection, onLeave }) {
  return html`<header class="head">
    <a class="brand" href="#"><img src="icon.svg" alt="" width="28" height="28" /><span>Message tracker</span></a>
    <${Search} />
    <p class="connection ${connection}" role="status"><span class="dot" aria-hidden="true"></span>${STATES[connection]}</p>
    <button type="button" class="button plain leave" onClick=${onLeave}>Sign out</button>
  </header>`;
}

/** Finds a person's messages by phone number, or a message by its id. */
function Search() {
  const field = useRef(null);
  const [problem, setProblem] = useState('');
  function submit(event) {
    event.preventDefault();
    const given = field.current.value.trim();
    const digits = given.replace(/[\s+().-]/g, '');
    if (/^\d{6,15}$/.test(digits)) go({ kind: 'phone', value: digits });
    else if (/^wamid\./.test(given)) go({ ...read(), message: given });
    else return setProblem('Enter a phone number (6 to 15 digits) or a message id (wamid.…).');
    setProblem('');
    field.current.value = '';
  }
  return html`<form class="search" role="search" onSubmit=${submit}>
    <label class="unseen" for="search">Phone number or message id</label>
    <input id="search" ref=${field} type="search" placeholder="Phone number or message id" autocomplete="off"
      spellcheck=${false} aria-describedby=${problem ? 'search-problem' : null} onInput=${() => setProblem('')} />
    <button type="submit" class="button">Find</button>
    ${problem && html`<p id="search-problem" class="search-problem" role="alert">${problem}</p>`}
  </form>`;
}

const KIND_NAMES = { event: 'Event', template: 'Template' };

function Overview({ api, bus, selection, connection, onError }) {
  const load = (signal) => api.json('message-stats/', queryOf(selection), signal);
  const stats = useLoader(load, 1000, [selection], onError);
  useEffect(() => bus.subscribe({ rows: stats.ask, anew: stats.ask }), [bus]);
  const title = html`<div class="title">
    ${selection.kind !== 'all' && html`<p class="eyebrow">${KIND_NAMES[selection.kind]}</p>`}
    <h1>${titleOf(selection)}</h1>
    ${stats.data && stats.data.total > 0 && html`<p class="quiet">${many(stats.data.total, 'message')}</p>`}
  </div>`;
  const shown = { api, bus, selection, onError };
  if (!stats.data) return html`${title}<${First} stats=${stats} />`;
  return html`
    ${title}
    <${Stale} stats=${stats} connection=${connection} />
    ${stats.data.total === 0
      ? html`<${Nothing} selection=${selection} />`
      : html`
          <div class="pair">
            <${Funnel} stats=${stats.data} />
            <${Awaiting} awaiting=${stats.data.awaiting} />
          </div>
          <${Failures} failures=${stats.data.failures} ...${shown} />
          <${Timing} delivered=${stats.data.time_to_deliver} read=${stats.data.time_to_read} />
          <${Messages} ...${shown} />
        `}
  `;
}

/** Before the first numbers are there. */
function First({ stats }) {
  if (stats.error) {
    return html`<div class="card">
      <${Problem} what="The numbers could not be loaded." error=${stats.error} onAgain=${stats.ask} />
      ${stats.error.passing && html`<p class="quiet">It is tried again by itself.</p>`}
    </div>`;
  }
  return html`<div class="stack" aria-busy="true">
    <p class="unseen" role="status">Loading the numbers…</p>
    <div class="pair">
      <div class="card"><${Skeleton} lines=${6} /></div>
      <div class="card"><${Skeleton} lines=${5} /></div>
    </div>
    <div class="card"><${Skeleton} lines=${5} /></div>
  </div>`;
}

/** Says so when what is shown may be old. */
function Stale({ stats, connection }) {
  const sentence = stats.error?.message ?? (connection === 'away' ? 'The live connection is gone.' : '');
  if (!sentence) return null;
  return html`<p class="notice" role="status">
    ${sentence} These numbers are from <time title=${fullTime(stats.at)}>${time(stats.at)}</time>; the
    page goes on trying and will catch up.
  </p>`;
}

function Nothing({ selection }) {
  const where = selection.kind === 'all' ? 'yet' : `of this ${selection.kind}`;
  return html`<div class="card">
    <${Empty} title=${`There are no messages ${where}.`}>
      <p>
        Report a send with <code>POST /api/webhooks/track-send/</code>, or point Meta’s webhook at${' '}
        <code>/api/webhooks/whatsapp/</code>. What comes shows here at once; there is no need to reload.
      </p>
    <//>
  </div>`;
}

function Person({ api, bus, selection, onError }) {
  return html`
    <div class="title">
      <p class="eyebrow">Phone number</p>
      <h1>${titleOf(selection)}</h1>
      <p><a href="#">Back to everything</a></p>
    </div>
    <${Messages} api=${api} bus=${bus} selection=${selection} onError=${onError} />
  `;
}
