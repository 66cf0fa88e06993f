/** Networks as phones have them: none at all, or one that swallows the answer. */

type Fetch = typeof fetch;

/** A network that tests switch: `up`, `down`, or `deaf`, where requests arrive and answers do not. */
export class Network {
  state: "up" | "down" | "deaf" = "up";

  readonly fetch: Fetch = async (input, init) => {
    if (this.state === "down") throw new TypeError("Network request failed");
    const answer = await fetch(input, init);
    if (this.state === "deaf") throw new TypeError("Network request failed");
    return answer;
  };
}

/** A `fetch` like React Native's: the whole answer at once, and no `body`. */
export const phoneFetch: Fetch = async (input, init) => {
  const answer = await fetch(input, init);
  const bytes = await answer.arrayBuffer();
  return {
    ok: answer.ok,
    status: answer.status,
    headers: answer.headers,
    arrayBuffer: () => Promise.resolve(bytes),
  } as Response;
};
