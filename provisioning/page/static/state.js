// How the device is, in a list; and the light by which it is found.

import { ask, filled, read, tell, words } from "./page.js";

function row(list, name, text) {
  list.append(
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: text }),
  );
}

const AGAIN_MS = 10_000;

/** Show how the device is, now and for as long as the view is open. */
export async function followState(list) {
  for (;;) {
    // What keeps it away is said by whatever else asks.
    if (!document.hidden) await ask("/api/state").then((state) => show(list, state), () => {});
    await new Promise((resume) => setTimeout(resume, AGAIN_MS));
  }
}

function show(list, state) {
  list.replaceChildren();
  row(list, words.device, state.device.device_id || "–");
  row(list, words.address, state.device.address || "–");
  row(list, words.agent, state.agent.running ? words.running : read(state.agent.because));
  row(list, words.platform, state.uplink ? (state.uplink.connected_since ? words.connected : state.uplink.last_error || words.not_connected) : words.no_platform);
  row(list, words.seeded, state.seeded ? Object.values(state.seeded).join(", ") : words.not_seeded);
  if (state.page.left_s !== null) row(list, words.page_on_for, filled(words.minutes_left, { count: Math.ceil(state.page.left_s / 60) }));
}

const SAID_MS = 10_000;

export async function identify(event) {
  const button = event.currentTarget;
  try {
    await ask("/api/identify", { method: "POST" });
    button.textContent = words.look_at_the_light;
    setTimeout(() => (button.textContent = words.identify), SAID_MS);
  } catch (error) {
    tell(error.message);
  }
}
