// The start page works without this module. It adds a preview, drag and drop, smaller uploads and a waiting state.

const SHRINK_ABOVE_BYTES = 1.5 * 1024 * 1024;
const LONG_SIDE = 1600;
const JPEG_QUALITY = 0.92;

const form = document.querySelector("form.panel");
const input = form.elements.photo;
const drop = form.querySelector(".drop");
const preview = form.querySelector(".preview");
const camera = form.querySelector(".camera");
const submit = form.querySelector("[type=submit]");
const waiting = form.querySelector(".waiting p");
const types = form.dataset.types.split(",");
const maxBytes = Number(form.dataset.maxBytes);

let shrinking = Promise.resolve();

function showProblem(kind) {
  for (const element of form.querySelectorAll("[data-problem]")) {
    element.hidden = element.dataset.problem !== kind;
  }
}

function showPhoto(file) {
  URL.revokeObjectURL(preview.src);
  if (file) {
    preview.src = URL.createObjectURL(file);
  } else {
    preview.removeAttribute("src");
  }
  preview.hidden = !file;
  drop.querySelector(".drop-icon").toggleAttribute("hidden", Boolean(file));
  drop.querySelector(".drop-title").hidden = Boolean(file);
  drop.querySelector(".drop-change").hidden = !file;
}

function problemOf(file) {
  // Some systems name no type for a file they do not know; the server looks at its bytes.
  return file.type && !types.includes(file.type) ? "type" : null;
}

/** A list of the photo as a smaller JPEG, or null where it is better sent as it is. */
async function shrunk(file) {
  if (file.size <= SHRINK_ABOVE_BYTES) return null;
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, LONG_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
  return blob && blob.size < file.size ? listOf(new File([blob], "photo.jpg", { type: "image/jpeg" })) : null;
}

async function replaceByShrunk(file) {
  const smaller = await shrunk(file).catch(() => null);
  // Another photo may have been chosen meanwhile.
  if (input.files[0] !== file) return;
  if (smaller) {
    input.files = smaller;
  } else if (file.size > maxBytes) {
    input.value = "";
    showPhoto(null);
    showProblem("size");
  }
}

function listOf(file) {
  const transfer = new DataTransfer();
  transfer.items.add(file);
  return transfer.files;
}

function photoChosen() {
  const [file] = input.files;
  const problem = file && problemOf(file);
  if (problem) input.value = "";
  showProblem(problem);
  showPhoto(problem ? null : file);
  if (file && !problem) shrinking = replaceByShrunk(file);
}

function setSending(isSending) {
  form.toggleAttribute("data-sending", isSending);
  submit.setAttribute("aria-disabled", String(isSending));
  waiting.hidden = !isSending;
  if (isSending) waiting.scrollIntoView({ block: "nearest" });
}

input.addEventListener("change", photoChosen);

// Anywhere on the page: a browser would leave it to show a photo that missed the form.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", () => drop.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (!file) return;
  input.files = listOf(file);
  photoChosen();
});

if (matchMedia("(pointer: coarse)").matches) {
  camera.hidden = false;
  camera.addEventListener("click", () => {
    input.setAttribute("capture", "user");
    input.click();
    input.removeAttribute("capture");
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (form.hasAttribute("data-sending")) return;
  setSending(true);
  await shrinking;
  form.submit();
});

// Going back shows the page as it was left, or with the browser's own memory of the fields.
addEventListener("pageshow", () => {
  setSending(false);
  if (input.files.length) photoChosen();
});
