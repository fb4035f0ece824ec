import type { components, operations } from './openapi.js';

type Schemas = components['schemas'];
type Query<Name extends keyof operations> = NonNullable<operations[Name]['parameters']['query']>;

/** An answer to a report that the service took. */
export type Kept<Body> = Omit<Body, 'queued'> & {
  /**
   * Whether the report waits on the service's disk, because Redis is unavailable. It is merged
   * once Redis is back; a `status` beside it is the one that was reported.
   */
  queued: boolean;
};

/** A send to report. `wa_id` and `template_wamid` are required. */
export type Send = Schemas['TrackSendRequest'];
/** The answer to a send: with `map_id` if the send has an event, else with `wamid`. */
export type SendKept =
  Kept<Schemas['TrackSendEventResponse']> | Kept<Schemas['TrackSendStandaloneResponse']>;
/** A status to report. It may hold all fields of Meta's own status beside `wamid`. */
export type StatusReport = Schemas['ForwardedStatusRequest'];
/** The answer to a status: `status` is the message's status after it. */
export type StatusKept = Kept<Schemas['MessageStatusResponse']>;
/** Why an item of a batch was refused. It doesn't affect the other items. */
export type Refusal = Schemas['Refusal'];

/** How far a message came: sent, delivered, read or failed. */
export type Status = Schemas['Status'];
/** When a failed message may be sent again. */
export type RemedyClass = Schemas['RemedyClass'];
/** The status of a message, as `lookup` gives it. */
export type MessageStatus = Schemas['MessageStatus'];
/** A message in a list. */
export type MessageLog = Schemas['MessageLog'];
/** The latest message of a registration. */
export type LatestLog = Schemas['LatestLog'];
/** Everything that is known about a message. */
export type Message = Schemas['Message'];
/** The numbers of an event, a template, a campaign or a sending number. */
export type Stats = Schemas['MessageStatsResponse'];
/** A failed message and its recipient. */
export type FailedRecipient = Schemas['FailedRecipient'];
/** A page of failed messages, with the counts of all error codes. */
export type FailuresPage = Schemas['FailuresResponse'];
/** An event that has messages, with counts. */
export type EventCounts = Schemas['EventCounts'];
/** A template that has messages, with counts. */
export type TemplateCounts = Schemas['TemplateCounts'];
/** A campaign that has messages, with counts. */
export type CampaignCounts = Schemas['CampaignCounts'];
/** A sending number that has messages, with counts. */
export type PhoneNumberCounts = Schemas['PhoneNumberCounts'];

/** Which messages to list. A message must match all filters; without any, all are listed. */
export type LogFilter = Omit<
  Query<'listMessageLogs'>,
  'standalone' | 'versions' | 'limit' | 'cursor'
> & {
  /** Only messages without an event. */
  standalone?: boolean;
  /** Each message with its version. */
  versions?: boolean;
};
/** Whose numbers to ask for: one of these at the most; without any, those of all messages. */
export type StatsFilter = Query<'getMessageStats'>;
/** Which failed messages to list. */
export type FailureFilter = Pick<Query<'listFailures'>, keyof StatsFilter | 'code' | 'class'> & {
  /** Only those with a later message of the same send to the same person, or only those without. */
  sent_since?: boolean;
};
/** Whose changes to follow: one of these at the most; without any, those of all messages. */
export type LiveFilter = Query<'streamChanges'>;
/** Which messages to erase: exactly one of these. */
export type EraseFilter = Schemas['EraseRequest'];
/** What `erase` removed. */
export type Erased = Omit<Schemas['EraseResponse'], 'ok'>;

/** What became of the body of a webhook. */
export type WebhookKept = Kept<Schemas['PayloadTaken']>;
