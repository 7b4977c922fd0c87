// Keys: whatever has data-key ("v", "Enter", "g q") is pressed by it, unless somebody is typing.
// They can be switched off at this computer (WCAG 2.1.4); the dialog behind "?" names those of the page.

const OFF = "kerbwatch-keys-off";
const named = document.querySelector("#keys-list");
const dialog = document.querySelector("#keys");
const on = document.querySelector("#keys-on");
let before = "";

function areOn() {
  return localStorage.getItem(OFF) === null;
}

function typing(target) {
  return target instanceof Element && target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") !== null;
}

function all() {
  return [...document.querySelectorAll("[data-key]")].filter((each) => !each.disabled && each.checkVisibility());
}

function press(keys) {
  const found = all().find((each) => each.dataset.key === keys);
  if (!found) return false;
  found.matches("input:not([type=checkbox]), select, textarea") ? found.focus() : found.click();
  return true;
}

function tell() {
  named.replaceChildren(
    ...all().flatMap((each) => {
      const term = document.createElement("dt");
      for (const part of each.dataset.key.split(" ")) {
        const key = document.createElement("kbd");
        key.textContent = part;
        term.append(key, " ");
      }
      const what = document.createElement("dd");
      const label = each.cloneNode(true);
      for (const key of label.querySelectorAll("kbd")) key.remove();
      what.textContent = each.dataset.keyName ?? (each.title || label.textContent.trim());
      return [term, what];
    }),
  );
}

if (dialog) {
  on.checked = areOn();
  on.addEventListener("change", () => (on.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
  document.querySelector("#keys-button").addEventListener("click", () => {
    tell();
    dialog.showModal();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || dialog.open) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    // What has the focus is pressed by Enter itself.
    if (event.key === "Enter" && event.target.closest("a[href], button, summary, label")) return;
    if (!areOn() && event.key !== "?") return;
    // With Caps Lock on, a letter without Shift is still that letter.
    const key = event.key.length === 1 && !event.shiftKey ? event.key.toLowerCase() : event.key;
    const keys = before ? `${before} ${key}` : key;
    before = "";
    if (press(keys)) event.preventDefault();
    else if (all().some((each) => each.dataset.key.startsWith(`${keys} `))) before = keys;
  });
}

// A form that asks first: data-ask holds the question.
document.addEventListener("submit", (event) => {
  const asks = (event.submitter ?? event.target).dataset.ask ?? event.target.dataset.ask;
  if (asks && !confirm(asks)) event.preventDefault();
});
