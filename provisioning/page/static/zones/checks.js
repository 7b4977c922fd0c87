// What the agent says of the draft: faults that refuse it, remarks on what is hardly meant. Asked after each change.

export const ASK_AFTER_MS = 600;
export const AGAIN_AFTER_MS = 3000;

export class Checks {
  /** @param api {post} @param told(): something else is known now */
  constructor(api, told) {
    this.api = api;
    this.told = told;
    this.state = "unknown"; // "checking", "checked", "silent"
    this.faults = [];
    this.remarks = [];
    this.cases = []; // open ones that would end
    this.why = "";
    this.asked = 0;
  }

  soon(zones) {
    clearTimeout(this.timer);
    this.state = "checking";
    this.asked += 1;
    this.timer = setTimeout(() => this.now(zones), ASK_AFTER_MS);
  }

  async now(zones) {
    this.asked += 1;
    const mine = this.asked;
    try {
      const { faults, remarks, cases } = await this.api.post("/api/check-draft", { zones });
      this.#heard(mine, { state: "checked", faults, remarks, cases, why: "" });
    } catch (error) {
      this.#heard(mine, { state: "silent", faults: [], remarks: [], cases: [], why: error.message });
      this.timer = setTimeout(() => mine === this.asked && this.now(zones), AGAIN_AFTER_MS);
    }
  }

  // An answer to a question of before is about other zones.
  #heard(mine, what) {
    if (mine !== this.asked) return;
    Object.assign(this, what);
    this.told();
  }

  of(zoneId) {
    const about = (each) => each.zone_id === zoneId;
    return { faults: this.faults.filter(about), remarks: this.remarks.filter(about) };
  }
}
