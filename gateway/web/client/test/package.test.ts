/** The package as others get it: packed, installed into an empty project, type-checked and run as its README says. */

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
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
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  for (const [name, page] of [["readme", join(root, "README.md")], ["quickstart", join(root, "../../../protos/QUICKSTART.md")]] as const) {
    const [, snippet = ""] = /```ts\n([\s\S]+?)```/.exec(await readFile(page, "utf8")) ?? [];
    await writeFile(join(project, `${name}.ts`), snippet.replace("http://127.0.0.1:8080", inject("frontDoor")));
  }
  await run("npm", ["install", "--silent", `./${tarball}`, "typescript@5"], { cwd: project });
});

afterAll(() => rm(project, { recursive: true, force: true }));

test("it brings the licences of all that is in it", async () => {
  const installed = join(project, "node_modules/@flux-engine/client");
  expect(await readFile(join(installed, "LICENSE"), "utf8")).toContain("MIT License");
  expect(await readFile(join(installed, "dist/gen/google/LICENSE"), "utf8")).toContain("Apache License");
  for (const file of await readdir(join(installed, "dist"), { recursive: true })) {
    const isOthers = file.endsWith(".js") && (await readFile(join(installed, "dist", file), "utf8")).includes("Copyright");
    expect(isOthers, file).toBe(/^gen\/google\/.*\.js$/.test(file));
  }
});

test("it type-checks strictly in an empty project, and what README and quickstart show runs", async () => {
  const options = ["--strict", "--module", "nodenext", "--target", "es2022", "readme.ts", "quickstart.ts"];
  await run("npx", ["tsc", ...options], { cwd: project });
  const started = await run("node", ["quickstart.js"], { cwd: project });
  expect(started.stderr).toBe("");
  expect(started.stdout).toContain("is due");
  expect(started.stdout).toMatch(/of 1 working set logged/);
  const { stdout, stderr } = await run("node", ["readme.js"], { cwd: project });
  expect(stderr).toBe("");
  expect(stdout).toContain("the server has it all");
  expect(stdout).toContain("INVALID_REQUEST");
});
