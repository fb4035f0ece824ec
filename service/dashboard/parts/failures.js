// The failure desk: what failed, why, and what to do about it.
import { html, useEffect, useRef, useState } from '../lib.js';
import { useLoader } from '../loader.js';
import { NO_REASON, useTitle } from '../reasons.js';
import { href, queryOf } from '../route.js';
import { MOST_ROWS } from '../rows.js';
import { useStill } from '../still.js';
import { CLASSES, count, many } from '../words.js';
import { Card, Download, Empty, Problem, Skeleton, Time, Waiting } from './basics.js';

const STEP = 25;
const FIRST_CODES = 20;
const MOST_CODES = 100;
const MOST_PAGES = 10;
const NO_CODE = 'none'; // what the service calls the code of a failure without one
const OTHER = 'other'; // and those that it doesn't count one by one
const CLASS_NAMES = Object.keys(CLASSES);
const DUE = { sent_since: 'false' }; // every number, list and file here is of these messages

export function Failures({ failures, ...shown }) {
  const total = sum(failures, 'count');
  const due = useDue(failures, total, shown);
  // In the order of the page, so that what comes in behind the rest moves nothing.
  const codes = useStill(CLASS_NAMES.flatMap((name) => failures.filter(isOf(name))), codeOf, '.desk');
  const classes = useStill(CLASS_NAMES.filter((name) => failures.some(isOf(name)) || due.ofClass(name) > 0), String, '.desk');
  function show() {
    codes.show();
    classes.show();
  }
  const aside = total > 0 && html`<${Waiting} list=${codes} noun="code" onShow=${show} /><span class="quiet">${count(total)} failed</span>`;
  return html`<${Card} id="failures" title="Failures, and what to do" aside=${aside} className="desk">
    ${total === 0 && html`<${Empty} title="Nothing has failed."><p>If a message fails, this shows why, and what helps.</p><//>`}
    ${total > 0 && html`<p class="quiet">Numbers and lists leave out everybody who was sent the same message again since.</p>`}
    ${total > 0 && classes.shown.map((name) => html`<${Group} key=${name} name=${name} codes=${codes.shown.filter(isOf(name))} due=${due} ...${shown} />`)}
  <//>`;
}

const isOf = (name) => (failure) => (failure.class in CLASSES ? failure.class : 'unknown') === name;

const codeOf = (failure) => failure.code ?? NO_CODE;

function sum(failures, key) {
  return failures.reduce((total, failure) => total + failure[key], 0);
}

/** What the service is spared: counting takes it about 0.1 s for 1,000 failures. */
const restMs = (counted) => Math.min(30_000, Math.max(1000, 10 * (counted?.failed ?? 0)));

/**
 * How many messages the lists and files have, null where it isn't known: `ofClass(name)` and `of(failure)`;
 * `failed(failure)`, how many failed with its code; `counting`, whether the first answer is still to come;
 * `ask()` counts again, for when somebody looks closer.
 */
function useDue(failures, total, { api, selection, onError }) {
  const query = { ...queryOf(selection), ...DUE, count: 'true', limit: 1 };
  const load = async (signal) => {
    const groups = {}; // by class, each as the class's own list has it: one code may be in several
    for (const name of CLASS_NAMES) {
      groups[name] = (await api.json('failures/', { ...query, class: name }, signal)).failures;
    }
    return { groups, failed: sum(groups.now, 'count') };
  };
  const counted = useLoader(load, restMs, [], onError);
  const groups = counted.data?.groups ?? {};
  const find = (failure) => Object.values(groups).map((codes) => codes.find((each) => codeOf(each) === codeOf(failure)));
  const isNew = failures.some((failure) => !find(failure)[0]);
  useEffect(() => {
    if (total > 0) (isNew ? counted.askNow : counted.ask)();
  }, [failures]);
  return {
    counting: counted.loading,
    ask: counted.askNow,
    failed: (failure) => (find(failure)[0] ?? failure).count,
    of: (failure) => listed(find(failure)),
    ofClass: (name) => listed(groups[name] ?? []),
  };
}

/** The sum of what the lists have, null where one isn't known. */
function listed(groups) {
  const numbers = groups.map((group) => group?.listed ?? null);
  return !numbers.length || numbers.includes(null) ? null : numbers.reduce((all, number) => all + number);
}

function Group({ name, codes, ...shown }) {
  const { title, about } = CLASSES[name];
  const [most, setMost] = useState(FIRST_CODES);
  const number = shown.due.ofClass(name);
  return html`<section class="group ${name}" aria-labelledby="class-${name}">
    <header class="group-head">
      <div>
        <h3 id="class-${name}">${title} <span class="badge">${said(number)}</span></h3>
        <p class="quiet">${about}${number === null && !shown.due.counting && ' How many messages these are now is not known; the list has all of them.'}</p>
      </div>
      <${Csv} ...${shown} query=${{ class: name }} name=${name} primary=${name === 'now'}
        label=${name === 'now' ? 'Download what to send again' : 'Download list'}
        of=${title} />
    </header>
    <ul class="codes">
      ${codes.slice(0, most).map((failure) => html`<${Code} key=${codeOf(failure)} failure=${failure} ...${shown} />`)}
    </ul>
    <${Rest} codes=${codes.slice(most)} room=${MOST_CODES - most} onMore=${() => setMost(MOST_CODES)} />
  </section>`;
}

/** The codes that there is no place for, with how many messages have them. */
function Rest({ codes, room, onMore }) {
  if (!codes.length) return null;
  return html`<p class="rest">
    <span class="quiet">and ${many(codes.length, 'more code')}, with which ${many(sum(codes, 'count'), 'message')} failed.
      ${room <= 0 && ' The list to download has them.'}</span>
    ${room > 0 && html`<button type="button" class="button plain" onClick=${onMore}>Show ${count(Math.min(room, codes.length))} more</button>`}
  </p>`;
}

function Csv({ api, selection, query, name, due, onError, label, of, primary }) {
  const all = { ...queryOf(selection), ...DUE, ...query, format: 'csv' };
  const file = ['failures', selection.value, name].filter(Boolean).join('-').replace(/[^\w.-]+/g, '_');
  return html`<${Download} api=${api} path="failures/" query=${all} name="${file}.csv" label=${label} of=${of}
    primary=${primary} onSave=${due.ask} onError=${onError} />`;
}

function Code({ failure, ...shown }) {
  const [open, setOpen] = useState(false);
  const { code, remedy } = failure;
  const asked = codeOf(failure);
  const id = `code-${asked}`;
  const named = code === OTHER ? 'other codes' : code ? `code ${code}` : 'no code';
  function toggle() {
    setOpen(!open);
    shown.due.ask();
  }
  return html`<li class="code">
    <div class="code-text">
      <p><strong><${Reason} failure=${failure} ...${shown} /></strong> ${code && code !== OTHER && html`<span class="code-number">${code}</span>`}</p>
      ${remedy && html`<p class="quiet">${remedy}</p>`}
    </div>
    <${Number} number=${shown.due.of(failure)} failed=${shown.due.failed(failure)} />
    <div class="code-buttons">
      <button type="button" class="button plain" aria-expanded=${open} aria-controls=${id} onClick=${toggle}>
        <span>Recipients<span class="unseen"> with ${named}</span></span>
        <span class="chevron" aria-hidden="true"></span>
      </button>
      <${Csv} ...${shown} query=${{ code: asked }} name=${asked} label="CSV" of=${named} />
    </div>
    <div id=${id} class="recipients" hidden=${!open}>
      ${open && html`<${Recipients} code=${asked} meaning=${failure.meaning} ...${shown} />`}
    </div>
  </li>`;
}

function Reason({ failure, reasons, selection }) {
  const { code, meaning } = failure;
  const title = useTitle(reasons, code === OTHER ? { code: null } : failure, queryOf(selection));
  if (code === OTHER) return 'Codes that are not counted one by one';
  if (!code) return 'Meta gave no code';
  return meaning ?? (title === '' ? NO_REASON : title);
}

/** How many messages the code's list has, of all that failed with it. */
function Number({ number, failed }) {
  return html`<p class="code-count">
    <strong>${said(number)}</strong>${number !== failed && html` <span class="quiet">of ${count(failed)}</span>`}
  </p>`;
}

function said(number) {
  return number === null ? '?' : count(number);
}

const wamidOf = (row) => row.wamid;

/** The first rows of a list: a page leaves out what isn't due, and may be empty though more follow. */
async function firstRows(api, query, limit, signal) {
  const rows = [];
  let cursor = null;
  let pages = 0;
  do {
    const { body, next } = await api.page('failures/', { ...query, limit: MOST_ROWS, cursor }, signal);
    rows.push(...body.recipients);
    cursor = next;
    pages += 1;
  } while (cursor && rows.length < limit && pages < MOST_PAGES);
  return { rows: rows.slice(0, limit), pages, isWhole: !cursor && rows.length <= limit };
}

/** What took many pages is loaded less often. */
const pagesRestMs = (list) => (list?.pages > 1 ? 10_000 : 1000);

function Recipients({ api, bus, selection, code, meaning, onError }) {
  const limit = useRef(STEP);
  const query = { ...queryOf(selection), ...DUE, code };
  const list = useLoader((signal) => firstRows(api, query, limit.current, signal), pagesRestMs, [], onError);
  useEffect(() => bus.subscribe({ rows: list.ask, anew: list.ask }), [bus]);
  if (!list.data) {
    if (!list.error) return html`<${Skeleton} lines=${3} />`;
    return html`<${Problem} what="The recipients could not be loaded." error=${list.error} onAgain=${list.ask} />`;
  }
  function more() {
    limit.current = Math.min(MOST_ROWS, limit.current * 4);
    list.askNow();
  }
  const { rows, isWhole } = list.data;
  const hasRoom = rows.length === limit.current && limit.current < MOST_ROWS;
  return html`<${People} rows=${rows} code=${code} meaning=${meaning} selection=${selection} />
    ${!isWhole && (hasRoom
      ? html`<button type="button" class="button plain" onClick=${more}>Show more</button>`
      : html`<p class="quiet">There may be more than these ${count(rows.length)}. The CSV has all.</p>`)}
    ${list.error && html`<${Problem} what="The list could not be brought up to date." error=${list.error} onAgain=${list.askNow} />`}`;
}

function People({ rows, code, meaning, selection }) {
  // It also waits while somebody is at another code, which it would move.
  const own = `#${CSS.escape(`code-${code}`)}`;
  const list = useStill(rows, wamidOf, `${own}, .code:not(:has(${own}))`);
  return html`<${Waiting} list=${list} noun="message" onShow=${list.show} />
    <ul>
      ${list.shown.map((row) => html`<li key=${row.wamid}>
        <a href=${href({ ...selection, message: row.wamid })}>${row.guest_name || row.recipient_id || row.wamid}</a>
        ${row.guest_name && html`<span class="quiet">${row.recipient_id}</span>`}
        ${code === OTHER && html`<span class="code-number">${row.error_code}</span>`}
        <span class="quiet detail">${row.error_details ?? (meaning ? '' : row.error_message)}</span>
        <${Time} at=${row.failed_at} />
      </li>`)}
    </ul>`;
}
