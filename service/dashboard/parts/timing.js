// How long it takes: a curve, its main points in words, and the same as a table.
import { html, useEffect, useRef, useState } from '../lib.js';
import { count, duration, share, within } from '../words.js';
import { Card, Problem } from './basics.js';

const CURVES = { delivered: 'delivered', read: 'read' };
const TICKS_S = [1, 10, 60, 600, 3600, 21_600, 86_400, 604_800, 2_592_000];
const HEIGHT_PX = 260;

export function Timing({ delivered, read, reached }) {
  const known = { delivered, read };
  const some = Object.keys(CURVES).filter((name) => known[name].count > 0);
  return html`<${Card} id="timing" title="How long it takes" className="timing">
    ${some.length === 0
      ? html`<p class="quiet">When messages are delivered, this shows how long it took.</p>`
      : html`
          <div class="timing-words">
            ${some.map((name) => html`<p key=${name}><span class="swatch ${name}" aria-hidden="true"></span>${sentence(name, known[name], reached[name])}</p>`)}
          </div>
          <${Chart} known=${known} some=${some} />
          <details>
            <summary>The same as a table</summary>
            <${Table} known=${known} some=${some} />
          </details>
        `}
  <//>`;
}

/** Meta doesn't tell every time: where it leaves out `delivered`, `read` alone says that it was. */
function sentence(name, { count: number, p50_s, p90_s, p99_s }, reached) {
  const part = number === reached ? 'all' : count(number);
  return html`Half were <strong>${name} ${within(p50_s)}</strong>, 90% ${within(p90_s)}, 99% ${within(p99_s)}${' '}
    <span class="quiet">– known for ${part} of the ${count(reached)} that were ${name}</span>`;
}

/** The share at each time of any curve; what a curve doesn't have itself is left to the chart. */
function points(known, some) {
  const times = [...new Set(some.flatMap((name) => steps(known[name]).map((step) => step.s)))];
  times.sort((a, b) => a - b);
  return [times, ...some.map((name) => shares(times, known[name]))];
}

function steps({ within }) {
  return within.filter((step) => step.s !== null && step.s > 0);
}

function shares(times, curve) {
  const reached = new Map(steps(curve).map((step) => [step.s, step.count / curve.count]));
  let last = 0;
  return times.map((time) => (last = reached.get(time) ?? last));
}

function Chart({ known, some }) {
  const place = useRef(null);
  const plot = useRef(null);
  const [theme, setTheme] = useState(0);
  const [problem, setProblem] = useState(null);
  const data = points(known, some);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const changed = () => setTheme((n) => n + 1);
    dark.addEventListener('change', changed);
    return () => dark.removeEventListener('change', changed);
  }, []);
  useEffect(() => {
    const at = place.current;
    let ended = false;
    async function draw() {
      try {
        // It comes last: the numbers needn't wait for it.
        const { default: uPlot } = await import('../vendor/uplot.js');
        if (!ended && at.isConnected) plot.current = new uPlot(options(at, some), latest.current, at);
      } catch {
        if (!ended) setProblem({ message: 'The table below says the same.' });
      }
    }
    draw();
    const watch = new ResizeObserver(([{ contentRect }]) =>
      plot.current?.setSize({ width: contentRect.width, height: HEIGHT_PX }));
    watch.observe(at);
    return () => {
      ended = true;
      watch.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [theme, some.join()]);
  useEffect(() => plot.current?.setData(data), [JSON.stringify(data)]);
  const words = some.map((name) => `half ${name} ${within(known[name].p50_s)}, 99% ${within(known[name].p99_s)}`);
  return html`
    ${problem && html`<${Problem} what="The curve could not be drawn." error=${problem} />`}
    <div class="chart" hidden=${problem !== null} ref=${place} role="img" aria-label=${`A curve of the share of messages over time: ${words.join('; ')}.`}></div>
  `;
}

function options(place, some) {
  const styles = getComputedStyle(place);
  const color = (name) => styles.getPropertyValue(name).trim();
  const axis = {
    stroke: color('--ink-2'),
    font: `12px ${styles.fontFamily}`,
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: place.clientWidth,
    height: HEIGHT_PX,
    padding: [12, 20, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false, distr: 3, range: (_, min, max) => [min, Math.max(max, 10 * min)] }, y: { range: [0, 1] } },
    axes: [
      { ...axis, size: 36, splits: (chart) => ticks(chart, place.clientWidth), values: (_, at) => at.map(short), filter: (_, at) => at },
      { ...axis, size: 48, splits: () => [0, 0.25, 0.5, 0.75, 1], values: (_, at) => at.map(share) },
    ],
    series: [
      {},
      ...some.map((name) => ({
        label: CURVES[name],
        stroke: color(`--curve-${name}`),
        fill: `${color(`--curve-${name}`)}14`,
        width: 2.5,
        points: { show: (chart) => chart.data[0].length === 1 }, // there is no line then
      })),
    ],
  };
}

function ticks(chart, width) {
  const { min, max } = chart.scales.x;
  const inside = TICKS_S.filter((s) => s >= min && s <= max);
  return width < 480 ? inside.filter((_, i) => i % 2 === 0) : inside;
}

function short(s) {
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${s / 60} min`;
  if (s < 86_400) return `${s / 3600} h`;
  return `${s / 86_400} d`;
}

function Table({ known, some }) {
  const [times, ...curves] = points(known, some);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Shares over time">
    <table>
      <thead><tr><th scope="col">Within</th>${some.map((name) => html`<th key=${name} scope="col">${CURVES[name]}</th>`)}</tr></thead>
      <tbody>
        ${times.map((s, i) => html`<tr key=${s}><th scope="row">${duration(s)}</th>${curves.map((curve, j) => html`<td key=${j}>${share(curve[i])}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}
