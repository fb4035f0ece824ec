/** What kind of failure a {@link TrackerError} is. */
export type TrackerErrorCode =
  /** `createTracker` or a route was given a setting that can't work. */
  | 'invalid_settings'
  /** An argument can't be sent, so nothing was sent. */
  | 'invalid_argument'
  /** 400: the service refuses the request; `field` may name what is wrong. */
  | 'bad_request'
  /** 401: no token arrived. */
  | 'unauthorized'
  /** 403: the token, or Meta's signature, isn't one that the service knows. */
  | 'forbidden'
  /** 404: there is no such message, or `url` isn't the address of the service. */
  | 'not_found'
  /** 413: the body is too large. */
  | 'too_large'
  /** 408, 429, 502, 503, 504: the service can't answer now. */
  | 'unavailable'
  /** 500 and the like: the service has a fault; the request id leads to its log. */
  | 'server_error'
  /** The answer isn't one of the service: a redirect, say, or a page of HTML. */
  | 'unexpected_answer'
  /** No answer came within `timeoutMs`. */
  | 'timeout'
  /** The service can't be reached, or the connection broke. */
  | 'network';

/** What is known of a failure, beside its sentence. */
export interface TrackerErrorDetails {
  code: TrackerErrorCode;
  operation?: string | undefined;
  status?: number | undefined;
  field?: string | undefined;
  requestId?: string | undefined;
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

/**
 * Why a call failed. The message is a sentence: the service's own, if it gave one. It holds no
 * token and nothing that was sent.
 */
export class TrackerError extends Error {
  override readonly name = 'TrackerError';
  /** What kind of failure it is. */
  readonly code: TrackerErrorCode;
  /** The method that was called, `trackSend` for example. */
  readonly operation: string | undefined;
  /** The HTTP status, if there was an answer. */
  readonly status: number | undefined;
  /** The field or parameter at fault, if there is one. */
  readonly field: string | undefined;
  /** The `X-Request-ID` of the call. The service's log has it too. */
  readonly requestId: string | undefined;
  /** How long the service asks to wait before the next try, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, details: TrackerErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.operation = details.operation;
    this.status = details.status;
    this.field = details.field;
    this.requestId = details.requestId;
    this.retryAfterMs = details.retryAfterMs;
  }

  /** Whether the same call may succeed later. Every call may be repeated without harm. */
  get retryable(): boolean {
    return this.code === 'unavailable' || this.code === 'network' || this.code === 'timeout';
  }
}

const CODES: Record<number, TrackerErrorCode> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  408: 'unavailable',
  413: 'too_large',
  429: 'unavailable',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

/** Returns the code for the status of an answer that isn't a success. */
export function codeOf(status: number): TrackerErrorCode {
  return CODES[status] ?? (status >= 500 ? 'server_error' : 'unexpected_answer');
}
