/** Returns the bytes of a request's body; undefined if there are more than the limit. */
export async function bytesOf(
  request: Request,
  limit: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (Number(request.headers.get('Content-Length')) > limit) return undefined;
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = request.body?.getReader();
  for (;;) {
    const piece = (await reader?.read())?.value;
    if (!piece) return joined(pieces, length);
    pieces.push(piece);
    length += piece.length;
    if (length > limit) {
      await reader?.cancel();
      return undefined;
    }
  }
}

function joined(pieces: Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}
