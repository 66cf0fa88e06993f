/** Makes a phone's `fetch` do what gRPC-Web needs. */

/**
 * Gives answers a readable `body` where the platform's have none.
 *
 * React Native reads a whole answer before it hands it over and has no `response.body`. Every call here is unary, so
 * nothing is lost by handing over the whole as a stream of one piece.
 */
export function withReadableBody(fetchLike: typeof fetch): typeof fetch {
  return async (input, init) => {
    const answer = await fetchLike(input, init);
    if (answer.body) return answer;
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const body = new ReadableBytes(bytes);
    return new Proxy(answer, {
      get(target, property) {
        if (property === "body") return body;
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
}

/** As much of a ReadableStream as reading one piece takes; React Native has no ReadableStream either. */
class ReadableBytes {
  #bytes: Uint8Array | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  getReader(): { read(): Promise<{ done: boolean; value?: Uint8Array }>; cancel(): Promise<void>; releaseLock(): void } {
    return {
      read: () => {
        const value = this.#bytes;
        this.#bytes = undefined;
        return Promise.resolve(value === undefined ? { done: true } : { done: false, value });
      },
      cancel: () => Promise.resolve(),
      releaseLock: () => undefined,
    };
  }
}
