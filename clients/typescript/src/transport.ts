import { codeOf, TrackerError } from './errors.js';
import type { Settings } from './settings.js';
import { sleep } from './time.js';

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 10_000;
const LONGEST_RETRY_AFTER_MS = 30_000;

/** Options of one call. */
export interface CallOptions {
  /** Aborts the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** How long one try may take, in milliseconds. */
  timeoutMs?: number | undefined;
  /** How often the call is tried again when the service can't answer. */
  retries?: number | undefined;
}

/** A request to the service. */
export interface Call extends CallOptions {
  /** The method of the tracker, for errors and logs. */
  operation: string;
  /** The path, with its query. */
  path: string;
  /** The body; without it the request is a GET. */
  body?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  /** Whether the signal ends the body too: it is a stream, which nobody has read by then. */
  lasting?: boolean;
}

/** The JSON of an answer, and its headers. */
export interface Answer<Json> {
  json: Json;
  headers: Headers;
}

type Read<Result> = (response: Response) => Promise<Result>;

/** Makes a call and reads its JSON. Tries again while the service can't answer. */
export function send<Json>(settings: Settings, call: Call): Promise<Answer<Json>> {
  return repeat(settings, call, async (response) => {
    const json = objectIn(await response.text());
    if (json) return { json: json as Json, headers: response.headers };
    const { operation } = call;
    const { status } = response;
    const sentence = 'The answer is no JSON object: is this the address of the service?';
    throw new TrackerError(sentence, { code: 'unexpected_answer', operation, status });
  });
}

/** Makes a call and returns the response once it begins. The signal still ends its body. */
export function open(settings: Settings, call: Call): Promise<Response> {
  return repeat(settings, { ...call, lasting: true }, async (response) => response);
}

/** Makes tries until one succeeds, or another one has no use. */
async function repeat<Result>(settings: Settings, call: Call, read: Read<Result>): Promise<Result> {
  const { operation, signal, retries = settings.retries } = call;
  const requestId = crypto.randomUUID();
  const begun = Date.now();
  for (let attempt = 1; ; attempt++) {
    try {
      const result = await attemptOnce(settings, call, requestId, read);
      const entry = { operation, attempt, requestId, durationMs: Date.now() - begun };
      settings.onLog({ level: 'debug', event: 'call_succeeded', ...entry });
      return result;
    } catch (error) {
      if (!(error instanceof TrackerError)) throw error;
      const { code, status } = error;
      const entry = {
        operation,
        attempt,
        requestId,
        durationMs: Date.now() - begun,
        code,
        status,
      };
      const waitMs = attempt > retries ? undefined : waitAfter(error, attempt);
      if (waitMs === undefined) {
        settings.onLog({ level: 'error', event: 'call_failed', ...entry });
        throw error;
      }
      settings.onLog({ level: 'warn', event: 'call_retried', ...entry, waitMs });
      await sleep(waitMs, signal);
    }
  }
}

/** Returns how long to wait before the next try; undefined if another try has no use. */
function waitAfter(error: TrackerError, attempt: number): number | undefined {
  const askedMs = error.retryAfterMs ?? 0;
  if (!error.retryable || askedMs > LONGEST_RETRY_AFTER_MS) return undefined;
  const backoffMs = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS);
  // The random part keeps callers that failed together from coming back together.
  return Math.round(askedMs + backoffMs * (0.5 + Math.random() / 2));
}

/** Makes one try, within its time. */
async function attemptOnce<Result>(
  settings: Settings,
  call: Call,
  requestId: string,
  read: Read<Result>,
): Promise<Result> {
  const { signal, operation, timeoutMs = settings.timeoutMs } = call;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  signal?.addEventListener('abort', abort);
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  try {
    const response = await request(settings, call, requestId, controller.signal);
    if (response.ok) return await read(response);
    throw await refusalOf(response, operation, requestId);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof TrackerError) throw error;
    const details = { operation, requestId };
    if (controller.signal.aborted) {
      throw new TrackerError('The service did not answer in time.', {
        code: 'timeout',
        ...details,
      });
    }
    const sentence = "The service can't be reached, or the connection broke.";
    throw new TrackerError(sentence, { code: 'network', ...details, cause: error });
  } finally {
    clearTimeout(timer);
    if (!call.lasting) signal?.removeEventListener('abort', abort);
  }
}

function request(
  settings: Settings,
  call: Call,
  requestId: string,
  signal: AbortSignal,
): Promise<Response> {
  return settings.fetch(settings.url + call.path, {
    method: call.body === undefined ? 'GET' : 'POST',
    headers: { ...call.headers, 'X-Webhook-Token': settings.token, 'X-Request-ID': requestId },
    body: call.body ?? null,
    signal,
    cache: 'no-store', // some versions of Next.js would keep the answer
    redirect: 'manual', // a redirect would take the token to another address
  });
}

/** Returns the error for an answer that isn't a success. */
async function refusalOf(
  response: Response,
  operation: string,
  requestId: string,
): Promise<TrackerError> {
  const { status, headers } = response;
  const { error, field } = objectIn(await response.text()) ?? {};
  return new TrackerError(typeof error === 'string' ? error : `The service answered ${status}.`, {
    code: codeOf(status),
    operation,
    status,
    field: typeof field === 'string' ? field : undefined,
    requestId: headers.get('X-Request-ID') ?? requestId,
    retryAfterMs: retryAfterOf(headers.get('Retry-After')),
  });
}

/** Returns what `Retry-After` asks for, as seconds or as a date, in milliseconds. */
function retryAfterOf(header: string | null): number | undefined {
  if (!header) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}

/** Returns the object that a text is the JSON of; undefined if it is none. */
function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
