// What is looked at stands behind the # of the address, so that reload and back work; it is not
// sent to the service.
import { useEffect, useState } from './lib.js';

const KINDS = ['event', 'template', 'recipient'];
const PARAMETERS = { event: 'event_id', template: 'template_name', recipient: 'recipient_id' };

/** {kind, value, message}: kind is 'all' or one of KINDS, message a wamid or ''. */
export function read(hash = location.hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  if (given.has('phone')) given.set('recipient', given.get('phone')); // as kept addresses have it
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

let opened = false; // the message that is shown, from a list here: then back leads to the list

/** Goes back to the selection from one of its messages. */
export function close(selection) {
  if (opened) history.back();
  else location.replace(href(selection));
}

/** The parameters by which the service is asked for a selection. */
export function queryOf({ kind, value }) {
  return kind === 'all' ? {} : { [PARAMETERS[kind]]: value };
}

export function useRoute() {
  const [route, set] = useState(read);
  useEffect(() => {
    const changed = ({ oldURL }) => {
      const route = read();
      opened = route.message !== '' && read(new URL(oldURL).hash).message === '';
      set(route);
    };
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}
