// The live stream of changes: it is read, resumed where it broke off, and never given up.
import { ApiError } from './api.js';

const SILENT_MS = 40_000; // the service says something every 15 s
const LONGEST_WAIT_MS = 15_000;
const PAUSE_MS = 200; // between handfuls of changes, however fast they come
const TOGETHER_MS = 20; // what comes as soon as that after the first is of the same handful

/**
 * Splits server-sent events. Unlike the usual parsers it keeps an id that comes without data, as
 * browsers do.
 * @param {(event: {type: string, data: string}) => void} onEvent
 * @param {(id: string) => void} onId
 */
export function parser(onEvent, onId) {
  let rest = '';
  let type = '';
  let data = [];
  let id = null;
  function line(text) {
    if (text === '') {
      if (id !== null) onId(id);
      if (data.length) onEvent({ type: type || 'message', data: data.join('\n') });
      type = '';
      data = [];
      id = null;
      return;
    }
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(text);
    if (field === 'data') data.push(value ?? '');
    else if (field === 'event') type = value ?? '';
    else if (field === 'id') id = value ?? '';
  }
  return (chunk) => {
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}

/** A stream of changes, from `start` until `stop`. */
export class Live {
  #api;
  #query;
  #on;
  #ended = new AbortController();
  #id = '';
  #tries = 0;
  #changed = new Map();
  #timer = 0;
  #handedMs = 0;

  /**
   * @param {object} on what is told:
   *   `rows` of changes (the latest of each message), `anew` when everything is to be loaded again,
   *   `state` ('connecting', 'live', 'reconnecting' or 'away'), `denied` when the token isn't taken
   */
  constructor(api, query, on) {
    this.#api = api;
    this.#query = query;
    this.#on = on;
  }

  async start() {
    this.#on.state('connecting');
    const wake = () => this.#wake?.();
    addEventListener('online', wake, { signal: this.#ended.signal });
    while (!this.#ended.signal.aborted) {
      const error = await this.#read();
      if (this.#ended.signal.aborted) return;
      if (error?.denied) return this.#on.denied(error);
      this.#tries += 1;
      this.#on.state(this.#tries > 1 ? 'away' : 'reconnecting');
      await this.#pause();
    }
  }

  stop() {
    this.#ended.abort();
    clearTimeout(this.#timer);
  }

  #wake = null;

  /** Waits a little longer after each try, never in step with others. */
  #pause() {
    const most = Math.min(LONGEST_WAIT_MS, 500 * 2 ** Math.min(this.#tries, 6));
    return new Promise((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, most * (0.5 + Math.random() / 2));
    });
  }

  /** Reads until the connection ends, however it does. */
  async #read() {
    const connection = new AbortController();
    const end = () => connection.abort();
    this.#ended.signal.addEventListener('abort', end);
    let silence = setTimeout(end, SILENT_MS);
    try {
      const headers = { Accept: 'text/event-stream' };
      if (this.#id) headers['Last-Event-ID'] = this.#id;
      const response = await this.#api.ask('live/', this.#query, { headers, signal: connection.signal });
      const feed = parser(
        (event) => this.#take(event),
        (id) => (this.#id = id),
      );
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return null;
        clearTimeout(silence);
        silence = setTimeout(end, SILENT_MS);
        feed(value);
      }
    } catch (error) {
      return error instanceof ApiError ? error : null;
    } finally {
      clearTimeout(silence);
      this.#ended.signal.removeEventListener('abort', end);
      end();
    }
  }

  /** What was loaded before the stream stood may be old already, also the first time. */
  #ready() {
    this.#tries = 0;
    this.#on.state('live');
    this.#on.anew();
  }

  #take({ type, data }) {
    if (type === 'ready') this.#ready();
    if (type === 'lost') this.#on.anew();
    if (type !== 'message') return;
    const row = JSON.parse(data);
    this.#changed.set(row.wamid, row);
    const waitMs = Math.max(TOGETHER_MS, this.#handedMs + PAUSE_MS - Date.now());
    this.#timer ||= setTimeout(() => this.#hand(), waitMs);
  }

  #hand() {
    const rows = [...this.#changed.values()];
    this.#changed.clear();
    this.#timer = 0;
    this.#handedMs = Date.now();
    this.#on.rows(rows);
  }
}
