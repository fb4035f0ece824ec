// Asks for the token.
import { html, useLayoutEffect, useRef } from '../lib.js';

export function Gate({ problem, onToken }) {
  const field = useRef(null);
  useLayoutEffect(() => field.current.focus(), []);
  function submit(event) {
    event.preventDefault();
    const token = field.current.value.trim();
    if (token) onToken(token);
  }
  return html`<main class="gate">
    <form class="card" onSubmit=${submit}>
      <img src="icon.svg" alt="" width="44" height="44" />
      <h1>Message tracker</h1>
      <p class="quiet">
        This page shows what became of each message. Enter the service’s token; it stays in this tab
        until you close it.
      </p>
      ${problem && html`<p class="hint bad" role="alert">${problem}</p>`}
      <input type="text" autocomplete="username" value="message-tracker" hidden />
      <label for="token">Token</label>
      <input id="token" ref=${field} type="password" required autocomplete="current-password"
        spellcheck=${false} />
      <button type="submit" class="button primary">Open</button>
    </form>
  </main>`;
}
