/** How the athlete stands, and how that came about. */

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Benchmark, type FluxClient, type GetAthleteStateResponse, type TrendPoint } from "@flux-engine/client";
import { useMemo } from "preact/hooks";
import { Chart, type Series } from "./chart.js";
import { useAnswer, Waiting } from "./loaded.js";
import { counted, day, protocolName } from "./words.js";

const MOST = 100;
const SIGNALS = [0, 10] as const;

export function Trends({ client }: { client: FluxClient }) {
  const { answer, error } = useAnswer(async (signal) => {
    const [state, trends, benchmarks] = await Promise.all([
      client.getAthleteState({}, { signal }),
      client.listTrends({ pageSize: MOST }, { signal }),
      client.listBenchmarks({ pageSize: MOST }, { signal }),
    ]);
    return { state, points: trends.points.reverse(), benchmarks: benchmarks.benchmarks.reverse() };
  });
  if (answer === undefined) return <Waiting error={error} />;
  return (
    <>
      <h2>Where you stand</h2>
      <Standing state={answer.state} />
      <h2>Trends</h2>
      {answer.points.length === 0 ? <p class="notice">The first session draws the first point.</p> : <Charts points={answer.points} benchmarks={answer.benchmarks} />}
    </>
  );
}

function Standing({ state }: { state: GetAthleteStateResponse }) {
  return (
    <>
      {state.degraded && <p class="notice">Something could not be looked up and is left out.</p>}
      <ul class="tiles">
        {state.patterns.map(({ pattern, debt, statusText, daysSince }) => (
          <li key={pattern} class="card">
            <h3>{pattern}</h3>
            <p class="figure">{debt === undefined ? "–" : debt}</p>
            <p class="note">
              {debt === undefined ? "never trained" : `${debt === 1 ? "session" : "sessions"} since`} · {statusText}
              {daysSince === undefined ? "" : ` · ${daysSince} d ago`}
            </p>
          </li>
        ))}
        {state.conditioningLevels.map(({ protocol, level, topLevel, benchmarkWatts }) => (
          <li key={protocol} class="card">
            <h3>{protocolName(protocol)}</h3>
            <p class="figure">
              {level}
              <span class="note"> of {topLevel}</span>
            </p>
            <p class="note">{benchmarkWatts === undefined ? "no benchmark" : `benchmark ${benchmarkWatts} W`}</p>
          </li>
        ))}
      </ul>
    </>
  );
}

function Charts({ points, benchmarks }: { points: readonly TrendPoint[]; benchmarks: readonly Benchmark[] }) {
  const drawn = useMemo(() => {
    const patterns = [...new Set(points.flatMap((point) => point.patterns.map(({ pattern }) => pattern)))].sort();
    const protocols = [...new Set(points.flatMap((point) => point.conditioningLevels.map(({ protocol }) => protocol)))].sort();
    const each = (label: string, value: (point: TrendPoint) => number | undefined): Series => ({
      label,
      values: points.map((point) => value(point) ?? null),
    });
    const measured = [...new Set(benchmarks.map(nameOf))].map((label) => ({
      label,
      values: benchmarks.map((benchmark) => (nameOf(benchmark) === label ? benchmark.averageWatts : null)),
    }));
    return {
      times: points.map(timeOf),
      readiness: [each("Knee pain", ({ checkIn }) => checkIn?.kneePain), each("Energy", ({ checkIn }) => checkIn?.energy)],
      debt: patterns.map((name) => each(name, (point) => point.patterns.find(({ pattern }) => pattern === name)?.debt)),
      levels: protocols.map((one) =>
        each(protocolName(one), (point) => point.conditioningLevels.find(({ protocol }) => protocol === one)?.level),
      ),
      load: [each("Load", ({ volume }) => volume?.loadKg)],
      sets: [each("Sets and rounds", ({ volume }) => volume?.sets)],
      measuredAt: benchmarks.map(({ measuredTime }) => (measuredTime === undefined ? new Date(0) : timestampDate(measuredTime))),
      measured,
    };
  }, [points, benchmarks]);
  return (
    <div class="charts">
      <Chart title="Readiness" unit="0 to 10" times={drawn.times} series={drawn.readiness} range={SIGNALS} />
      <Chart title="Debt" unit="sessions since trained" times={drawn.times} series={drawn.debt} />
      <Chart title="Levels" unit="level to do next" times={drawn.times} series={drawn.levels} isStepped />
      {benchmarks.length > 0 && <Chart title="Benchmarks" unit="average watts" times={drawn.measuredAt} series={drawn.measured} />}
      <Chart title="Load" unit="kg × reps" times={drawn.times} series={drawn.load} />
      <Chart title="Volume" unit="a session" times={drawn.times} series={drawn.sets} />
      <p class="note">
        {points.length === MOST ? "The last" : points.length === 1 ? "So far" : "All"}{" "}
        {counted(points.length, "session")}, up to {day(drawn.times.at(-1) ?? new Date())}.
      </p>
    </div>
  );
}

function nameOf({ protocol, equipment }: Benchmark): string {
  return `${protocolName(protocol)}, ${equipment}`;
}

function timeOf({ startTime }: TrendPoint): Date {
  return startTime === undefined ? new Date(0) : timestampDate(startTime);
}
