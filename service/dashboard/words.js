// How numbers, times and states are said.

const whole = new Intl.NumberFormat('en');
const percent = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const year = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const exactDay = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });
const exactYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' });
const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long' });

export const STATUSES = {
  sent: { tick: '✓', label: 'Sent' },
  delivered: { tick: '✓✓', label: 'Delivered' },
  read: { tick: '✓✓', label: 'Read' },
  failed: { tick: '✗', label: 'Failed' },
};

export const CLASSES = {
  now: {
    title: 'Send again now',
    about: 'Meta was busy, or had a passing fault. The same message can go out again, slowly.',
  },
  later: {
    title: 'Send again later',
    about: 'A limit was reached. Wait as long as each code says below, then send again.',
  },
  fix: {
    title: 'Fix first, then send again',
    about: 'Something in the account, the template or the request has to be put right.',
  },
  unknown: {
    title: 'Look into these',
    about: 'Meta gave no code, or a code that this service doesn’t know. Open a message to see what Meta said.',
  },
  never: {
    title: 'Don’t send again',
    about: 'These people can’t be reached this way, or don’t want to be. Use another channel.',
  },
};

/** 200000 -> "200,000" */
export function count(number) {
  return whole.format(number);
}

/** 1, "message" -> "1 message"; 2 -> "2 messages" */
export function many(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? '' : 's'}`;
}

/** A part of 1 as a percentage; small ones and those near the whole are not rounded away. */
export function share(part) {
  if (part === null || Number.isNaN(part)) return '–';
  if (part > 0 && part < 0.001) return '<0.1%';
  if (part < 1 && part > 0.999) return '>99.9%';
  return percent.format(part);
}

/** Seconds, in the largest unit that fits. */
export function duration(seconds) {
  if (seconds === null) return 'over 30 days';
  if (seconds < 60) return `${round(seconds)} s`;
  if (seconds < 3600) return `${round(seconds / 60)} min`;
  if (seconds < 86_400) return many(round(seconds / 3600), 'hour');
  return many(round(seconds / 86_400), 'day');
}

/** 8 -> "within 8 s" */
export function within(seconds) {
  return seconds === null ? 'in over 30 days' : `within ${duration(seconds)}`;
}

function round(number) {
  return number < 10 ? Math.round(number * 10) / 10 : Math.round(number);
}

/** A time as short as it can be said: the clock today, else the day too. */
export function time(iso, now = new Date()) {
  const at = new Date(iso);
  if (at.toDateString() === now.toDateString()) return clock.format(at);
  return at.getFullYear() === now.getFullYear() ? day.format(at) : year.format(at);
}

/** A time to the second, of whatever day. */
export function exactTime(iso, now = new Date()) {
  const at = new Date(iso);
  if (at.toDateString() === now.toDateString()) return clock.format(at);
  return (at.getFullYear() === now.getFullYear() ? exactDay : exactYear).format(at);
}

/** A sentence of the service's with its times in the reader's zone. */
export function inLocalTimes(sentence, now = new Date()) {
  return sentence.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (iso) => exactTime(iso, now));
}

export function fullTime(iso) {
  return full.format(new Date(iso));
}
