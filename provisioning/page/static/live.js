// The live picture: asked for again and again, one at a time, with what is seen drawn over it.

import { ask, fetched, read, words } from "./page.js";

const SVG = "http://www.w3.org/2000/svg";
const REST_MS = 600;
const AFTER_FAULT_MS = 2000;

/** Fill in the choice of cameras, as soon as the agent says which there are. */
export async function choose(select, says) {
  for (;;) {
    try {
      const rows = await ask("/api/cameras");
      for (const row of rows) select.append(new Option(row.camera_id, row.camera_id));
      return;
    } catch (error) {
      says.textContent = error.message;
      await new Promise((resume) => setTimeout(resume, AFTER_FAULT_MS));
    }
  }
}

/** Show a camera's picture for ever; `told` gets what is said of each. */
export async function follow(select, image, says, told) {
  let url = "";
  for (;;) {
    const camera = select.value;
    let rest = REST_MS;
    if (camera && !document.hidden) {
      try {
        const response = await fetched(`/api/picture/${encodeURIComponent(camera)}?kind=preview`);
        if (response.ok) {
          const facts = JSON.parse(response.headers.get("X-Picture"));
          const next = URL.createObjectURL(await response.blob());
          image.src = next;
          if (url) URL.revokeObjectURL(url);
          url = next;
          says.textContent = facts.because ? read(facts.because) : "";
          told(facts);
        } else {
          rest = await refused(response, says);
        }
      } catch {
        says.textContent = words.no_connection; // also where an answer ends in the middle
        rest = AFTER_FAULT_MS;
      }
    }
    await new Promise((resume) => setTimeout(resume, rest));
  }
}

async function refused(response, says) {
  const answer = await response.json();
  if (response.status === 401) {
    sessionStorage.setItem("said", read(answer.error.text));
    location.assign("/");
  }
  if (answer.error.code === "not_yet") return REST_MS;
  says.textContent = read(answer.error.text);
  return AFTER_FAULT_MS;
}

/** Draw boxes and the points where things stand. */
export function draw(svg, things) {
  svg.replaceChildren();
  for (const { box, foot } of things) {
    const [left, top, right, bottom] = box.map((each) => each * 1000);
    const rect = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) rect.setAttribute(name, value);
    const point = document.createElementNS(SVG, "ellipse");
    for (const [name, value] of Object.entries({ cx: foot[0] * 1000, cy: foot[1] * 1000, rx: 9, ry: 14 })) point.setAttribute(name, value);
    svg.append(rect, point);
  }
}
