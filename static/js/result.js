// A result's page works without this module. It adds the photo that only this device has, and sending pictures and links.

import "./link_box.js";
import { loadPhoto } from "./photo_store.js";

const own = document.querySelector("[data-device-photo]");
if (own) {
  // Without a photo on this device, or without its storage, the drawn figure stays.
  const photo = await loadPhoto(own.dataset.devicePhoto).catch(() => undefined);
  if (photo) own.setAttribute("href", URL.createObjectURL(photo));
}

const form = document.querySelector(".card-form");
const preview = form.querySelector(".card-preview");
const sendButton = form.querySelector("[data-send-card]");

function addressOfCard() {
  const query = new URLSearchParams(new FormData(form));
  query.delete("download");
  return `${form.action}?${query}`;
}

form.addEventListener("change", () => {
  const isTall = form.elements.format.value === "tall";
  preview.width = isTall ? 1080 : 1200;
  preview.height = isTall ? 1920 : 630;
  preview.src = addressOfCard();
});

async function cardFile() {
  const response = await fetch(addressOfCard());
  if (!response.ok) throw new Error(`${response.status}`);
  return new File([await response.blob()], `alpha-project-${form.elements.format.value}.png`, { type: "image/png" });
}

const example = new File([""], "card.png", { type: "image/png" });
if (navigator.canShare?.({ files: [example] })) {
  sendButton.hidden = false;
  sendButton.addEventListener("click", async () => {
    sendButton.disabled = true;
    try {
      await navigator.share({ files: [await cardFile()] });
    } catch {
      // Whoever closes the sheet has not met an error; whoever met one can still save the picture.
    } finally {
      sendButton.disabled = false;
    }
  });
}
