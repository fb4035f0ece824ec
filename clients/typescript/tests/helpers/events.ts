/** Reads server-sent events, as a page does. */
export class Events {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = '';

  constructor(response: Response) {
    if (!response.body) throw new Error('The response has no body.');
    this.#reader = response.body.getReader();
  }

  /** The next event of this name, as its fields; undefined once the stream has ended. */
  async next(name = 'message'): Promise<Record<string, string> | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end < 0) {
        const { value, done } = await this.#reader.read();
        if (done) return undefined;
        this.#text += this.#decoder.decode(value, { stream: true });
        continue;
      }
      const fields = fieldsOf(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 2);
      if (fields['data'] && (fields['event'] ?? 'message') === name) return fields;
    }
  }

  /** Leaves the stream. */
  leave(): Promise<void> {
    return this.#reader.cancel();
  }
}

function fieldsOf(block: string): Record<string, string> {
  const lines = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line));
  return Object.fromEntries(lines.flatMap((line) => (line ? [[line[1], line[2]]] : [])));
}
