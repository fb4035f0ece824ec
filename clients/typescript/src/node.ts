/**
 * Serves the routes of this package from Node's own HTTP server, and so from Express.
 *
 * @packageDocumentation
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';

const ANY_HOST = 'http://localhost'; // a URL needs one, and routes don't look at it

/** Handlers of one address, by method, such as `webhookRoute` and `liveRoute` return. */
export interface Routes {
  GET?: (request: Request) => Promise<Response>;
  POST?: (request: Request) => Promise<Response>;
}

/** A request of Node or of Express. */
export type NodeRequest = IncomingMessage & {
  /** The whole address in Express, where `url` is what a router left of it. */
  originalUrl?: string;
  /** What a parser in Express made of the body. */
  body?: unknown;
};

/**
 * Returns a handler for `http.createServer`, or for `app.all` of Express. In Express it must come
 * before `express.json()`: Meta signed the bytes, and nobody can get them back from an object.
 */
export function nodeHandler(
  routes: Routes,
): (request: NodeRequest, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    try {
      await write(await answerTo(request, response, routes), response);
    } catch (error) {
      // The caller may have left, and then there is nobody to answer.
      if (!response.headersSent && !response.destroyed) {
        console.error('message-tracker: request_failed', error);
        response.writeHead(500);
      }
      response.end();
    }
  };
}

async function answerTo(
  request: NodeRequest,
  response: ServerResponse,
  routes: Routes,
): Promise<Response> {
  const { method = 'GET' } = request;
  const handle = method === 'GET' ? routes.GET : method === 'POST' ? routes.POST : undefined;
  if (!handle) {
    return new Response(null, { status: 405, headers: { Allow: Object.keys(routes).join(', ') } });
  }
  const left = new AbortController();
  const asked = new Request(new URL(request.originalUrl ?? request.url ?? '/', ANY_HOST), {
    method,
    headers: headersOf(request),
    signal: left.signal,
    ...(method === 'POST' && { body: bodyOf(request), duplex: 'half' }),
  });
  response.once('close', () => {
    // A request that nothing holds isn't told that its caller left, so this holds it.
    if (!asked.signal.aborted) left.abort();
  });
  return handle(asked);
}

function headersOf(request: NodeRequest): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headersDistinct)) {
    for (const each of value ?? []) headers.append(name, each);
  }
  return headers;
}

/** Returns the bytes of a body, which nobody may have read yet but `express.raw()`. */
function bodyOf(request: NodeRequest): BodyInit {
  if (request.body instanceof Uint8Array) return new Uint8Array(request.body);
  if (!request.readableDidRead) return Readable.toWeb(request) as BodyInit;
  throw new Error('The body was read already: put this handler before express.json().');
}

async function write(answer: Response, response: ServerResponse): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (!answer.body) {
    response.end();
    return;
  }
  response.flushHeaders();
  await pipeline(Readable.fromWeb(answer.body as ReadableStream), response);
}
