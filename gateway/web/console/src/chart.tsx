/** One chart over time, with the same numbers as a table. */

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { counted } from "./words.js";

export interface Series {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

interface ChartProps {
  readonly title: string;
  readonly unit: string;
  readonly times: readonly Date[];
  readonly series: readonly Series[];
  /** Lowest and highest value of the scale; by the data unless given. */
  readonly range?: readonly [number, number];
  /** Whether a value holds until the next one, as levels do. */
  readonly isStepped?: boolean;
}

const HEIGHT = 200;
const DAY_SECONDS = 86_400;
const COMPACT = new Intl.NumberFormat(undefined, { notation: "compact" });
// Nothing here comes in fractions.
const STEPS = [1, 2, 5].flatMap((step) => [step, step * 10, step * 100, step * 1000, step * 10_000, step * 100_000]).sort((one, other) => one - other);
// Lines differ by dash as well, for who does not tell colours apart.
const DASHES = [[], [8, 4], [3, 3], [10, 3, 3, 3]];

/** From the first to the last time; a day around a single one. */
function around(times: readonly number[]): [number, number] {
  const [first = 0, last = first] = [times[0], times.at(-1)];
  return first === last ? [first - DAY_SECONDS, last + DAY_SECONDS] : [first, last];
}

/** A scale for what is never negative; one value alone, or none, has room around it. */
function scale(from: number | null, to: number | null): [number, number] {
  if (from === null || to === null) return [0, 1];
  const room = Math.max(1, from / 2);
  return from === to ? [Math.max(0, from - room), to + room] : (uPlot.rangeNum(from, to, 0.1, true) as [number, number]);
}

export function Chart({ title, unit, times, series, range, isStepped = false }: ChartProps) {
  const holder = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState<number>();
  const shown = cursor ?? times.length - 1;
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const data: uPlot.AlignedData = [times.map((time) => time.getTime() / 1000), ...series.map((one) => [...one.values])];
    let plot: uPlot | undefined;
    const draw = (): void => {
      plot?.destroy();
      const colour = (name: string): string => getComputedStyle(element).getPropertyValue(name);
      const axis: uPlot.Axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
      plot = new uPlot(
        {
          width: element.clientWidth,
          height: HEIGHT,
          legend: { show: false },
          cursor: { y: false, drag: { x: false, y: false } },
          scales: {
            x: { range: around(data[0] as number[]) },
            y: { range: range === undefined ? (_, from, to) => scale(from, to) : [...range] },
          },
          axes: [axis, { ...axis, size: 48, incrs: STEPS, values: (_, ticks) => ticks.map((tick) => COMPACT.format(tick)) }],
          series: [
            {},
            ...series.map((_, index) => ({
              stroke: colour(`--series-${index % 4}`),
              width: 2,
              dash: DASHES[index % DASHES.length] ?? [],
              points: { show: true, size: 6, fill: colour(`--series-${index % 4}`) },
              spanGaps: true,
              ...(isStepped && uPlot.paths.stepped !== undefined ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
            })),
          ],
          hooks: { setCursor: [({ cursor: { idx } }) => setCursor(idx ?? undefined)] },
        },
        data,
        element,
      );
    };
    const resized = new ResizeObserver(() => {
      if (plot === undefined || plot.width !== element.clientWidth) draw();
    });
    resized.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    return () => {
      scheme.removeEventListener("change", draw);
      resized.disconnect();
      plot?.destroy();
    };
  }, [times, series, range, isStepped]);
  return (
    <section class="card chart">
      <h3>
        {title} <span class="note">{unit}</span>
      </h3>
      <ul class="legend">
        {series.map(({ label, values }, index) => (
          <li key={label}>
            <svg width="24" height="8" aria-hidden="true">
              <line x1="0" y1="4" x2="24" y2="4" class={`series-${index % 4}`} stroke-width="2.5" stroke-dasharray={DASHES[index % DASHES.length]?.join(" ")} />
            </svg>
            {label} <strong>{values[shown]?.toLocaleString() ?? "–"}</strong>
          </li>
        ))}
      </ul>
      <div ref={holder} class="plot" role="img" aria-label={`${title} over ${counted(times.length, "session")}; the same numbers are in the table below`} />
      <details>
        <summary>As a table</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label={`${title}, table`}>
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                {series.map(({ label }) => (
                  <th scope="col" key={label}>
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times.map((time, index) => (
                <tr key={index}>
                  <th scope="row">{time.toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" })}</th>
                  {series.map(({ label, values }) => (
                    <td key={label}>{values[index]?.toLocaleString() ?? "–"}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  );
}
