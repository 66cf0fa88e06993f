/** Keeps the page on this device, so that it opens without a network. Nothing else is kept, and no call is touched. */

export type {};

declare const self: ServiceWorkerGlobalScope;
/** The hash of the page that this worker was built with: another page has another worker. */
declare const PAGE_INTEGRITY: string;

const PAGE = "/console";
const CACHES = "flux.console ";
const CACHE = CACHES + PAGE_INTEGRITY;

self.addEventListener("install", (event) => {
  // Of two releases that are served at the same time, the page of the other one is refused, and asked for again later.
  const page = new Request(PAGE, { cache: "no-store", integrity: PAGE_INTEGRITY });
  event.waitUntil(caches.open(CACHE).then((cache) => cache.add(page)));
  void self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  const forgetOthers = async (): Promise<void> => {
    for (const name of await caches.keys()) if (name.startsWith(CACHES) && name !== CACHE) await caches.delete(name);
  };
  event.waitUntil(forgetOthers());
});

self.addEventListener("fetch", (event) => {
  const { mode, url } = event.request;
  if (mode !== "navigate" || new URL(url).pathname !== PAGE) return;
  // Whether there is a newer page, the browser finds out by itself: each time, it looks for a newer worker.
  event.respondWith(caches.match(PAGE).then((page) => page ?? fetch(event.request)));
});
