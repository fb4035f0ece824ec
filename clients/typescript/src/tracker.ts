import { batchesOf, partsOf } from './batches.js';
import { TrackerError } from './errors.js';
import { Items, PagedItems } from './items.js';
import { given, queryOf } from './query.js';
import { settingsOf } from './settings.js';
import type { Settings, TrackerOptions } from './settings.js';
import { open, send } from './transport.js';
import type { CallOptions } from './transport.js';
import type {
  CampaignCounts,
  Erased,
  EraseFilter,
  EventCounts,
  FailedRecipient,
  FailureFilter,
  FailuresPage,
  LatestLog,
  LiveFilter,
  LogFilter,
  Message,
  MessageLog,
  MessageStatus,
  PhoneNumberCounts,
  Refusal,
  Send,
  SendKept,
  Stats,
  StatsFilter,
  StatusKept,
  StatusReport,
  TemplateCounts,
  WebhookKept,
} from './types.js';

const API = '/api/webhooks/';
const MOST_ON_A_PAGE = 200;
const JSON_TYPE = { 'Content-Type': 'application/json' };
// The service works on an erasure for up to 8 s before it answers.
const ERASE_TIMEOUT_MS = 20_000;

interface BatchEndpoint {
  operation: string;
  path: string;
  key: string;
}
const SENDS = { operation: 'trackSends', path: 'track-send/batch/', key: 'messages' };
const STATUSES = { operation: 'reportStatuses', path: 'message-status/batch/', key: 'updates' };

/** Options of a list. */
export interface ListOptions extends CallOptions {
  /** How many items a page has: 1 to 200, by default 200. */
  pageSize?: number | undefined;
}

/** Options of a call that may ask for versions. */
export interface VersionOptions extends CallOptions {
  /** Each message with its version: of two answers the one with the greater version is newer. */
  versions?: boolean | undefined;
}

/** Options of a live stream. */
export interface LiveOptions extends CallOptions {
  /** The last `id` that was received, to go on behind it. */
  lastEventId?: string | undefined;
}

/** Many items, at once or one by one. */
export type Many<Item> = Iterable<Item> | AsyncIterable<Item>;

/** Creates the client of a service. Do this on the server: the token opens everything. */
export function createTracker(options: TrackerOptions = {}): Tracker {
  return new Tracker(settingsOf(options));
}

/**
 * The client of a service. Every call may be repeated without harm, and is tried again while the
 * service can't answer. Then it throws a `TrackerError`.
 */
export class Tracker {
  readonly #settings: Settings;

  /** @internal Use `createTracker`. */
  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Reports that a message was sent. Call it right after Meta took the message. */
  async trackSend(sent: Send, options?: CallOptions): Promise<SendKept> {
    return kept(await this.#post<SendKept>('trackSend', 'track-send/', sent, options));
  }

  /**
   * Reports any number of sends, a batch at a time. The answers come in the order of the sends. A
   * bad send is answered with a refusal and doesn't affect the others.
   *
   * ```ts
   * const answers = await tracker.trackSends(sends);
   * for await (const answer of tracker.trackSends(sends)) { … } // in level memory
   * ```
   */
  trackSends(sends: Many<Send>, options?: CallOptions): Items<SendKept | Refusal> {
    return this.#many(SENDS, sends, options);
  }

  /** Reports a status that Meta reported. `webhookRoute` does that for whole webhooks. */
  async reportStatus(status: StatusReport, options?: CallOptions): Promise<StatusKept> {
    return kept(await this.#post<StatusKept>('reportStatus', 'message-status/', status, options));
  }

  /** Reports any number of statuses, as `trackSends` does with sends. */
  reportStatuses(statuses: Many<StatusReport>, options?: CallOptions): Items<StatusKept | Refusal> {
    return this.#many(STATUSES, statuses, options);
  }

  /**
   * Looks up the statuses of any number of messages, by their wamids. Messages that the service
   * has never seen are left out.
   */
  async lookup(
    wamids: string | Iterable<string>,
    options: VersionOptions = {},
  ): Promise<Map<string, MessageStatus>> {
    const { versions = null, ...limits } = options;
    const found = new Map<string, MessageStatus>();
    for (const part of partsOf(typeof wamids === 'string' ? [wamids] : wamids)) {
      const { statuses } = await this.#post<{ statuses: Record<string, MessageStatus> }>(
        'lookup',
        'message-status-lookup/',
        { wamids: part, versions },
        limits,
      );
      for (const [wamid, status] of Object.entries(statuses)) found.set(wamid, status);
    }
    return found;
  }

  /** Lists messages, the newest first. */
  logs(
    filter: LogFilter = {},
    options?: ListOptions,
  ): PagedItems<MessageLog, { logs: MessageLog[] }> {
    return this.#list('logs', 'message-logs/', filter, (page) => page.logs, options);
  }

  /** Returns the latest message of a registration; null if it has none. */
  async latest(registrationId: string, options: VersionOptions = {}): Promise<LatestLog | null> {
    const { versions, ...limits } = options;
    const query = queryOf({ registration_id: registrationId, ...(versions && { versions }) });
    const path = `message-logs/latest/${query}`;
    return (await this.#get<{ log: LatestLog | null }>('latest', path, limits)).log;
  }

  /**
   * Returns everything about a message.
   *
   * @throws TrackerError with the code `not_found` if the service has never seen it.
   */
  async message(wamid: string, options?: CallOptions): Promise<Message> {
    const path = `messages/${encodeURIComponent(given('wamid', wamid))}/`;
    return (await this.#get<{ message: Message }>('message', path, options)).message;
  }

  /** Returns the numbers of an event, a template, a campaign, a sending number, or of all. */
  async stats(filter: StatsFilter = {}, options?: CallOptions): Promise<Stats> {
    return this.#get('stats', `message-stats/${queryOf(filter)}`, options);
  }

  /** Lists failed messages with their recipients; `pages()` has the counts of codes too. */
  failures(
    filter: FailureFilter = {},
    options?: ListOptions,
  ): PagedItems<FailedRecipient, FailuresPage> {
    return this.#list('failures', 'failures/', filter, (page) => page.recipients, options);
  }

  /** Lists the events that have messages; the one with the latest message comes first. */
  events(options?: ListOptions): PagedItems<EventCounts, { events: EventCounts[] }> {
    return this.#list('events', 'events/', {}, (page) => page.events, options);
  }

  /** Lists the templates that have messages; the one with the latest message comes first. */
  templates(options?: ListOptions): PagedItems<TemplateCounts, { templates: TemplateCounts[] }> {
    return this.#list('templates', 'templates/', {}, (page) => page.templates, options);
  }

  /** Lists the campaigns that have messages; the one with the latest message comes first. */
  campaigns(options?: ListOptions): PagedItems<CampaignCounts, { campaigns: CampaignCounts[] }> {
    return this.#list('campaigns', 'campaigns/', {}, (page) => page.campaigns, options);
  }

  /** Lists the sending numbers that have messages; the one with the latest message comes first. */
  phoneNumbers(
    options?: ListOptions,
  ): PagedItems<PhoneNumberCounts, { phone_numbers: PhoneNumberCounts[] }> {
    return this.#list('phoneNumbers', 'phone-numbers/', {}, (page) => page.phone_numbers, options);
  }

  /**
   * Removes all messages of a person, an event, and so on. If `complete` is false, there may be
   * more: call it again.
   */
  async erase(filter: EraseFilter, options?: CallOptions): Promise<Erased> {
    const limits = { timeoutMs: ERASE_TIMEOUT_MS, ...options };
    const { ok: _, ...erased } = await this.#post<Erased & { ok: true }>(
      'erase',
      'erase/',
      filter,
      limits,
    );
    return erased;
  }

  /**
   * Passes on the body of Meta's webhook, exactly as Meta sent it. If `queued` is true the service
   * has it on disk, and wants Meta to send it again.
   *
   * @param body - the bytes that Meta signed.
   * @param signature - the header `X-Hub-Signature-256`, which the service checks too if it knows
   *   the app's secret.
   */
  async forwardWebhook(
    body: Uint8Array<ArrayBuffer>,
    signature: string,
    options?: CallOptions,
  ): Promise<WebhookKept> {
    const headers = { ...JSON_TYPE, 'X-Hub-Signature-256': signature };
    const call = {
      operation: 'forwardWebhook',
      path: `${API}whatsapp/`,
      body,
      headers,
      ...options,
    };
    return kept((await send<WebhookKept>(this.#settings, call)).json);
  }

  /**
   * Opens the stream of changes and returns its response, whose body is server-sent events.
   * Cancel the body, or abort the signal, to end it. `liveRoute` passes it on to browsers.
   */
  live(filter: LiveFilter = {}, options: LiveOptions = {}): Promise<Response> {
    const { lastEventId, ...limits } = options;
    const headers = lastEventId ? { 'Last-Event-ID': lastEventId } : {};
    const path = `${API}live/${queryOf(filter)}`;
    return open(this.#settings, { operation: 'live', path, headers, ...limits });
  }

  async #get<Json>(operation: string, path: string, options?: CallOptions): Promise<Json> {
    return (await send<Json>(this.#settings, { operation, path: API + path, ...options })).json;
  }

  async #post<Json>(
    operation: string,
    path: string,
    body: unknown,
    options?: CallOptions,
  ): Promise<Json> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const call = { operation, path: API + path, body: text, headers: JSON_TYPE, ...options };
    return (await send<Json>(this.#settings, call)).json;
  }

  #many<Result extends SendKept | StatusKept>(
    endpoint: BatchEndpoint,
    items: Many<unknown>,
    options?: CallOptions,
  ): Items<Result | Refusal> {
    const sendBatch = (batch: string[]) => this.#sendBatch<Result>(endpoint, batch, options);
    return new Items(async function* () {
      for await (const batch of batchesOf(items, options?.signal)) yield* await sendBatch(batch);
    });
  }

  /** Sends a batch of items, each given as its JSON. */
  async #sendBatch<Result extends SendKept | StatusKept>(
    endpoint: BatchEndpoint,
    batch: string[],
    options?: CallOptions,
  ): Promise<Array<Result | Refusal>> {
    const { operation, path, key } = endpoint;
    const body = `{"${key}":[${batch.join(',')}]}`;
    type Answers = { results: Array<Result | Refusal> };
    try {
      const { results } = await this.#post<Answers>(operation, path, body, options);
      return results.map((result) => (result.ok ? kept(result) : result));
    } catch (error) {
      // Large items, or small ones with many commas, may be too much together.
      if (!(error instanceof TrackerError) || error.code !== 'too_large') throw error;
      if (batch.length === 1) return [{ ok: false, error: error.message }];
      const middle = batch.length >> 1;
      const first = await this.#sendBatch<Result>(endpoint, batch.slice(0, middle), options);
      return [...first, ...(await this.#sendBatch<Result>(endpoint, batch.slice(middle), options))];
    }
  }

  #list<Page, Item>(
    operation: string,
    path: string,
    filter: object,
    itemsOf: (page: Page) => Item[],
    options: ListOptions = {},
  ): PagedItems<Item, Page> {
    const settings = this.#settings;
    const { pageSize = MOST_ON_A_PAGE, ...limits } = options;
    return new PagedItems(async function* () {
      for (let cursor: string | null = ''; cursor !== null;) {
        const query = queryOf({ ...filter, limit: pageSize, ...(cursor && { cursor }) });
        const call = { operation, path: `${API}${path}${query}`, ...limits };
        const { json, headers } = await send<Page>(settings, call);
        yield json;
        cursor = nextCursorOf(headers);
      }
    }, itemsOf);
  }
}

/** Says of an answer whether it is queued: the service says so only if it is. */
function kept<Body extends { queued: boolean }>(body: Body): Body {
  return { ...body, queued: body.queued ?? false };
}

/**
 * Returns the cursor in the `Link` header; null on the last page. Only the cursor is taken, since
 * the service doesn't know the address by which it is reached through a proxy.
 */
function nextCursorOf(headers: Headers): string | null {
  const link = /<[^>]*\?([^>]*)>; *rel="next"/.exec(headers.get('Link') ?? '');
  return link && new URLSearchParams(link[1]).get('cursor');
}
