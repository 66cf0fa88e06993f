/** What the licences of others ask to be said wherever their code is: who wrote it, and the licences themselves. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const APACHE = join(import.meta.dirname, "../licenses/Apache-2.0.txt");
const LINE = `\n\n${"=".repeat(80)}\n\n`;

/** The notices of all work of others in the files that a page is made of. Throws for a package that comes without one. */
export function notices(files: readonly string[]): string {
  const works = new Map<string, Set<string>>();
  for (const file of files.filter((path) => existsSync(path))) {
    const origin = packageOf(file);
    const text = origin?.licence ?? headingOf(file);
    if (origin === undefined && text === undefined) continue; // ours alone
    const name = origin?.name ?? file.split("/gen/").at(-1) ?? file;
    works.set(name, new Set([...(works.get(name) ?? []), ...(text === undefined ? [] : [text])]));
  }
  const parts = [...works].sort().map(([name, texts]) => {
    if (texts.size === 0) throw new Error(`${name} comes without a licence`);
    // Where a comment on the code follows a heading at once, the same heading is there without it.
    const headings = [...texts].filter((text) => ![...texts].some((other) => other !== text && text.startsWith(other)));
    return [name, ...headings].join("\n\n");
  });
  return ["This page holds work of others, by these licences.", ...parts, readFileSync(APACHE, "utf8").trim()].join(LINE);
}

/** The package that a file is of, with the licence that it brings; undefined for a file of ours. */
function packageOf(file: string): { name: string; licence: string | undefined } | undefined {
  const [, folder = "", id] = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(file) ?? [];
  if (id === undefined) return undefined;
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, string>;
  const licence = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  return { name: `${id}@${version} ${license}`, licence: licence === undefined ? undefined : readFileSync(join(folder, licence), "utf8").trim() };
}

/** What a file itself says of whose it is, in the comment that it begins with. */
function headingOf(file: string): string | undefined {
  const comment = /^\/\/ Copyright.*\n(?:\/\/.*\n)+/.exec(readFileSync(file, "utf8"))?.[0];
  return comment?.replaceAll(/^\/\/ ?/gm, "").trim();
}
