// The rating page without waiting: pictures are fetched ahead, an answer shows at once and is sent behind the
// scenes. What has not arrived yet lies in localStorage, one entry a question, so that neither a lost connection nor
// a closed tab loses an answer; sending one twice changes nothing on the server.
const state = JSON.parse(document.getElementById("survey-state").textContent);
const form = document.querySelector(".question");
const group = form.querySelector(".answers");
const buttons = [...group.querySelectorAll("button[name=value]")];
const slider = group.querySelector("[type=range]");
const output = group.querySelector("output");
const next = group.querySelector(".next");
const undo = form.querySelector(".undo");
const face = form.querySelector(".face");
const lost = form.querySelector(".lost");
const waiting = form.querySelector(".waiting-answers");
const finishing = form.querySelector(".finishing");

const AHEAD = 3;
// A second tap of a double tap must not rate the picture that has just appeared.
const DOUBLE_TAP_MILLISECONDS = 300;
const SEND_TIMEOUT_MILLISECONDS = 15_000;
const RETRY_MILLISECONDS = [1_000, 2_000, 5_000, 10_000, 30_000];

// --- Questions ---

// A step is one part of one visit; visits are only ever appended, so a step's index stays.
const steps = [];
const skipped = new Set(state.skipped);
let current = 0;
let shownAt = 0;
let done = state.inSet;
let isFinished = false;

function addVisits(visits) {
  for (const visit of visits) {
    if (steps.some((step) => step.visit.key === visit.key)) continue;
    for (const { part, box, answer } of visit.parts) {
      const name = `${storagePrefix}${visit.key}.${part}`;
      const pending = outbox.read(name);
      steps.push({ visit, part, box, name, kept: answer, answer: pending ? pending.value : answer });
    }
    visit.picture = preload(visit.url);
  }
}

function preload(url) {
  const picture = new Image();
  const loaded = new Promise((resolve, reject) => {
    picture.onload = resolve;
    picture.onerror = reject;
  });
  // Without this, a picture that fails before it is shown would count as an unhandled error.
  loaded.catch(() => {});
  picture.src = url;
  return { loaded, isReady: () => picture.complete && picture.naturalWidth > 0 };
}

const isAnswered = (step) => step.answer !== null;
const isUsable = (step) => !skipped.has(step.visit.key);
const nextUnanswered = () => steps.findIndex((step) => !isAnswered(step) && isUsable(step));
const lastAnsweredBefore = (index) => steps.findLastIndex((step, i) => i < index && isAnswered(step) && isUsable(step));

function visitIsAnswered(visit) {
  return steps.every((step) => step.visit !== visit || isAnswered(step));
}

// --- Showing ---

function show(index) {
  current = index;
  const step = steps[index];
  const { visit, box } = step;
  shownAt = performance.now();
  lost.hidden = true;
  face.hidden = false;
  face.setAttribute("viewBox", `0 0 ${visit.width} ${visit.height}`);
  face.setAttribute("aria-label", state.parts[step.part]);
  const image = face.querySelector("image");
  if (image.getAttribute("href") !== visit.url) {
    image.setAttribute("href", visit.url);
    image.setAttribute("width", visit.width);
    image.setAttribute("height", visit.height);
  }
  const outline = box ? `M${box[0]} ${box[1]}H${box[2]}V${box[3]}H${box[0]}Z` : "";
  face.querySelector(".outline").setAttribute("d", outline);
  face.querySelector(".around").setAttribute("d", box ? `M0 0H${visit.width}V${visit.height}H0Z${outline}` : "");
  form.querySelector(".part-asked").textContent = state.parts[step.part];
  showAnswer(step);
  showProgress(step);
  // An unseen picture cannot be rated.
  setReady(visit.picture.isReady());
  visit.picture.loaded.then(
    () => steps[current] === step && setReady(true),
    () => steps[current] === step && showLost(),
  );
}

function setReady(isReady) {
  face.classList.toggle("loading", !isReady);
  for (const button of group.querySelectorAll("button")) button.setAttribute("aria-disabled", String(!isReady));
  if (isReady && slider && !isAnswered(steps[current]) && slider.dataset.touched !== "true") {
    next.setAttribute("aria-disabled", "true");
  }
}

function showLost() {
  setReady(false);
  face.hidden = true;
  lost.hidden = false;
}

function showAnswer(step) {
  for (const button of buttons) {
    if (isAnswered(step) && Number(button.value) === step.answer) button.setAttribute("aria-pressed", "true");
    else button.removeAttribute("aria-pressed");
  }
  if (slider) {
    slider.value = isAnswered(step) ? step.answer : (Number(slider.min) + Number(slider.max)) / 2;
    // Half of the scale is an answer only once the rater has said so.
    slider.dataset.touched = String(isAnswered(step));
    output.textContent = isAnswered(step) ? step.answer : "–";
  }
}

function showProgress(step) {
  const number = Math.min(done + 1, state.goal);
  const text = state.texts.progress.replace("{number}", number).replace("{goal}", state.goal);
  const place = form.querySelector(".place");
  if (place.textContent !== text) place.textContent = text;
  form.querySelector("progress").value = done;
  undo.hidden = lastAnsweredBefore(steps.indexOf(step)) < 0;
}

// --- Answering ---

function canAnswer() {
  return !isFinished && !face.classList.contains("loading") && !face.hidden
    && performance.now() - shownAt > DOUBLE_TAP_MILLISECONDS;
}

function answer(value) {
  if (!canAnswer()) return;
  const step = steps[current];
  const wasAnswered = isAnswered(step);
  if (!wasAnswered || step.answer !== value) {
    step.answer = value;
    outbox.put(step, value);
    outbox.send();
  }
  if (!wasAnswered && visitIsAnswered(step.visit)) done += 1;
  goOn();
}

function goOn() {
  const index = nextUnanswered();
  if (index >= 0 && done < state.goal) {
    show(index);
  } else {
    finish();
  }
  fetchAhead();
}

function stepBack() {
  const index = isFinished ? -1 : lastAnsweredBefore(current);
  if (index >= 0) show(index);
}

async function finish() {
  isFinished = true;
  setReady(false);
  finishing.hidden = false;
  form.querySelector("progress").value = done;
  await outbox.emptied();
  // The last picture fetched ahead may not have been the survey's last.
  if (done < state.goal && nextUnanswered() < 0 && !(await fetchAhead())) return;
  isFinished = false;
  const index = done < state.goal ? nextUnanswered() : -1;
  finishing.hidden = true;
  if (index >= 0) show(index);
  else location.assign(state.thanksUrl);
}

let fetching = null;

function fetchAhead() {
  const ahead = new Set(steps.filter((step) => !isAnswered(step) && isUsable(step)).map((step) => step.visit.key));
  if (ahead.size >= AHEAD) return Promise.resolve(true);
  fetching ??= fetchVisits().finally(() => { fetching = null; });
  return fetching;
}

async function fetchVisits() {
  // Whatever the server cannot know of yet: what is unanswered here, what is on its way, and what was passed over.
  const holding = new Set(skipped);
  for (const step of steps) if (!isAnswered(step) || step.kept === null) holding.add(step.visit.key);
  for (const name of outbox.names()) holding.add(name.slice(storagePrefix.length).split(".", 2).join("."));
  try {
    const response = await fetch(`${state.visitsUrl}?holding=${[...holding].join(",")}`, {
      signal: AbortSignal.timeout(SEND_TIMEOUT_MILLISECONDS),
    });
    if (!response.ok) {
      if (isRefused(await codeOf(response))) return false;
      throw new Error(response.statusText);
    }
    const wasWithout = nextUnanswered() < 0;
    addVisits((await response.json()).visits);
    if (wasWithout && !isFinished && nextUnanswered() >= 0) show(nextUnanswered());
    return true;
  } catch {
    retry();
    return false;
  }
}

// The survey has closed, or this browser is no rater any more: the server's own page says so.
const FINAL_CODES = ["not_found", "rater_unknown", "survey_closed", "survey_not_open"];
// The server has another answer than this one, which stands, or has no such question.
const SETTLED_CODES = ["answered_otherwise", "invalid", "not_in_survey", "rating_off_scale"];

async function codeOf(response) {
  const problem = await response.json().catch(() => null);
  return problem?.code;
}

function isRefused(code) {
  if (!FINAL_CODES.includes(code)) return false;
  location.reload();
  return true;
}

// --- Sending ---

const storagePrefix = `survey.${state.answersUrl}.${state.rater}.`;

const outbox = {
  // Where the browser keeps nothing, answers at least survive a lost connection.
  memory: new Map(),
  isSending: false,
  waiters: [],

  read(name) {
    try {
      return JSON.parse(localStorage.getItem(name)) ?? this.memory.get(name) ?? null;
    } catch {
      return this.memory.get(name) ?? null;
    }
  },

  write(name, entry) {
    this.memory.set(name, entry);
    try {
      localStorage.setItem(name, JSON.stringify(entry));
    } catch {
      // Private windows and full disks.
    }
  },

  remove(name) {
    this.memory.delete(name);
    try {
      localStorage.removeItem(name);
    } catch {
      // As above.
    }
  },

  names() {
    const names = new Set(this.memory.keys());
    try {
      for (const name of Object.keys(localStorage)) if (name.startsWith(storagePrefix)) names.add(name);
    } catch {
      // As above.
    }
    return [...names];
  },

  // sent: what may have reached the server before, whether or not it said so; the new answer takes these back.
  put(step, value) {
    const before = this.read(step.name);
    const sent = new Set(before?.sent ?? []);
    if (step.kept !== null) sent.add(step.kept);
    this.write(step.name, {
      image: step.visit.image, round: step.visit.round, part: step.part, value, sent: [...sent],
    });
  },

  async send() {
    if (this.isSending) return;
    this.isSending = true;
    try {
      for (let names = this.names(); names.length > 0; names = this.names()) {
        for (const name of names) {
          const entry = this.read(name);
          if (entry && !(await this.sendOne(name, entry))) return;
        }
      }
      retries = 0;
      this.waiters.splice(0).forEach((resolve) => resolve());
    } catch {
      retry();
    } finally {
      this.isSending = false;
      this.tell();
    }
  },

  // False where the survey takes no more answers.
  async sendOne(name, entry) {
    const { sent, ...question } = entry;
    this.write(name, { ...entry, sent: [...new Set([...sent, entry.value])] });
    const response = await fetch(state.answersUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...question, replaces: sent.filter((value) => value !== entry.value) }),
      keepalive: true,
      signal: AbortSignal.timeout(SEND_TIMEOUT_MILLISECONDS),
    });
    if (!response.ok) {
      const code = await codeOf(response);
      if (isRefused(code)) return false;
      if (!SETTLED_CODES.includes(code)) throw new Error(response.statusText);
    }
    const step = steps.find((candidate) => candidate.name === name);
    if (step) step.kept = entry.value;
    // Unless the rater has changed it meanwhile.
    if (this.read(name)?.value === entry.value) this.remove(name);
    return true;
  },

  emptied() {
    if (this.names().length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiters.push(resolve);
      this.send();
    });
  },

  tell() {
    const count = this.names().length;
    waiting.hidden = count === 0 || retries === 0;
    waiting.textContent = state.texts.waiting.replace("{count}", count);
  },
};

let retries = 0;
let retryTimer = 0;

function retry() {
  const delay = RETRY_MILLISECONDS[Math.min(retries, RETRY_MILLISECONDS.length - 1)];
  retries += 1;
  clearTimeout(retryTimer);
  retryTimer = setTimeout(goOnline, delay);
  outbox.tell();
}

function goOnline() {
  outbox.send();
  if (isFinished) finish();
  else fetchAhead();
}

// --- What people do ---

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { submitter } = event;
  if (submitter?.name === "value") answer(Number(submitter.value));
  else if (slider && next.getAttribute("aria-disabled") !== "true") answer(Number(slider.value));
});

slider?.addEventListener("input", () => {
  slider.dataset.touched = "true";
  output.textContent = slider.value;
  if (!face.classList.contains("loading")) next.setAttribute("aria-disabled", "false");
});

undo.addEventListener("click", (event) => {
  event.preventDefault();
  stepBack();
});

lost.querySelector("button").addEventListener("click", () => {
  skipped.add(steps[current].visit.key);
  goOn();
});

function moveFocus(by) {
  const index = buttons.indexOf(document.activeElement);
  const start = by > 0 ? -1 : buttons.length;
  buttons[Math.min(Math.max((index < 0 ? start : index) + by, 0), buttons.length - 1)].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  if (event.key === "u" || event.key === "U" || event.key === "Backspace") {
    event.preventDefault();
    stepBack();
  } else if (slider) {
    if (event.key === "Enter" && document.activeElement === slider) {
      event.preventDefault();
      form.requestSubmit(next);
    } else if (event.key.startsWith("Arrow") && document.activeElement !== slider) {
      slider.focus();
    }
  } else if (buttons.some((button) => button.value === event.key)) {
    answer(Number(event.key));
  } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    event.preventDefault();
    moveFocus(event.key === "ArrowRight" ? 1 : -1);
  }
});

addEventListener("online", goOnline);
// Another window may have sent or answered meanwhile, and a page from memory may be old.
addEventListener("pageshow", (event) => event.persisted && location.reload());

addVisits(state.visits);
outbox.send();
// Answers given before the page was left may not have been sent: they count, and their questions are not asked again.
done += new Set(steps.filter((step) => step.kept === null && visitIsAnswered(step.visit)).map((step) => step.visit)).size;
if (nextUnanswered() >= 0 && done < state.goal) show(nextUnanswered());
else finish();
fetchAhead();
