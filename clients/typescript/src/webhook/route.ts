import { TrackerError } from '../errors.js';
import { consoleLog } from '../log.js';
import type { Log } from '../log.js';
import { guarded, onFirstUse } from '../route.js';
import { fromEnvironment } from '../settings.js';
import { createTracker } from '../tracker.js';
import type { Tracker } from '../tracker.js';
import { bytesOf } from './body.js';
import { inboundMessages } from './inbound.js';
import type { InboundContext, InboundMessage } from './inbound.js';
import { isSameText, isSigned } from './signature.js';

const MOST_BYTES = 5 * 1024 * 1024; // as the service; Meta sends up to 3 MB
// Meta wants an answer soon, and sends again what isn't answered 200.
const LIMITS = { timeoutMs: 5_000, retries: 1 };

/** Options of {@link webhookRoute}. */
export interface WebhookOptions {
  /**
   * The secret of Meta's app, with which Meta signs; several while it changes. Without it:
   * `META_APP_SECRET`.
   */
  appSecret?: string | readonly string[] | undefined;
  /** The word that Meta was given with the address. Without it: `META_VERIFY_TOKEN`. */
  verifyToken?: string | undefined;
  /** Takes the bodies. Without it: `createTracker()`. */
  tracker?: Pick<Tracker, 'forwardWebhook'> | undefined;
  /**
   * Takes each message that a person sent, one after another. It gets a message again if Meta
   * repeats it, so look at its `id`. If it throws, Meta is told to send the message again.
   */
  onMessage?:
    ((message: InboundMessage, context: InboundContext) => void | Promise<void>) | undefined;
  /** Is told of what goes wrong; by default the console. */
  onLog?: Log | undefined;
}

/**
 * The route of Meta's webhook, `app/api/webhooks/whatsapp/route.ts` for example. It checks Meta's
 * signature, passes the body on to the service, and answers 200 only if the service has it and
 * `onMessage` took its messages. Meta sends everything else again, which does no harm.
 *
 * The options are looked at when the first request comes: `next build` loads the route where the
 * environment may be another.
 */
export function webhookRoute(options: WebhookOptions = {}): {
  GET: (request: Request) => Promise<Response>;
  POST: (request: Request) => Promise<Response>;
} {
  const onLog = options.onLog ?? consoleLog;
  const tracker = onFirstUse(() => options.tracker ?? createTracker({ onLog }));
  return {
    GET: guarded(onLog, (request) => handshake(request, options, onLog)),
    POST: guarded(onLog, (request) => receive(request, options, tracker(), onLog)),
  };
}

/** Answers Meta's question whether the address is ours. */
async function handshake(request: Request, options: WebhookOptions, onLog: Log): Promise<Response> {
  const expected = needed(
    'verifyToken',
    options.verifyToken || fromEnvironment('META_VERIFY_TOKEN'),
  );
  const query = new URL(request.url).searchParams;
  const challenge = query.get('hub.challenge');
  const isOurs = await isSameText(query.get('hub.verify_token') ?? '', expected);
  if (!isOurs || !challenge || query.get('hub.mode') !== 'subscribe') {
    return refused(403, 'handshake', onLog);
  }
  const headers = { 'Content-Type': 'text/plain', 'X-Content-Type-Options': 'nosniff' };
  return new Response(challenge, { headers });
}

async function receive(
  request: Request,
  options: WebhookOptions,
  tracker: Pick<Tracker, 'forwardWebhook'>,
  onLog: Log,
): Promise<Response> {
  const secrets = secretsOf(options);
  const signature = request.headers.get('X-Hub-Signature-256');
  if (!signature) return refused(401, 'signature_missing', onLog);
  const body = await bytesOf(request, MOST_BYTES);
  if (!body) return refused(413, 'too_large', onLog);
  if (!(await isSigned(body, signature, secrets))) return refused(403, 'signature_wrong', onLog);
  // Neither waits for the other, and neither can make the other fail.
  const [keptStatus, areTaken] = await Promise.all([
    passOn(body, signature, tracker, onLog),
    handOver(body, options.onMessage, onLog),
  ]);
  return new Response(null, { status: keptStatus === 200 && !areTaken ? 500 : keptStatus });
}

/** Passes a body on to the service. Returns what Meta is to be answered for it. */
async function passOn(
  body: Uint8Array<ArrayBuffer>,
  signature: string,
  tracker: Pick<Tracker, 'forwardWebhook'>,
  onLog: Log,
): Promise<number> {
  try {
    const { queued } = await tracker.forwardWebhook(body, signature, LIMITS);
    return queued ? 202 : 200;
  } catch (error) {
    const known = error instanceof TrackerError ? error : undefined;
    const what = { code: known?.code, status: known?.status, requestId: known?.requestId };
    onLog({ level: 'error', event: 'webhook_not_kept', ...what, error });
    return 503;
  }
}

/** Hands all messages in a body to the application. Returns whether it took all of them. */
async function handOver(
  body: Uint8Array,
  onMessage: WebhookOptions['onMessage'],
  onLog: Log,
): Promise<boolean> {
  let areTaken = true;
  for (const [message, context] of onMessage ? inboundMessages(body) : []) {
    try {
      await onMessage?.(message, context);
    } catch (error) {
      areTaken = false;
      onLog({ level: 'error', event: 'on_message_failed', error });
    }
  }
  return areTaken;
}

function secretsOf({ appSecret }: WebhookOptions): readonly string[] {
  const given = [appSecret || fromEnvironment('META_APP_SECRET')].flat();
  return (given.length ? given : [undefined]).map((secret) => needed('appSecret', secret));
}

function needed(name: string, value: string | undefined): string {
  if (value) return value;
  throw new TrackerError(`${name} is missing.`, { code: 'invalid_settings', field: name });
}

function refused(status: number, reason: string, onLog: Log): Response {
  onLog({ level: 'warn', event: 'request_refused', status, reason });
  return new Response(null, { status });
}
