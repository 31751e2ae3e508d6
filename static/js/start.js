// The start page works without this module. It adds a preview, drag and drop, pasting, smaller uploads, progress that
// tells the truth, and refusals that keep the form as it is.

import { PhotoProblem, photoOf } from "./photo_file.js";
import { savePhoto } from "./photo_store.js";
import { send } from "./sending.js";

const intro = document.querySelector(".intro");
const form = document.querySelector("#capture");
const input = form.elements.photo;
const drop = form.querySelector(".drop");
const preview = form.querySelector(".preview");
const waiting = form.querySelector(".waiting");
const waitingPhoto = waiting.querySelector("img");
const stage = form.querySelector("#stage");
const percent = form.querySelector(".percent");
const progress = form.querySelector("progress");
const refusal = document.querySelector("#refusal");

const limits = { accepted: form.dataset.types.split(","), maxBytes: Number(form.dataset.maxBytes) };
const title = document.title;
// What to say where an answer says nothing itself: a proxy's, or Django's to a form without its cookie.
const UNEXPLAINED = { 403: "cookies", 413: "size" };

// Of the photo in the form: its smaller copy, once that is made.
let preparing = Promise.resolve();
let checked = null;
let sending = null;

// --- The photo ---

function showPhotoProblem(kind) {
  for (const element of form.querySelectorAll("[data-problem]")) {
    element.hidden = element.dataset.problem !== kind;
  }
}

function showPhoto(photo) {
  URL.revokeObjectURL(preview.src);
  for (const image of [preview, waitingPhoto]) image.removeAttribute("src");
  if (photo) preview.src = waitingPhoto.src = URL.createObjectURL(photo);
  preview.hidden = !photo;
  drop.querySelector(".corners").toggleAttribute("hidden", !photo);
  drop.querySelector(".drop-icon").toggleAttribute("hidden", Boolean(photo));
  drop.querySelector(".drop-title").hidden = Boolean(photo);
  drop.querySelector(".drop-change").hidden = !photo;
}

function listOf(file) {
  const transfer = new DataTransfer();
  transfer.items.add(file);
  return transfer.files;
}

function clearPhoto() {
  input.value = "";
  showPhoto(null);
}

/** Looking at the photo is a step of its own: going back leads to choosing one, and forward to the photo again. */
function enterCheck(photo) {
  checked = photo;
  if (!history.state?.hasPhoto) history.pushState({ hasPhoto: true }, "");
  scrollTo({ top: 0 });
  form.querySelector(".check-title").focus({ preventScroll: true });
}

addEventListener("popstate", (event) => {
  if (!event.state?.hasPhoto || !checked) return clearPhoto();
  input.files = listOf(checked);
  showPhoto(checked);
});

async function prepare(file) {
  try {
    const photo = await photoOf(file, limits);
    // Another photo may have been chosen meanwhile.
    if (input.files[0] !== file) return;
    if (photo !== file) input.files = listOf(photo);
    showPhoto(photo);
    enterCheck(photo);
  } catch (error) {
    if (!(error instanceof PhotoProblem)) throw error;
    if (input.files[0] !== file) return;
    clearPhoto();
    showPhotoProblem(error.kind);
  }
}

function photoChosen() {
  const [file] = input.files;
  showPhotoProblem(null);
  if (!file) return showPhoto(null);
  drop.setAttribute("aria-busy", "true");
  preparing = prepare(file).finally(() => drop.removeAttribute("aria-busy"));
}

function takeFile(file) {
  if (!file || sending) return;
  input.files = listOf(file);
  photoChosen();
}

input.addEventListener("change", photoChosen);
document.addEventListener("paste", (event) => takeFile(event.clipboardData.files[0]));

// Anywhere on the page: a browser would leave it to show a photo that missed the form.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", () => drop.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  takeFile(event.dataTransfer.files[0]);
});

form.querySelector(".camera").addEventListener("click", () => {
  input.setAttribute("capture", "user");
  input.click();
  input.removeAttribute("capture");
});

// A refusal's link: what the server sent, and what this module made of the page's copy.
intro.addEventListener("click", (event) => {
  if (!event.target.closest("[data-slot=retry]")) return;
  event.preventDefault();
  input.click();
});

// --- The other fields ---

function showFieldErrors(errors) {
  for (const list of form.querySelectorAll("ul.field-errors")) list.remove();
  for (const element of form.querySelectorAll("[aria-invalid]")) element.removeAttribute("aria-invalid");
  for (const [name, sentences] of Object.entries(errors)) {
    const field = document.getElementById(`id_${name}`);
    const list = document.createElement("ul");
    list.id = `id_${name}_error`;
    list.className = "field-errors";
    list.append(...sentences.map((sentence) => Object.assign(document.createElement("li"), { textContent: sentence })));
    field.closest(".field").append(list);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", list.id);
  }
  const [first] = Object.keys(errors);
  if (first) document.getElementById(`id_${first}`).focus();
}

/** What the browser itself finds wrong, in the page's language rather than the browser's. */
function foundErrors() {
  const field = form.elements.birth_date;
  const [finding] = Object.keys(field.dataset).filter((key) => field.validity[key]);
  return finding ? { birth_date: [field.dataset[finding]] } : {};
}

// --- Waiting ---

function showStage(name) {
  stage.textContent = stage.dataset[name];
  percent.textContent = "";
  progress.removeAttribute("value");
}

function showSent(share) {
  const value = Math.round(100 * share);
  progress.value = value;
  percent.textContent = `${value}%`;
}

function setWaiting(isWaiting) {
  form.toggleAttribute("data-waiting", isWaiting);
  waiting.hidden = !isWaiting;
  if (!isWaiting) return;
  scrollTo({ top: 0 });
  waiting.querySelector(".cancel").focus();
}

form.querySelector(".cancel").addEventListener("click", () => {
  sending?.abort();
  // What is sent next is another request: the server may still be at work on this one.
  form.elements.nonce.value = `${form.elements.nonce.value.slice(0, 32)}-${Date.now()}`;
});

// --- The answer ---

/** problem: { detail, advice, drawing }; without a drawing the photo may be sent once more as it is. */
function showRefusal(problem, { keepsPhoto }) {
  const copy = refusal.content.cloneNode(true);
  const slot = (name) => copy.querySelector(`[data-slot=${name}]`);
  slot("detail").textContent = problem.detail;
  slot("advice").textContent = problem.advice ?? "";
  slot("advice").hidden = !problem.advice;
  slot("comparison").hidden = !problem.drawing;
  if (problem.drawing) slot("drawing").src = problem.drawing;
  slot("resend").hidden = !keepsPhoto;
  slot("retry").hidden = keepsPhoto;
  intro.replaceChildren(copy);
  document.title = `${problem.detail} · ${title}`;
  if (!keepsPhoto) clearPhoto();
  scrollTo({ top: 0 });
  intro.querySelector(".alert").focus({ preventScroll: true });
}

function discard({ status, body }) {
  if (status !== 201) return;
  const token = new URLSearchParams({ csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value });
  fetch(body.delete_url, { method: "POST", body: token, keepalive: true, redirect: "manual" });
}

async function showAnswer({ status, body }, photo) {
  if (status === 201) {
    await savePhoto(body.id, photo).catch(() => {});
    location.assign(body.url);
    return;
  }
  setWaiting(false);
  if (body?.errors && Object.keys(body.errors).every((name) => document.getElementById(`id_${name}`)?.closest(".field"))) {
    return showFieldErrors(body.errors);
  }
  const isPhotosFault = body?.drawing || status === 413 || status === 415 || body?.code === "invalid_image";
  const problem = body?.detail ? body : { detail: refusal.dataset[UNEXPLAINED[status] ?? "error"] };
  showRefusal(problem, { keepsPhoto: !isPhotosFault });
}

async function sendForm() {
  showFieldErrors({});
  sending = new AbortController();
  showStage("preparing");
  setWaiting(true);
  try {
    await preparing;
    const [photo] = input.files;
    // It turned out to be none, and the page says why.
    if (!photo) return setWaiting(false);
    showStage("sending");
    const answer = await send(form.action, new FormData(form), {
      signal: sending.signal,
      onProgress: showSent,
      onSent: () => showStage("looking"),
      onLong: () => showStage("long"),
      onUnwanted: discard,
    });
    await showAnswer(answer, photo);
  } catch (error) {
    setWaiting(false);
    if (error.name === "AbortError") form.querySelector("[type=submit]").focus();
    else showRefusal({ detail: refusal.dataset.lost }, { keepsPhoto: true });
  } finally {
    sending = null;
  }
}

form.noValidate = true;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (sending) return;
  if (!input.files.length) return showPhotoProblem("missing");
  const errors = foundErrors();
  if (Object.keys(errors).length) showFieldErrors(errors);
  else sendForm();
});

// Going back shows the page as it was left, or with the browser's own memory of the fields.
addEventListener("pageshow", (event) => {
  setWaiting(false);
  if (!event.persisted && input.files.length) photoChosen();
});

if (!navigator.cookieEnabled) showPhotoProblem("cookies");
