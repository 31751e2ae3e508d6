// Show how far a job is while it runs; when it changes its state, the page's rows and buttons change too.
"use strict";

(() => {
  const POLL_MILLISECONDS = 1000;
  const progress = document.getElementById("job-progress");
  const { url, state } = progress.dataset;

  async function poll() {
    try {
      const response = await fetch(url, { headers: { Accept: "application/json" } });
      const answer = await response.json();
      if (answer.state !== state) {
        location.reload();
        return;
      }
      progress.innerHTML = answer.html;
    } catch {
      // The network, or a session that ended: what is shown stays, and the next attempt may work.
    }
    setTimeout(poll, POLL_MILLISECONDS);
  }

  if ("atWork" in progress.dataset) setTimeout(poll, POLL_MILLISECONDS);
})();
