const MOST_ITEMS = 1_000;
const LONGEST_WAIT_MS = 1_000;

const LATE = Symbol('late');

/** Returns the items in parts of as many as a request may have. */
export function* partsOf<Item>(items: Iterable<Item>): Generator<Item[]> {
  let part: Item[] = [];
  for (const item of items) {
    part.push(item);
    if (part.length === MOST_ITEMS) {
      yield part;
      part = [];
    }
  }
  if (part.length) yield part;
}

/**
 * Turns items into JSON, in batches of as many as a request may have. A batch that isn't full goes
 * out a second after its first item came, so that a slow source doesn't hold it back. If the
 * source fails, what came before goes out first.
 */
export async function* batchesOf(
  items: Iterable<unknown> | AsyncIterable<unknown>,
  signal?: AbortSignal,
): AsyncGenerator<string[]> {
  const source = iteratorOf(items);
  const batch = new Batch();
  let pending: ReturnType<typeof source.next> | undefined;
  try {
    for (;;) {
      signal?.throwIfAborted();
      pending ??= source.next();
      const next = 'then' in pending ? await earliest(pending, batch.dueMs, signal) : pending;
      if (next !== LATE) pending = undefined;
      const json = next === LATE || next.done ? undefined : (JSON.stringify(next.value) ?? 'null');
      if (json === undefined || batch.isFull) yield* batch.take();
      if (json !== undefined) batch.add(json);
      else if (next !== LATE) return;
    }
  } catch (error) {
    if (!signal?.aborted) yield* batch.take();
    throw error;
  } finally {
    const closed = Promise.resolve(source.return?.()).catch(() => {});
    // A source that still owes an item closes after it, and nobody waits for that.
    if (!pending) await closed;
  }
}

/** The items that wait for the next request. */
class Batch {
  #items: string[] = [];
  #addedMs = 0;

  /** How long the batch may still wait, in milliseconds; undefined if it is empty. */
  get dueMs(): number | undefined {
    return this.#items.length ? this.#addedMs + LONGEST_WAIT_MS - Date.now() : undefined;
  }

  get isFull(): boolean {
    return this.#items.length === MOST_ITEMS;
  }

  add(json: string): void {
    if (!this.#items.length) this.#addedMs = Date.now();
    this.#items.push(json);
  }

  /** Yields the items, unless there are none, and begins anew. */
  *take(): Generator<string[]> {
    const items = this.#items;
    this.#items = [];
    if (items.length) yield items;
  }
}

function iteratorOf<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
): Iterator<Item> | AsyncIterator<Item> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
}

/** Returns what a promise resolves to, or LATE after the given time if it is given. */
async function earliest<Result>(
  pending: Promise<Result>,
  ms: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Result | typeof LATE> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let abort = () => {};
  const late = new Promise<typeof LATE>((resolve, reject) => {
    if (ms !== undefined) timer = setTimeout(resolve, ms, LATE);
    abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([pending, late]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}
