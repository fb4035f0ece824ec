/** A message that a person sent to the business, as Meta sends it. Other fields come along. */
export interface InboundMessage {
  /** The wamid of the message. Meta may send a message several times: this tells. */
  id: string;
  /** The person's number. Meta leaves it out for people who are known by their username alone. */
  from?: string;
  /** Epoch seconds. */
  timestamp: string;
  /** `text`, `image`, `button`, `interactive`, `reaction` and so on; its field has the content. */
  type: string;
  /** The content of a text. */
  text?: { body: string };
  [field: string]: unknown;
}

/** The part of a webhook that a message came in: which number it was sent to, and by whom. */
export interface InboundContext {
  /** The business's number. */
  metadata?: { display_phone_number?: string; phone_number_id?: string };
  /** The people who wrote. */
  contacts?: Array<{ wa_id?: string; user_id?: string; profile?: { name?: string } }>;
  [field: string]: unknown;
}

/** Returns every message in the body of a webhook, each with the part that it came in. */
export function inboundMessages(body: Uint8Array): Array<[InboundMessage, InboundContext]> {
  return objectsIn(jsonIn(body), 'entry')
    .flatMap((entry) => objectsIn(entry, 'changes'))
    .filter((change) => change['field'] === 'messages')
    .flatMap(({ value }) =>
      objectsIn(value, 'messages').map((message): [InboundMessage, InboundContext] => [
        message as InboundMessage,
        value as InboundContext,
      ]),
    );
}

type Fields = Record<string, unknown>;

/** Returns the objects in a list of an object; none if there is no such list. */
function objectsIn(holder: unknown, name: string): Fields[] {
  const list = isObject(holder) ? holder[name] : undefined;
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

/** Returns the JSON in a body; undefined if it holds none, which the service answers. */
function jsonIn(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
