// What the acceptance takes along: which zones were walked through, and which test case was sent. The phone keeps it for
// a day, for whoever scans the label again has a new tab. All devices have the same address: it is kept by device, and
// what was walked by configuration, for other zones under the same ids nobody has walked through.

import { ask, filled, words } from "./page.js";

const KEPT = `kerbwatch.visit.${document.querySelector("meta[name=device]").content}`;
const DAY_MS = 24 * 3600 * 1000;
const NOTHING = { at: 0, of: "", walked: {}, case_id: null, case_at: 0 };

function kept() {
  try {
    const told = { ...NOTHING, ...JSON.parse(localStorage.getItem(KEPT)) };
    return Math.abs(Date.now() - told.at) < DAY_MS ? told : NOTHING;
  } catch {
    return NOTHING;
  }
}

function keep(what) {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ ...kept(), ...what, at: Date.now() }));
  } catch {
    // A phone that keeps nothing: the acceptance says what was not done.
  }
}

/** The test case that was sent last, and since when by this phone's clock; an id of null: none was. */
export function testCase() {
  const { case_id, case_at } = kept();
  return { id: case_id, at: case_at };
}

export function keepTestCase(id) {
  keep({ case_id: id, case_at: Date.now() });
}

/** The zones in which the acceptance asks for a walk, and those that were walked through. */
export class Walk {
  constructor() {
    this.zones = [];
    this.of = null; // until the agent has said which
  }

  async load() {
    const { zones, kinds, sha256 } = await ask("/api/configuration");
    const judged = new Set(kinds.filter((each) => each.judged).map((each) => each.kind));
    this.zones = zones.filter((each) => judged.has(each.kind));
    this.of = sha256;
    this.show();
  }

  /** As the acceptance is told. */
  get walked() {
    const { of, walked } = kept();
    return of === this.of ? walked : {};
  }

  note(zoneId) {
    if (this.of === null || this.walked[zoneId]) return;
    keep({ of: this.of, walked: { ...this.walked, [zoneId]: "passed" } });
    this.show();
  }

  /** What people call a zone. */
  name(zoneId) {
    const { name } = this.zones.find((each) => each.zone_id === zoneId) ?? {};
    const [first, other] = document.documentElement.lang.startsWith("zh") ? [name?.zh, name?.en] : [name?.en, name?.zh];
    return first || other || zoneId;
  }

  show() {
    const done = this.walked;
    const told = (id, text, zones) => {
      const names = zones.map((each) => this.name(each.zone_id)).join(words.between);
      document.getElementById(id).textContent = names ? filled(text, { zones: names }) : "";
    };
    told("walked", words.walked, this.zones.filter((each) => done[each.zone_id]));
    told("not-walked", words.not_walked, this.zones.filter((each) => !done[each.zone_id]));
  }
}
