// The draft is kept by itself: on the unit, and on the phone while the link is away.

// All devices have the same address: what was drawn for one is offered at no other.
const KEPT = `kerbwatch.zones.draft.${document.querySelector("meta[name=device]")?.content}`;
export const SAVE_AFTER_MS = 500;
export const RETRY_AFTER_MS = 3000;

/** A draft that another phone wrote meanwhile is never overwritten unasked. */
export class Draft {
  /**
   * @param api {get, put}
   * @param told {state(name), conflict(draft)}; names: "saving", "saved", "waiting" (with the error), "conflict"
   * @param storage the phone's own memory (localStorage, or null)
   */
  constructor(api, told, storage) {
    this.api = api;
    this.told = told;
    this.storage = storage;
    this.seen = null;
    this.waiting = null;
    this.timer = null;
    this.busy = false;
    this.stopped = false;
  }

  /** What was drawn last: {zones, based_on} of the unit, or of this phone where it has newer ones; null: nothing. */
  async restored() {
    const stored = await this.api.get("/api/draft");
    this.seen = stored.saved_at ?? null;
    const kept = this.#kept();
    if (kept === null || same(kept.zones, stored.zones)) {
      this.#keep(null);
      return stored.zones ? stored : null;
    }
    if (kept.seen === this.seen) this.#soon(kept, 0);
    else this.#collide(kept, stored);
    return kept;
  }

  /** Something was drawn: it is on this phone at once, and on the unit soon. */
  save(zones, basedOn) {
    const draft = { zones, based_on: basedOn };
    this.#keep({ ...draft, seen: this.seen });
    this.#soon(draft, SAVE_AFTER_MS);
  }

  /** Take this phone's draft, whatever the other one wrote. */
  overwrite() {
    this.stopped = false;
    if (this.waiting) this.#send({ force: true });
  }

  /** Take the other phone's draft. */
  yield(draft) {
    this.stopped = false;
    this.seen = draft.saved_at;
    this.waiting = null;
    this.#keep(null);
    this.told.state("saved");
  }

  #soon(draft, after) {
    this.waiting = draft;
    if (this.stopped) return;
    this.told.state("saving");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#send(), after);
  }

  async #send(more = {}) {
    if (this.busy || this.waiting === null) return;
    clearTimeout(this.timer);
    this.busy = true;
    const sent = this.waiting;
    try {
      const answer = await this.api.put("/api/draft", { ...sent, seen: this.seen, ...more });
      this.seen = answer.saved_at;
      this.#sent(sent);
    } catch (error) {
      this.#failed(error);
    }
    this.busy = false;
    if (this.waiting !== null && this.waiting !== sent && !this.stopped) this.#soon(this.waiting, 0);
  }

  #sent(sent) {
    if (this.waiting !== sent) {
      this.#keep({ ...this.waiting, seen: this.seen });
      return;
    }
    this.waiting = null;
    this.#keep(null);
    this.told.state("saved");
  }

  #failed(error) {
    if (error.code === "draft_changed") {
      this.#refused(error.answer.draft);
      return;
    }
    this.told.state("waiting", error);
    this.timer = setTimeout(() => this.#send(), RETRY_AFTER_MS);
  }

  // The unit has it already where only its answer was lost on the way.
  #refused(stored) {
    if (!same(stored.zones, this.waiting.zones)) this.#collide(this.waiting, stored);
    else this.yield(stored);
  }

  #collide(mine, stored) {
    this.waiting = mine;
    this.stopped = true;
    this.told.state("conflict");
    this.told.conflict(stored);
  }

  #kept() {
    try {
      return JSON.parse(this.storage?.getItem(KEPT) ?? "null");
    } catch {
      return null;
    }
  }

  // A phone that keeps nothing (private mode, full) has the unit's copy all the same.
  #keep(draft) {
    try {
      if (draft === null) this.storage?.removeItem(KEPT);
      else this.storage?.setItem(KEPT, JSON.stringify(draft));
    } catch {
      this.storage = null;
    }
  }
}

function same(zones, others) {
  return JSON.stringify(zones) === JSON.stringify(others);
}
