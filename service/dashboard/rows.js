// How changes come into a list of messages that is shown.

export const MOST_ROWS = 200;

const TIMES = ['sent_at', 'delivered_at', 'read_at', 'failed_at'];

/** The earliest time known of a message, in ms. */
export function beganMs(row) {
  const known = TIMES.map((name) => row[name]).filter(Boolean);
  return known.length ? Math.min(...known.map(Date.parse)) : 0;
}

/**
 * The rows with the changes in them: known messages in their place, new ones by their time.
 * @param {object[]} rows newest first
 * @param {object[]} changes
 * @param {object} how `accepts(row)`: whether it belongs here (still); `grows`: whether new ones
 *   are put in; `whole`: whether nothing older than the last row is left out of the list
 */
export function merged(rows, changes, { accepts, grows, whole }) {
  const changed = new Map(changes.map((row) => [row.wamid, row]));
  const kept = rows.map((row) => take(changed, row)).filter(accepts);
  if (!grows) return kept;
  for (const row of changed.values()) {
    if (accepts(row)) insert(kept, row, whole);
  }
  return kept.slice(0, MOST_ROWS);
}

function take(changed, row) {
  const change = changed.get(row.wamid);
  changed.delete(row.wamid);
  return change ? { ...change, fresh: (row.fresh ?? 0) + 1 } : row;
}

function insert(rows, row, whole) {
  const place = rows.findIndex((other) => beganMs(other) <= beganMs(row));
  const fresh = { ...row, fresh: 1 };
  if (place >= 0) rows.splice(place, 0, fresh);
  else if (whole) rows.push(fresh);
}
