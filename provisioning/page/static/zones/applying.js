// Applying with a way back: the unit itself goes back to what it had unless somebody confirms in time. This only
// shows how far that is, also while the phone has no link.

export const LOOK_EVERY_MS = 3000;

export class Applying {
  /**
   * @param api {get, post}
   * @param told(): something is another now
   * state: "idle", "applying", "trial", "confirming", "confirmed", "reverting", "reverted", "refused"
   */
  constructor(api, told) {
    this.api = api;
    this.told = told;
    this.number = null;
    this.linked = true;
    this.fault = null;
    this.state = "idle";
    this.deadline = 0;
  }

  /** Seconds until the unit goes back by itself, by this phone's own clock, which nobody sets. */
  get left() {
    return Math.max(0, Math.ceil((this.deadline - performance.now()) / 1000));
  }

  /** A trial that already runs, such as after the page was loaded again. */
  async restored() {
    try {
      const state = await this.api.get("/api/trial");
      if (state.left_s !== null) this.#trial(state.number, state.left_s);
    } catch {
      this.linked = false;
    }
    this.told();
  }

  /** @param over the number of the configuration that the zones were drawn over */
  async apply(zones, over) {
    this.#now("applying");
    try {
      const answer = await this.api.post("/api/apply", { zones, over });
      this.#trial(answer.number, answer.seconds);
      this.told();
    } catch (error) {
      this.fault = error;
      // What was asked for may have come through though its answer did not.
      if (error.code === "no_link") await this.restored();
      if (this.state !== "trial") this.#now("refused");
    }
  }

  confirm() {
    return this.#settle("confirming", "confirm", "confirmed");
  }

  revert() {
    return this.#settle("reverting", "revert", "reverted");
  }

  async #settle(during, verb, after) {
    this.#now(during);
    try {
      await this.api.post(`/api/${verb}`, { number: this.number });
      this.#end(after);
    } catch (error) {
      this.fault = error;
      this.#now("trial");
      await this.look();
    }
  }

  /** Ask the unit how it stands. */
  async look() {
    try {
      const state = await this.api.get("/api/trial");
      this.linked = true;
      if (this.state === "trial") this.#heard(state);
    } catch (error) {
      this.linked = error.code !== "no_link";
    }
    this.told();
  }

  #heard(state) {
    if (state.number !== this.number) this.#end("reverted");
    else if (state.left_s === null) this.#end("confirmed");
    else this.deadline = performance.now() + 1000 * state.left_s;
  }

  #trial(number, seconds) {
    this.number = number;
    this.fault = null;
    this.linked = true;
    this.state = "trial";
    this.deadline = performance.now() + 1000 * seconds;
    clearInterval(this.looking);
    this.looking = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  #end(state) {
    clearInterval(this.looking);
    this.#now(state);
  }

  #now(state) {
    this.state = state;
    this.told();
  }
}
