// Why messages failed, in one voice: the service's meaning of the code, else Meta's own title.
import { useEffect, useState } from './lib.js';

export const NO_REASON = 'Meta gave no reason';

/** What is known of error codes; it is asked for once a code, and kept. */
export class Reasons {
  #api;
  #meanings = new Map();
  #titles = new Map();
  #asked = Promise.resolve(); // one request at a time, however many codes a page shows

  constructor(api) {
    this.#api = api;
  }

  /** Takes note of what the service says of codes. */
  learn(groups) {
    groups.forEach(({ code, meaning }) => this.#meanings.set(code, meaning));
  }

  /** Whether the service has said what this code means, or that it doesn't know. */
  knows(code) {
    return !code || this.#meanings.has(code);
  }

  /** Why a message failed, as its row says it; '' as long as the service hasn't said. */
  of({ error_code: code, error_message: title }) {
    if (!this.knows(code)) return '';
    return this.#meanings.get(code) ?? title ?? NO_REASON;
  }

  /** Meta's title of a code, '' where there is none; undefined as long as it hasn't been asked for. */
  titleOf(code) {
    return this.#titles.get(code);
  }

  /** Asks what these codes mean. What the service can't say now is taken as not known to it. */
  async ask(codes) {
    const groups = (await this.#failures({})).failures ?? [];
    this.learn(codes.map((code) => ({ code, meaning: null })));
    this.learn(groups);
  }

  /** Asks for Meta's title of a code that the service has no meaning of. */
  async askTitle(code, query) {
    const [row] = (await this.#failures({ ...query, code })).recipients ?? [];
    this.#titles.set(code, row?.error_message ?? '');
  }

  /** The answer, or an empty one: then the rows keep Meta's words, and nothing is lost. */
  #failures(query) {
    const ask = () => this.#api.json('failures/', { ...query, limit: 1 });
    this.#asked = this.#asked.then(ask).catch(() => ({}));
    return this.#asked;
  }
}

/** Asks for the reasons of rows that failed, where the service hasn't said them. */
export function useReasons(reasons, rows) {
  const [, draw] = useState(0);
  const codes = [...new Set(rows.map((row) => row.error_code))].filter((code) => !reasons.knows(code));
  useEffect(() => {
    if (codes.length) reasons.ask(codes).then(() => draw((n) => n + 1));
  }, [codes.join()]);
}

/** As `titleOf`, of a group of failures: where the service has no meaning of the code it is asked for. */
export function useTitle(reasons, { code, meaning }, query) {
  const [, draw] = useState(0);
  const wanted = code && !meaning && reasons.titleOf(code) === undefined;
  useEffect(() => {
    if (wanted) reasons.askTitle(code, query).then(() => draw((n) => n + 1));
  }, [code, wanted]);
  return reasons.titleOf(code);
}
