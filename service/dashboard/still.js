// Lists that stay still while somebody is at them: what would move a row waits, or doesn't move it.
import { useEffect, useRef, useState } from './lib.js';

const TOUCH_MS = 10_000; // a finger can't be seen before it comes down: its last touch counts so long
const LEFT_MS = 400; // the way from a row to the button that says what waits leads over other things

let touchEnds = 0; // the timer of the last touch
const lists = new Set(); // each is a function that lets its list go, unless it is held still

const look = () => lists.forEach((each) => each());
const lookSoon = () => setTimeout(look, LEFT_MS);
const on = (types, listener) =>
  types.forEach((type) => addEventListener(type, listener, { capture: true, passive: true }));

function touched() {
  clearTimeout(touchEnds);
  touchEnds = setTimeout(() => { touchEnds = 0; look(); }, TOUCH_MS);
}

on(['touchstart', 'touchmove', 'touchend'], touched);
on(['scroll'], () => touchEnds && touched()); // a page goes on after a swipe
on(['pointerover', 'focusin', 'focusout', 'hashchange'], lookSoon);
document.documentElement.addEventListener('pointerleave', lookSoon);

/** Whether the pointer, the keyboard's focus or a finger is at one of these places, or a message is open. */
function isHeld(places) {
  const at = (state) => document.querySelector(state) !== null;
  const points = matchMedia('(hover: hover)').matches && at(`:is(${places}):hover`);
  return points || at(`:is(${places}) :focus-visible`) || at('dialog[open]') || touchEnds !== 0;
}

const ANCHORS = '.desk, .message-rows';
let anchor; // what somebody is at
let anchorPx = 0; // and where it begins on the page

function isAt(element) {
  const { top, bottom } = element.getBoundingClientRect();
  const isTouched = touchEnds !== 0 && top < innerHeight && bottom > 0;
  return isTouched || element.matches(':hover') || element.querySelector(':focus-visible') !== null;
}

const beginPx = (element) => element.getBoundingClientRect().top + scrollY;

/** Moves the page as far as the anchor has moved on it, by whole pixels: what is left of one is made up for later. */
function followAnchor() {
  const movedPx = anchor?.isConnected ? Math.round(beginPx(anchor) - anchorPx) : 0;
  scrollBy(0, movedPx);
  anchorPx += movedPx;
  return movedPx !== 0;
}

function noteAnchor() {
  if (followAnchor()) return; // what the pointer is over now is by accident
  const at = [...document.querySelectorAll(ANCHORS)].findLast(isAt);
  if (at === anchor) return;
  anchor = at;
  anchorPx = anchor ? beginPx(anchor) : 0;
}

on(['pointerover', 'focusin', 'touchstart', 'scroll'], noteAnchor);

/**
 * Keeps what somebody is at where it is on the screen, while what stands above it grows or shrinks.
 * @param {HTMLElement} page whose parts change their sizes
 * @returns {() => void} ends it
 */
export function keepPlace(page) {
  const watch = new ResizeObserver(noteAnchor);
  watch.observe(page);
  return () => watch.disconnect();
}

/**
 * The shown items with their new content, and after them items that only make the list longer.
 * @param {object[]} shown as it stands on the page
 * @param {object[]} items as the list should be
 * @param {(item: object) => string} keyOf
 */
export function inPlace(shown, items, keyOf) {
  const known = new Set(shown.map(keyOf));
  const newest = new Map(items.map((item) => [keyOf(item), item]));
  const last = items.findLastIndex((item) => known.has(keyOf(item)));
  const behind = last < 0 ? [] : items.slice(last + 1);
  return [...shown.map((item) => newest.get(keyOf(item)) ?? item), ...behind];
}

/**
 * The items of a list that is held while somebody is at it.
 * @param {object[]} items as the list should be
 * @param {(item: object) => string} keyOf
 * @param {string} places CSS selectors: who is at one of them holds the list
 * @returns `shown`, the items to show; `waiting`, how many new ones wait; `over`, whether there may be
 *   more of them than the list holds; `show()` puts them in; `change(items)` changes what is shown, also
 *   where it no longer belongs to the items
 */
export function useStill(items, keyOf, places) {
  const shown = useRef([]);
  const held = useRef(false);
  const [, draw] = useState(0);
  held.current = shown.current.length > 0 && (held.current || isHeld(places));
  shown.current = held.current ? inPlace(shown.current, items, keyOf) : items;
  useEffect(() => {
    function release() {
      if (!held.current || isHeld(places)) return;
      held.current = false;
      draw((n) => n + 1);
    }
    lists.add(release);
    return () => lists.delete(release);
  }, [places]);
  useEffect(() => {
    if (held.current) lookSoon(); // what is pointed at may be gone without an event
  });
  const known = new Set(shown.current.map(keyOf));
  const waiting = items.filter((item) => !known.has(keyOf(item))).length;
  return {
    shown: shown.current,
    waiting,
    over: waiting > 0 && waiting === items.length,
    show() {
      shown.current = []; // nothing is held then
      draw((n) => n + 1);
    },
    change(changes) {
      const newest = new Map(changes.map((item) => [keyOf(item), item]));
      shown.current = shown.current.map((item) => newest.get(keyOf(item)) ?? item);
    },
  };
}
