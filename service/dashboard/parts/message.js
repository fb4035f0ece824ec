// One message: all that is known of it.
import { html, useEffect, useLayoutEffect, useRef } from '../lib.js';
import { useLoader } from '../loader.js';
import { NO_REASON } from '../reasons.js';
import { CLASSES, inLocalTimes } from '../words.js';
import { Problem, Skeleton, Status, Time } from './basics.js';

export function Message({ api, bus, wamid, onClose, onError }) {
  const dialog = useRef(null);
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown.showModal();
    return () => shown.close(); // the browser gives the focus back to where it was
  }, []);
  const load = async (signal) => (await api.json(`messages/${encodeURIComponent(wamid)}/`, {}, signal)).message;
  const loaded = useLoader(load, 500, [wamid], onError);
  useEffect(() => {
    const rows = (changes) => changes.some((row) => row.wamid === wamid) && loaded.ask();
    return bus.subscribe({ rows, anew: loaded.ask });
  }, [bus, loaded.ask]);
  const beside = (event) => event.target === dialog.current && onClose();
  const cancelled = (event) => {
    event.preventDefault(); // it goes when the address says so
    onClose();
  };
  return html`<dialog ref=${dialog} class="message" aria-labelledby="message-title" onCancel=${cancelled} onClick=${beside}>
    <div class="message-body">
      <header class="message-head">
        <h2 id="message-title">${loaded.data ? titleOf(loaded.data) : 'Message'}</h2>
        <button type="button" class="button plain close" aria-label="Close" onClick=${onClose}>✕</button>
      </header>
      <${Body} loaded=${loaded} wamid=${wamid} />
    </div>
  </dialog>`;
}

function titleOf(message) {
  return message.guest_name || message.recipient_id || 'Recipient not known';
}

function Body({ loaded, wamid }) {
  const { data, error } = loaded;
  if (data) return html`<${Known} message=${data} />`;
  if (!error) return html`<${Skeleton} lines=${8} />`;
  if (error.status === 404) {
    return html`<p>No message with this id is known here. Either it was never reported, or it has been erased.</p>
      <p class="id">${wamid}</p>`;
  }
  return html`<${Problem} what="The message could not be loaded." error=${error} onAgain=${loaded.ask} />`;
}

function Known({ message }) {
  return html`
    <p class="message-status"><${Status} of=${message.status} /> <span class="quiet">${message.template_name ?? message.message_type}</span></p>
    ${message.error && html`<${Failure} error=${message.error} />`}
    <h3>What happened</h3>
    <${Timeline} steps=${message.timeline} />
    ${message.conflicts.length > 0 &&
    html`<div class="notice"><h3>What doesn’t fit together</h3><ul>${message.conflicts.map((sentence) => html`<li key=${sentence}>${inLocalTimes(sentence)}</li>`)}</ul></div>`}
    <h3>Details</h3>
    <${Facts} message=${message} />
    ${message.participants.length > 0 && html`<h3>Who of the group got it</h3><${Participants} of=${message.participants} />`}
    ${message.pricing && html`<h3>Pricing</h3><${Pairs} pairs=${Object.entries(message.pricing).map(([name, value]) => [inWords(name), said(value)])} />`}
  `;
}

function Failure({ error }) {
  const known = CLASSES[error.class] ?? CLASSES.unknown;
  const safe = /^https:\/\//i.test(error.href ?? '');
  return html`<section class="failure ${error.class}" aria-label="Why it failed">
    <p><strong>${error.meaning ?? error.message ?? NO_REASON}</strong> ${error.code && html`<span class="code-number">${error.code}</span>`}</p>
    <p><span class="badge">${known.title}</span></p>
    ${error.remedy && html`<p>${error.remedy}</p>`}
    ${(error.message || error.details || error.href) && html`<dl class="pairs">
      ${error.message && html`<div><dt>Meta’s message</dt><dd>${error.message}</dd></div>`}
      ${error.details && html`<div><dt>Meta’s details</dt><dd>${error.details}</dd></div>`}
      ${error.href && html`<div><dt>Meta’s link</dt><dd>${safe ? html`<a href=${error.href} target="_blank" rel="noopener noreferrer">${error.href}</a>` : error.href}</dd></div>`}
    </dl>`}
  </section>`;
}

function Timeline({ steps }) {
  return html`<ol class="timeline">
    ${steps.map((step, i) => html`<li key=${i} class=${step.status}>
      <${Status} of=${step.status} />
      <span class="times">${timesOf(step).map(
        ([at, whose]) => html`<span key=${whose}><${Time} exact at=${at} /> <span class="quiet">${whose}</span></span>`,
      )}</span>
    </li>`)}
  </ol>`;
}

function Participants({ of }) {
  return html`<ul class="participants">
    ${of.map((each) => html`<li key=${each.participant_id}>
      <span class="id">${each.participant_id}</span> ${each.status && html`<${Status} of=${each.status} />`}
      ${' '}${each.status && html`<${Time} exact at=${each[`${each.status}_at`]} />`}
      ${each.error && html`<${Failure} error=${each.error} />`}
    </li>`)}
  </ul>`;
}

/** The times of a step, each with whose it is. A send that names no time has that of its arrival here. */
function timesOf({ at, received_at: received }) {
  if (at === received) return [[at, 'received here, by this service’s clock']];
  return [[at, 'as it was reported'], [received, 'received here']].filter(([time]) => time);
}

function Facts({ message }) {
  const pairs = [
    ['Recipient', message.recipient_id],
    ['Recipient as Meta names it', message.metas_recipient_id],
    ['Guest', message.guest_name],
    ['Guest id', message.guest_id],
    ['Event', message.event_id],
    ['Registration', message.registration_id],
    ['Template', message.template_name],
    ['Message type', message.message_type],
    ['Flow', message.flow_type],
    ['First reported', message.created_at && html`<${Time} exact at=${message.created_at} />`],
    ['Send tracked', message.tracked_at && html`<${Time} exact at=${message.tracked_at} />`],
    ['Callback data', message.callback_data],
    ['Sent from (number id)', message.phone_number_id],
    ['User id', message.user_id],
    ['Parent user id', message.parent_user_id],
    ['Id in this service', message.id],
    ['Meta’s id', message.wamid],
  ];
  return html`<${Pairs} pairs=${pairs} />`;
}

function Pairs({ pairs }) {
  return html`<dl class="pairs">
    ${pairs.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

function inWords(name) {
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ');
}

function said(value) {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
