// A queue that stands open says how many cases have come since it was loaded. It asks only while it can be seen, at a
// route that does not keep the session alive; the rows stay as they are until somebody presses "r".

const EVERY_MS = 20000;
const queue = document.querySelector("#queue");
const told = document.querySelector("#news");

async function ask() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/news", { redirect: "error", headers: { accept: "application/json" }, signal: AbortSignal.timeout(EVERY_MS / 2) });
    if (!answer.ok) throw new Error(String(answer.status));
    const counts = await answer.json();
    for (const each of document.querySelectorAll("[data-count]")) each.textContent = counts[each.dataset.count];
    const count = counts.all - Number(queue.dataset.all);
    told.textContent = count > 0 ? queue.dataset.news.replace("{count}", count) : "";
  } catch {
    told.textContent = queue.dataset.silent;
  }
}

setInterval(ask, EVERY_MS);
document.addEventListener("visibilitychange", ask);
