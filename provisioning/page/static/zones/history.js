// Undo and redo: every state of the whole drawing with its selection, never a part of it. Pure.

export const LONGEST = 200;

export class History {
  /** @param present what there is at the beginning. */
  constructor(present) {
    this.past = [];
    this.present = present;
    this.future = [];
    this.merging = null;
  }

  /**
   * Something was changed.
   * @param present the new state
   * @param label what was done, as a key of the words
   * @param merge changes that follow each other under one such name are one step (a name typed, a drag)
   */
  add(present, label, merge = null) {
    if (merge === null || merge !== this.merging) {
      this.past.push({ state: this.present, label });
      if (this.past.length > LONGEST) this.past.shift();
    }
    this.merging = merge;
    this.present = present;
    this.future = [];
  }

  /** What comes next is a step of its own, also under the same name. */
  settle() {
    this.merging = null;
  }

  /** One step back; the label of what was undone, null where nothing is left. */
  undo() {
    return this.#step(this.past, this.future);
  }

  redo() {
    return this.#step(this.future, this.past);
  }

  #step(from, to) {
    const step = from.pop();
    if (step === undefined) return null;
    to.push({ state: this.present, label: step.label });
    this.present = step.state;
    this.merging = null;
    return step.label;
  }
}
