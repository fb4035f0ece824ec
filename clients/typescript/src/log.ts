import type { TrackerErrorCode } from './errors.js';

/**
 * Something that happened. No entry holds a token, a phone number, an id of a message or its
 * content.
 */
export interface LogEntry {
  /** How bad it is. */
  level: 'debug' | 'warn' | 'error';
  /** What happened. */
  event:
    /** A call succeeded. */
    | 'call_succeeded'
    /** A try failed; the next one follows in `waitMs`. */
    | 'call_retried'
    /** A call failed; its error was thrown. */
    | 'call_failed'
    /** A request to a webhook or a live route was refused; `reason` says why. */
    | 'request_refused'
    /** Meta's webhook couldn't be passed on; Meta was answered so that it sends it again. */
    | 'webhook_not_kept'
    /** `onMessage` threw `error`; Meta was answered so that it sends the message again. */
    | 'on_message_failed'
    /** A live stream ended: the service closed it, or was silent for too long. */
    | 'live_ended'
    /** A route has a setting that can't work, or a callback of the application threw `error`. */
    | 'route_failed';
  /** The method that was called, `trackSend` for example. */
  operation?: string | undefined;
  /** The number of the try, from 1. */
  attempt?: number | undefined;
  /** How long it took, in milliseconds. */
  durationMs?: number | undefined;
  /** How long it is until the next try, in milliseconds. */
  waitMs?: number | undefined;
  /** The HTTP status, if there was an answer. */
  status?: number | undefined;
  /** What kind of failure it is. */
  code?: TrackerErrorCode | undefined;
  /** Why a request was refused. */
  reason?: string | undefined;
  /** The `X-Request-ID` of the call. The service's log has it too. */
  requestId?: string | undefined;
  /** What was thrown. If the application threw it, it holds what the application put into it. */
  error?: unknown;
}

/** Takes log entries. */
export type Log = (entry: LogEntry) => void;

/** The log of routes that are given none: nobody else would hear of what goes wrong in them. */
export const consoleLog: Log = ({ level, event, error, ...rest }) => {
  if (level === 'debug') return;
  const more = error === undefined ? [] : [error];
  console[level](`message-tracker: ${event}`, JSON.stringify(rest), ...more);
};
