import { TrackerError } from './errors.js';
import type { Log } from './log.js';

/** How to reach the service. */
export interface TrackerOptions {
  /** The address of the service. Without it: `TRACKER_URL`, else the guide's `DJANGO_URL`. */
  url?: string | undefined;
  /** The token. Without it: `TRACKER_TOKEN`, else the guide's `DJANGO_RSVP_SECRET`. */
  token?: string | undefined;
  /** A `fetch` to use in place of the global one. */
  fetch?: typeof fetch | undefined;
  /** How long one try may take, in milliseconds; by default 10,000. */
  timeoutMs?: number | undefined;
  /** How often a call is tried again when the service can't answer; by default 4. */
  retries?: number | undefined;
  /** Is told of every call that ended, and of every try that failed. */
  onLog?: Log | undefined;
}

/** The options, checked and complete. */
export interface Settings {
  url: string;
  token: string;
  fetch: typeof fetch;
  timeoutMs: number;
  retries: number;
  onLog: Log;
}

declare const process: { env: Record<string, string | undefined> } | undefined;

/** Returns the first of these environment variables that is set and not empty. */
export function fromEnvironment(...names: string[]): string | undefined {
  const environment = typeof process === 'undefined' ? {} : process.env;
  return names.map((name) => environment[name]).find(Boolean);
}

/**
 * Checks the options, and takes from the environment what they leave out.
 *
 * @throws TrackerError with the code `invalid_settings`.
 */
export function settingsOf(options: TrackerOptions): Settings {
  const url = options.url ?? fromEnvironment('TRACKER_URL', 'DJANGO_URL');
  const token = options.token ?? fromEnvironment('TRACKER_TOKEN', 'DJANGO_RSVP_SECRET');
  return {
    url: checkedUrl(url),
    token: checkedToken(token),
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    timeoutMs: checkedNumber('timeoutMs', options.timeoutMs ?? 10_000, 1),
    retries: checkedNumber('retries', options.retries ?? 4, 0),
    onLog: options.onLog ?? (() => {}),
  };
}

function checkedUrl(url: string | undefined): string {
  if (isMissing(url)) {
    throw invalid('The url of the service is missing: give `url`, or set TRACKER_URL.');
  }
  const isHttp = /^https?:\/\//i.test(url) && URL.canParse(url);
  if (!isHttp || /[?#]/.test(url)) {
    throw invalid('The url must be an address such as https://tracker.example.com.');
  }
  return url.replace(/\/+$/, '');
}

function checkedToken(token: string | undefined): string {
  if (isMissing(token)) {
    throw invalid('The token is missing: give `token`, or set TRACKER_TOKEN.');
  }
  // `fetch` would name the token in its own error.
  if (!/^[\x21-\x7e]+( +[\x21-\x7e]+)*$/.test(token)) {
    throw invalid('The token must be printable ASCII without blanks around it.');
  }
  return token;
}

/** Returns whether a text is none: templates make "undefined" of a variable that isn't set. */
function isMissing(text: string | undefined): text is undefined {
  return !text || text === 'undefined' || text === 'null';
}

/** Returns a whole number of at least `least`. */
export function checkedNumber(name: string, value: number, least: number): number {
  if (!Number.isInteger(value) || value < least) {
    throw invalid(`${name} must be a whole number of at least ${least}.`);
  }
  return value;
}

function invalid(sentence: string): TrackerError {
  return new TrackerError(sentence, { code: 'invalid_settings' });
}
