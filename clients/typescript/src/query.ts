import { TrackerError } from './errors.js';

/**
 * Returns the query of a request, with its question mark; "" without parameters.
 *
 * @throws TrackerError if a parameter has no value. Leaving it out would ask for everybody's
 *   messages, which is hardly what was meant by the id of nobody.
 */
export function queryOf(parameters: object): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    query.set(name, given(name, value));
  }
  return query.size ? `?${query}` : '';
}

/** Returns a value as text; refuses one that is missing. */
export function given(name: string, value: unknown): string {
  if (value === undefined || value === null || value === '') {
    const sentence = `${name} has no value. Leave it out if you don't mean to give it.`;
    throw new TrackerError(sentence, { code: 'invalid_argument', field: name });
  }
  return String(value);
}
