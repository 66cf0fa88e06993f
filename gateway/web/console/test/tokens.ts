/** Access tokens that the stack under test believes. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { inject } from "vitest";

/** A token of a local run for any athlete. */
export async function tokenOf(athlete: string): Promise<string> {
  const { stdout } = await promisify(execFile)("uv", ["run", "flux", "token", "--athlete", athlete, "--data-dir", inject("dataDir")], {
    cwd: join(import.meta.dirname, "../../../.."),
  });
  return stdout.trim();
}
