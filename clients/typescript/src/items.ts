/**
 * Items that come one after another. Iterate over them with `for await`, which holds a page or a
 * batch in memory at a time; or `await` them to get all of them in an array. Nothing is sent
 * before that.
 */
export class Items<Item> implements AsyncIterable<Item>, PromiseLike<Item[]> {
  readonly #begin: () => AsyncIterator<Item>;
  #all: Promise<Item[]> | undefined;

  /** @internal */
  constructor(begin: () => AsyncIterator<Item>) {
    this.#begin = begin;
  }

  /** Begins to ask for, or to send, the items. */
  [Symbol.asyncIterator](): AsyncIterator<Item> {
    return this.#begin();
  }

  /** Collects all items in an array; `await` calls it. */
  then<Result = Item[], Failure = never>(
    onFulfilled?: ((items: Item[]) => Result | PromiseLike<Result>) | null,
    onRejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Result | Failure> {
    this.#all ??= collect(this);
    return this.#all.then(onFulfilled, onRejected);
  }
}

/** Items of a list that the service gives out in pages. */
export class PagedItems<Item, Page> extends Items<Item> {
  readonly #pages: () => AsyncGenerator<Page>;

  /** @internal */
  constructor(pages: () => AsyncGenerator<Page>, itemsOf: (page: Page) => Item[]) {
    super(async function* () {
      for await (const page of pages()) yield* itemsOf(page);
    });
    this.#pages = pages;
  }

  /** Returns the whole answers, page by page. */
  pages(): AsyncGenerator<Page> {
    return this.#pages();
  }
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
