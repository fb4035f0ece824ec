// Small things that several parts show.
import { html, useState } from '../lib.js';
import { exactTime, fullTime, many, STATUSES, time } from '../words.js';

/** The guide's ticks, with the word beside them or for screen readers alone. */
export function Status({ of, quiet = false }) {
  const { tick, label } = STATUSES[of] ?? { tick: '?', label: of };
  return html`<span class="status ${of}">
    <span class="tick" aria-hidden="true">${tick}</span>
    <span class=${quiet ? 'unseen' : ''}>${label}</span>
  </span>`;
}

/** A time in the reader's zone, with the whole of it in its title. */
export function Time({ at, none = '–', exact = false }) {
  if (!at) return html`<span class="quiet">${none}</span>`;
  return html`<time datetime=${at} title=${fullTime(at)}>${exact ? exactTime(at) : time(at)}</time>`;
}

export function Card({ id, title, aside, children, className = '' }) {
  return html`<section class="card ${className}" aria-labelledby=${id}>
    <header class="card-head">
      <h2 id=${id}>${title}</h2>
      ${aside}
    </header>
    ${children}
  </section>`;
}

/** Grey lines where text will be. */
export function Skeleton({ lines = 4 }) {
  return html`<div class="skeleton" aria-hidden="true">
    ${Array.from({ length: lines }, (_, i) => html`<span key=${i}></span>`)}
  </div>`;
}

/** What went wrong, and what can be done about it. */
export function Problem({ what, error, onAgain }) {
  return html`<div class="problem" role="alert">
    <p><strong>${what}</strong> ${error.message}</p>
    ${onAgain && html`<button type="button" class="button" onClick=${onAgain}>Try again</button>`}
  </div>`;
}

export function Empty({ title, children }) {
  return html`<div class="empty">
    <p class="empty-title">${title}</p>
    ${children}
  </div>`;
}

/** A button for the items that wait while a list is held. Its room is always kept, so that nothing moves. */
export function Waiting({ list: { waiting, over }, noun, onShow }) {
  const number = many(waiting, `new ${noun}`);
  return html`<div class="arrivals">
    ${waiting > 0 && html`<button type="button" class="button" onClick=${onShow}>${over ? `At least ${number}` : number}</button>`}
  </div>`;
}

/** A button that saves a list as a file; what goes wrong is said beside it. Its `label` is seen,
 * and a screen reader says `of` with it. */
export function Download({ api, path, query, name, label, of, primary = false, onSave, onError }) {
  const [state, setState] = useState({ busy: false, error: null });
  async function save() {
    onSave?.();
    setState({ busy: true, error: null });
    try {
      await api.download(path, query, name);
      setState({ busy: false, error: null });
    } catch (error) {
      onError?.(error);
      setState({ busy: false, error });
    }
  }
  return html`<span class="download">
    <button type="button" class="button ${primary ? 'primary' : ''}" disabled=${state.busy} onClick=${save}>
      <span aria-hidden="true">↓</span>
      <span>${state.busy ? 'Preparing…' : label}<span class="unseen"> of ${of}</span></span>
    </button>
    ${state.error && html`<span class="hint bad" role="alert">It failed: ${state.error.message}</span>`}
  </span>`;
}
