// Joins the parts of the zones' page: what is shown when, and what happens when something was changed.

import { fitted } from "./anchoring.js";
import * as api from "./api.js";
import { Applying } from "./applying.js";
import { Canvas } from "./canvas.js";
import { Checks } from "./checks.js";
import { Draft } from "./draft.js";
import { DryRun } from "./dry_run.js";
import { button, el } from "./dom.js";
import { Editor } from "./editor.js";
import { Fingers } from "./fingers.js";
import { labelPoint } from "./geometry.js";
import { Magnifier } from "./magnifier.js";
import { addPanel } from "./panel_add.js";
import { applyPanel, clock } from "./panel_apply.js";
import { copyPanel, layingPanel } from "./panel_copy.js";
import { detailsPanel, sayings } from "./panel_details.js";
import { drawingPanel } from "./panel_drawing.js";
import { dryRunPanel } from "./panel_dry_run.js";
import { listPanel } from "./panel_list.js";
import { Toolbar } from "./toolbar.js";
import { Viewport } from "./viewport.js";
import { say } from "./words.js";

const PANELS = {
  list: listPanel,
  add: addPanel,
  drawing: drawingPanel,
  details: detailsPanel,
  copy: copyPanel,
  laying: layingPanel,
  dry_run: dryRunPanel,
  apply: applyPanel,
};
/** An agent that has ended is started again within seconds. */
const AGAIN_AFTER_MS = 3000;
/** A draft that began over other zones stays so, however often it is changed. */
const OTHER = null;

export class Page {
  constructor(root, configuration, cameras) {
    this.root = root;
    this.cameras = cameras;
    this.kind = null;
    this.hours = 3;
    this.ghost = 0;
    this.hasReference = false;
    this.overOther = false; // the draft was begun over zones by which the unit goes no more
    this.copyFault = null;
    this.fileZones = null; // of a file with several cameras, until one is chosen
    this.panel = "list";
    this.kept = [];
    this.panelPlace = root.querySelector("#panel");
    this.stage = root.querySelector("#stage");
    this.speech = root.querySelector("#says");
    this.editor = new Editor(configuration, {
      changed: () => this.changed(),
      shown: () => this.shown(),
      news: (key, facts) => this.news(key, facts),
    });
    this.viewport = new Viewport();
    this.canvas = new Canvas(this.stage, this.editor, this.viewport);
    this.fingers = new Fingers(this.canvas, this.editor, new Magnifier(this.stage, "drawn-zones"));
    this.draft = new Draft(
      api,
      { state: (name, error) => this.draftIs(name, error), conflict: (draft) => this.conflict(draft) },
      window.localStorage,
    );
    this.checks = new Checks(api, () => this.shown());
    this.dryRun = new DryRun(api, () => this.panel === "dry_run" && this.rebuild());
    this.applying = new Applying(api, () => this.panel === "apply" && this.rebuild());
    this.toolbar = new Toolbar(root.querySelector("#tools"), this);
    this.#keys();
    setInterval(() => this.#tick(), 250);
  }

  /** Whether the draft could be applied: nothing that is drawn is impossible. */
  get drawable() {
    const faults = this.editor.zones.flatMap((zone) => this.editor.faults(zone));
    return faults.every((fault) => fault.key === "fault_crossing") && this.checks.faults.length === 0;
  }

  async begin() {
    this.editor.camera = this.#firstCamera();
    await Promise.allSettled([this.look(this.editor.camera), this.restore(), this.applying.restored()]);
    if (this.applying.state === "trial") this.panel = "apply";
    this.checks.now(this.editor.zones);
    this.shown();
    this.root.dataset.ready = "true";
  }

  /** The first camera on whose picture something is drawn, else the first; null: there is none. */
  #firstCamera() {
    const drawn = new Set(this.editor.zones.map((zone) => zone.camera_id));
    const first = this.cameras.find((each) => drawn.has(each.camera_id)) ?? this.cameras[0];
    return first?.camera_id ?? null;
  }

  async restore() {
    try {
      const draft = await this.draft.restored();
      if (draft?.zones) {
        this.overOther = draft.based_on !== this.editor.configuration.number;
        this.editor.begin(draft.zones);
        this.toolbar.saved("restored");
      }
    } catch (error) {
      this.speak(error.message, "fault");
    }
  }

  /** How the draft is; what keeps it from the unit, other than the link, is said: it may not pass by itself. */
  draftIs(name, error = null) {
    this.toolbar.saved(name);
    if (error !== null && error.code !== "no_link") this.speak(error.message, "draft fault");
    else if (name === "saved" && this.spoken === "draft fault") this.speak("");
  }

  // Pictures -----------------------------------------------------------------------------------

  async look(camera) {
    if (camera === null) return;
    if (camera !== this.editor.camera) this.viewport.fit();
    this.editor.look(camera);
    this.showGhost(0);
    try {
      const { url, facts } = await api.picture(`/api/picture/${encodeURIComponent(camera)}`);
      this.hasReference = facts.commissioned === true;
      const picture = await decoded(url);
      this.canvas.show(url, picture.naturalWidth, picture.naturalHeight);
      if (this.spoken?.startsWith("no picture")) this.speak("");
    } catch (error) {
      this.#withoutPicture(camera);
      const making = error.code === "not_yet";
      // It is asked for again without anybody's doing.
      if (making) this.speak(say("picture_being_made"), "no picture");
      else this.speak(say("no_picture", { why: error.message }), "no picture fault");
      clearTimeout(this.again);
      const again = () => this.editor.camera === camera && this.look(camera);
      this.again = setTimeout(again, making ? AGAIN_AFTER_MS / 3 : AGAIN_AFTER_MS);
    }
  }

  // Zones are still seen, and can be named, where the agent gives no picture.
  #withoutPicture(camera) {
    const known = this.cameras.find((each) => each.camera_id === camera);
    if (this.canvas.url === null && known) {
      this.viewport.resize(this.stage.clientWidth, this.stage.clientHeight, (known.width_px ?? 16) / (known.height_px ?? 9));
      this.canvas.render();
    }
  }

  /** The commissioning picture over the present one, so many per cent of it; 0: none. */
  showGhost(percent) {
    this.ghost = percent;
    const path = `/api/reference/${encodeURIComponent(this.editor.camera)}`;
    this.canvas.showReference(percent === 0 ? null : path, percent / 100);
  }

  // What is shown --------------------------------------------------------------------------------

  open(panel) {
    if (panel !== this.panel && this.spoken === "news") this.speak("");
    this.panel = panel;
    this.rebuild();
    this.canvas.render();
  }

  /** Select a zone from the list, and bring it into sight. */
  choose(zoneId) {
    this.editor.select(zoneId);
    if (this.editor.zone === null) return;
    this.viewport.show(labelPoint(this.editor.zone.polygon));
    this.canvas.render();
  }

  toPicture() {
    this.stage.scrollIntoView({ block: "nearest" });
  }

  /** Whether applying the draft would undo what somebody else has applied since it was begun. */
  get outdated() {
    return this.overOther && this.editor.differs;
  }

  changed() {
    const basedOn = this.outdated ? OTHER : this.editor.configuration.number;
    this.draft.save(this.editor.zones, basedOn);
    this.checks.soon(this.editor.zones);
    this.shown();
  }

  shown() {
    const { editor, cameras } = this;
    // With the last zone of a camera that is no more, its view is left.
    if (editor.zone === null && !cameras.some((each) => each.camera_id === editor.camera)) {
      editor.camera = this.#firstCamera();
    }
    this.canvas.render();
    this.toolbar.render();
    this.#follow();
    const key = this.#key();
    if (key === this.key) this.#sync();
    else this.rebuild();
    this.#sayFaults();
  }

  // The panel follows what is selected, and what is being drawn.
  #follow() {
    const { drawing, laying, zone } = this.editor;
    const wanted = laying ? "laying" : drawing ? "drawing" : zone ? "details" : null;
    const before = this.panel;
    if (wanted !== null) this.panel = wanted;
    else if (["laying", "drawing", "details"].includes(this.panel)) this.panel = "list";
    // What was said of the one before is over; what is said of the change comes after it.
    if (before !== this.panel && this.spoken === "news") this.speak("");
  }

  // Of what a panel is made; text that is being typed is not part of it, else the keyboard would go.
  #key() {
    const { zone, drawing, laying, zones, corner, camera } = this.editor;
    const parts = { list: [zones, camera, this.checks], add: [], drawing: [drawing], laying: [laying] };
    const described = zone ? [zone.zone_id, zone.kind, zone.in_force, zone.permitted, corner] : [];
    const own = this.panel === "details" ? described : (parts[this.panel] ?? [this.checks.state, this.drawable]);
    return JSON.stringify([this.panel, own], (name, value) => (["api", "told", "timer"].includes(name) ? undefined : value));
  }

  rebuild() {
    const focused = focusPath(this.panelPlace);
    this.kept = [];
    this.#follow();
    this.key = this.#key();
    this.panelPlace.replaceChildren(PANELS[this.panel](this));
    if (focused) this.panelPlace.querySelector(focused)?.focus({ preventScroll: true });
  }

  /** A field that shows what is so, unless somebody is typing into it. */
  keep(input, value) {
    this.kept.push(() => {
      if (document.activeElement !== input) input.value = value();
    });
  }

  #sync() {
    for (const each of this.kept) each();
    const place = this.panelPlace.querySelector("#zone-says");
    if (place && this.editor.zone) place.replaceChildren(...sayings(this, this.editor.zone));
  }

  #tick() {
    const place = this.panelPlace.querySelector("#countdown");
    if (place === null) return;
    const text = clock(this.applying.left);
    if (place.textContent !== text) place.textContent = text;
    if (this.applying.left === 0 && this.applying.state === "trial") this.applying.look();
  }

  // What is said ---------------------------------------------------------------------------------

  news(key, facts = {}) {
    const what = facts.what ? { what: say(facts.what) } : {};
    this.speak(say(key, { ...facts, ...what }), "news");
  }

  speak(text, how = "news") {
    this.speech.className = how;
    if (this.speech.textContent !== text) this.speech.textContent = text;
    this.spoken = how;
  }

  // What is wrong with the outline that is drawn stands there until it is right.
  #sayFaults() {
    const { zone } = this.editor;
    const faults = zone ? this.editor.faults(zone) : [];
    if (faults.length) this.speak(faults.map((each) => say(each.key, each.facts)).join(" "), "outline fault");
    else if (this.spoken === "outline fault") this.speak(zone ? say("in_order") : "", zone ? "good" : "news");
  }

  // Decisions ------------------------------------------------------------------------------------

  describe(key, value) {
    const { editor } = this;
    const merge = `${key} ${editor.zone.zone_id}`;
    editor.setKey(key, value, merge);
    if (key === "responsible_unit") editor.setKey("responsible_unit_id", null, merge);
  }

  lay(laying) {
    this.editor.select(null);
    this.editor.laying = laying;
    this.shown();
  }

  stopLaying() {
    this.editor.laying = null;
    this.fileZones = null;
    this.showGhost(0);
    this.open("list");
    this.shown();
  }

  async fitByPictures() {
    const { editor } = this;
    try {
      const outlines = editor.onCamera.map(({ zone_id, polygon }) => ({ zone_id, polygon }));
      const told = await api.post("/api/reanchor", { camera_id: editor.camera, zones: outlines });
      this.lay({ ...fitted(editor.onCamera, told.zones), replaces: true, certainty: told.certainty });
    } catch (error) {
      this.lay({ ...editor.laying, fault: error.message });
    }
  }

  /** The zones of this camera come to lie where they were laid; all else of them stays. */
  replaceLaid(zones) {
    const others = this.editor.zones.filter((zone) => zone.camera_id !== this.editor.camera);
    this.editor.do("did_reanchor", [...others, ...zones], { zone_id: null, corner: null });
    this.news("zones_reanchored", { count: zones.length });
  }

  discard() {
    this.editor.do("did_discard", this.editor.configuration.zones, { zone_id: null, corner: null });
  }

  during(hours) {
    this.hours = hours;
    this.rebuild();
  }

  conflict(stored) {
    const dialog = el("dialog", { class: "conflict", "aria-label": say("conflict") }, el("p", {}, say("conflict_text")));
    const close = (what) => () => {
      dialog.remove();
      what();
    };
    dialog.append(
      button(say("keep_mine"), close(() => this.draft.overwrite()), { class: "wide", "data-action": "keep-mine" }),
      button(
        say("take_theirs"),
        close(() => {
          this.draft.yield(stored);
          this.editor.begin(stored.zones ?? this.editor.configuration.zones);
        }),
        { class: "wide", "data-action": "take-theirs" },
      ),
    );
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    document.body.append(dialog);
    dialog.showModal();
  }

  /** After a trial: the unit's zones are read again. */
  async applied() {
    try {
      this.editor.configuration = await api.get("/api/configuration");
    } catch (error) {
      this.speak(error.message, "fault");
    }
    this.applying.state = "idle";
    this.overOther = false;
    this.open("list");
    this.shown();
  }

  #keys() {
    document.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.target.matches("input, textarea")) return;
      const key = event.key.toLowerCase();
      if (key === "z" && !event.shiftKey) this.editor.undo();
      else if (key === "y" || key === "z") this.editor.redo();
      else return;
      event.preventDefault();
    });
  }
}

async function decoded(url) {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  return picture;
}

// By what the focused control is known, so that it has the focus again when the panel was built anew.
function focusPath(place) {
  const active = document.activeElement;
  if (!place.contains(active)) return null;
  for (const name of ["data-action", "data-zone", "data-kind", "data-shape", "name"]) {
    const value = active.getAttribute(name);
    if (value !== null) return `[${name}="${CSS.escape(value)}"]`;
  }
  const hours = active.closest("[data-hours]")?.dataset.hours;
  const day = active.dataset.day;
  return hours && day ? `[data-hours="${hours}"] [data-day="${day}"]` : null;
}
