// The zones' page begins, as soon as the agent says which zones it goes by.

import * as api from "./api.js";
import { Page } from "./page.js";

const AGAIN_AFTER_MS = 2000;
const root = document.getElementById("zones-page");
const says = document.getElementById("says");

async function known() {
  for (;;) {
    try {
      return await Promise.all([api.get("/api/configuration"), api.get("/api/cameras")]);
    } catch (error) {
      says.className = "fault";
      says.textContent = error.message;
      await new Promise((resume) => setTimeout(resume, AGAIN_AFTER_MS));
    }
  }
}

const [configuration, cameras] = await known();
says.className = "";
says.textContent = "";
const page = new Page(root, configuration, cameras);
await page.begin();
if (root.dataset.step === "dry-run" && page.panel === "list") page.open("dry_run");
