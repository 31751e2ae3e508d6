// One sending of the form: how much of it has left, when the server begins to look, and what it says.

const LONG_MILLISECONDS = 8000;

/**
 * Send a form's data; resolves to { status, body }, body being the parsed JSON or null.
 *
 * onProgress(share) hears how much has been sent, 0 to 1; onSent() that all has; onLong() that the answer takes long.
 * Rejects with a DOMException: "AbortError" after signal's abort, "NetworkError" where the connection fails. A server
 * that has the photo answers all the same: onUnwanted(answer) gets what comes after an abort.
 */
export function send(url, data, { signal, onProgress, onSent, onLong, onUnwanted }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let isSent = false;
    let timer;
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.upload.onload = () => {
      isSent = true;
      onSent();
      timer = setTimeout(onLong, LONG_MILLISECONDS);
    };
    request.onload = () => {
      const answer = { status: request.status, body: parsed(request.responseText) };
      if (signal.aborted) onUnwanted(answer);
      else resolve(answer);
    };
    request.onerror = () => reject(new DOMException("The connection was lost.", "NetworkError"));
    request.onloadend = () => clearTimeout(timer);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      if (!isSent) request.abort();
      reject(signal.reason);
    });
    request.send(data);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
