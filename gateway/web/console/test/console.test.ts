/** The page in a real browser, before a real front door. */

import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { createFluxClient, SessionStatus } from "@flux-engine/client";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { launch, Visitor } from "./browser.js";
import { tokenOf } from "./tokens.js";

const frontDoor = inject("frontDoor");
const client = createFluxClient({ baseUrl: frontDoor });
let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterAll(() => browser.close());

beforeEach(() => client.deleteAthlete({}));

test("a whole day: check-in, plan with reasons, sets, completion, history, trends", async () => {
  const visitor = await Visitor.of(browser, frontDoor);
  const { page } = visitor;
  await visitor.open();
  await visitor.start();
  for (const exercise of await page.locator(".exercise").all()) {
    expect(await exercise.locator(".reason").count()).toBeGreaterThan(0);
  }
  await visitor.logEverything();
  await page.getByLabel("Notes on the session").fill("Felt light.");
  await visitor.button("Complete session").click();
  await page.getByRole("heading", { name: "Session completed" }).waitFor();
  expect(await page.locator(".result").innerText()).toContain("Debt SQUAT: Earned");
  expect(await page.getByText("Missing").count()).toBe(0);

  await page.getByRole("link", { name: "History" }).click();
  await page.locator(".history summary").first().click();
  await page.getByText("Felt light.").waitFor();
  await page.getByRole("link", { name: "Trends" }).click();
  await page.getByRole("img", { name: /^Readiness over 1 session;/ }).locator("canvas").waitFor();
  await page.getByRole("img", { name: /^Benchmarks/ }).waitFor();
  await page.getByRole("link", { name: "Today" }).click();
  await visitor.button("Plan the next session").click();
  await page.getByText("PUSH is due", { exact: false }).first().waitFor();

  expect((await client.getAthleteState({})).completedSessions).toBe(1);
  expect(visitor.complaints).toEqual([]);
  expect([...visitor.addresses].filter((origin) => origin !== "null")).toEqual([frontDoor]); // an icon in the page has none
});

test("sliders show what would be, and store nothing", async () => {
  const visitor = await Visitor.of(browser, frontDoor);
  await visitor.open();
  await visitor.page.getByLabel("Knee pain").fill("9");
  await visitor.page.getByText("RED", { exact: true }).waitFor();
  await visitor.page.getByText("What if it were another day?").click();
  await visitor.page.getByLabel("Days from now").fill("3");
  await visitor.page.getByRole("heading", { name: "What it would be in 3 days" }).waitFor();
  expect(await visitor.button("Start this session").isDisabled()).toBe(true);
  expect((await client.listSessions({})).sessions).toEqual([]);
});

test("the network is cut and the page reloaded in the middle of a workout: nothing is lost, nothing doubled", async () => {
  const visitor = await Visitor.of(browser, frontDoor);
  const { page } = visitor;
  await visitor.open();
  await visitor.start();
  const exercise = visitor.loggable().first();
  await visitor.log(exercise, "20", "30");
  await visitor.sent();
  visitor.weather = "deaf"; // the server gets it, and the page does not know
  await visitor.log(exercise, "21", "31");
  await page.getByText("Offline").waitFor();
  visitor.weather = "cut";
  await visitor.log(exercise, "22", "32");
  await page.reload();
  await exercise.locator(".logged li").nth(2).waitFor();
  await visitor.log(exercise, "23", "33");
  await exercise.getByRole("button", { name: /^Remove set 1 / }).click();
  await visitor.button("Complete session").click();
  await page.getByText("Completed on this device").waitFor();
  await page.reload();
  await page.getByText("Completed on this device").waitFor();
  visitor.weather = "fine";
  await page.getByRole("heading", { name: "Session completed" }).waitFor();

  const { sessions } = await client.listSessions({});
  expect(sessions).toHaveLength(1);
  const { session } = await client.getSession({ sessionId: sessions[0]?.sessionId ?? "" });
  expect(session?.sets.map(({ setIndex, weightKg, seconds }) => [setIndex, weightKg, seconds])).toEqual([
    [1, 21, 31],
    [2, 22, 32],
    [3, 23, 33],
  ]);
});

test("the page opens without a network in the middle of a workout, and everything arrives once", async () => {
  const visitor = await Visitor.of(browser, frontDoor);
  const { page, context } = visitor;
  await visitor.open();
  await visitor.kept();
  await visitor.start();
  const exercise = visitor.loggable().first();
  await visitor.log(exercise, "20", "30");
  await visitor.sent();
  await context.setOffline(true);
  await visitor.log(exercise, "21", "31");
  await page.reload();
  await page.getByRole("heading", { name: "Today’s session" }).waitFor();
  await exercise.locator(".logged li").nth(1).waitFor();
  await visitor.log(exercise, "22", "32");
  await visitor.button("Complete session").click();
  await page.getByText("Completed on this device").waitFor();
  await visitor.open("#trends");
  await page.reload();
  await page.getByRole("alert").waitFor(); // what the server knows, it alone can tell
  await page.getByRole("link", { name: "Today" }).click();
  await page.getByText("Completed on this device").waitFor();
  await context.setOffline(false);
  await page.getByRole("heading", { name: "Session completed" }).waitFor();

  const { sessions } = await client.listSessions({});
  expect(sessions).toHaveLength(1);
  const { session } = await client.getSession({ sessionId: sessions[0]?.sessionId ?? "" });
  expect(session?.status).toBe(SessionStatus.COMPLETED);
  expect(session?.sets.map(({ setIndex, weightKg, seconds }) => [setIndex, weightKg, seconds])).toEqual([
    [0, 20, 30],
    [1, 21, 31],
    [2, 22, 32],
  ]);
  expect(await page.evaluate(kept)).toEqual(["/console"]);
});

test("what could not be asked for is asked for again, and shown when the network is back", async () => {
  const visitor = await Visitor.of(browser, frontDoor);
  const { page } = visitor;
  const unreachable = page.getByRole("alert").getByText("FLUX cannot be reached");
  for (const [place, name] of [["", "How are you today?"], ["#history", "History"], ["#trends", "Where you stand"]] as const) {
    visitor.weather = "cut";
    await visitor.open(place);
    await page.reload();
    await unreachable.waitFor();
    visitor.weather = "fine";
    await page.getByRole("heading", { name, exact: true }).waitFor();
    expect(await unreachable.count()).toBe(0);
  }
  await page.getByRole("link", { name: "Today" }).click();
  await page.getByText("because of knee pain 0 of 10").first().waitFor();
  visitor.weather = "cut";
  await page.getByLabel("Knee pain").fill("9");
  await unreachable.waitFor();
  visitor.weather = "fine";
  await page.getByText("because of knee pain 9 of 10").first().waitFor();
  await unreachable.waitFor({ state: "detached" });
});

test("a new release of the page takes the place of the one that is kept, and half a release does not", async () => {
  const first = { page: await text("/console"), worker: await text("/console/worker.js") };
  const release = (title: string): typeof first => {
    const page = first.page.replace("<title>FLUX</title>", `<title>${title}</title>`);
    return { page, worker: first.worker.replaceAll(integrity(first.page), integrity(page)) };
  };
  let served = first;
  const server = createServer(({ url }, answer) => {
    const isWorker = url === "/console/worker.js";
    answer.setHeader("content-type", isWorker ? "text/javascript" : "text/html; charset=utf-8");
    answer.setHeader("service-worker-allowed", "/console");
    answer.writeHead(isWorker || url === "/console" ? 200 : 503).end(isWorker ? served.worker : served.page);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const visitor = await Visitor.of(browser, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const { page, context } = visitor;
  const title = async (): Promise<string> => {
    await page.reload();
    return page.title();
  };
  await visitor.open();
  await visitor.kept();
  served = { page: release("Half").page, worker: release("Other half").worker };
  expect(await title()).toBe("FLUX");
  await page.evaluate(async () => (await navigator.serviceWorker.ready).update().catch(() => undefined));
  expect(await title()).toBe("FLUX");
  served = release("Second");
  await expect.poll(title, { interval: 3000, timeout: 60_000 }).toBe("Second"); // each reload puts off the look for a newer worker
  await context.setOffline(true);
  expect(await title()).toBe("Second");
  expect(await page.evaluate(kept)).toEqual(["/console"]);
  await context.close();
  await new Promise((closed) => server.close(closed));
});

test("an open session is found again on another device", async () => {
  const { session } = await client.startSession({ checkIn: { kneePain: 1, energy: 9 } });
  const visitor = await Visitor.of(browser, frontDoor);
  await visitor.open();
  await visitor.page.getByRole("heading", { name: "Today’s session" }).waitFor();
  await visitor.button("Give up").click();
  await visitor.page.getByRole("heading", { name: "How are you today?" }).waitFor();
  const left = await client.getSession({ sessionId: session?.sessionId ?? "" });
  expect(left.session?.completeTime).toBeUndefined();
});

test("numbers that cannot be are refused where they are typed, and nothing is logged", async () => {
  const visitor = await Visitor.of(browser, frontDoor);
  await visitor.open();
  await visitor.start();
  const exercise = visitor.loggable().first();
  for (const [weight, seconds] of [["x", "30"], ["1001", "30"], ["-1", "30"], ["20", ""], ["20", "1.5"], ["20", "0"]] as const) {
    await exercise.locator("input").nth(0).fill(weight);
    await exercise.locator("input").nth(1).fill(seconds);
    await exercise.getByRole("button", { name: "Log" }).click();
    await exercise.getByText(/: a (whole )?number from/).waitFor();
    expect(await exercise.locator("[aria-invalid=true]").count()).toBe(1);
    expect(new Set(await exercise.locator("input").evaluateAll((all) => all.map((one) => one.getBoundingClientRect().top))).size).toBe(1);
  }
  expect(await visitor.violations()).toEqual([]);
  await visitor.log(exercise, "20,5", "30");
  await visitor.sent();
  const { session } = await client.getOpenSession({});
  expect(session?.sets.map(({ weightKg }) => weightKg)).toEqual([20.5]);
});

test("an expired token is said so, and what was logged waits for a new one", async () => {
  const token = await tokenOf(randomUUID());
  const visitor = await Visitor.of(browser, frontDoor);
  const { page } = visitor;
  await visitor.open();
  await visitor.button("Sign in").click();
  await page.getByLabel("Access token").fill("no token");
  await visitor.button("Use this token").click();
  await page.getByText("three parts").waitFor();
  await page.getByLabel("Access token").fill(token);
  await visitor.button("Use this token").click();
  await visitor.button("Signed in").waitFor();
  await visitor.start();
  await page.evaluate((expired) => sessionStorage.setItem("flux.token", expired), spoilt(token));
  await visitor.log(visitor.loggable().first(), "20", "30");
  await page.getByRole("alert").getByText("expired or is not valid").waitFor();
  await page.getByText("to be sent").first().waitFor();
  await page.getByLabel("Access token").fill(token);
  await visitor.button("Use this token").click();
  await visitor.sent();

  const theirs = createFluxClient({ baseUrl: frontDoor, token: () => token });
  expect((await theirs.getOpenSession({})).session?.sets).toHaveLength(1);
  expect((await client.listSessions({})).sessions).toEqual([]);
  await visitor.button("Signed in").click();
  await visitor.button("Sign out").click();
  await page.getByRole("heading", { name: "How are you today?" }).waitFor();
});

test("the page names everybody whose work it holds, with their licences", async () => {
  const page = await text("/console");
  const { stdout } = await promisify(execFile)("npm", ["ls", "--omit=dev", "--all", "--parseable", "--long"], { cwd: join(import.meta.dirname, "..") });
  const named = stdout.split("\n").map((line) => line.split(":")[1] ?? "");
  const others = named.filter((name) => name !== "" && !/^(flux-web|console|@flux-engine\/client)@/.test(name));
  expect(others.length).toBeGreaterThan(4);
  for (const name of others) expect(page).toContain(`\n${name} `);
  for (const author of ["Jason Miller", "Leon Sorokin", "Buf Technologies", "The Connect Authors", "Google Inc.", "Google LLC"]) {
    expect(page).toMatch(new RegExp(`^Copyright .*${author}`, "m"));
  }
  for (const licence of ["MIT License", "Apache License", "Redistribution and use"]) expect(page).toContain(licence);
});

test("a second tab does not log beside the first, and takes over when that one closes", async () => {
  const visitor = await Visitor.of(browser, frontDoor);
  await visitor.open();
  await visitor.start();
  const second = await visitor.context.newPage();
  await second.goto(`${frontDoor}/console`);
  await second.getByText("open in another tab").waitFor();
  await visitor.page.close();
  await second.getByRole("heading", { name: "Today’s session" }).waitFor();
});

test("a day can be trained with the keyboard alone", async () => {
  const visitor = await Visitor.of(browser, frontDoor);
  const { page } = visitor;
  const reach = async (name: string): Promise<void> => {
    const isThere = (): Promise<boolean> =>
      page.evaluate((text) => {
        const element = document.activeElement;
        return element !== null && [element.textContent, element.id].includes(text);
      }, name);
    while (!(await isThere())) await page.keyboard.press("Tab");
  };
  await visitor.open();
  await page.getByText("What today would be").waitFor();
  await reach("slider-knee-pain");
  await page.keyboard.press("ArrowRight");
  await page.getByText("because of knee pain 1 of 10").first().waitFor();
  await reach("Start this session");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Today’s session" }).waitFor();
  await reach("Complete session");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Session completed" }).waitFor();
  expect(await page.locator(".grade.missing").count()).toBeGreaterThan(0);
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [360, 1280]) {
    test(`everything is accessible and fits, ${colorScheme} and ${width} pixels wide`, async () => {
      const visitor = await Visitor.of(browser, frontDoor, { colorScheme, viewport: { width, height: 800 } });
      const { page } = visitor;
      const examine = async (): Promise<void> => {
        expect(await visitor.violations()).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      };
      await visitor.open();
      await page.getByRole("heading", { name: "What today would be" }).waitFor();
      await examine();
      await visitor.button("Sign in").click();
      await page.getByText("Every decision").click();
      await examine();
      await visitor.start();
      await visitor.log(visitor.loggable().first(), "20", "30");
      await examine();
      await visitor.button("Complete session").click();
      await page.getByRole("heading", { name: "Session completed" }).waitFor();
      await examine();
      await page.getByRole("link", { name: "History" }).click();
      await page.locator(".history summary").first().click();
      await page.getByText("The plan").click();
      await examine();
      await page.getByRole("link", { name: "Trends" }).click();
      await page.locator("canvas").first().waitFor();
      for (const table of await page.getByText("As a table").all()) await table.click();
      await examine();
    });
  }
}

/** The paths that the page's worker keeps. Runs in the page. */
async function kept(): Promise<string[]> {
  const all = await Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).keys()));
  return all.flat().map(({ url }) => new URL(url).pathname);
}

async function text(path: string): Promise<string> {
  return (await fetch(frontDoor + path)).text();
}

function integrity(page: string): string {
  return `sha256-${createHash("sha256").update(page).digest("base64")}`;
}

/** The same token with claims that its signature does not cover, as one that is no longer good. */
function spoilt(token: string): string {
  const [head = "", claims = "", signature = ""] = token.split(".");
  const expired = { ...(JSON.parse(Buffer.from(claims, "base64url").toString()) as object), exp: 1 };
  return [head, Buffer.from(JSON.stringify(expired)).toString("base64url"), signature].join(".");
}
