/** What a refused call says, in types: the documented reason, the fields that are wrong, whether to try again. */

import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "./gen/flux/common/v1/error_reason_pb.js";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";

/** A documented reason of `flux.common.v1.ErrorReason`, or that the front door was not reached at all. */
export type Reason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED"> | "UNREACHABLE" | "CANCELLED";

/** One field of a request that is wrong. */
export interface FieldProblem {
  /** Path of the field, such as `sets[0].weight_kg`. */
  readonly field: string;
  /** What it must be. */
  readonly description: string;
}

/** Calls that failed with one of these have not been carried out, or may be repeated without harm. */
const WORTH_ANOTHER_TRY: ReadonlySet<Reason> = new Set([
  "UNREACHABLE",
  "DEPENDENCY_UNAVAILABLE",
  "DEADLINE_TOO_SHORT",
  "RATE_LIMITED",
  "OVERLOADED",
]);

/** What is wrong with the request itself, so that the same request will never be taken. */
const FINAL: ReadonlySet<Reason> = new Set([
  "INVALID_REQUEST",
  "MALFORMED_REQUEST",
  "REQUEST_TOO_LARGE",
  "SESSION_NOT_FOUND",
  "SESSION_CLOSED",
  "SESSION_COMPLETED",
  "SESSION_ID_REUSED",
  "BENCHMARK_ID_REUSED",
  "UNKNOWN_EXERCISE",
]);

/** A call that was refused or did not get through. Branch on `reason`, never on `message`. */
export class FluxError extends Error {
  override readonly name = "FluxError";

  constructor(
    /** Why. */
    readonly reason: Reason,
    message: string,
    /** What else the reason carries, such as `nearest` for an unknown exercise. */
    readonly metadata: Readonly<Record<string, string>> = {},
    /** Every field that is wrong; empty unless the request is at fault. */
    readonly problems: readonly FieldProblem[] = [],
    cause?: unknown,
  ) {
    super(message, { cause });
  }

  /** Whether the same call may succeed in a moment. */
  get isTransient(): boolean {
    return WORTH_ANOTHER_TRY.has(this.reason);
  }

  /** Whether the same call will never succeed: neither in a moment, nor after signing in, nor once a bug is mended. */
  get isFinal(): boolean {
    return FINAL.has(this.reason);
  }

  /** Reads what a call threw; anything that no answer explains is a network that did not carry it. */
  static from(thrown: unknown): FluxError {
    if (thrown instanceof FluxError) return thrown;
    const error = ConnectError.from(thrown);
    if (error.cause instanceof FluxError) return error.cause;
    const [info] = error.findDetails(ErrorInfoSchema);
    if (info !== undefined && info.reason in ErrorReason) {
      const problems = error
        .findDetails(BadRequestSchema)
        .flatMap((detail) => detail.fieldViolations)
        .map(({ field, description }) => ({ field, description }));
      return new FluxError(info.reason as Reason, error.rawMessage, info.metadata, problems, thrown);
    }
    switch (error.code) {
      case Code.Canceled:
        return new FluxError("CANCELLED", "the call was cancelled", {}, [], thrown);
      case Code.DeadlineExceeded:
        return new FluxError("DEADLINE_TOO_SHORT", "the time for the call ran out", {}, [], thrown);
      case Code.Unauthenticated:
        return new FluxError("UNAUTHENTICATED", error.rawMessage, {}, [], thrown);
      default:
        return new FluxError("UNREACHABLE", "the front door could not be reached", {}, [], thrown);
    }
  }
}
