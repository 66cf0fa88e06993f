/** The client of FLUX Engine: typed calls by gRPC-Web, typed errors, and an offline queue for what is done in the gym. */

export { type ClientOptions, createFluxClient, type FluxClient } from "./client.js";
export { type FieldProblem, FluxError, type Reason } from "./errors.js";
export { type CompletionNotes, type LoggedSet, OfflineQueue, type QueueOptions, type Rejected, type SetPosition } from "./queue.js";
export { newId } from "./ids.js";
export { type KeyValueStorage, memoryStorage } from "./storage.js";
export * from "./gen/flux/common/v1/training_pb.js";
export * from "./gen/flux/session/v1/plan_pb.js";
export * from "./gen/flux/session/v1/session_pb.js";
export * from "./gen/flux/session/v1/session_service_pb.js";
