// The device's own copies of photos go with their results.

import { keepPhotos } from "./photo_store.js";

const { kept } = document.querySelector("[data-kept]").dataset;
// Without the storage there are no copies.
keepPhotos(kept.split(" ").filter(Boolean)).catch(() => {});
