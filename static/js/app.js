// On every page: the service worker that makes the site installable, and a word when the network is gone.

const notice = document.querySelector(".offline-notice");
const reload = document.querySelector("[data-reload]");

function showConnection() {
  if (notice) notice.textContent = navigator.onLine ? "" : notice.dataset.offline;
}

addEventListener("offline", showConnection);
addEventListener("online", () => {
  showConnection();
  if (reload) location.reload();
});
showConnection();

// Once the page is there: installing the worker shares the network with what people came for.
addEventListener("load", () => navigator.serviceWorker?.register("/service-worker.js"));
