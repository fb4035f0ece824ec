import { TrackerError } from './errors.js';
import { consoleLog } from './log.js';
import type { Log } from './log.js';
import { guarded, onFirstUse } from './route.js';
import { createTracker } from './tracker.js';
import type { Tracker } from './tracker.js';
import type { LiveFilter } from './types.js';

// The service sends something at least every 15 s.
const LONGEST_SILENCE_MS = 45_000;
const RETRY_AFTER_S = '2';

/** Options of {@link liveRoute}. */
export interface LiveRouteOptions {
  /**
   * Decides what the page that asks may see: `{ event_id }` for example, or `null` for nothing,
   * which is answered 403. A `Response` is answered as it is. `{}` lets it see everything.
   */
  allow: (request: Request) => LiveFilter | Response | null | Promise<LiveFilter | Response | null>;
  /** Opens the streams. Without it: `createTracker()`. */
  tracker?: Pick<Tracker, 'live'> | undefined;
  /** Is told of what goes wrong; by default the console. */
  onLog?: Log | undefined;
}

/**
 * A route that passes the service's live events on to a page, `app/api/live/route.ts` for example.
 * The token stays on the server. A page that connects again goes on where it stopped.
 */
export function liveRoute(options: LiveRouteOptions): {
  GET: (request: Request) => Promise<Response>;
} {
  const onLog = options.onLog ?? consoleLog;
  const tracker = onFirstUse(() => options.tracker ?? createTracker({ onLog }));
  return {
    GET: guarded(onLog, async (request) => {
      const allowed = await options.allow(request);
      if (allowed instanceof Response) return allowed;
      if (!allowed) return new Response(null, { status: 403 });
      return stream(request, allowed, tracker(), onLog);
    }),
  };
}

const LIMITS = { timeoutMs: 5_000, retries: 0 };
const HEADERS = {
  'Content-Type': 'text/event-stream',
  // Without `no-transform` Next.js packs the stream, and holds small events back for that.
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no', // nginx would hold them back too
};

async function stream(
  request: Request,
  filter: LiveFilter,
  tracker: Pick<Tracker, 'live'>,
  onLog: Log,
): Promise<Response> {
  const upstream = new AbortController();
  request.signal.addEventListener('abort', () => upstream.abort());
  if (request.signal.aborted) upstream.abort();
  const lastEventId = request.headers.get('Last-Event-ID') ?? undefined;
  try {
    const { signal } = upstream;
    const { body } = await tracker.live(filter, { lastEventId, signal, ...LIMITS });
    return new Response(body && relayed(body, upstream, onLog), { headers: HEADERS });
  } catch (error) {
    if (!(error instanceof TrackerError) || !error.retryable) throw error;
    return new Response(null, { status: 503, headers: { 'Retry-After': RETRY_AFTER_S } });
  }
}

/**
 * Returns a copy of a stream that ends in order when the stream breaks or falls silent, so that
 * the page connects again, and that ends the stream when the page leaves.
 */
function relayed(
  body: ReadableStream<Uint8Array>,
  upstream: AbortController,
  onLog: Log,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(page) {
      const timer = setTimeout(() => upstream.abort(), LONGEST_SILENCE_MS);
      const piece = await reader.read().catch(() => undefined);
      clearTimeout(timer);
      if (piece?.value) return page.enqueue(piece.value);
      onLog({ level: 'debug', event: 'live_ended' });
      page.close();
    },
    cancel: () => upstream.abort(),
  });
}
