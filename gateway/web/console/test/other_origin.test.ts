/** The packed client in a fresh Vite app, built, and served from an origin that is not the front door's. */

import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createFluxClient } from "@flux-engine/client";
import type { Browser } from "playwright-core";
import { build, preview, type PreviewServer } from "vite";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { launch, Visitor } from "./browser.js";
import type { Seen } from "./other_origin/main.js";
import { tokenOf } from "./tokens.js";

const run = promisify(execFile);
const frontDoor = inject("frontDoor");
let root: string;
let app: PreviewServer;
let origin: string;
let browser: Browser;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "flux-app-"));
  await cp(join(import.meta.dirname, "other_origin"), root, { recursive: true });
  const page = await readFile(join(import.meta.dirname, "../../../../protos/QUICKSTART.md"), "utf8");
  const [, snippet = ""] = /```ts\n([\s\S]+?)```/.exec(page) ?? [];
  await writeFile(join(root, "quickstart.ts"), snippet.replace("http://127.0.0.1:8080", frontDoor));
  const packed = await run("npm", ["pack", "--silent", "--pack-destination", root], { cwd: join(import.meta.dirname, "../../client") });
  await writeFile(join(root, "package.json"), JSON.stringify({ type: "module", private: true }));
  await writeFile(join(root, ".env"), `VITE_FLUX_URL=${frontDoor}\n`);
  await run("npm", ["install", "--silent", `./${packed.stdout.trim().split("\n").at(-1) ?? ""}`], { cwd: root });
  const pages = ["index.html", "quickstart.html"].map((name) => join(root, name));
  await build({ root, configFile: false, logLevel: "warn", build: { rolldownOptions: { input: pages } } });
  app = await preview({ root, configFile: false, preview: { host: "127.0.0.1", port: 0 } });
  origin = `http://127.0.0.1:${(app.httpServer.address() as AddressInfo).port}`;
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  await app.close();
  await rm(root, { recursive: true, force: true });
});

test("a page of another origin reads a plan and typed errors, by gRPC-Web and JSON", async () => {
  const { page, complaints, addresses } = await Visitor.of(browser, origin);
  await page.goto(`${origin}/#${await tokenOf(randomUUID())}`);
  await page.locator("output:not(:empty)").waitFor();
  const seen = JSON.parse(await page.locator("output").innerText()) as Seen;

  expect(seen).toMatchObject({
    byJson: seen.byGrpcWeb,
    wrongByGrpcWeb: { reason: "INVALID_REQUEST", fields: ["check_in.knee_pain"] },
    wrongByJson: { status: 400, reason: "INVALID_REQUEST" },
    unknownSession: { reason: "SESSION_NOT_FOUND" },
    badToken: { reason: "UNAUTHENTICATED" },
    deleted: 200,
  });
  expect(seen.byGrpcWeb).not.toEqual([]);
  expect(seen.wrongByJson.requestId).not.toBeNull();
  expect(complaints).toEqual([]);
  expect([...addresses].sort()).toEqual([frontDoor, origin].sort());
});

test("what the quickstart shows runs in it as it stands", async () => {
  await createFluxClient({ baseUrl: frontDoor }).deleteAthlete({}); // who begins has trained nothing yet
  const { page, complaints } = await Visitor.of(browser, origin);
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  await page.goto(`${origin}/quickstart.html`);
  await page.getByText("Done").waitFor();
  expect(said.join("\n")).toMatch(/is due[\s\S]*of 1 working set logged/);
  expect(complaints).toEqual([]);
});
