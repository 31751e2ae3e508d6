// From the file that somebody chose to the photo that is sent: what it is, and a smaller copy where that helps.

const LONG_SIDE = 1600;
const SHRINK_ABOVE_BYTES = 1.5 * 1024 * 1024;
const JPEG_QUALITY = 0.92;

// By the first bytes, all that the server reads among them: names and the types that systems give them can be wrong.
const SIGNATURES = [
  [/^\xff\xd8\xff/, "image/jpeg"],
  [/^\x89PNG/, "image/png"],
  [/^RIFF....WEBP/s, "image/webp"],
  [/^....ftyp(heic|heix|hevc|heim|heis|mif1|msf1)/s, "heic"],
  [/^....ftyp(avif|avis)/s, "image/avif"],
  [/^(....(ftyp|moov|mdat|wide)|\x1aE\xdf\xa3|RIFF....AVI )/s, "video"],
  [/^(%PDF|PK\x03\x04|\xd0\xcf\x11\xe0|\{\\rtf)/, "document"],
];

/** Why a file cannot be sent; kind is one of the page's data-problem texts. */
export class PhotoProblem extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

async function typeOf(file) {
  const start = String.fromCharCode(...new Uint8Array(await file.slice(0, 16).arrayBuffer()));
  const known = SIGNATURES.find(([signature]) => signature.test(start));
  return known?.[1] ?? (file.type.startsWith("video/") ? "video" : "unknown");
}

/** The size of the upright picture, from its header: nothing is decoded yet. Rejects what is no picture. */
function sizeOf(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve([image.naturalWidth, image.naturalHeight, image]);
    image.onerror = reject;
    image.src = url;
  });
}

/** The picture as an upright JPEG whose long side is at most LONG_SIDE; its metadata stays behind. */
async function jpegOf(file, [width, height, image]) {
  const scale = Math.min(1, LONG_SIDE / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const options = { imageOrientation: "from-image", resizeWidth: canvas.width, resizeHeight: canvas.height };
  // Decoded off the main thread where the browser can; a phone may lack the memory to do it at once.
  const source = await createImageBitmap(file, { ...options, resizeQuality: "high" }).catch(() => image);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  source.close?.();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
  if (!blob) throw new Error("The canvas made no picture.");
  return new File([blob], "photo.jpg", { type: "image/jpeg" });
}

/**
 * The photo to send for a chosen file: itself, or a smaller copy. Rejects with PhotoProblem.
 *
 * accepted: the media types that the server reads; maxBytes: the most that it takes.
 */
export async function photoOf(file, { accepted, maxBytes }) {
  if (!file.size) throw new PhotoProblem("empty");
  const type = await typeOf(file);
  if (type === "video" || type === "document") throw new PhotoProblem(type);
  const isAccepted = accepted.includes(type);
  const url = URL.createObjectURL(file);
  try {
    const size = await sizeOf(url);
    const isSmall = Math.max(size[0], size[1]) <= LONG_SIDE && file.size <= SHRINK_ABOVE_BYTES;
    if (isAccepted && isSmall) return file;
    const jpeg = await jpegOf(file, size);
    if (!isAccepted || jpeg.size < file.size) return jpeg;
  } catch {
    // This browser cannot open it; the server may.
    if (!isAccepted) throw new PhotoProblem(type === "heic" ? "heic" : "type");
  } finally {
    URL.revokeObjectURL(url);
  }
  if (file.size > maxBytes) throw new PhotoProblem("size");
  return file;
}
