/** Where the offline queue keeps what was not sent yet. */

/** Anything that keeps text by key: `localStorage`, React Native's AsyncStorage, or `memoryStorage()`. */
export interface KeyValueStorage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): void | Promise<void>;
}

/** Keeps nothing beyond this process: for tests, and where there is no other storage. */
export function memoryStorage(): KeyValueStorage {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => {
      kept.set(key, value);
    },
  };
}
