const HMAC = { name: 'HMAC', hash: 'SHA-256' };
const FORM = /^sha256=([0-9a-f]{64})$/;

/**
 * Returns whether a body was signed with one of the secrets. The time that this takes says nothing
 * about how much of the signature is right.
 *
 * @param signature - the header `X-Hub-Signature-256`: `sha256=` and the hexadecimal HMAC-SHA256
 *   of the body.
 */
export async function isSigned(
  body: Uint8Array<ArrayBuffer>,
  signature: string,
  secrets: readonly string[],
): Promise<boolean> {
  const digits = FORM.exec(signature)?.[1];
  if (!digits) return false;
  const mac = Uint8Array.from(digits.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  const checks = secrets.map(async (secret) =>
    crypto.subtle.verify(HMAC, await keyOf(encoded(secret)), mac, body),
  );
  return (await Promise.all(checks)).includes(true);
}

/** Returns whether two texts are equal. The time that this takes says nothing about where not. */
export async function isSameText(given: string, expected: string): Promise<boolean> {
  const key = await keyOf(crypto.getRandomValues(new Uint8Array(32)));
  const mac = await crypto.subtle.sign(HMAC, key, encoded(expected));
  return crypto.subtle.verify(HMAC, key, mac, encoded(given));
}

function keyOf(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', secret, HMAC, false, ['sign', 'verify']);
}

function encoded(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
