/** The package as others get it: packed, installed into an empty project, type-checked and run as its README says. */

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, test } from "vitest";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");
let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "flux-pack-"));
  const packed = await run("npm", ["pack", "--silent", "--pack-destination", project], { cwd: root });
  const tarball = packed.stdout.trim().split("\n").at(-1) ?? "";
  const readme = await readFile(join(root, "README.md"), "utf8");
  const [, quickstart = ""] = /```ts\n([\s\S]+?)```/.exec(readme) ?? [];
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  await writeFile(join(project, "quickstart.ts"), quickstart);
  await run("npm", ["install", "--silent", `./${tarball}`, "typescript@5", "@types/node@20"], { cwd: project });
});

afterAll(() => rm(project, { recursive: true, force: true }));

test("it type-checks strictly in an empty project, and the quickstart runs", async () => {
  const options = ["--strict", "--module", "nodenext", "--target", "es2022", "--types", "node", "quickstart.ts"];
  await run("npx", ["tsc", ...options], { cwd: project });
  const environment = { ...process.env, FLUX_URL: inject("frontDoor") };
  const { stdout, stderr } = await run("node", ["quickstart.js"], { cwd: project, env: environment });
  expect(stderr).toBe("");
  expect(stdout).toContain("the server has it all");
  expect(stdout).toContain("INVALID_REQUEST");
});
