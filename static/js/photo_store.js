// The photos of this device's results, kept on this device alone: the server keeps none that nobody agreed to.

const DATABASE = "alpha-project";
const STORE = "photos";

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function withStore(mode, use) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    return await settled(use(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

/** Keep a result's photo (a Blob) under the result's id. */
export function savePhoto(id, photo) {
  return withStore("readwrite", (store) => store.put(photo, id));
}

/** The result's photo as a Blob, or undefined where this device has none. */
export function loadPhoto(id) {
  return withStore("readonly", (store) => store.get(id));
}

export function deletePhoto(id) {
  return withStore("readwrite", (store) => store.delete(id));
}

/** Drop every photo but those of these results: the others' results are erased or have expired. */
export async function keepPhotos(ids) {
  const kept = new Set(ids);
  const stored = await withStore("readonly", (store) => store.getAllKeys());
  await Promise.all(stored.filter((id) => !kept.has(id)).map(deletePhoto));
}
