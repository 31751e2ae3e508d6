{% load static %}// Network first, always: an answer or a photo is never kept here, only the page that says there is no network.

const OFFLINE_PAGE = "{% url 'offline' %}";
const OFFLINE_FILES = ["{% static 'css/site.css' %}", "{% static 'icons/favicon.svg' %}", "{% static 'drawings/offline.svg' %}", "{% static 'js/app.js' %}"];
const LANGUAGE_SWITCH = "{% url 'set_language' %}";
// Another name whenever a file changes; what an older worker kept goes.
const CACHE = `offline ${OFFLINE_FILES.join(" ")}`;

async function keepOfflinePage() {
  const cache = await caches.open(CACHE);
  await cache.addAll([OFFLINE_PAGE, ...OFFLINE_FILES].map((address) => new Request(address, { cache: "reload" })));
}

async function forgetOlder() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function page(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return caches.match(OFFLINE_PAGE, { ignoreVary: true });
  }
}

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(keepOfflinePage());
});

addEventListener("activate", (event) => {
  event.waitUntil(Promise.all([forgetOlder(), self.registration.navigationPreload?.enable()]));
});

addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.mode === "navigate") {
    const response = page(event);
    event.respondWith(response);
    // The page without a network speaks the language that the site speaks now.
    if (pathname === LANGUAGE_SWITCH) event.waitUntil(response.then(keepOfflinePage).catch(() => {}));
  } else if (OFFLINE_FILES.includes(pathname)) {
    event.respondWith(fetch(event.request).catch(() => caches.match(event.request)));
  }
});
