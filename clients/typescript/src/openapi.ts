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
        /** A template message was sent. */
        post: operations["track_send"];
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
        /** Many template messages were sent. */
        post: operations["track_send_batch"];
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
        /** Meta reported a status. */
        post: operations["status_update"];
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
        /** Meta reported many statuses. */
        post: operations["status_update_batch"];
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
        /** The statuses of many messages. */
        post: operations["status_lookup"];
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
        /** A page of messages, newest first. */
        get: operations["message_logs"];
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
        /** The most recent message of a registration. */
        get: operations["message_logs_latest"];
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
        /** The changes of messages as they happen, as server-sent events. */
        get: operations["live"];
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
        /** Everything known of one message. */
        get: operations["message_details"];
        put?: never;
        post?: never;
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
        /** The counts of all messages, or of those of one event, for example. */
        get: operations["message_stats"];
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
        /** Those that have messages, the one with the latest message first. */
        get: operations["events"];
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
        /** Those that have messages, the one with the latest message first. */
        get: operations["templates"];
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
        /** Those that have messages, the one with the latest message first. */
        get: operations["campaigns"];
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
        /** Those that have messages, the one with the latest message first. */
        get: operations["phone_numbers"];
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
        /** Why messages failed, what to do about it, and who they were for. */
        get: operations["failures"];
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
        /** Removes the messages of a person, an event or a campaign, for example. */
        post: operations["erase"];
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
        /** Meta verifies that the address is ours. */
        get: operations["whatsapp_verify"];
        put?: never;
        /** Meta's webhook, as it comes. */
        post: operations["whatsapp"];
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
        /** The process is alive. */
        get: operations["healthz"];
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
        /** The service can serve requests. */
        get: operations["readyz"];
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
        /** For Prometheus. */
        get: operations["metrics"];
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
        /** The description of the API. */
        get: operations["openapi"];
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
         * TrackSendRequest
         * @description A template message was sent: body of `track-send`.
         */
        TrackSendRequest: {
            /**
             * @description a phone number of 6 to 15 digits, or another id with a letter or more digits, of up to 140 characters
             * @example 919876543210
             */
            wa_id: string | number;
            /**
             * @description a text of 1 to 256 characters without control characters
             * @example wamid.HBgLMTk4NzY1NDMyMTA
             */
            template_wamid: string | number;
            /** @default null */
            event_id?: (string | number) | null;
            /** @default null */
            event_registration_id?: (string | number) | null;
            /** @default null */
            guest_id?: (string | number) | null;
            /** @default null */
            template_name?: string | null;
            /** @default null */
            flow_type?: string | null;
            /** @default null */
            message_type?: string | null;
            /** @default null */
            guest_name?: string | null;
            /** @default null */
            sent_at?: (string | number) | null;
            /** @default null */
            campaign_id?: (string | number) | null;
            /** @default null */
            phone_number_id?: (string | number) | null;
        };
        /**
         * TrackSendEventResponse
         * @description A send that belongs to an event is kept.
         */
        TrackSendEventResponse: {
            /** Format: uuid */
            map_id: string;
            /** @constant */
            ok: true;
            /** @description true: it is on disk and will be merged when Redis is back */
            queued?: boolean;
        };
        /**
         * TrackSendStandaloneResponse
         * @description A send without an event is kept.
         */
        TrackSendStandaloneResponse: {
            /** @constant */
            ok: true;
            /** @description true: it is on disk and will be merged when Redis is back */
            queued?: boolean;
            /** @constant */
            standalone: true;
            wamid: string;
        };
        /**
         * Refusal
         * @description Why a request, or an item of one, was not fulfilled.
         */
        Refusal: {
            /** @description a sentence: what is wrong and what is allowed */
            error: string;
            /** @description the field or parameter at fault */
            field?: string;
            /** @constant */
            ok: false;
        };
        /**
         * TrackSendBatch
         * @description Body of `track-send/batch`; each message is read by itself, so that none fails the others.
         */
        TrackSendBatch: {
            /** @description a list of up to 1,000 objects */
            messages: components["schemas"]["TrackSendRequest"][];
        };
        /**
         * TrackSendBatchResponse
         * @description Answer of `track-send/batch`.
         */
        TrackSendBatchResponse: {
            /** @description whether every item was taken */
            ok: boolean;
            /** @description true: it is on disk and will be merged when Redis is back */
            queued?: boolean;
            /** @description an answer for each item, in their order */
            results: (components["schemas"]["TrackSendEventResponse"] | components["schemas"]["TrackSendStandaloneResponse"] | components["schemas"]["Refusal"])[];
        };
        /**
         * ForwardedStatusRequest
         * @description Meta reported a status: body of `message-status`, which may hold all fields of Meta's status.
         *
         *         It is refused only for a required field.
         */
        ForwardedStatusRequest: {
            /**
             * @description a text of 1 to 256 characters without control characters
             * @example wamid.HBgLMTk4NzY1NDMyMTA
             */
            wamid: string | number;
            /**
             * @description one of sent, delivered, read, failed (or played, taken as read)
             * @enum {unknown}
             */
            status: "delivered" | "failed" | "played" | "read" | "sent";
            /**
             * @description an ISO 8601 date and time or epoch seconds, not before 2009 and at most a day ahead
             * @example 2026-01-15T10:30:05.000Z
             * @example 1768473005
             */
            timestamp: string | number;
            /**
             * @description a phone number of 6 to 15 digits, or another id with a letter or more digits, of up to 140 characters; anything else counts as absent
             * @example 919876543210
             * @example null
             */
            recipient_id?: unknown;
            /**
             * @description Meta's errors as they came; looked at for a failed message only
             * @example [
             *       {
             *         "code": 131026,
             *         "title": "Message undeliverable"
             *       }
             *     ]
             */
            errors?: unknown;
            /** @description an id of up to 140 characters; anything else counts as absent */
            recipient_user_id?: unknown;
            /** @description an id of up to 140 characters; anything else counts as absent */
            user_id?: unknown;
            /** @description an id of up to 140 characters; anything else counts as absent */
            recipient_parent_user_id?: unknown;
            /** @description an id of up to 140 characters; anything else counts as absent */
            parent_recipient_user_id?: unknown;
            /** @description an id of up to 140 characters; anything else counts as absent */
            parent_user_id?: unknown;
            /** @description an id of up to 140 characters; anything else counts as absent */
            recipient_participant_id?: unknown;
            /** @description an id of up to 140 characters; anything else counts as absent */
            participant_recipient_id?: unknown;
            /** @description an id of up to 140 characters; anything else counts as absent */
            recipient_participant_user_id?: unknown;
            /** @description an id of up to 140 characters; anything else counts as absent */
            recipient_participant_parent_user_id?: unknown;
            /** @description kept as Meta's status has it */
            biz_opaque_callback_data?: unknown;
            /** @description kept as Meta's status has it */
            pricing?: unknown;
            /** @description known from Meta's status, and not kept */
            id?: unknown;
            /** @description known from Meta's status, and not kept */
            recipient_type?: unknown;
            /** @description known from Meta's status, and not kept */
            type?: unknown;
            /** @description known from Meta's status, and not kept */
            conversation?: unknown;
            /** @description known from Meta's status, and not kept */
            template_id?: unknown;
            /** @description known from Meta's status, and not kept */
            group_id?: unknown;
            /** @description known from Meta's status, and not kept */
            recipient_identity_key_hash?: unknown;
        };
        /**
         * MessageStatusResponse
         * @description A status is kept; `status` is the message's status after it.
         */
        MessageStatusResponse: {
            /** @constant */
            ok: true;
            /** @description true: it is on disk and will be merged when Redis is back */
            queued?: boolean;
            status: components["schemas"]["Status"];
        };
        /**
         * Status
         * @description The statuses in their order. A message has the highest status that was ever reported.
         * @enum {unknown}
         */
        Status: "delivered" | "failed" | "read" | "sent";
        /**
         * MessageStatusBatch
         * @description Body of `message-status/batch`; each update is read by itself.
         */
        MessageStatusBatch: {
            /** @description a list of up to 1,000 objects */
            updates: components["schemas"]["ForwardedStatusRequest"][];
        };
        /**
         * MessageStatusBatchResponse
         * @description Answer of `message-status/batch`.
         */
        MessageStatusBatchResponse: {
            /** @description whether every item was taken */
            ok: boolean;
            /** @description true: it is on disk and will be merged when Redis is back */
            queued?: boolean;
            /** @description an answer for each item, in their order */
            results: (components["schemas"]["MessageStatusResponse"] | components["schemas"]["Refusal"])[];
        };
        /**
         * StatusLookupRequest
         * @description Body of `message-status-lookup`.
         */
        StatusLookupRequest: {
            /** @description a list of up to 1,000 message ids; null is passed over */
            wamids: ((string | number) | null)[];
            /** @default null */
            versions?: boolean | null;
        };
        /**
         * StatusLookupResponse
         * @description Answer of `message-status-lookup`: what is known, by wamid.
         */
        StatusLookupResponse: {
            statuses: {
                [key: string]: components["schemas"]["MessageStatus"];
            };
        };
        /**
         * MessageStatus
         * @description A message in the answer of `message-status-lookup`.
         */
        MessageStatus: {
            delivered_at: string | null;
            error: string | null;
            error_code: string | null;
            read_at: string | null;
            sent_at: string | null;
            status: components["schemas"]["Status"];
            /** @description grows with each change of the message, so the answer or event with the greater one is newer; compare those of one message only */
            version?: number;
        };
        /**
         * MessageLogsResponse
         * @description Answer of `message-logs`.
         */
        MessageLogsResponse: {
            logs: components["schemas"]["MessageLog"][];
        };
        /**
         * MessageLog
         * @description A message in the answer of `message-logs`.
         */
        MessageLog: {
            delivered_at: string | null;
            error_code: string | null;
            error_message: string | null;
            event_id: string | null;
            failed_at: string | null;
            guest_id: string | null;
            guest_name: string | null;
            /** Format: uuid */
            id: string;
            message_type: string;
            read_at: string | null;
            recipient_id: string;
            registration_id: string | null;
            sent_at: string | null;
            status: components["schemas"]["Status"];
            template_name: string | null;
            /** @description grows with each change of the message, so the answer or event with the greater one is newer; compare those of one message only */
            version?: number;
            wamid: string;
        };
        /**
         * LatestLogResponse
         * @description Answer of `message-logs/latest`; null where there is no message.
         */
        LatestLogResponse: {
            log: components["schemas"]["LatestLog"] | null;
        };
        /**
         * LatestLog
         * @description A message in the answer of `message-logs/latest`.
         */
        LatestLog: {
            delivered_at: string | null;
            error_code: string | null;
            error_message: string | null;
            /** Format: uuid */
            id: string;
            message_type: string;
            read_at: string | null;
            recipient_id: string;
            sent_at: string | null;
            status: components["schemas"]["Status"];
            template_name: string | null;
            /** @description grows with each change of the message, so the answer or event with the greater one is newer; compare those of one message only */
            version?: number;
            wamid: string;
        };
        /**
         * MessageResponse
         * @description Answer of `messages`.
         */
        MessageResponse: {
            message: components["schemas"]["Message"];
        };
        /**
         * Message
         * @description Everything known of a message.
         */
        Message: {
            callback_data: string | null;
            campaign_id: string | null;
            /** @description what was reported that doesn't go together */
            conflicts: string[];
            /**
             * Format: date-time
             * @description a time in UTC, with milliseconds only where they aren't zero
             */
            created_at: string;
            delivered_at: string | null;
            error: components["schemas"]["MessageError"] | null;
            error_code: string | null;
            error_message: string | null;
            event_id: string | null;
            failed_at: string | null;
            flow_type: string | null;
            guest_id: string | null;
            guest_name: string | null;
            /** Format: uuid */
            id: string;
            message_type: string;
            /** @description the recipient as Meta names it, where that is another than recipient_id */
            metas_recipient_id: string | null;
            parent_user_id: string | null;
            /** @description of a group's message those whom a status has named, by their ids. The message's own status is the highest of sent, delivered and read that any of them reached; a participant's failure stands here alone */
            participants: components["schemas"]["MessageParticipant"][];
            phone_number_id: string | null;
            pricing: Record<string, never> | null;
            read_at: string | null;
            recipient_id: string;
            registration_id: string | null;
            sent_at: string | null;
            status: components["schemas"]["Status"];
            template_name: string | null;
            timeline: components["schemas"]["TimelineEntry"][];
            tracked_at: string | null;
            user_id: string | null;
            /** @description grows with each change of the message, so the answer or event with the greater one is newer; compare those of one message only */
            version?: number;
            wamid: string;
        };
        /**
         * MessageError
         * @description Why a message failed.
         */
        MessageError: {
            /**
             * Format: date-time
             * @description a time in UTC, with milliseconds only where they aren't zero
             */
            at: string;
            /** @description when to send again: now, later, once something is fixed, never; or unknown */
            class: components["schemas"]["RemedyClass"];
            code: string | null;
            details: string | null;
            href: string | null;
            meaning: string | null;
            message: string | null;
            remedy: string | null;
        };
        /**
         * RemedyClass
         * @description When to send a failed message again.
         * @enum {unknown}
         */
        RemedyClass: "fix" | "later" | "never" | "now" | "unknown";
        /**
         * MessageParticipant
         * @description A member of a group, and how far the message came with them.
         */
        MessageParticipant: {
            delivered_at: string | null;
            error: components["schemas"]["MessageError"] | null;
            failed_at: string | null;
            participant_id: string;
            read_at: string | null;
            sent_at: string | null;
            status: components["schemas"]["Status"] | null;
        };
        /**
         * TimelineEntry
         * @description A reported status: its time, and when the service first received it.
         */
        TimelineEntry: {
            /**
             * Format: date-time
             * @description a time in UTC, with milliseconds only where they aren't zero
             */
            at: string;
            received_at: string | null;
            status: components["schemas"]["Status"];
        };
        /**
         * MessageStatsResponse
         * @description Answer of `message-stats`; `statuses` adds up to `total`, `failures` to those failed.
         */
        MessageStatsResponse: {
            awaiting: components["schemas"]["Awaiting"];
            failures: components["schemas"]["FailureGroup"][];
            rates: components["schemas"]["Rates"];
            /** @description how many came so far, or farther */
            reached: components["schemas"]["StatusCounts"];
            /** @description where messages stand now */
            statuses: components["schemas"]["StatusCounts"];
            time_to_deliver: components["schemas"]["TimeTaken"];
            time_to_read: components["schemas"]["TimeTaken"];
            total: number;
        };
        /**
         * Awaiting
         * @description Messages that were sent and have no later status.
         */
        Awaiting: {
            by_age: components["schemas"]["AwaitingAge"][];
            total: number;
        };
        /**
         * AwaitingAge
         * @description How many messages have an age from the bound before up to this one; null: any age.
         */
        AwaitingAge: {
            count: number;
            under_s: number | null;
        };
        /**
         * FailureGroup
         * @description Messages that failed for one reason.
         */
        FailureGroup: {
            /** @description when to send again: now, later, once something is fixed, never; or unknown */
            class: components["schemas"]["RemedyClass"];
            code: string | null;
            count: number;
            meaning: string | null;
            remedy: string | null;
        };
        /**
         * Rates
         * @description Which part of all messages reached each status.
         */
        Rates: {
            delivered: number | null;
            failed: number | null;
            read: number | null;
        };
        /**
         * StatusCounts
         * @description How many messages, by status.
         */
        StatusCounts: {
            delivered: number;
            failed: number;
            read: number;
            sent: number;
        };
        /**
         * TimeTaken
         * @description How long it took from `sent`: 50, 90 and 99 % of the messages took at most that long.
         */
        TimeTaken: {
            /** @description of messages that it is known of */
            count: number;
            p50_s: number | null;
            p90_s: number | null;
            p99_s: number | null;
            within: components["schemas"]["WithinSeconds"][];
        };
        /**
         * WithinSeconds
         * @description How many messages took at most that long; null stands for any time.
         */
        WithinSeconds: {
            count: number;
            s: number | null;
        };
        /**
         * EventsResponse
         * @description Answer of `events`.
         */
        EventsResponse: {
            events: components["schemas"]["EventCounts"][];
        };
        /**
         * EventCounts
         * @description A value of `event_id` that has messages.
         */
        EventCounts: {
            event_id: string;
            /**
             * Format: date-time
             * @description when its latest message was created
             */
            latest_at: string;
            statuses: components["schemas"]["StatusCounts"];
            total: number;
        };
        /**
         * TemplatesResponse
         * @description Answer of `templates`.
         */
        TemplatesResponse: {
            templates: components["schemas"]["TemplateCounts"][];
        };
        /**
         * TemplateCounts
         * @description A value of `template_name` that has messages.
         */
        TemplateCounts: {
            /**
             * Format: date-time
             * @description when its latest message was created
             */
            latest_at: string;
            statuses: components["schemas"]["StatusCounts"];
            template_name: string;
            total: number;
        };
        /**
         * CampaignsResponse
         * @description Answer of `campaigns`.
         */
        CampaignsResponse: {
            campaigns: components["schemas"]["CampaignCounts"][];
        };
        /**
         * CampaignCounts
         * @description A value of `campaign_id` that has messages.
         */
        CampaignCounts: {
            campaign_id: string;
            /**
             * Format: date-time
             * @description when its latest message was created
             */
            latest_at: string;
            statuses: components["schemas"]["StatusCounts"];
            total: number;
        };
        /**
         * PhoneNumbersResponse
         * @description Answer of `phone_numbers`.
         */
        PhoneNumbersResponse: {
            phone_numbers: components["schemas"]["PhoneNumberCounts"][];
        };
        /**
         * PhoneNumberCounts
         * @description A value of `phone_number_id` that has messages.
         */
        PhoneNumberCounts: {
            /**
             * Format: date-time
             * @description when its latest message was created
             */
            latest_at: string;
            phone_number_id: string;
            statuses: components["schemas"]["StatusCounts"];
            total: number;
        };
        /**
         * FailuresResponse
         * @description Answer of `failures`: all groups, and a page of recipients.
         */
        FailuresResponse: {
            failures: components["schemas"]["ListedFailureGroup"][];
            recipients: components["schemas"]["FailedRecipient"][];
        };
        /**
         * ListedFailureGroup
         * @description The messages that failed with one code, and how many of them the list has.
         */
        ListedFailureGroup: {
            /** @description when to send again: now, later, once something is fixed, never; or unknown */
            class: components["schemas"]["RemedyClass"];
            code: string | null;
            count: number;
            listed?: number | null;
            meaning: string | null;
            remedy: string | null;
        };
        /**
         * FailedRecipient
         * @description A failed message and its recipient.
         */
        FailedRecipient: {
            /** @description when to send again: now, later, once something is fixed, never; or unknown */
            class: components["schemas"]["RemedyClass"];
            error_code: string | null;
            error_details: string | null;
            error_message: string | null;
            event_id: string | null;
            failed_at: string | null;
            guest_id: string | null;
            guest_name: string | null;
            recipient_id: string;
            registration_id: string | null;
            /** @description where the latest message of the same template and event stands that this recipient was sent since; null: none was */
            sent_since: components["schemas"]["Status"] | null;
            template_name: string | null;
            wamid: string;
        };
        /**
         * EraseRequest
         * @description Which messages are to be erased: body of `erase`; exactly one is given.
         *
         *         Give the recipient's whole number or id: a number that only ends alike is another person's.
         */
        EraseRequest: {
            /** @default null */
            recipient_id?: (string | number) | null;
            /** @default null */
            guest_id?: (string | number) | null;
            /** @default null */
            event_id?: (string | number) | null;
            /** @default null */
            template_name?: string | null;
            /** @default null */
            campaign_id?: (string | number) | null;
            /** @default null */
            phone_number_id?: (string | number) | null;
        };
        /**
         * EraseResponse
         * @description Answer of `erase`.
         */
        EraseResponse: {
            /** @description whether those were all; if not, ask again to go on */
            complete: boolean;
            /** @description only when a recipient is erased: how many messages stay because their recipient's number only ends alike; if complete is false, those met so far */
            ends_alike?: number;
            /** @description how many messages were there, and are gone */
            erased: number;
            /** @constant */
            ok: true;
        };
        /**
         * PayloadTaken
         * @description Everything usable is kept. A caller with a token also gets the counts.
         */
        PayloadTaken: {
            /** @constant */
            ok: true;
            /** @description how many other items, by their kind */
            passed_over?: {
                [key: string]: number;
            };
            /** @description true: it is on disk and will be merged when Redis is back */
            queued?: boolean;
            /** @description how many statuses */
            taken?: number;
        };
        /**
         * Done
         * @description All is well.
         */
        Done: {
            /** @constant */
            ok: true;
        };
        /**
         * Ready
         * @description Requests are served; while the store is away only those that write.
         */
        Ready: {
            /** @description by how many seconds this machine's clock is ahead of that of Redis, less than 0: behind it; only where that is more than a minute */
            clock_ahead_s?: number;
            journal: components["schemas"]["JournalState"];
            /** @constant */
            ok: true;
            /** @description why the store is away */
            reason?: string;
            /** @enum {unknown} */
            store: "away" | "up";
        };
        /**
         * JournalState
         * @description Whether reports are kept on disk while the store is away, and how many wait there.
         */
        JournalState: {
            /** @description how long the first of them has waited */
            age_s?: number;
            /** @description why it takes no reports */
            fault?: string;
            /** @description how many of them wait for another store than this one */
            for_other_stores?: number;
            on: boolean;
            reports?: number;
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
    track_send: {
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
    track_send_batch: {
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
                    "application/x-ndjson": components["schemas"]["TrackSendEventResponse"] | components["schemas"]["TrackSendStandaloneResponse"] | components["schemas"]["Refusal"];
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
    status_update: {
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
    status_update_batch: {
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
                    "application/x-ndjson": components["schemas"]["MessageStatusResponse"] | components["schemas"]["Refusal"];
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
    status_lookup: {
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
    message_logs: {
        parameters: {
            query?: {
                /** @description a text of 1 to 128 characters without control characters */
                event_id?: string;
                /** @description a text of 1 to 512 characters; control characters are looked for as spaces */
                template_name?: string;
                /** @description a text of 1 to 128 characters without control characters */
                campaign_id?: string;
                /** @description a text of 1 to 128 characters without control characters */
                phone_number_id?: string;
                /** @description a text of 1 to 128 characters without control characters */
                registration_id?: string;
                /** @description a text of 1 to 128 characters without control characters */
                guest_id?: string;
                /** @description a phone number of 6 to 15 digits, or another id with a letter or more digits, of up to 140 characters */
                recipient_id?: string;
                /** @description true or false */
                standalone?: "false" | "true";
                /** @description one of sent, delivered, read, failed */
                status?: "delivered" | "failed" | "read" | "sent";
                /** @description true: each message has its version; or false */
                versions?: "false" | "true";
                /** @description a whole number from 1 to 200 */
                limit?: string;
                /** @description taken from the Link header of the page before */
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
    message_logs_latest: {
        parameters: {
            query: {
                /** @description a text of 1 to 128 characters without control characters */
                registration_id: string;
                /** @description true: each message has its version; or false */
                versions?: "false" | "true";
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
    live: {
        parameters: {
            query?: {
                /** @description a text of 1 to 128 characters without control characters */
                event_id?: string;
                /** @description a text of 1 to 512 characters; control characters are looked for as spaces */
                template_name?: string;
                /** @description a text of 1 to 128 characters without control characters */
                campaign_id?: string;
                /** @description a text of 1 to 128 characters without control characters */
                phone_number_id?: string;
                /** @description a text of 1 to 128 characters without control characters */
                registration_id?: string;
            };
            header?: {
                /** @description The last `id` that was received, to go on behind it. */
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
    message_details: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the message's id, percent-encoded */
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
    message_stats: {
        parameters: {
            query?: {
                /** @description a text of 1 to 128 characters without control characters */
                event_id?: string;
                /** @description a text of 1 to 512 characters; control characters are looked for as spaces */
                template_name?: string;
                /** @description a text of 1 to 128 characters without control characters */
                campaign_id?: string;
                /** @description a text of 1 to 128 characters without control characters */
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
    events: {
        parameters: {
            query?: {
                /** @description a whole number from 1 to 200 */
                limit?: string;
                /** @description taken from the Link header of the page before */
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
    templates: {
        parameters: {
            query?: {
                /** @description a whole number from 1 to 200 */
                limit?: string;
                /** @description taken from the Link header of the page before */
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
    campaigns: {
        parameters: {
            query?: {
                /** @description a whole number from 1 to 200 */
                limit?: string;
                /** @description taken from the Link header of the page before */
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
    phone_numbers: {
        parameters: {
            query?: {
                /** @description a whole number from 1 to 200 */
                limit?: string;
                /** @description taken from the Link header of the page before */
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
    failures: {
        parameters: {
            query?: {
                /** @description a text of 1 to 128 characters without control characters */
                event_id?: string;
                /** @description a text of 1 to 512 characters; control characters are looked for as spaces */
                template_name?: string;
                /** @description a text of 1 to 128 characters without control characters */
                campaign_id?: string;
                /** @description a text of 1 to 128 characters without control characters */
                phone_number_id?: string;
                /** @description an error code of up to six digits, none: failed without one, or other: failed with a code that has no group of its own */
                code?: string;
                /** @description one of now, later, fix, never, unknown */
                class?: "fix" | "later" | "never" | "now" | "unknown";
                /** @description true or false */
                sent_since?: "false" | "true";
                /** @description true or false */
                count?: "false" | "true";
                /** @description a whole number from 1 to 200 */
                limit?: string;
                /** @description taken from the Link header of the page before */
                cursor?: string;
                /** @description json, or csv for all recipients in one file; so does Accept: text/csv */
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
    erase: {
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
    whatsapp_verify: {
        parameters: {
            query: {
                "hub.mode": "subscribe";
                /** @description is answered */
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
    whatsapp: {
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
    healthz: {
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
    readyz: {
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
    metrics: {
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
    openapi: {
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
