// The failure desk: what failed, why, and what to do about it.
import { html, useEffect, useRef, useState } from '../lib.js';
import { useLoader } from '../loader.js';
import { href, queryOf } from '../route.js';
import { MOST_ROWS } from '../rows.js';
import { CLASSES, count, many, phone } from '../words.js';
import { Card, Download, Empty, Problem, Skeleton, Time } from './basics.js';

const STEP = 25;
const NO_CODE = 'none'; // what the service calls the code of a failure without one

export function Failures({ failures, ...shown }) {
  const total = sum(failures);
  const aside = total > 0 && html`<span class="quiet">${many(total, 'message')}</span>`;
  return html`<${Card} id="failures" title="Failures, and what to do" aside=${aside} className="desk">
    ${total === 0 && html`<${Empty} title="Nothing has failed."><p>If something does, it says here why, and what helps.</p><//>`}
    ${total > 0 && html`<p class="quiet">The list of a group leaves out who was sent the same template again since.</p>`}
    ${Object.keys(CLASSES).map((name) => {
      const codes = failures.filter((failure) => (failure.class in CLASSES ? failure.class : 'unknown') === name);
      return codes.length > 0 && html`<${Group} key=${name} name=${name} codes=${codes} ...${shown} />`;
    })}
  <//>`;
}

function sum(failures) {
  return failures.reduce((total, failure) => total + failure.count, 0);
}

function Group({ name, codes, ...shown }) {
  const { title, about } = CLASSES[name];
  const number = sum(codes);
  return html`<section class="group ${name}" aria-labelledby="class-${name}">
    <header class="group-head">
      <div>
        <h3 id="class-${name}">${title} <span class="badge">${count(number)}</span></h3>
        <p class="quiet">${about}</p>
      </div>
      <${Csv} ...${shown} query=${{ class: name, sent_since: 'false' }} name=${name} primary=${name === 'now'}
        label=${name === 'now' ? 'Download what to send again' : 'Download list'}
        of=${title} />
    </header>
    <ul class="codes">
      ${codes.map((failure) => html`<${Code} key=${failure.code} failure=${failure} ...${shown} />`)}
    </ul>
  </section>`;
}

function Csv({ api, selection, query, name, onError, bus: _, ...said }) {
  const all = { ...queryOf(selection), ...query, format: 'csv' };
  const file = ['failures', selection.value, name].filter(Boolean).join('-').replace(/[^\w.-]+/g, '_');
  return html`<${Download} api=${api} path="failures/" query=${all} name="${file}.csv" onError=${onError} ...${said} />`;
}

function Code({ failure, ...shown }) {
  const [open, setOpen] = useState(false);
  const { code, meaning, remedy } = failure;
  const asked = code ?? NO_CODE;
  const id = `code-${asked}`;
  const named = code ? `code ${code}` : 'no code';
  return html`<li class="code">
    <div class="code-text">
      <p><strong>${meaning ?? (code ? 'Not known here' : 'Meta gave no reason')}</strong> ${code && html`<span class="code-number">${code}</span>`}</p>
      ${remedy && html`<p class="quiet">${remedy}</p>`}
    </div>
    <p class="code-count"><strong>${count(failure.count)}</strong></p>
    <div class="code-buttons">
      <button type="button" class="button plain" aria-expanded=${open} aria-controls=${id}
        onClick=${() => setOpen(!open)}>
        <span>Recipients<span class="unseen"> with ${named}</span></span>
        <span class="chevron" aria-hidden="true"></span>
      </button>
      <${Csv} ...${shown} query=${{ code: asked }} name=${asked} label="CSV" of=${named} />
    </div>
    <div id=${id} class="recipients" hidden=${!open}>
      ${open && html`<${Recipients} code=${asked} ...${shown} />`}
    </div>
  </li>`;
}

function Recipients({ api, bus, selection, code, onError }) {
  const limit = useRef(STEP);
  const load = async (signal) => {
    const query = { ...queryOf(selection), code, limit: limit.current };
    const { body, next } = await api.page('failures/', query, signal);
    return { rows: body.recipients, next };
  };
  const list = useLoader(load, 1000, [], onError);
  useEffect(() => bus.subscribe({ rows: list.ask, anew: list.ask }), [bus]);
  if (!list.data) {
    if (!list.error) return html`<${Skeleton} lines=${3} />`;
    return html`<${Problem} what="The recipients could not be loaded." error=${list.error} onAgain=${list.ask} />`;
  }
  function more() {
    limit.current = Math.min(MOST_ROWS, limit.current * 4);
    list.ask();
  }
  return html`<ul>
      ${list.data.rows.map((row) => html`<li key=${row.wamid}>
        <a href=${href({ ...selection, message: row.wamid })}>${row.guest_name || phone(row.recipient_id) || row.wamid}</a>
        ${row.guest_name && html`<span class="quiet">${phone(row.recipient_id)}</span>`}
        <span class="quiet detail">${row.error_details ?? row.error_message}</span>
        ${row.sent_since && html`<span class="badge">sent again: ${row.sent_since}</span>`}
        <${Time} at=${row.failed_at} />
      </li>`)}
    </ul>
    ${list.data.next && (limit.current < MOST_ROWS
      ? html`<button type="button" class="button plain" onClick=${more}>Show more</button>`
      : html`<p class="quiet">These are the latest ${MOST_ROWS}. The CSV has all.</p>`)}`;
}
