// The zones' page begins.

import * as api from "./api.js";
import { Page } from "./page.js";

const root = document.getElementById("zones-page");

try {
  const [configuration, cameras] = await Promise.all([api.get("/api/configuration"), api.get("/api/cameras")]);
  const page = new Page(root, configuration, cameras);
  await page.begin();
  if (root.dataset.step === "dry-run") page.open("dry_run");
} catch (error) {
  const says = document.getElementById("says");
  says.className = "fault";
  says.textContent = error.message;
}
