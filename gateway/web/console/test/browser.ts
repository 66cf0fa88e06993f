/** A real Chromium, and what a person does with the page in it. */

import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from "playwright-core";

/** As one who needs no sandbox, no updates and no network but this machine's. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** The calls of the page go nowhere, or go out and lose their answer. */
export type Weather = "fine" | "cut" | "deaf";

/** One visitor, with a network that can be cut. What the page complains of is collected. */
export class Visitor {
  weather: Weather = "fine";
  readonly complaints: string[] = [];
  readonly addresses = new Set<string>();

  private constructor(
    readonly page: Page,
    readonly context: BrowserContext,
    private readonly frontDoor: string,
  ) {}

  static async of(browser: Browser, frontDoor: string, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Visitor> {
    const context = await browser.newContext(options);
    const visitor = new Visitor(await context.newPage(), context, frontDoor);
    visitor.page.on("pageerror", (error) => visitor.complaints.push(String(error)));
    visitor.page.on("console", (message) => {
      if (message.type() === "error" && !message.text().includes("Failed to load resource")) visitor.complaints.push(message.text());
    });
    visitor.page.on("request", (request) => visitor.addresses.add(new URL(request.url()).origin));
    await context.route("**/flux.session.v1.SessionService/**", async (route) => {
      if (visitor.weather === "cut") return route.abort("internetdisconnected");
      if (visitor.weather === "fine") return route.continue();
      await route.fetch();
      return route.abort("connectionreset");
    });
    return visitor;
  }

  open(place = ""): Promise<unknown> {
    return this.page.goto(`${this.frontDoor}/console${place}`);
  }

  /** Waits until the page is kept on this device. */
  async kept(): Promise<void> {
    await this.page.evaluate(async () => void (await navigator.serviceWorker.ready));
  }

  button(name: string): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  async start(kneePain = 0, energy = 8): Promise<void> {
    await this.page.getByLabel("Knee pain").fill(String(kneePain));
    await this.page.getByLabel("Energy").fill(String(energy));
    await this.page.getByText(`because of knee pain ${kneePain} of 10 and energy ${energy} of 10`).first().waitFor();
    await this.button("Start this session").click();
    await this.page.getByRole("heading", { name: "Today’s session" }).waitFor();
  }

  /** The exercises of the plan that ask for sets. */
  loggable(): Locator {
    return this.page.locator(".exercise", { has: this.page.locator("form.next") });
  }

  /** Logs the next set of an exercise. */
  async log(exercise: Locator, ...values: string[]): Promise<void> {
    const before = await exercise.locator(".logged li").count();
    for (const [index, value] of values.entries()) await exercise.locator("input").nth(index).fill(value);
    await exercise.getByRole("button", { name: "Log" }).click();
    await exercise.locator(".logged li").nth(before).waitFor();
  }

  /** Logs one set of everything that is planned, with plausible numbers. */
  async logEverything(): Promise<void> {
    for (const exercise of await this.page.locator(".exercise").all()) {
      while ((await exercise.locator("form.next").count()) > 0) {
        const fields = await exercise.locator("input").count();
        await this.log(exercise, ...["42.5", "8"].slice(2 - fields).map((value) => (fields === 1 ? "250" : value)));
        if (!(await exercise.innerText()).includes("Round")) break;
      }
    }
  }

  async sent(): Promise<void> {
    await this.page.getByText("to be sent").first().waitFor({ state: "detached" });
  }

  /** What axe finds on the page as it is. */
  async violations(): Promise<string[]> {
    // The page's policy lets no script in; the browser's own tools may evaluate one.
    await this.page.evaluate(axe.source);
    const found = await this.page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run(document));
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  }
}
