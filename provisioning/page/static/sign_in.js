import { ask, filled, words } from "./page.js";

const form = document.getElementById("sign-in");
const said = document.getElementById("said");
const button = form.querySelector("button");
said.textContent = sessionStorage.getItem("said") || "";
sessionStorage.removeItem("said");

function wait(seconds) {
  button.disabled = seconds > 0;
  button.textContent = seconds > 0 ? filled(words.wait, { seconds }) : words.sign_in;
  if (seconds > 0) setTimeout(() => wait(seconds - 1), 1000);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = form.code.value.trim() ? "" : words.no_code;
  if (said.textContent) return form.code.focus();
  button.disabled = true;
  try {
    const answer = await ask("/sign-in", { method: "POST", body: { code: form.code.value } });
    location.assign(answer.next);
  } catch (error) {
    said.textContent = error.message;
    button.disabled = false;
    wait(error.answer?.wait_s || 0);
  }
});
