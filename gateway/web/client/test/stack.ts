/** Starts the whole of FLUX for the tests, on a database of its own. */

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    frontDoor: string;
    /** Where the stack keeps its data, its identity among them. */
    dataDir: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "flux-web-"));
  const dataDir = join(folder, "data");
  const flux = spawn("uv", ["run", "flux", "up", "--port", "0", "--data-dir", dataDir], {
    cwd: join(import.meta.dirname, "../../../.."),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => flux.once("exit", () => resolve()));
  project.provide("dataDir", dataDir);
  project.provide("frontDoor", await address(flux.stdout));
  return async () => {
    flux.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
}

async function address(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const ready = /^FLUX is ready at (http\S+)/.exec(line);
    if (ready?.[1] !== undefined) {
      output.resume();
      return ready[1];
    }
  }
  throw new Error("flux up ended before it was ready");
}
