/** Who the athlete is: by an access token that lives as long as this tab, or by none, as in a local run. */

const TOKEN = "flux.token";

export function savedToken(): string | undefined {
  return sessionStorage.getItem(TOKEN) ?? undefined;
}

export function saveToken(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, token);
}

/** Why `text` cannot be an access token; undefined if it can. Whether it is a good one is for the server to say. */
export function problemOfToken(text: string): string | undefined {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text) ? undefined : "An access token has three parts with dots between them.";
}

/**
 * Whose work is kept on this device: what one athlete has logged and not sent must never go out by another's token.
 * Only a name for storage, so the token need not be verified here.
 */
export function owner(): string {
  const claims = savedToken()?.split(".")[1];
  if (claims === undefined) return "local";
  try {
    const { sub } = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))) as { sub?: unknown };
    return typeof sub === "string" ? sub : "nobody";
  } catch {
    return "nobody";
  }
}
