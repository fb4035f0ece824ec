// The page: it asks for the token, then shows the board.
import { Api, keptToken } from './api.js';
import { html, render, useMemo, useState } from './lib.js';
import { Board } from './parts/board.js';
import { Gate } from './parts/gate.js';

function App() {
  const [token, setToken] = useState(keptToken.get);
  const [problem, setProblem] = useState('');
  const api = useMemo(() => token && new Api(token), [token]);
  function enter(given) {
    keptToken.set(given);
    setProblem('');
    setToken(given);
  }
  function leave(sentence = '') {
    keptToken.forget();
    setProblem(sentence);
    setToken('');
  }
  if (!api) return html`<${Gate} problem=${problem} onToken=${enter} />`;
  const denied = () => leave('The service doesn’t accept this token (any more). Please enter it again.');
  return html`<${Board} api=${api} onDenied=${denied} onLeave=${() => leave()} />`;
}

render(html`<${App} />`, document.getElementById('app'));
