import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the proxy does with a request in place of passing it on. */
export type Trouble = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** Closes the connection without an answer. */
export const cut: Trouble = (request) => request.socket.destroy();

/** Never answers. */
export const hang: Trouble = () => {};

/** Answers with a status. */
export function answer(
  status: number,
  headers: Record<string, string> = {},
  body = '{"ok":false,"error":"Not now."}',
): Trouble {
  return (_, response) => response.writeHead(status, headers).end(body);
}

/**
 * A proxy before the service that misbehaves: each request takes the next trouble, and once there
 * are no more, requests are passed on.
 */
export class Proxy {
  /** What happens to the next requests. */
  troubles: Trouble[] = [];
  /** Passes the next request on, but closes the connection in the midst of the answer. */
  truncateNext = false;
  /** What has arrived: method, path and headers. */
  readonly requests: http.IncomingMessage[] = [];
  readonly #server: http.Server;
  readonly #target: string;

  constructor(target: string) {
    this.#target = target;
    this.#server = http.createServer((request, response) => this.#take(request, response));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(request: http.IncomingMessage, response: http.ServerResponse): void {
    this.requests.push(request);
    const trouble = this.troubles.shift();
    if (trouble) trouble(request, response);
    else this.#passOn(request, response);
  }

  #passOn(request: http.IncomingMessage, response: http.ServerResponse): void {
    const truncate = this.truncateNext;
    this.truncateNext = false;
    const { method, headers } = request;
    const upstream = http.request(this.#target + request.url, { method, headers }, (answered) => {
      response.writeHead(answered.statusCode ?? 500, answered.headers);
      if (truncate) {
        answered.once('data', (piece: Buffer) => {
          response.write(piece.subarray(0, 10), () => request.socket.destroy());
        });
      } else {
        answered.pipe(response);
      }
    });
    upstream.on('error', () => request.socket.destroy());
    response.on('close', () => upstream.destroy());
    request.pipe(upstream);
  }
}
