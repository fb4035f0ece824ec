// Everything behind the token: the head, what can be picked, and what is shown of it.
import { html, useEffect, useMemo, useRef, useState } from '../lib.js';
import { Live } from '../live.js';
import { useLoader } from '../loader.js';
import { Reasons } from '../reasons.js';
import { close, go, href, queryOf, read, useRoute } from '../route.js';
import { keepPlace } from '../still.js';
import { fullTime, many, time } from '../words.js';
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

/** Passes what the live stream says on to its subscribers. */
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
  const reasons = useMemo(() => new Reasons(api), [api]);
  const [connection, setConnection] = useState('connecting');
  const failed = (error) => error.denied && onDenied();

  useEffect(() => {
    // A recipient's changes are picked out of everybody's: there is no stream of their own.
    const query = kind === 'recipient' ? {} : queryOf(selection);
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

  const main = useRef(null);
  useEffect(() => keepPlace(main.current), []);

  useEffect(() => {
    document.title = `${titleOf(selection)} – Message tracker`;
  }, [selection]);

  const shown = { api, bus, reasons, selection, onError: failed };
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the numbers</a>
    <${Head} api=${api} connection=${connection} onLeave=${onLeave} onError=${failed} />
    <div class="frame">
      <${Picker} ...${shown} />
      <main id="main" ref=${main} tabindex="-1">
        ${kind === 'recipient'
          ? html`<${Recipient} key=${value} ...${shown} />`
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
  return kind === 'all' ? 'All messages' : value;
}

const STATES = {
  connecting: 'Connecting…',
  live: 'Live',
  reconnecting: 'Reconnecting…',
  away: 'Not connected',
};

function Head({ api, connection, onLeave, onError }) {
  return html`<header class="head">
    <a class="brand" href="#"><img src="icon.svg" alt="" width="28" height="28" /><span>Message tracker</span></a>
    <${Search} api=${api} onError=${onError} />
    <p class="connection ${connection}" role="status"><span class="dot" aria-hidden="true"></span>${STATES[connection]}</p>
    <button type="button" class="button plain leave" onClick=${onLeave}>Sign out</button>
  </header>`;
}

/**
 * Where what somebody looks for is found: a message by its id, else a recipient's messages; null where it
 * is neither. What is a recipient, and how one may be written, the service says.
 * @throws {ApiError}
 */
async function find(api, text, signal) {
  try {
    await api.json(`messages/${encodeURIComponent(text)}/`, {}, signal);
    return { ...read(), message: text };
  } catch (error) {
    if (error.status !== 404 && error.status !== 400) throw error; // 400: no message id looks like this
  }
  const { body, next } = await api.page('message-logs/', { recipient_id: text, limit: 1 }, signal);
  return body.logs.length || next ? { kind: 'recipient', value: text } : null;
}

function Search({ api, onError }) {
  const field = useRef(null);
  const asking = useRef(null);
  const [problem, setProblem] = useState('');
  function begin() {
    asking.current?.abort();
    setProblem('');
    asking.current = new AbortController();
    return asking.current.signal;
  }
  async function submit(event) {
    event.preventDefault();
    const text = field.current.value.trim();
    const signal = begin();
    if (!text) return setProblem('Enter a phone number, a user id or a message id.');
    try {
      const found = await find(api, text, signal);
      if (signal.aborted) return undefined;
      if (!found) return setProblem('Nothing is found: no message with this id is known here, and none to this recipient.');
      field.current.value = '';
      return go(found);
    } catch (error) {
      if (signal.aborted) return undefined;
      onError(error);
      return setProblem(error.message);
    }
  }
  useEffect(() => () => asking.current?.abort(), []);
  return html`<form class="search" role="search" onSubmit=${submit}>
    <label class="unseen" for="search">Phone number, user id or message id</label>
    <input id="search" ref=${field} type="search" placeholder="Phone number, user id or message id" autocomplete="off"
      spellcheck=${false} aria-describedby=${problem ? 'search-problem' : null} onInput=${begin} />
    <button type="submit" class="button">Find</button>
    ${problem && html`<p id="search-problem" class="search-problem" role="alert">${problem}</p>`}
  </form>`;
}

const KIND_NAMES = { event: 'Event', template: 'Template' };

function Overview({ api, bus, reasons, selection, connection, onError }) {
  const load = (signal) => api.json('message-stats/', queryOf(selection), signal);
  const stats = useLoader(load, 1000, [selection], onError);
  useEffect(() => bus.subscribe({ rows: stats.ask, anew: stats.ask }), [bus]);
  if (stats.data) reasons.learn(stats.data.failures);
  const title = html`<div class="title">
    ${selection.kind !== 'all' && html`<p class="eyebrow">${KIND_NAMES[selection.kind]}</p>`}
    <h1>${titleOf(selection)}</h1>
    ${stats.data && stats.data.total > 0 && html`<p class="quiet">${many(stats.data.total, 'message')}</p>`}
  </div>`;
  const shown = { api, bus, reasons, selection, onError };
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
          <${Timing} delivered=${stats.data.time_to_deliver} read=${stats.data.time_to_read} reached=${stats.data.reached} />
          <${Messages} ...${shown} />
        `}
  `;
}

/** Before the first numbers are there. */
function First({ stats }) {
  if (stats.error) {
    return html`<div class="card">
      <${Problem} what="The numbers could not be loaded." error=${stats.error} onAgain=${stats.ask} />
      ${stats.error.passing && html`<p class="quiet">The page tries again by itself.</p>`}
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
        <code>/api/webhooks/whatsapp/</code>. New messages show here at once; there is no need to reload.
      </p>
    <//>
  </div>`;
}

function Recipient({ selection, ...shown }) {
  return html`
    <div class="title">
      <p class="eyebrow">Messages to</p>
      <h1><bdi>${titleOf(selection)}</bdi></h1>
      <p><a href="#">Back to everything</a></p>
    </div>
    <${Messages} selection=${selection} ...${shown} />
  `;
}
