import type { Log } from './log.js';

/** Returns a handler that answers 500 when the given one throws, and logs why. */
export function guarded(
  onLog: Log,
  handle: (request: Request) => Promise<Response>,
): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      return await handle(request);
    } catch (error) {
      onLog({ level: 'error', event: 'route_failed', error });
      return new Response(null, { status: 500 });
    }
  };
}

/** Returns a function that makes a value when it is first called. */
export function onFirstUse<Value>(make: () => Value): () => Value {
  let value: Value | undefined;
  return () => (value ??= make());
}
