/** An app with a home of its own: calls the front door by gRPC-Web and by JSON, and shows what it was told. */

import { createFluxClient, FluxError } from "@flux-engine/client";

/** What came back through the browser's rules for other origins. */
export interface Seen {
  readonly byGrpcWeb: readonly string[];
  readonly byJson: readonly string[];
  readonly wrongByGrpcWeb: Refusal;
  readonly wrongByJson: { readonly status: number; readonly reason: string; readonly requestId: string | null };
  readonly unknownSession: Refusal;
  readonly badToken: Refusal;
  readonly deleted: number;
}

interface Refusal {
  readonly reason: string;
  readonly fields: readonly string[];
}

interface JsonAnswer {
  readonly plan: { readonly decisions: readonly { readonly sentence: string }[] };
  readonly details: readonly { readonly reason: string }[];
}

const baseUrl = String(import.meta.env["VITE_FLUX_URL"]);
const token = location.hash.slice(1);
const client = createFluxClient({ baseUrl, token: () => token });

async function refusal(call: Promise<unknown>): Promise<Refusal> {
  const thrown: unknown = await call.then(() => undefined).catch((error: unknown) => error);
  if (!(thrown instanceof FluxError)) throw new Error(`no refusal of the documented kind: ${String(thrown)}`);
  return { reason: thrown.reason, fields: thrown.problems.map(({ field }) => field) };
}

async function json(method: string, path: string, body?: object): Promise<{ answer: Response; content: JsonAnswer }> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(baseUrl + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  return { answer, content: (await answer.json()) as JsonAnswer };
}

async function all(): Promise<Seen> {
  const planned = await client.previewSession({ checkIn: { kneePain: 2, energy: 8 } });
  const asJson = await json("POST", "/v1/sessions:preview", { check_in: { knee_pain: 2, energy: 8 } });
  const wrong = await json("POST", "/v1/sessions:preview", { check_in: { knee_pain: 11, energy: 8 } });
  return {
    byGrpcWeb: planned.plan?.decisions.map(({ sentence }) => sentence) ?? [],
    byJson: asJson.content.plan.decisions.map(({ sentence }) => sentence),
    wrongByGrpcWeb: await refusal(client.previewSession({ checkIn: { kneePain: 11, energy: 8 } })),
    wrongByJson: {
      status: wrong.answer.status,
      reason: wrong.content.details[0]?.reason ?? "",
      requestId: wrong.answer.headers.get("x-request-id"),
    },
    unknownSession: await refusal(client.getSession({ sessionId: crypto.randomUUID() })),
    badToken: await refusal(createFluxClient({ baseUrl, token: () => `${token}x` }).getAthleteState({})),
    deleted: (await json("DELETE", "/v1/athlete")).answer.status,
  };
}

const seen = await all().catch((thrown: unknown) => ({ failed: String(thrown) }));
document.querySelector("output")?.append(JSON.stringify(seen));
