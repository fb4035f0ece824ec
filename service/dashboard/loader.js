// Loads something and keeps it fresh: one request at a time, not too often, again after a failure.
import { useEffect, useMemo, useRef, useState } from './lib.js';

const LONGEST_WAIT_MS = 15_000;

class Loader {
  #load;
  #everyMs;
  #tell;
  #timer = 0;
  #dueMs = 0;
  #startedMs = 0;
  #wanted = false;
  #failures = 0;
  #ended = new AbortController();
  state = { data: null, error: null, loading: true, at: null };

  constructor(load, everyMs, tell) {
    this.#load = load;
    this.#everyMs = typeof everyMs === 'function' ? everyMs : () => everyMs;
    this.#tell = tell;
  }

  /** Loads it again: at once, or as soon as that isn't too often and the page is seen. */
  ask = () => {
    if (this.#ended.signal.aborted) return;
    this.#wanted = true;
    if (this.#busy || document.hidden) return;
    const dueMs = Math.max(Date.now(), this.#startedMs + this.#everyMs(this.state.data));
    if (!this.#timer || dueMs < this.#dueMs) this.#after(dueMs - Date.now());
  };

  /** Loads it again at once, however short a time ago it was loaded. */
  askNow = () => {
    this.#startedMs = 0;
    this.ask();
  };

  /** Changes what was loaded, where there is something. */
  change = (changed) => {
    if (this.state.data) this.#show({ ...this.state, data: changed(this.state.data) });
  };

  stop() {
    this.#ended.abort();
    clearTimeout(this.#timer);
  }

  start() {
    this.#after(0);
    const seen = () => this.#wanted && this.ask();
    document.addEventListener('visibilitychange', seen, { signal: this.#ended.signal });
  }

  #busy = false;

  #after(ms) {
    clearTimeout(this.#timer);
    this.#dueMs = Date.now() + ms;
    this.#timer = setTimeout(() => this.#run(), ms);
  }

  async #run() {
    this.#timer = 0;
    this.#busy = true;
    this.#wanted = false;
    this.#startedMs = Date.now();
    try {
      const data = await this.#load(this.#ended.signal);
      this.#failures = 0;
      this.#show({ data, error: null, loading: false, at: new Date() });
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.#show({ ...this.state, error, loading: false });
      if (error.passing) this.#after(Math.min(LONGEST_WAIT_MS, 1000 * 2 ** this.#failures++));
    } finally {
      this.#busy = false;
      if (this.#wanted && !this.#timer) this.ask();
    }
  }

  #show(state) {
    if (this.#ended.signal.aborted) return;
    this.state = state;
    this.#tell(state);
  }
}

/**
 * What `load` answers, as `{data, error, loading, at, ask, askNow, change}`; what was there stays while
 * it is loaded again, and is put away when one of `deps` changes.
 * @param {(signal: AbortSignal) => Promise<any>} load
 * @param {number | ((data: any) => number)} everyMs how often it is loaded at the most; it may depend on
 *   what was loaded last
 */
export function useLoader(load, everyMs, deps, onError) {
  const [, draw] = useState(0);
  const report = useRef(onError);
  report.current = onError;
  const loader = useMemo(
    () =>
      new Loader(load, everyMs, ({ error }) => {
        if (error) report.current?.(error);
        draw((n) => n + 1);
      }),
    deps,
  );
  useEffect(() => {
    loader.start();
    return () => loader.stop();
  }, [loader]);
  return { ...loader.state, ask: loader.ask, askNow: loader.askNow, change: loader.change };
}
