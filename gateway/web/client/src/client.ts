/** The calls of `flux.session.v1.SessionService` as async functions. */

import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { FluxError } from "./errors.js";
import { withReadableBody } from "./fetch.js";
import { SessionService, type StartSessionRequest } from "./gen/flux/session/v1/session_service_pb.js";
import { newId } from "./ids.js";

/** How to reach a front door. */
export interface ClientOptions {
  /** Such as `https://flux.example.com`. */
  readonly baseUrl: string;
  /** Asked before every call for the athlete's access token; none is sent for `undefined`. */
  readonly token?: () => string | undefined | Promise<string | undefined>;
  /** Milliseconds that one call may take, retries included; 5000 unless given. Calls can set their own `timeoutMs`. */
  readonly timeoutMs?: number;
  /** How often a call that the contract calls repeatable is tried again after a transient failure; 2 unless given. */
  readonly retries?: number;
  /** The platform's, unless given. One without `response.body`, as in React Native, will do. */
  readonly fetch?: typeof fetch;
}

/** Every call of the public API. All of them throw FluxError. */
export type FluxClient = Client<typeof SessionService>;

const FIRST_PAUSE_MS = 100;

/** Connects to a front door; nothing is sent before the first call. */
export function createFluxClient(options: ClientOptions): FluxClient {
  const transport: Transport = createGrpcWebTransport({
    baseUrl: options.baseUrl,
    defaultTimeoutMs: options.timeoutMs ?? 5000,
    fetch: withReadableBody(options.fetch ?? ((input, init) => globalThis.fetch(input, init))),
    interceptors: [chosenIds, repeatable(options.retries ?? 2), authorized(options.token)],
  });
  return withTypedErrors(createClient(SessionService, transport));
}

/** Interceptors cannot do this: Connect wraps what they throw. */
function withTypedErrors(client: FluxClient): FluxClient {
  return new Proxy(client, {
    get(target, name) {
      const call: unknown = Reflect.get(target, name);
      if (typeof call !== "function") return call;
      return (...args: unknown[]) =>
        (call(...args) as Promise<unknown>).catch((thrown: unknown) => {
          throw FluxError.from(thrown);
        });
    },
  });
}

/** Gives a session that is started its id here, so that a repeated start is the same session. */
const chosenIds: Interceptor = (next) => (request) => {
  if (!request.stream && request.method === SessionService.method.startSession) {
    const message = request.message as StartSessionRequest;
    message.sessionId ||= newId();
  }
  return next(request);
};

function authorized(token: ClientOptions["token"]): Interceptor {
  return (next) => async (request) => {
    const value = await token?.();
    if (value !== undefined) request.header.set("authorization", `Bearer ${value}`);
    return next(request);
  };
}

/** Repeats what failed for a transient reason, but only calls that the contract says may be repeated. */
function repeatable(retries: number): Interceptor {
  return (next) => async (request) => {
    const mayRepeat = request.method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
    for (let attempt = 0; ; attempt++) {
      try {
        return await next(request);
      } catch (thrown) {
        const error = FluxError.from(thrown);
        if (!mayRepeat || !error.isTransient || attempt >= retries || request.signal.aborted) throw error;
        await pause(FIRST_PAUSE_MS * 2 ** attempt, request.signal);
      }
    }
  };
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
