// What the draft would have given over the last hours: asked for once, then waited for.

export const LOOK_EVERY_MS = 1000;
/** What passes by itself: nobody answered in time. */
const PASSES = new Set(["no_link", "agent_silent", "busy"]);

export class DryRun {
  constructor(api, told) {
    this.api = api;
    this.told = told;
    this.state = "none"; // "running", "done", "failed"
    this.progress = 0;
    this.result = null;
    this.zones = null;
    this.fault = null;
  }

  /** Whether the result is of these zones: what was changed since is not in it. */
  isOf(zones) {
    return JSON.stringify(this.zones) === JSON.stringify(zones);
  }

  async start(zones, hours) {
    Object.assign(this, { state: "running", progress: 0, result: null, zones, fault: null });
    this.told();
    try {
      const { job } = await this.api.post("/api/dry-run", { zones, hours });
      this.job = job;
      await this.#wait(job);
    } catch (error) {
      this.#now({ state: "failed", fault: error });
    }
  }

  async #wait(job) {
    while (this.job === job) {
      const answer = await this.#looked(job);
      if (this.job !== job) return;
      if (answer?.state === "done") return this.#now({ state: "done", progress: 1, result: answer.result, fault: null });
      if (answer?.state === "failed") return this.#now({ state: "failed", fault: new Error(answer.because) });
      if (answer) this.#now({ progress: answer.progress ?? 0, fault: null });
      await new Promise((resume) => setTimeout(resume, LOOK_EVERY_MS));
    }
  }

  // The unit goes on with it while the phone has no link.
  async #looked(job) {
    try {
      return await this.api.get(`/api/dry-run/${encodeURIComponent(job)}`);
    } catch (error) {
      if (!PASSES.has(error.code)) throw error;
      this.#now({ fault: error });
      return null;
    }
  }

  #now(what) {
    Object.assign(this, what);
    this.told();
  }
}
