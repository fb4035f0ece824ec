/**
 * The types of the service's OpenAPI description. `npm run types` made this file: don't edit it.
 *
 * @packageDocumentation
 */
export interface paths {
    "/api/webhooks/track-send/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Report a send
         * @description The sender calls this when Meta has taken a template message. `wa_id` and `template_wamid` are required. A message without `event_id` is a standalone message. A repeated call does no harm: a later one fills and replaces what it names, and erases nothing by leaving it out.
         */
        post: operations["trackSend"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/track-send/batch/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Report many sends
         * @description Each item is the body of a track-send. A bad item doesn't affect the good ones; the answer has one result for each item, in the same order. As NDJSON any number of items may be sent, one a line, and each line is answered with a line, which is what `results` has of an item, while the rest is still coming.
         */
        post: operations["trackSends"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/message-status/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Report a status
         * @description Whoever gets Meta's webhook forwards each status here. The answer has the status that the message has now: a late `delivered` of a message that was read is answered `read`. The status is taken even if an optional field can't be used: that field then counts as absent.
         */
        post: operations["updateStatus"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/message-status/batch/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Report many statuses
         * @description Each item is the body of a message-status. Items are applied in order. A bad item doesn't affect the good ones; the answer has one result for each item, in the same order. As NDJSON any number of items may be sent, one a line, and each line is answered with a line, which is what `results` has of an item.
         */
        post: operations["updateStatuses"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/whatsapp/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Answer Meta's handshake
         * @description Meta asks this once, to verify that the address of the webhook is the operator's. The answer is the challenge.
         */
        get: operations["verifyWebhook"];
        put?: never;
        /**
         * Take Meta's webhook as it comes
         * @description Meta calls this itself, or the operator's application passes the raw body on. Every status in the body is taken. A body that Meta signed is answered 200 even if the service knows nothing in it. A caller with the token learns what was taken, and gets 400 if nothing in it is known.
         */
        post: operations["receiveWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/message-status-lookup/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Look up the statuses of given messages
         * @description The answer leaves out messages that the service has never seen.
         */
        post: operations["lookUpStatuses"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/message-logs/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the messages that match filters
         * @description The newest comes first. A message must match all filters that are given. If more messages follow, the answer has a `Link` header with the address of the next page. A page may be short and still have a next page.
         */
        get: operations["listMessageLogs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/message-logs/latest/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the latest message of a registration
         * @description `log` is null if the registration has no message.
         */
        get: operations["getLatestMessageLog"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/messages/{wamid}/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get everything that is known of one message
         * @description The answer has its timeline, its error with the meaning and the remedy, its pricing, its ids and the reports that contradict each other.
         */
        get: operations["getMessage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/live/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Stream the changes of messages as they happen
         * @description The answer is a stream of server-sent events without an end: those of one event, template and so on, or of all messages. Load the page after the event `ready`. To resume, send the last `id` as `Last-Event-ID`, as browsers do by themselves.
         */
        get: operations["streamChanges"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/erase/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Remove the messages of a person, an event and so on
         * @description An erasure works for up to 8 s. If `complete` is false, send the same request again to go on. For 30 days the service drops reports for erased messages.
         */
        post: operations["eraseMessages"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/message-stats/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the numbers of an event, a template and so on
         * @description At most one parameter may be given. Without one the numbers are those of all messages.
         */
        get: operations["getMessageStats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/events/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the events that have messages
         * @description Each has the numbers of its messages. The one with the latest message comes first.
         */
        get: operations["listEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/templates/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the templates that have messages
         * @description Each has the numbers of its messages. The one with the latest message comes first.
         */
        get: operations["listTemplates"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/campaigns/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the campaigns that have messages
         * @description Each has the numbers of its messages. The one with the latest message comes first.
         */
        get: operations["listCampaigns"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/phone-numbers/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the phone numbers that have messages
         * @description Each has the numbers of its messages. The one with the latest message comes first.
         */
        get: operations["listPhoneNumbers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/failures/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List failed messages, with reasons and remedies
         * @description The answer has every error code with its number of messages, and the recipients in pages, those with the latest message first. At most one of `event_id`, `template_name`, `campaign_id` and `phone_number_id` may be given. As CSV it has all pages in one file.
         */
        get: operations["listFailures"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Learn whether the process is alive
         * @description This is for probes that restart a process that hangs. It doesn't look at Redis.
         */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Learn whether the service can serve requests
         * @description This is for load balancers. With a journal the service is ready even while Redis is away; it then takes reports only.
         */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the metrics for Prometheus
         * @description They are in the text format of Prometheus.
         */
        get: operations["getMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get this description of the API
         * @description It is OpenAPI 3.1, and made from the code that reads requests and writes answers.
         */
        get: operations["getOpenapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * Refusal
         * @description Why a request, or an item of one, was not fulfilled.
         */
        Refusal: {
            /**
             * @description A sentence that says what is wrong and what is allowed.
             * @example wamid is required: a text of 1 to 256 characters without control characters.
             */
            error: string;
            /**
             * @description The name of the field or parameter at fault, if there is one.
             * @example wamid
             */
            field?: string;
            /**
             * @description `false`: the request, or this item of it, was not fulfilled.
             * @example false
             * @constant
             */
            ok: false;
        };
        /**
         * Ready
         * @description Requests are served; while the store is away only those that write.
         */
        Ready: {
            /**
             * @description By how many seconds this machine's clock is ahead of that of Redis; a number below 0 says that it is behind. The answer has it if that is more than a minute.
             * @example 75
             */
            clock_ahead_s?: number;
            /** @description The state of the journal, which keeps reports while Redis isn't available. */
            journal: components["schemas"]["JournalState"];
            /**
             * @description `true`: the request, or this item of it, was fulfilled.
             * @example true
             * @constant
             */
            ok: true;
            /**
             * @description Why Redis isn't available. The answer has it only then.
             * @example connection
             */
            reason?: string;
            /**
             * @description Whether Redis is available: `up` or `away`. While it is away, the service takes reports only.
             * @example up
             * @enum {string}
             */
            store: "away" | "up";
        };
        /**
         * JournalState
         * @description Whether reports are kept on disk while the store is away, and how many wait there.
         */
        JournalState: {
            /**
             * @description How many seconds the oldest of these reports has waited.
             * @example 0
             */
            age_s?: number;
            /**
             * @description Why the journal takes no reports.
             * @example The disk is full.
             */
            fault?: string;
            /**
             * @description How many of these reports wait for another store than this one.
             * @example 3
             */
            for_other_stores?: number;
            /**
             * @description Whether there is a journal.
             * @example true
             */
            on: boolean;
            /**
             * @description The number of reports that wait in the journal.
             * @example 0
             */
            reports?: number;
        };
        /**
         * Done
         * @description All is well.
         */
        Done: {
            /**
             * @description `true`: the request, or this item of it, was fulfilled.
             * @example true
             * @constant
             */
            ok: true;
        };
        /**
         * FailuresResponse
         * @description Answer of `failures`: all groups, and a page of recipients.
         */
        FailuresResponse: {
            /** @description The numbers of failed messages by error code, whatever page and code were asked for. */
            failures: components["schemas"]["ListedFailureGroup"][];
            /** @description The failed messages of this page, the latest first. */
            recipients: components["schemas"]["FailedRecipient"][];
        };
        /**
         * ListedFailureGroup
         * @description The messages that failed with one code, and how many of them the list has.
         */
        ListedFailureGroup: {
            /**
             * @description When to send a message that failed with this error again: now, later, once something is fixed, or never. It is `unknown` for a code that the service doesn't know.
             * @example never
             */
            class: components["schemas"]["RemedyClass"];
            /**
             * @description Meta's code of up to six digits; `other` for all further ones together; null for failures without a code.
             * @example 131026
             */
            code: string | null;
            /**
             * @description The number of messages.
             * @example 1
             */
            count: number;
            /**
             * @description How many messages with this code the list has, on all its pages. The answer has it if `count=true` was asked for. It is null if counting takes too long.
             * @example 1
             */
            listed?: number | null;
            /**
             * @description What the error means. For a code that the service doesn't know it is Meta's title; it is null if there is none.
             * @example Undeliverable: the number isn't on WhatsApp, its app is too old, or it hasn't accepted the terms.
             */
            meaning: string | null;
            /**
             * @description What to do about the error. It is null for a code that the service doesn't know.
             * @example Check the number with the person, or use another channel.
             */
            remedy: string | null;
        };
        /**
         * RemedyClass
         * @description When to send a failed message again.
         * @enum {string}
         */
        RemedyClass: "fix" | "later" | "never" | "now" | "unknown";
        /**
         * FailedRecipient
         * @description A failed message and its recipient.
         */
        FailedRecipient: {
            /**
             * @description When to send a message that failed with this error again: now, later, once something is fixed, or never. It is `unknown` for a code that the service doesn't know.
             * @example never
             */
            class: components["schemas"]["RemedyClass"];
            /**
             * @description Meta's code for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no code.
             * @example 131026
             */
            error_code: string | null;
            /**
             * @description Meta's details of the failure, from Meta's webhook. They are null if Meta gave none.
             * @example Message Undeliverable.
             */
            error_details: string | null;
            /**
             * @description Meta's title for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no title.
             * @example Message undeliverable
             */
            error_message: string | null;
            /**
             * @description The sender's id of the event that the message belongs to. A message without an event is a standalone message.
             * @example e-1
             */
            event_id: string | null;
            /**
             * Format: date-time
             * @description When the message failed, from Meta's webhook. It is null if no `failed` was reported. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:03Z
             */
            failed_at: string | null;
            /**
             * @description The sender's id of the guest whom the message is for.
             * @example g-1
             */
            guest_id: string | null;
            /**
             * @description The name of the guest whom the message is for.
             * @example John Doe
             */
            guest_name: string | null;
            /**
             * @description The recipient: the digits of a phone number, with the country's calling code if the sender gave it, or another id of Meta's. A track-send names it; until then Meta's webhook does.
             * @example 919876543210
             */
            recipient_id: string;
            /**
             * @description The sender's id of the recipient's registration for the event.
             * @example r-1
             */
            registration_id: string | null;
            /**
             * @description The status of the latest second try: a later message of the same template and event to the same person. It is null if there is none.
             * @example delivered
             */
            sent_since: components["schemas"]["Status"] | null;
            /**
             * @description The name of the template that was sent, as Meta has it.
             * @example rsvp_invite_v2
             */
            template_name: string | null;
            /**
             * @description Meta's id of the message, from Meta's answer to the call that sent it.
             * @example wamid.HBgLMTk4NzY1NDMyMTA
             */
            wamid: string;
        };
        /**
         * Status
         * @description The statuses in their order. A message has the highest status that was ever reported.
         * @enum {string}
         */
        Status: "delivered" | "failed" | "read" | "sent";
        /**
         * PhoneNumbersResponse
         * @description Answer of `phone_numbers`.
         */
        PhoneNumbersResponse: {
            /** @description The values of this page, the one with the latest message first. */
            phone_numbers: components["schemas"]["PhoneNumberCounts"][];
        };
        /**
         * PhoneNumberCounts
         * @description A value of `phone_number_id` that has messages.
         */
        PhoneNumberCounts: {
            /**
             * Format: date-time
             * @description When the latest of its messages was created. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00.250Z
             */
            latest_at: string;
            /**
             * @description Meta's id of the number that sent the message.
             * @example 106540352242922
             */
            phone_number_id: string;
            /** @description The numbers of messages by their status now. They add up to the total. */
            statuses: components["schemas"]["StatusCounts"];
            /**
             * @description The number of messages.
             * @example 1
             */
            total: number;
        };
        /**
         * StatusCounts
         * @description How many messages, by status.
         */
        StatusCounts: {
            /**
             * @description The number of messages.
             * @example 1
             */
            delivered: number;
            /**
             * @description The number of messages.
             * @example 1
             */
            failed: number;
            /**
             * @description The number of messages.
             * @example 1
             */
            read: number;
            /**
             * @description The number of messages.
             * @example 1
             */
            sent: number;
        };
        /**
         * CampaignsResponse
         * @description Answer of `campaigns`.
         */
        CampaignsResponse: {
            /** @description The values of this page, the one with the latest message first. */
            campaigns: components["schemas"]["CampaignCounts"][];
        };
        /**
         * CampaignCounts
         * @description A value of `campaign_id` that has messages.
         */
        CampaignCounts: {
            /**
             * @description The sender's id of the run that the message belongs to.
             * @example c-1
             */
            campaign_id: string;
            /**
             * Format: date-time
             * @description When the latest of its messages was created. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00.250Z
             */
            latest_at: string;
            /** @description The numbers of messages by their status now. They add up to the total. */
            statuses: components["schemas"]["StatusCounts"];
            /**
             * @description The number of messages.
             * @example 1
             */
            total: number;
        };
        /**
         * TemplatesResponse
         * @description Answer of `templates`.
         */
        TemplatesResponse: {
            /** @description The values of this page, the one with the latest message first. */
            templates: components["schemas"]["TemplateCounts"][];
        };
        /**
         * TemplateCounts
         * @description A value of `template_name` that has messages.
         */
        TemplateCounts: {
            /**
             * Format: date-time
             * @description When the latest of its messages was created. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00.250Z
             */
            latest_at: string;
            /** @description The numbers of messages by their status now. They add up to the total. */
            statuses: components["schemas"]["StatusCounts"];
            /**
             * @description The name of the template that was sent, as Meta has it.
             * @example rsvp_invite_v2
             */
            template_name: string;
            /**
             * @description The number of messages.
             * @example 1
             */
            total: number;
        };
        /**
         * EventsResponse
         * @description Answer of `events`.
         */
        EventsResponse: {
            /** @description The values of this page, the one with the latest message first. */
            events: components["schemas"]["EventCounts"][];
        };
        /**
         * EventCounts
         * @description A value of `event_id` that has messages.
         */
        EventCounts: {
            /**
             * @description The sender's id of the event that the message belongs to. A message without an event is a standalone message.
             * @example e-1
             */
            event_id: string;
            /**
             * Format: date-time
             * @description When the latest of its messages was created. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00.250Z
             */
            latest_at: string;
            /** @description The numbers of messages by their status now. They add up to the total. */
            statuses: components["schemas"]["StatusCounts"];
            /**
             * @description The number of messages.
             * @example 1
             */
            total: number;
        };
        /**
         * MessageStatsResponse
         * @description Answer of `message-stats`; `statuses` adds up to `total`, `failures` to those failed.
         */
        MessageStatsResponse: {
            /** @description The messages that were sent and have no later status. */
            awaiting: components["schemas"]["Awaiting"];
            /** @description The numbers of failed messages by error code. */
            failures: components["schemas"]["FailureGroup"][];
            /** @description The shares of all messages that reached a status. */
            rates: components["schemas"]["Rates"];
            /** @description The funnel: the numbers of messages that reached a status or one after it. */
            reached: components["schemas"]["StatusCounts"];
            /** @description The numbers of messages by their status now. They add up to the total. */
            statuses: components["schemas"]["StatusCounts"];
            /** @description How long messages took from `sent` to `delivered`. */
            time_to_deliver: components["schemas"]["TimeTaken"];
            /** @description How long messages took from `sent` to `read`. */
            time_to_read: components["schemas"]["TimeTaken"];
            /**
             * @description The number of all messages asked for.
             * @example 2
             */
            total: number;
        };
        /**
         * Awaiting
         * @description Messages that were sent and have no later status.
         */
        Awaiting: {
            /** @description The same messages by their age. */
            by_age: components["schemas"]["AwaitingAge"][];
            /**
             * @description The number of messages that were sent and have no later status.
             * @example 1
             */
            total: number;
        };
        /**
         * AwaitingAge
         * @description How many messages have an age from the bound before up to this one; null: any age.
         */
        AwaitingAge: {
            /**
             * @description The number of messages of this age.
             * @example 1
             */
            count: number;
            /**
             * @description The bound of the age in seconds: these messages are younger, and at least as old as the bound before. It is null for the oldest.
             * @example 3600
             */
            under_s: number | null;
        };
        /**
         * FailureGroup
         * @description Messages that failed for one reason.
         */
        FailureGroup: {
            /**
             * @description When to send a message that failed with this error again: now, later, once something is fixed, or never. It is `unknown` for a code that the service doesn't know.
             * @example never
             */
            class: components["schemas"]["RemedyClass"];
            /**
             * @description Meta's code of up to six digits; `other` for all further ones together; null for failures without a code.
             * @example 131026
             */
            code: string | null;
            /**
             * @description The number of messages.
             * @example 1
             */
            count: number;
            /**
             * @description What the error means. For a code that the service doesn't know it is Meta's title; it is null if there is none.
             * @example Undeliverable: the number isn't on WhatsApp, its app is too old, or it hasn't accepted the terms.
             */
            meaning: string | null;
            /**
             * @description What to do about the error. It is null for a code that the service doesn't know.
             * @example Check the number with the person, or use another channel.
             */
            remedy: string | null;
        };
        /**
         * Rates
         * @description Which part of all messages reached each status.
         */
        Rates: {
            /**
             * @description A share of all messages. It is null if there are no messages.
             * @example 0.5
             */
            delivered: number | null;
            /**
             * @description A share of all messages. It is null if there are no messages.
             * @example 0.5
             */
            failed: number | null;
            /**
             * @description A share of all messages. It is null if there are no messages.
             * @example 0.5
             */
            read: number | null;
        };
        /**
         * TimeTaken
         * @description How long it took from `sent`: 50, 90 and 99 % of the messages took at most that long.
         */
        TimeTaken: {
            /**
             * @description The number of messages whose duration is known.
             * @example 2
             */
            count: number;
            /**
             * @description So many percent of the messages, as the name says, took at most this many seconds. It is null if they took more than 30 days, or no duration is known.
             * @example 5
             */
            p50_s: number | null;
            /**
             * @description So many percent of the messages, as the name says, took at most this many seconds. It is null if they took more than 30 days, or no duration is known.
             * @example 5
             */
            p90_s: number | null;
            /**
             * @description So many percent of the messages, as the name says, took at most this many seconds. It is null if they took more than 30 days, or no duration is known.
             * @example 5
             */
            p99_s: number | null;
            /** @description The whole curve: how many messages took at most how long. */
            within: components["schemas"]["WithinSeconds"][];
        };
        /**
         * WithinSeconds
         * @description How many messages took at most that long; null stands for any time.
         */
        WithinSeconds: {
            /**
             * @description The number of messages that took at most so long.
             * @example 2
             */
            count: number;
            /**
             * @description The bound in seconds. It is null for any time.
             * @example 5
             */
            s: number | null;
        };
        /**
         * EraseResponse
         * @description Answer of `erase`.
         */
        EraseResponse: {
            /**
             * @description Whether all are gone. If not, send the same request again to go on.
             * @example true
             */
            complete: boolean;
            /**
             * @description How many messages stay because their recipient's number only ends with the same digits, and so is another person's. The answer has it if a recipient is erased. If `complete` is false, it counts those found so far.
             * @example 0
             */
            ends_alike?: number;
            /**
             * @description How many messages this call removed.
             * @example 2
             */
            erased: number;
            /**
             * @description `true`: the request, or this item of it, was fulfilled.
             * @example true
             * @constant
             */
            ok: true;
        };
        /**
         * EraseRequest
         * @description Which messages are to be erased: body of `erase`; exactly one is given.
         *
         *     Give the recipient's whole number or id: a number that only ends alike is another person's.
         */
        EraseRequest: {
            /**
             * @description The recipient: the digits of a phone number, with the country's calling code if the sender gave it, or another id of Meta's. A track-send names it; until then Meta's webhook does. A phone number of 6 to 15 digits, or another id with a letter or more digits, of up to 140 characters.
             * @example 919876543210
             */
            recipient_id?: string | number | null;
            /**
             * @description The sender's id of the guest whom the message is for. A text of up to 128 characters without control characters, or an integer.
             * @example g-1
             */
            guest_id?: string | number | null;
            /**
             * @description The sender's id of the event that the message belongs to. A message without an event is a standalone message. A text of up to 128 characters without control characters, or an integer.
             * @example e-1
             */
            event_id?: string | number | null;
            /**
             * @description The name of the template that was sent, as Meta has it. A text of up to 512 characters; control characters become spaces.
             * @example rsvp_invite_v2
             */
            template_name?: string | null;
            /**
             * @description The sender's id of the run that the message belongs to. A text of up to 128 characters without control characters, or an integer.
             * @example c-1
             */
            campaign_id?: string | number | null;
            /**
             * @description Meta's id of the number that sent the message. A text of up to 128 characters without control characters, or an integer.
             * @example 106540352242922
             */
            phone_number_id?: string | number | null;
        };
        /**
         * MessageLog
         * @description A message in the answer of `message-logs`.
         */
        MessageLog: {
            /**
             * Format: date-time
             * @description When the message came to the recipient's phone, from Meta's webhook. It is null if no `delivered` was reported. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:05Z
             */
            delivered_at: string | null;
            /**
             * @description Meta's code for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no code.
             * @example 131026
             */
            error_code: string | null;
            /**
             * @description Meta's title for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no title.
             * @example Message undeliverable
             */
            error_message: string | null;
            /**
             * @description The sender's id of the event that the message belongs to. A message without an event is a standalone message.
             * @example e-1
             */
            event_id: string | null;
            /**
             * Format: date-time
             * @description When the message failed, from Meta's webhook. It is null if no `failed` was reported. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:03Z
             */
            failed_at: string | null;
            /**
             * @description The sender's id of the guest whom the message is for.
             * @example g-1
             */
            guest_id: string | null;
            /**
             * @description The name of the guest whom the message is for.
             * @example John Doe
             */
            guest_name: string | null;
            /**
             * Format: uuid
             * @description The service's id of the message. It follows from the wamid alone.
             * @example aa515f1e-02a1-5ed0-8f44-1fa76232c93a
             */
            id: string;
            /**
             * @description The sender's word for the kind of message. Without one it is `template` for a standalone message, else the flow type, else `rsvp`.
             * @example rsvp
             */
            message_type: string;
            /**
             * Format: date-time
             * @description When the recipient read the message, from Meta's webhook. It is null if no `read` was reported: some people have read receipts turned off. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:31:05Z
             */
            read_at: string | null;
            /**
             * @description The recipient: the digits of a phone number, with the country's calling code if the sender gave it, or another id of Meta's. A track-send names it; until then Meta's webhook does.
             * @example 919876543210
             */
            recipient_id: string;
            /**
             * @description The sender's id of the recipient's registration for the event.
             * @example r-1
             */
            registration_id: string | null;
            /**
             * Format: date-time
             * @description When the message was sent: the earliest time that a track-send or Meta's webhook reported. It is null if none has. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00Z
             */
            sent_at: string | null;
            /**
             * @description The highest status that was ever reported of the message: sent, delivered, read, failed, in this order. It never goes back.
             * @example read
             */
            status: components["schemas"]["Status"];
            /**
             * @description The name of the template that was sent, as Meta has it.
             * @example rsvp_invite_v2
             */
            template_name: string | null;
            /**
             * @description Grows with each change of the message, from 1. Of two answers or events on one message, the one with the greater version is newer.
             * @example 3
             */
            version?: number;
            /**
             * @description Meta's id of the message, from Meta's answer to the call that sent it.
             * @example wamid.HBgLMTk4NzY1NDMyMTA
             */
            wamid: string;
        };
        /**
         * MessageResponse
         * @description Answer of `messages`.
         */
        MessageResponse: {
            /** @description The message, with everything that is known of it. */
            message: components["schemas"]["Message"];
        };
        /**
         * Message
         * @description Everything known of a message.
         */
        Message: {
            /**
             * @description The text that the sender gave Meta with the message, to get it back with each status.
             * @example order 4711
             */
            callback_data: string | null;
            /**
             * @description The sender's id of the run that the message belongs to.
             * @example c-1
             */
            campaign_id: string | null;
            /**
             * @description Reports that contradict each other, a sentence for each contradiction.
             * @example [
             *       "It was delivered at 2026-01-15T10:30:05Z, then reported failed at 2026-01-15T10:30:09Z."
             *     ]
             */
            conflicts: string[];
            /**
             * Format: date-time
             * @description When the service received the first report of the message. Lists are in this order. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00.250Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When the message came to the recipient's phone, from Meta's webhook. It is null if no `delivered` was reported. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:05Z
             */
            delivered_at: string | null;
            /** @description Why the message failed. It is null if no reason was reported. */
            error: components["schemas"]["FailureReason"] | null;
            /**
             * @description Meta's code for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no code.
             * @example 131026
             */
            error_code: string | null;
            /**
             * @description Meta's title for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no title.
             * @example Message undeliverable
             */
            error_message: string | null;
            /**
             * @description The sender's id of the event that the message belongs to. A message without an event is a standalone message.
             * @example e-1
             */
            event_id: string | null;
            /**
             * Format: date-time
             * @description When the message failed, from Meta's webhook. It is null if no `failed` was reported. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:03Z
             */
            failed_at: string | null;
            /**
             * @description The sender's word for the flow that the message belongs to. Without one it is `standalone` for a standalone message.
             * @example rsvp
             */
            flow_type: string | null;
            /**
             * @description The sender's id of the guest whom the message is for.
             * @example g-1
             */
            guest_id: string | null;
            /**
             * @description The name of the guest whom the message is for.
             * @example John Doe
             */
            guest_name: string | null;
            /**
             * Format: uuid
             * @description The service's id of the message. It follows from the wamid alone.
             * @example aa515f1e-02a1-5ed0-8f44-1fa76232c93a
             */
            id: string;
            /**
             * @description The sender's word for the kind of message. Without one it is `template` for a standalone message, else the flow type, else `rsvp`.
             * @example rsvp
             */
            message_type: string;
            /**
             * @description The recipient as Meta's webhook names it. It is null if that is the `recipient_id`.
             * @example 5511987654321
             */
            metas_recipient_id: string | null;
            /**
             * @description The recipient's business-scoped user id for the whole group of businesses, from Meta's webhook. Meta has spelt this field in several ways.
             * @example IN.ENT.1234567890
             */
            parent_user_id: string | null;
            /** @description For a group's message: everyone whom a status has named, by their ids. The message's own status is the highest of sent, delivered and read that any of them reached; a participant's failure stands here alone. For other messages the list is empty. */
            participants: components["schemas"]["MessageParticipant"][];
            /**
             * @description Meta's id of the number that sent the message.
             * @example 106540352242922
             */
            phone_number_id: string | null;
            /**
             * @description What Meta charges for the message: the pricing object of Meta's webhook, whatever its keys are. It is null if Meta sent none.
             * @example {
             *       "billable": true,
             *       "category": "utility",
             *       "pricing_model": "PMP",
             *       "type": "regular"
             *     }
             */
            pricing: Record<string, never> | null;
            /**
             * Format: date-time
             * @description When the recipient read the message, from Meta's webhook. It is null if no `read` was reported: some people have read receipts turned off. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:31:05Z
             */
            read_at: string | null;
            /**
             * @description The recipient: the digits of a phone number, with the country's calling code if the sender gave it, or another id of Meta's. A track-send names it; until then Meta's webhook does.
             * @example 919876543210
             */
            recipient_id: string;
            /**
             * @description The sender's id of the recipient's registration for the event.
             * @example r-1
             */
            registration_id: string | null;
            /**
             * Format: date-time
             * @description When the message was sent: the earliest time that a track-send or Meta's webhook reported. It is null if none has. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00Z
             */
            sent_at: string | null;
            /**
             * @description The highest status that was ever reported of the message: sent, delivered, read, failed, in this order. It never goes back.
             * @example read
             */
            status: components["schemas"]["Status"];
            /**
             * @description The name of the template that was sent, as Meta has it.
             * @example rsvp_invite_v2
             */
            template_name: string | null;
            /** @description The reported statuses, in the order of their times. */
            timeline: components["schemas"]["TimelineEntry"][];
            /**
             * Format: date-time
             * @description When the service received the latest track-send of the message. It is null if there was none. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00.250Z
             */
            tracked_at: string | null;
            /**
             * @description The recipient's business-scoped user id, from Meta's webhook. Meta has spelt this field in several ways.
             * @example IN.1234567890
             */
            user_id: string | null;
            /**
             * @description Grows with each change of the message, from 1. Of two answers or events on one message, the one with the greater version is newer.
             * @example 3
             */
            version?: number;
            /**
             * @description Meta's id of the message, from Meta's answer to the call that sent it.
             * @example wamid.HBgLMTk4NzY1NDMyMTA
             */
            wamid: string;
        };
        /**
         * FailureReason
         * @description Why a message failed.
         */
        FailureReason: {
            /**
             * Format: date-time
             * @description The time of the `failed` report that has this error. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:03Z
             */
            at: string;
            /**
             * @description When to send a message that failed with this error again: now, later, once something is fixed, or never. It is `unknown` for a code that the service doesn't know.
             * @example never
             */
            class: components["schemas"]["RemedyClass"];
            /**
             * @description Meta's code for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no code.
             * @example 131026
             */
            code: string | null;
            /**
             * @description Meta's details of the failure, from Meta's webhook. They are null if Meta gave none.
             * @example Message Undeliverable.
             */
            details: string | null;
            /**
             * @description The address of Meta's page about the error, from Meta's webhook. It is null if there is none.
             * @example https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/
             */
            href: string | null;
            /**
             * @description What the error means. For a code that the service doesn't know it is Meta's title; it is null if there is none.
             * @example Undeliverable: the number isn't on WhatsApp, its app is too old, or it hasn't accepted the terms.
             */
            meaning: string | null;
            /**
             * @description Meta's title for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no title.
             * @example Message undeliverable
             */
            message: string | null;
            /**
             * @description What to do about the error. It is null for a code that the service doesn't know.
             * @example Check the number with the person, or use another channel.
             */
            remedy: string | null;
        };
        /**
         * MessageParticipant
         * @description A member of a group, and how far the message came with them.
         */
        MessageParticipant: {
            /**
             * Format: date-time
             * @description When the message came to the recipient's phone, from Meta's webhook. It is null if no `delivered` was reported. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:05Z
             */
            delivered_at: string | null;
            /** @description Why the message failed. It is null if no reason was reported. */
            error: components["schemas"]["FailureReason"] | null;
            /**
             * Format: date-time
             * @description When the message failed, from Meta's webhook. It is null if no `failed` was reported. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:03Z
             */
            failed_at: string | null;
            /**
             * @description The id of a member of the group, from Meta's webhook. Meta has spelt this field in several ways.
             * @example 919876543210
             */
            participant_id: string;
            /**
             * Format: date-time
             * @description When the recipient read the message, from Meta's webhook. It is null if no `read` was reported: some people have read receipts turned off. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:31:05Z
             */
            read_at: string | null;
            /**
             * Format: date-time
             * @description When the message was sent: the earliest time that a track-send or Meta's webhook reported. It is null if none has. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00Z
             */
            sent_at: string | null;
            /**
             * @description The status that the message has with this member. It is null if only the member's id is known.
             * @example delivered
             */
            status: components["schemas"]["Status"] | null;
        };
        /**
         * TimelineEntry
         * @description A reported status: its time, and when the service first received it.
         */
        TimelineEntry: {
            /**
             * Format: date-time
             * @description The earliest time that was reported for it. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:05Z
             */
            at: string;
            /**
             * Format: date-time
             * @description When the service first received a report of it. It is null if that isn't known. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:06.120Z
             */
            received_at: string | null;
            /**
             * @description The status that was reported.
             * @example delivered
             */
            status: components["schemas"]["Status"];
        };
        /**
         * LatestLogResponse
         * @description Answer of `message-logs/latest`; null where there is no message.
         */
        LatestLogResponse: {
            /** @description The latest message of the registration. It is null if there is none. */
            log: components["schemas"]["LatestLog"] | null;
        };
        /**
         * LatestLog
         * @description A message in the answer of `message-logs/latest`.
         */
        LatestLog: {
            /**
             * Format: date-time
             * @description When the message came to the recipient's phone, from Meta's webhook. It is null if no `delivered` was reported. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:05Z
             */
            delivered_at: string | null;
            /**
             * @description Meta's code for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no code.
             * @example 131026
             */
            error_code: string | null;
            /**
             * @description Meta's title for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no title.
             * @example Message undeliverable
             */
            error_message: string | null;
            /**
             * Format: uuid
             * @description The service's id of the message. It follows from the wamid alone.
             * @example aa515f1e-02a1-5ed0-8f44-1fa76232c93a
             */
            id: string;
            /**
             * @description The sender's word for the kind of message. Without one it is `template` for a standalone message, else the flow type, else `rsvp`.
             * @example rsvp
             */
            message_type: string;
            /**
             * Format: date-time
             * @description When the recipient read the message, from Meta's webhook. It is null if no `read` was reported: some people have read receipts turned off. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:31:05Z
             */
            read_at: string | null;
            /**
             * @description The recipient: the digits of a phone number, with the country's calling code if the sender gave it, or another id of Meta's. A track-send names it; until then Meta's webhook does.
             * @example 919876543210
             */
            recipient_id: string;
            /**
             * Format: date-time
             * @description When the message was sent: the earliest time that a track-send or Meta's webhook reported. It is null if none has. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00Z
             */
            sent_at: string | null;
            /**
             * @description The highest status that was ever reported of the message: sent, delivered, read, failed, in this order. It never goes back.
             * @example read
             */
            status: components["schemas"]["Status"];
            /**
             * @description The name of the template that was sent, as Meta has it.
             * @example rsvp_invite_v2
             */
            template_name: string | null;
            /**
             * @description Grows with each change of the message, from 1. Of two answers or events on one message, the one with the greater version is newer.
             * @example 3
             */
            version?: number;
            /**
             * @description Meta's id of the message, from Meta's answer to the call that sent it.
             * @example wamid.HBgLMTk4NzY1NDMyMTA
             */
            wamid: string;
        };
        /**
         * MessageLogsResponse
         * @description Answer of `message-logs`.
         */
        MessageLogsResponse: {
            /** @description The messages of this page, the latest first. */
            logs: components["schemas"]["MessageLog"][];
        };
        /**
         * StatusLookupResponse
         * @description Answer of `message-status-lookup`: what is known, by wamid.
         */
        StatusLookupResponse: {
            /** @description The messages that the service knows, by their wamids. It leaves out the others. */
            statuses: {
                [key: string]: components["schemas"]["MessageStatus"];
            };
        };
        /**
         * MessageStatus
         * @description A message in the answer of `message-status-lookup`.
         */
        MessageStatus: {
            /**
             * Format: date-time
             * @description When the message came to the recipient's phone, from Meta's webhook. It is null if no `delivered` was reported. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:05Z
             */
            delivered_at: string | null;
            /**
             * @description Meta's title for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no title.
             * @example Message undeliverable
             */
            error: string | null;
            /**
             * @description Meta's code for the reason of the failure, from Meta's webhook. It is null if the message hasn't failed, or Meta gave no code.
             * @example 131026
             */
            error_code: string | null;
            /**
             * Format: date-time
             * @description When the recipient read the message, from Meta's webhook. It is null if no `read` was reported: some people have read receipts turned off. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:31:05Z
             */
            read_at: string | null;
            /**
             * Format: date-time
             * @description When the message was sent: the earliest time that a track-send or Meta's webhook reported. It is null if none has. A time in UTC, with milliseconds only where they aren't zero.
             * @example 2026-01-15T10:30:00Z
             */
            sent_at: string | null;
            /**
             * @description The highest status that was ever reported of the message: sent, delivered, read, failed, in this order. It never goes back.
             * @example read
             */
            status: components["schemas"]["Status"];
            /**
             * @description Grows with each change of the message, from 1. Of two answers or events on one message, the one with the greater version is newer.
             * @example 3
             */
            version?: number;
        };
        /**
         * StatusLookupRequest
         * @description Body of `message-status-lookup`.
         */
        StatusLookupRequest: {
            /**
             * @description The wamids of the messages to look up. A list of up to 1,000 message ids; null is passed over.
             * @example [
             *       "wamid.HBgLMTk4NzY1NDMyMTA"
             *     ]
             */
            wamids: (string | number | null)[];
            /**
             * @description Whether each message comes with its version.
             * @example true
             */
            versions?: boolean | null;
        };
        /**
         * PayloadTaken
         * @description Everything usable is kept. A caller with a token also gets the counts.
         */
        PayloadTaken: {
            /**
             * @description `true`: the request, or this item of it, was fulfilled.
             * @example true
             * @constant
             */
            ok: true;
            /**
             * @description How many other items there were, by their kind. The answer has it if the request has a token.
             * @example {
             *       "inbound": 1
             *     }
             */
            passed_over?: {
                [key: string]: number;
            };
            /**
             * @description `true`: a report waits in the journal on disk and is merged once Redis is back. Otherwise the answer lacks this field.
             * @example true
             * @constant
             */
            queued?: true;
            /**
             * @description How many statuses were taken. The answer has it if the request has a token.
             * @example 1
             */
            taken?: number;
        };
        /**
         * MessageStatusBatchResponse
         * @description Answer of `message-status/batch`.
         */
        MessageStatusBatchResponse: {
            /**
             * @description Whether every item was taken.
             * @example true
             */
            ok: boolean;
            /**
             * @description `true`: a report waits in the journal on disk and is merged once Redis is back. Otherwise the answer lacks this field.
             * @example true
             * @constant
             */
            queued?: true;
            /** @description An answer for each item, in the order of the items. */
            results: (components["schemas"]["MessageStatusResponse"] | components["schemas"]["Refusal"])[];
        };
        /**
         * MessageStatusBatch
         * @description Body of `message-status/batch`; each update is read by itself.
         */
        MessageStatusBatch: {
            /** @description The statuses, each as the body of a message-status. A list of up to 1,000 objects. */
            updates: components["schemas"]["ForwardedStatusRequest"][];
        };
        /**
         * MessageStatusResponse
         * @description A status is kept; `status` is the message's status after it.
         */
        MessageStatusResponse: {
            /**
             * @description `true`: the request, or this item of it, was fulfilled.
             * @example true
             * @constant
             */
            ok: true;
            /**
             * @description `true`: a report waits in the journal on disk and is merged once Redis is back. Otherwise the answer lacks this field.
             * @example true
             * @constant
             */
            queued?: true;
            /**
             * @description The highest status that was ever reported of the message: sent, delivered, read, failed, in this order. It never goes back.
             * @example read
             */
            status: components["schemas"]["Status"];
        };
        /**
         * ForwardedStatusRequest
         * @description Meta reported a status: body of `message-status`, which may hold all fields of Meta's status.
         *
         *     It is refused only for a required field.
         */
        ForwardedStatusRequest: {
            /**
             * @description Meta's id of the message, from Meta's answer to the call that sent it. A text of 1 to 256 characters without control characters.
             * @example wamid.HBgLMTk4NzY1NDMyMTA
             */
            wamid: string | number;
            /**
             * @description The status that Meta's webhook reports. `played` is Meta's word for a voice message that was listened to. One of sent, delivered, read, failed (or played, taken as read).
             * @example delivered
             * @enum {string}
             */
            status: "delivered" | "failed" | "played" | "read" | "sent";
            /**
             * @description When the message reached this status, by Meta's webhook. An ISO 8601 date and time or epoch seconds, not before 2009 and at most a day ahead.
             * @example 2026-01-15T10:30:05.000Z
             * @example 1768473005
             */
            timestamp: string | number;
            /**
             * @description The recipient: the digits of a phone number, with the country's calling code if the sender gave it, or another id of Meta's. A track-send names it; until then Meta's webhook does. A phone number of 6 to 15 digits, or another id with a letter or more digits, of up to 140 characters; anything else counts as absent.
             * @example 919876543210
             */
            recipient_id?: unknown;
            /**
             * @description The errors of a status of Meta's webhook, as they came. They count only if the status is `failed`. Meta's errors as they came; looked at for a failed message only.
             * @example [
             *       {
             *         "code": 131026,
             *         "title": "Message undeliverable"
             *       }
             *     ]
             */
            errors?: unknown;
            /**
             * @description The recipient's business-scoped user id, from Meta's webhook. Meta has spelt this field in several ways. An id of up to 140 characters; anything else counts as absent.
             * @example IN.1234567890
             */
            recipient_user_id?: unknown;
            /**
             * @description The recipient's business-scoped user id, from Meta's webhook. Meta has spelt this field in several ways. An id of up to 140 characters; anything else counts as absent.
             * @example IN.1234567890
             */
            user_id?: unknown;
            /**
             * @description The recipient's business-scoped user id for the whole group of businesses, from Meta's webhook. Meta has spelt this field in several ways. An id of up to 140 characters; anything else counts as absent.
             * @example IN.ENT.1234567890
             */
            recipient_parent_user_id?: unknown;
            /**
             * @description The recipient's business-scoped user id for the whole group of businesses, from Meta's webhook. Meta has spelt this field in several ways. An id of up to 140 characters; anything else counts as absent.
             * @example IN.ENT.1234567890
             */
            parent_recipient_user_id?: unknown;
            /**
             * @description The recipient's business-scoped user id for the whole group of businesses, from Meta's webhook. Meta has spelt this field in several ways. An id of up to 140 characters; anything else counts as absent.
             * @example IN.ENT.1234567890
             */
            parent_user_id?: unknown;
            /**
             * @description The id of a member of the group, from Meta's webhook. Meta has spelt this field in several ways. An id of up to 140 characters; anything else counts as absent.
             * @example 919876543210
             */
            recipient_participant_id?: unknown;
            /**
             * @description The id of a member of the group, from Meta's webhook. Meta has spelt this field in several ways. An id of up to 140 characters; anything else counts as absent.
             * @example 919876543210
             */
            participant_recipient_id?: unknown;
            /**
             * @description The id of a member of the group, from Meta's webhook. Meta has spelt this field in several ways. An id of up to 140 characters; anything else counts as absent.
             * @example 919876543210
             */
            recipient_participant_user_id?: unknown;
            /**
             * @description The id of a member of the group, from Meta's webhook. Meta has spelt this field in several ways. An id of up to 140 characters; anything else counts as absent.
             * @example 919876543210
             */
            recipient_participant_parent_user_id?: unknown;
            /**
             * @description The text that the sender gave Meta with the message, to get it back with each status. Kept as Meta's status has it.
             * @example order 4711
             */
            biz_opaque_callback_data?: unknown;
            /**
             * @description What Meta charges for the message: the pricing object of Meta's webhook, whatever its keys are. It is null if Meta sent none. Kept as Meta's status has it.
             * @example {
             *       "billable": true,
             *       "category": "utility",
             *       "pricing_model": "PMP",
             *       "type": "regular"
             *     }
             */
            pricing?: unknown;
            /** @description A field of a status of Meta's webhook that the service doesn't store. */
            id?: unknown;
            /** @description A field of a status of Meta's webhook that the service doesn't store. */
            recipient_type?: unknown;
            /** @description A field of a status of Meta's webhook that the service doesn't store. */
            type?: unknown;
            /** @description A field of a status of Meta's webhook that the service doesn't store. */
            conversation?: unknown;
            /** @description A field of a status of Meta's webhook that the service doesn't store. */
            template_id?: unknown;
            /** @description A field of a status of Meta's webhook that the service doesn't store. */
            group_id?: unknown;
            /** @description A field of a status of Meta's webhook that the service doesn't store. */
            recipient_identity_key_hash?: unknown;
        };
        /**
         * TrackSendBatchResponse
         * @description Answer of `track-send/batch`.
         */
        TrackSendBatchResponse: {
            /**
             * @description Whether every item was taken.
             * @example true
             */
            ok: boolean;
            /**
             * @description `true`: a report waits in the journal on disk and is merged once Redis is back. Otherwise the answer lacks this field.
             * @example true
             * @constant
             */
            queued?: true;
            /** @description An answer for each item, in the order of the items. */
            results: (components["schemas"]["TrackSendEventResponse"] | components["schemas"]["TrackSendStandaloneResponse"] | components["schemas"]["Refusal"])[];
        };
        /**
         * TrackSendBatch
         * @description Body of `track-send/batch`; each message is read by itself, so that none fails the others.
         */
        TrackSendBatch: {
            /** @description The sends, each as the body of a track-send. A list of up to 1,000 objects. */
            messages: components["schemas"]["TrackSendRequest"][];
        };
        /**
         * TrackSendEventResponse
         * @description A send that belongs to an event is kept.
         */
        TrackSendEventResponse: {
            /**
             * Format: uuid
             * @description The service's id of the message. It follows from the wamid alone.
             * @example aa515f1e-02a1-5ed0-8f44-1fa76232c93a
             */
            map_id: string;
            /**
             * @description `true`: the request, or this item of it, was fulfilled.
             * @example true
             * @constant
             */
            ok: true;
            /**
             * @description `true`: a report waits in the journal on disk and is merged once Redis is back. Otherwise the answer lacks this field.
             * @example true
             * @constant
             */
            queued?: true;
        };
        /**
         * TrackSendStandaloneResponse
         * @description A send without an event is kept.
         */
        TrackSendStandaloneResponse: {
            /**
             * @description `true`: the request, or this item of it, was fulfilled.
             * @example true
             * @constant
             */
            ok: true;
            /**
             * @description `true`: a report waits in the journal on disk and is merged once Redis is back. Otherwise the answer lacks this field.
             * @example true
             * @constant
             */
            queued?: true;
            /**
             * @description `true`: the track-send names no event.
             * @example true
             * @constant
             */
            standalone: true;
            /**
             * @description Meta's id of the message, from Meta's answer to the call that sent it.
             * @example wamid.HBgLMTk4NzY1NDMyMTA
             */
            wamid: string;
        };
        /**
         * TrackSendRequest
         * @description A template message was sent: body of `track-send`.
         */
        TrackSendRequest: {
            /**
             * @description The WhatsApp id of the recipient: nearly always the phone number with its country's calling code. A phone number of 6 to 15 digits, or another id with a letter or more digits, of up to 140 characters.
             * @example 919876543210
             */
            wa_id: string | number;
            /**
             * @description Meta's id of the message, from Meta's answer to the call that sent it. A text of 1 to 256 characters without control characters.
             * @example wamid.HBgLMTk4NzY1NDMyMTA
             */
            template_wamid: string | number;
            /**
             * @description The sender's id of the event that the message belongs to. A message without an event is a standalone message. A text of up to 128 characters without control characters, or an integer.
             * @example e-1
             */
            event_id?: string | number | null;
            /**
             * @description The sender's id of the recipient's registration for the event. A text of up to 128 characters without control characters, or an integer.
             * @example r-1
             */
            event_registration_id?: string | number | null;
            /**
             * @description The sender's id of the guest whom the message is for. A text of up to 128 characters without control characters, or an integer.
             * @example g-1
             */
            guest_id?: string | number | null;
            /**
             * @description The name of the template that was sent, as Meta has it. A text of up to 512 characters; control characters become spaces.
             * @example rsvp_invite_v2
             */
            template_name?: string | null;
            /**
             * @description The sender's word for the flow that the message belongs to. Without one it is `standalone` for a standalone message. A text of up to 128 characters; control characters become spaces.
             * @example rsvp
             */
            flow_type?: string | null;
            /**
             * @description The sender's word for the kind of message. Without one it is `template` for a standalone message, else the flow type, else `rsvp`. A text of up to 128 characters; control characters become spaces.
             * @example rsvp
             */
            message_type?: string | null;
            /**
             * @description The name of the guest whom the message is for. A text of up to 512 characters; control characters become spaces.
             * @example John Doe
             */
            guest_name?: string | null;
            /**
             * @description When the message was sent. Without it that is the moment at which the track-send arrives. An ISO 8601 date and time or epoch seconds, not before 2009 and at most a day ahead.
             * @example 2026-01-15T10:30:00Z
             */
            sent_at?: string | number | null;
            /**
             * @description The sender's id of the run that the message belongs to. A text of up to 128 characters without control characters, or an integer.
             * @example c-1
             */
            campaign_id?: string | number | null;
            /**
             * @description Meta's id of the number that sent the message. A text of up to 128 characters without control characters, or an integer.
             * @example 106540352242922
             */
            phone_number_id?: string | number | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: {
        /** @description The caller's own, if the request has one; the log has it too. */
        "X-Request-ID": string;
        /** @description Where more follow: the address of the next page, as rel="next". */
        Link: string;
        /** @description After how many seconds to try again. */
        "Retry-After": number;
        /** @description The one encoding of bodies that is taken. */
        "Accept-Encoding": "identity";
        /** @description The header that a token goes into. */
        "WWW-Authenticate": string;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    trackSend: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TrackSendRequest"];
            };
        };
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TrackSendEventResponse"] | components["schemas"]["TrackSendStandaloneResponse"];
                };
            };
            /** @description It is on disk and will be merged when Redis is back. */
            202: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TrackSendEventResponse"] | components["schemas"]["TrackSendStandaloneResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The rest of the request didn't come in time. */
            408: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is over the endpoint's limit. Or: The body's JSON would take long to read, while all other requests wait. */
            413: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is compressed; it stays so, since a little may unpack to very much. */
            415: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Accept-Encoding": components["headers"]["Accept-Encoding"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    trackSends: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TrackSendBatch"];
                "application/x-ndjson": components["schemas"]["TrackSendRequest"];
            };
        };
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TrackSendBatchResponse"];
                };
            };
            /** @description It is on disk and will be merged when Redis is back. */
            202: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TrackSendBatchResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The rest of the request didn't come in time. */
            408: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is over the endpoint's limit. Or: The body's JSON would take long to read, while all other requests wait. */
            413: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is compressed; it stays so, since a little may unpack to very much. */
            415: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Accept-Encoding": components["headers"]["Accept-Encoding"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    updateStatus: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ForwardedStatusRequest"];
            };
        };
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageStatusResponse"];
                };
            };
            /** @description It is on disk and will be merged when Redis is back. */
            202: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageStatusResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The rest of the request didn't come in time. */
            408: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is over the endpoint's limit. Or: The body's JSON would take long to read, while all other requests wait. */
            413: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is compressed; it stays so, since a little may unpack to very much. */
            415: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Accept-Encoding": components["headers"]["Accept-Encoding"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    updateStatuses: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MessageStatusBatch"];
                "application/x-ndjson": components["schemas"]["ForwardedStatusRequest"];
            };
        };
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageStatusBatchResponse"];
                };
            };
            /** @description It is on disk and will be merged when Redis is back. */
            202: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageStatusBatchResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The rest of the request didn't come in time. */
            408: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is over the endpoint's limit. Or: The body's JSON would take long to read, while all other requests wait. */
            413: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is compressed; it stays so, since a little may unpack to very much. */
            415: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Accept-Encoding": components["headers"]["Accept-Encoding"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    verifyWebhook: {
        parameters: {
            query: {
                /**
                 * @description What Meta asks for.
                 * @example subscribe
                 */
                "hub.mode": "subscribe";
                /**
                 * @description A text of Meta's, which the answer repeats.
                 * @example 1158201444
                 */
                "hub.challenge": string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    receiveWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PayloadTaken"];
                };
            };
            /** @description It is on disk and will be merged when Redis is back. */
            202: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PayloadTaken"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The rest of the request didn't come in time. */
            408: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is over the endpoint's limit. */
            413: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is compressed; it stays so, since a little may unpack to very much. */
            415: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Accept-Encoding": components["headers"]["Accept-Encoding"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    lookUpStatuses: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StatusLookupRequest"];
            };
        };
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StatusLookupResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The rest of the request didn't come in time. */
            408: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is over the endpoint's limit. Or: The body's JSON would take long to read, while all other requests wait. */
            413: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is compressed; it stays so, since a little may unpack to very much. */
            415: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Accept-Encoding": components["headers"]["Accept-Encoding"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    listMessageLogs: {
        parameters: {
            query?: {
                /**
                 * @description The sender's id of the event that the message belongs to. A message without an event is a standalone message. A text of 1 to 128 characters without control characters.
                 * @example e-1
                 */
                event_id?: string;
                /**
                 * @description The name of the template that was sent, as Meta has it. A text of 1 to 512 characters; control characters are looked for as spaces.
                 * @example rsvp_invite_v2
                 */
                template_name?: string;
                /**
                 * @description The sender's id of the run that the message belongs to. A text of 1 to 128 characters without control characters.
                 * @example c-1
                 */
                campaign_id?: string;
                /**
                 * @description Meta's id of the number that sent the message. A text of 1 to 128 characters without control characters.
                 * @example 106540352242922
                 */
                phone_number_id?: string;
                /**
                 * @description The sender's id of the recipient's registration for the event. A text of 1 to 128 characters without control characters.
                 * @example r-1
                 */
                registration_id?: string;
                /**
                 * @description The sender's id of the guest whom the message is for. A text of 1 to 128 characters without control characters.
                 * @example g-1
                 */
                guest_id?: string;
                /**
                 * @description The recipient: the digits of a phone number, with the country's calling code if the sender gave it, or another id of Meta's. A track-send names it; until then Meta's webhook does. A phone number of 6 to 15 digits, or another id with a letter or more digits, of up to 140 characters.
                 * @example 919876543210
                 */
                recipient_id?: string;
                /**
                 * @description Whether only standalone messages are wanted. `false` is the same as leaving it out. True or false.
                 * @example true
                 */
                standalone?: boolean;
                /**
                 * @description The status that the messages have now. One of sent, delivered, read, failed.
                 * @example read
                 */
                status?: "delivered" | "failed" | "read" | "sent";
                /**
                 * @description Whether each message comes with its version. True or false.
                 * @example true
                 */
                versions?: boolean;
                /**
                 * @description How many rows a page may have. A whole number from 1 to 200.
                 * @example 20
                 */
                limit?: number;
                /**
                 * @description Where the page begins. Taken from the Link header of the page before.
                 * @example 1768473000250000.qlFfHgKhXtCPRB-nYjLJOg
                 */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Link: components["headers"]["Link"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageLogsResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getLatestMessageLog: {
        parameters: {
            query: {
                /**
                 * @description The registration whose latest message is wanted. A text of 1 to 128 characters without control characters.
                 * @example r-1
                 */
                registration_id: string;
                /**
                 * @description Whether each message comes with its version. True or false.
                 * @example true
                 */
                versions?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LatestLogResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getMessage: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description Meta's id of the message, percent-encoded.
                 * @example wamid.HBgLMTk4NzY1NDMyMTA
                 */
                wamid: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description There is no such message, or none any more. */
            404: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    streamChanges: {
        parameters: {
            query?: {
                /**
                 * @description The sender's id of the event that the message belongs to. A message without an event is a standalone message. A text of 1 to 128 characters without control characters.
                 * @example e-1
                 */
                event_id?: string;
                /**
                 * @description The name of the template that was sent, as Meta has it. A text of 1 to 512 characters; control characters are looked for as spaces.
                 * @example rsvp_invite_v2
                 */
                template_name?: string;
                /**
                 * @description The sender's id of the run that the message belongs to. A text of 1 to 128 characters without control characters.
                 * @example c-1
                 */
                campaign_id?: string;
                /**
                 * @description Meta's id of the number that sent the message. A text of 1 to 128 characters without control characters.
                 * @example 106540352242922
                 */
                phone_number_id?: string;
                /**
                 * @description The sender's id of the recipient's registration for the event. A text of 1 to 128 characters without control characters.
                 * @example r-1
                 */
                registration_id?: string;
            };
            header?: {
                /**
                 * @description The last `id` that was received, to go on behind it.
                 * @example AdXZ6vahNAEA
                 */
                "Last-Event-ID"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["MessageLog"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    eraseMessages: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EraseRequest"];
            };
        };
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EraseResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The rest of the request didn't come in time. */
            408: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is over the endpoint's limit. Or: The body's JSON would take long to read, while all other requests wait. */
            413: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The body is compressed; it stays so, since a little may unpack to very much. */
            415: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Accept-Encoding": components["headers"]["Accept-Encoding"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getMessageStats: {
        parameters: {
            query?: {
                /**
                 * @description The sender's id of the event that the message belongs to. A message without an event is a standalone message. A text of 1 to 128 characters without control characters.
                 * @example e-1
                 */
                event_id?: string;
                /**
                 * @description The name of the template that was sent, as Meta has it. A text of 1 to 512 characters; control characters are looked for as spaces.
                 * @example rsvp_invite_v2
                 */
                template_name?: string;
                /**
                 * @description The sender's id of the run that the message belongs to. A text of 1 to 128 characters without control characters.
                 * @example c-1
                 */
                campaign_id?: string;
                /**
                 * @description Meta's id of the number that sent the message. A text of 1 to 128 characters without control characters.
                 * @example 106540352242922
                 */
                phone_number_id?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageStatsResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    listEvents: {
        parameters: {
            query?: {
                /**
                 * @description How many rows a page may have. A whole number from 1 to 200.
                 * @example 20
                 */
                limit?: number;
                /**
                 * @description Where the page begins. Taken from the Link header of the page before.
                 * @example 1768473000250000.e-1
                 */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Link: components["headers"]["Link"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventsResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    listTemplates: {
        parameters: {
            query?: {
                /**
                 * @description How many rows a page may have. A whole number from 1 to 200.
                 * @example 20
                 */
                limit?: number;
                /**
                 * @description Where the page begins. Taken from the Link header of the page before.
                 * @example 1768473000250000.e-1
                 */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Link: components["headers"]["Link"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TemplatesResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    listCampaigns: {
        parameters: {
            query?: {
                /**
                 * @description How many rows a page may have. A whole number from 1 to 200.
                 * @example 20
                 */
                limit?: number;
                /**
                 * @description Where the page begins. Taken from the Link header of the page before.
                 * @example 1768473000250000.e-1
                 */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Link: components["headers"]["Link"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CampaignsResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    listPhoneNumbers: {
        parameters: {
            query?: {
                /**
                 * @description How many rows a page may have. A whole number from 1 to 200.
                 * @example 20
                 */
                limit?: number;
                /**
                 * @description Where the page begins. Taken from the Link header of the page before.
                 * @example 1768473000250000.e-1
                 */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Link: components["headers"]["Link"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PhoneNumbersResponse"];
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    listFailures: {
        parameters: {
            query?: {
                /**
                 * @description The sender's id of the event that the message belongs to. A message without an event is a standalone message. A text of 1 to 128 characters without control characters.
                 * @example e-1
                 */
                event_id?: string;
                /**
                 * @description The name of the template that was sent, as Meta has it. A text of 1 to 512 characters; control characters are looked for as spaces.
                 * @example rsvp_invite_v2
                 */
                template_name?: string;
                /**
                 * @description The sender's id of the run that the message belongs to. A text of 1 to 128 characters without control characters.
                 * @example c-1
                 */
                campaign_id?: string;
                /**
                 * @description Meta's id of the number that sent the message. A text of 1 to 128 characters without control characters.
                 * @example 106540352242922
                 */
                phone_number_id?: string;
                /**
                 * @description The error code of the failed messages. An error code of up to six digits, none: failed without one, or other: failed with a code that has no group of its own.
                 * @example 131026
                 */
                code?: string;
                /**
                 * @description The class of the failed messages: when to send them again. One of now, later, fix, never, unknown.
                 * @example later
                 */
                class?: "fix" | "later" | "never" | "now" | "unknown";
                /**
                 * @description `false` leaves out messages that have a second try, so that nobody gets a message twice; `true` leaves out the others. True or false.
                 * @example false
                 */
                sent_since?: boolean;
                /**
                 * @description Whether each code also has the number `listed`. True or false.
                 * @example true
                 */
                count?: boolean;
                /**
                 * @description How many rows a page may have. A whole number from 1 to 200.
                 * @example 20
                 */
                limit?: number;
                /**
                 * @description Where the page begins. Taken from the Link header of the page before.
                 * @example 1768473000250000.qlFfHgKhXtCPRB-nYjLJOg
                 */
                cursor?: string;
                /**
                 * @description The form of the answer: JSON, or CSV with all pages in one file. `Accept: text/csv` asks for CSV too. Json or csv.
                 * @example csv
                 */
                format?: "csv" | "json";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Link: components["headers"]["Link"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FailuresResponse"];
                    "text/csv": string;
                };
            };
            /** @description Nothing was written; the same request will never be taken. */
            400: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request carries no token. */
            401: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description The request's token, or its signature, is not one of ours. */
            403: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Done"];
                };
            };
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ready"];
                };
            };
            /** @description Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    getOpenapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As asked. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description Refused before anything was done, since too much is under way; try again. Or: Nothing is known to be written; the same request may be sent again. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Retry-After": components["headers"]["Retry-After"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
}
