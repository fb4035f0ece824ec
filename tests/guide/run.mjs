// Runs the TypeScript of guide.md, as it stands there, against the service at DJANGO_URL with the
// token DJANGO_RSVP_SECRET. Prints as JSON, by example: the responses that the guide documents,
// those that came, what was returned and what was printed.
import { readFileSync } from 'node:fs';
import ts from 'typescript';

const { DJANGO_URL } = process.env;
const PHONE = '919876543210';
const OTHER_PHONE = '447700900123';
const TRACKED = 'wamid.HBgLMTk4NzY1NDMyMTAVAgAS...'; // the two of the guide's look-up
const UNTRACKED = 'wamid.HBgLMTk4NzY1NDMyMTBWBgAS...';

const AsyncFunction = (async () => {}).constructor;

// From text to code and documented responses ------------------------------------------------------

// Takes the types off. A module becomes CommonJS, as a function can hold no import or export.
function transpile(code) {
    const compilerOptions = { target: 'es2022', module: 'commonjs', jsx: 'react' };
    const options = { fileName: 'snippet.tsx', reportDiagnostics: true, compilerOptions };
    const { outputText, diagnostics } = ts.transpileModule(code, options);
    if (diagnostics.length) throw new Error(`${diagnostics[0].messageText} in:\n${code}`);
    return outputText;
}

// The examples of a block: each a scope of its own, as several declare a `response`. The object
// literals behind the code are no statements but what is to be answered.
function examplesOf(block) {
    const [code, ...responses] = block.split(/^\/\/ (?:Response|If no message found).*\n/m);
    const documented = responses.map((text) => new Function(`return (${text});`)());
    return code.split(/^(?=\/\/ Example)/m).map(transpile)
        .filter((js) => js.replace('"use strict";', '').trim()) // nothing is left of interfaces
        .map((js) => ({ js, documented }));
}

const guide = readFileSync(new URL('guide.md', import.meta.url), 'utf8');
const blocks = [...guide.matchAll(/^```typescript\n(.*?)^```$/gms)].map(([, block]) => block);
const [
    authentication, trackEvent, trackStandalone, forward, lookup, logsByEvent, logsStandalone,
    logsByPhone, logsByTemplate, latest, invite, bulk, webhook, deliveryStatus, failures, ...rest
] = blocks.flatMap(examplesOf);
if (!failures || rest.length) throw new Error('guide.md has not the examples that are run here');

// Running -----------------------------------------------------------------------------------------

const report = {};

// Runs an example with the names that it takes from its surroundings, then the call.
async function run(name, { js, documented }, names = {}, call = 'response.ok') {
    const entry = (report[name] = { documented, exchanges: [], returned: null, printed: [] });
    const print = (...words) => entry.printed.push(words.join(' '));
    const scope = {
        DJANGO_URL,
        exports: {},
        console: { log: print, error: print },
        async fetch(...request) {
            const response = await fetch(...request);
            entry.exchanges.push({ status: response.status, body: await response.clone().json() });
            return response;
        },
        ...names,
    };
    try {
        const snippet = new AsyncFunction(...Object.keys(scope), `${js}\nreturn ${call};`);
        entry.returned = await snippet(...Object.values(scope));
    } catch (error) {
        print(`Uncaught ${error}`);
    }
    return entry;
}

// What Meta sends of some messages: each update is [wamid, status, time, what else it has].
function fromMeta(...updates) {
    const statuses = updates.map(([id, status, time, more]) => ({
        id, status, timestamp: String(Date.parse(time) / 1000), recipient_id: PHONE, ...more,
    }));
    const metadata = { display_phone_number: '15550783881', phone_number_id: '106540352242922' };
    const value = { messaging_product: 'whatsapp', metadata, statuses };
    const entry = [{ id: '102290129340398', changes: [{ field: 'messages', value }] }];
    const body = JSON.stringify({ object: 'whatsapp_business_account', entry });
    return new Request('http://next.test/api/webhooks/whatsapp', { method: 'POST', body });
}

const FAILURE = {
    errors: [{
        code: 131026,
        title: 'Message undeliverable',
        message: 'Message undeliverable',
        error_data: { details: 'Message Undeliverable.' },
        href: 'https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/',
    }],
};

const sending = (wamid) => ({ sendWhatsAppTemplate: async () => ({ messages: [{ id: wamid }] }) });

const { returned: headers } = await run('authentication', authentication, {}, 'headers');

await run('trackEvent', trackEvent, { headers });
await run('trackStandalone', trackStandalone, { headers });
const updates = fromMeta(
    [TRACKED, 'sent', '2024-01-15T10:30:00Z'],
    [TRACKED, 'delivered', '2024-01-15T10:30:05Z'],
    [UNTRACKED, 'sent', '2024-01-15T10:25:00Z'],
    [UNTRACKED, 'delivered', '2024-01-15T10:25:03Z'],
    [UNTRACKED, 'read', '2024-01-15T10:28:00Z'],
    ['wamid.failed', 'failed', '2024-01-15T10:31:00Z', { ...FAILURE, recipient_id: OTHER_PHONE }],
);
await run('forward', forward, { headers, request: updates }, '(await POST(request)).json()');

const registration = {
    id: 'uuid-of-another-registration',
    guest: { id: 'uuid-of-guest', name: 'John Doe', phone: PHONE },
    event: { id: 'uuid-of-event', name: 'Wedding' },
};
const library = { '@/lib/whatsapp': sending('wamid.invite') };
const asked = { require: (module) => library[module], registration };
await run('invite', invite, asked, 'sendRSVPInvite(registration)');
const bulkCall = `sendBulkMessage('${PHONE}', 'Jane Roe', 'bulk_announcement_v1')`;
await run('bulk', bulk, sending('wamid.bulk'), bulkCall);
const failure = fromMeta(
    ['wamid.invite', 'failed', '2024-01-15T10:32:00Z', FAILURE],
    ['wamid.invite', 'sent', '2024-01-15T10:31:58Z'],
);
await run('webhook', webhook, { request: failure }, '(await POST(request)).json()');

const eventId = 'uuid-of-event';
await run('lookup', lookup, { headers });
await run('logsByEvent', logsByEvent, { headers, eventId });
await run('logsStandalone', logsStandalone, { headers });
const byPhone = await run('logsByPhone', logsByPhone, { headers });
await run('logsByTemplate', logsByTemplate, { headers });
await run('latest', latest, { headers, registrationId: 'uuid-of-registration' });
await run('latestOfNone', latest, { headers, registrationId: 'uuid-of-nobody' });
await run('failures', failures, { headers, eventId }, 'failedMessages.length');

const React = {
    createElement: (tag, props, ...children) =>
        `<${tag} class="${props?.className ?? ''}">${children.filter(Boolean).join('')}</${tag}>`,
};
const rows = byPhone.exchanges[0].body.logs ?? [];
const rendered = `Object.fromEntries(rows.map((row) =>
    [row.status, DeliveryStatus({ status: row.status, errorMessage: row.error_message })]))`;
await run('deliveryStatus', deliveryStatus, { React, rows }, rendered);

console.log(JSON.stringify(report));
