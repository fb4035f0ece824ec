/**
 * The client of the message tracker. It needs `fetch` and Web Crypto, and nothing else.
 *
 * @packageDocumentation
 */
export { createTracker } from './tracker.js';
export type { ListOptions, LiveOptions, Many, Tracker, VersionOptions } from './tracker.js';
export type { TrackerOptions } from './settings.js';
export type { CallOptions } from './transport.js';
export type { Items, PagedItems } from './items.js';
export { TrackerError } from './errors.js';
export type { TrackerErrorCode } from './errors.js';
export type { Log, LogEntry } from './log.js';
export { webhookRoute } from './webhook/route.js';
export type { WebhookOptions } from './webhook/route.js';
export type { InboundContext, InboundMessage } from './webhook/inbound.js';
export { liveRoute } from './live-route.js';
export type { LiveRouteOptions } from './live-route.js';
export type * from './types.js';
