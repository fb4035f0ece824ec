// What is looked at stands behind the # of the address, so that reload and back work; it is not
// sent to the service.
import { useEffect, useState } from './lib.js';

const KINDS = ['event', 'template', 'phone'];
const PARAMETERS = { event: 'event_id', template: 'template_name', phone: 'recipient_id' };

/** {kind, value, message}: kind is 'all' or one of KINDS, message a wamid or ''. */
export function read(hash = location.hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  const kind = KINDS.find((name) => given.get(name)) ?? 'all';
  return { kind, value: given.get(kind) ?? '', message: given.get('message') ?? '' };
}

export function href({ kind, value, message = '' }) {
  const parts = new URLSearchParams();
  if (kind !== 'all') parts.set(kind, value);
  if (message) parts.set('message', message);
  return `#${parts}`;
}

export function go(route) {
  location.hash = href(route);
}

/** The parameters by which the service is asked for a selection. */
export function queryOf({ kind, value }) {
  return kind === 'all' ? {} : { [PARAMETERS[kind]]: value };
}

export function useRoute() {
  const [route, set] = useState(read);
  useEffect(() => {
    const changed = () => set(read());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}
