// What the parts are made with: elements by htm's templates, rendered by Preact.
// A template puts data into the page as text and attributes only, never as HTML.
import { h, render } from './vendor/preact.js';
import htm from './vendor/htm.js';

export const html = htm.bind(h);
export { render };
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/preact-hooks.js';
