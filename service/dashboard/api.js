// Asks the service. The token goes into a header, never into an address.

const BASE = new URL('../api/webhooks/', import.meta.url);
const KEPT_AS = 'message-tracker-token';

/** Why a request had no good answer: `status` is 0 where there was none at all. */
export class ApiError extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }

  /** Whether the token isn't (or is no longer) accepted. */
  get denied() {
    return this.status === 401 || this.status === 403;
  }

  /** Whether the same request may succeed by itself later. */
  get passing() {
    return this.status === 0 || this.status === 408 || this.status >= 500;
  }
}

/** The token, kept until the tab is closed. */
export const keptToken = {
  get: () => sessionStorage.getItem(KEPT_AS) ?? '',
  set: (token) => sessionStorage.setItem(KEPT_AS, token),
  forget: () => sessionStorage.removeItem(KEPT_AS),
};

export class Api {
  #token;

  constructor(token) {
    this.#token = token;
  }

  /**
   * Answers a response that is in order.
   * @param {string} path below /api/webhooks/
   * @param {object} query parameters; those that are null or empty are left out
   * @throws {ApiError}
   */
  async ask(path, query = {}, { headers = {}, signal } = {}) {
    const url = new URL(path, BASE);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, value);
    }
    const response = await this.#fetch(url, { ...headers }, signal);
    if (!response.ok) throw new ApiError(response.status, await sentenceOf(response));
    return response;
  }

  /** @throws {ApiError} */
  async json(path, query, signal) {
    const response = await this.ask(path, query, { signal });
    return whole(response.json());
  }

  /** A page of a list: what it holds, and the cursor of the next one or null. */
  async page(path, query, signal) {
    const response = await this.ask(path, query, { signal });
    const link = /<([^>]*)>;\s*rel="next"/.exec(response.headers.get('Link') ?? '');
    const next = link && new URL(link[1], response.url).searchParams.get('cursor');
    return { body: await whole(response.json()), next };
  }

  /** Saves an answer as a file. */
  async download(path, query, name) {
    const response = await this.ask(path, query);
    // A file of UTF-8 without this mark at its beginning is garbled by Excel.
    const file = new Blob(['\ufeff', await whole(response.blob())], { type: response.headers.get('Content-Type') });
    const address = URL.createObjectURL(file);
    const link = Object.assign(document.createElement('a'), { href: address, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  async #fetch(url, headers, signal) {
    // A header can't carry others, and no token has them: something was pasted along.
    if (!/^[\x21-\x7e]*$/.test(this.#token)) throw new ApiError(401, 'The token has odd characters.');
    headers['X-Webhook-Token'] = this.#token;
    try {
      return await fetch(url, { headers, signal, cache: 'no-store', credentials: 'omit' });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new ApiError(0, 'The service does not answer.');
    }
  }
}

/** What an answer holds; its connection may be lost while it comes. */
async function whole(body) {
  try {
    return await body;
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The service’s answer broke off.');
  }
}

async function sentenceOf(response) {
  try {
    const { error } = await response.json();
    if (typeof error === 'string') return error;
  } catch {
    // A proxy may answer in its own words.
  }
  return `The service answered ${response.status}.`;
}
