import { createHmac } from 'node:crypto';
import { APP_SECRET } from './service.js';

/** The address of a webhook route; nobody connects to it. */
export const ADDRESS = 'https://app.test/api/webhooks/whatsapp';

/** A body such as Meta sends, with these statuses and messages of people. */
export function bodyOf(statuses: object[] = [], messages: object[] = []): string {
  const metadata = { display_phone_number: '15550783881', phone_number_id: '106540352242922' };
  const contacts = [{ wa_id: '919876543210', profile: { name: 'Zoë' } }];
  const value = { messaging_product: 'whatsapp', metadata, contacts, statuses, messages };
  const changes = [{ field: 'messages', value }];
  return JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: '1', changes }] });
}

export function status(id: string): object {
  return { id, status: 'delivered', timestamp: '1768473065', recipient_id: '919876543210' };
}

export function inbound(id: string): object {
  return { id, from: '919876543210', timestamp: '1768473065', type: 'text', text: { body: 'Zoë' } };
}

/** What Meta puts into `X-Hub-Signature-256`. */
export function signatureOf(body: string | Uint8Array, secret = APP_SECRET): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** A request as Meta makes it. */
export function fromMeta(body: string, signature: string | null = signatureOf(body)): Request {
  const headers = { 'Content-Type': 'application/json' };
  const signed = signature === null ? headers : { ...headers, 'X-Hub-Signature-256': signature };
  return new Request(ADDRESS, { method: 'POST', headers: signed, body });
}

/** The request by which Meta asks whether an address is ours. */
export function handshake(query: Record<string, string>): Request {
  return new Request(`${ADDRESS}?${new URLSearchParams(query)}`);
}
