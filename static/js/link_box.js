// Sending or copying a link, where the browser can; everywhere else it stands there to be copied by hand.

for (const button of document.querySelectorAll("[data-share]")) {
  const link = { title: button.dataset.title, url: button.dataset.share };
  if (!navigator.canShare?.(link)) continue;
  button.hidden = false;
  // Whoever closes the sheet without sending anything has not met an error.
  button.addEventListener("click", () => navigator.share(link).catch(() => {}));
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  const field = document.getElementById(button.dataset.copy);
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    await navigator.clipboard.writeText(field.value);
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
