import { bytesOf, type DeviceTensor, type Value } from "../ir";
import type { Session } from "./session";
import type { Transfer, Uploaded } from "./transfer";

/** Results of one run: tensors that a later run writes again once nobody holds them. */
interface ResultSet {
  readonly tensors: readonly DeviceTensor[];
  held: number;
}

/** A training step reads one set of weights and moments and writes the other. */
const MOST_SETS = 2;
/** Combinations of addresses that are captured; each keeps a CUDA graph. */
const MOST_GRAPHS = 8;

/**
 * The tensors of a graph that runs again and again, kept at the same addresses: what comes from the host is copied
 * into the same tensors each time, results go in turn to two sets of tensors. A captured CUDA graph holds addresses, so
 * there is one for each combination of them: two in a training.
 */
export class FixedAddresses {
  readonly #uploads = new Map<number, Uploaded>();
  readonly #sets: ResultSet[] = [];
  /** Numbers of tensors: an ended tensor's handle may come again, its number does not. */
  readonly #numbers = new WeakMap<DeviceTensor, number>();
  readonly #graphs = new Map<string, number>();
  #tensors = 0;

  constructor(private readonly transfer: Transfer) {}

  /** @returns the results, and whether they lie where an earlier run's lay */
  run(session: Session, leaves: readonly Value[]): { tensors: readonly DeviceTensor[]; captured: boolean } {
    const inputs = leaves.map((leaf, i) => leaf.storage.device ?? this.#fill(i, leaf));
    const set = this.#sets.find(({ held }) => held === 0);
    if (set !== undefined) {
      const graph = this.#graphOf(inputs, this.#sets.indexOf(set));
      session.runInto(
        inputs.map((input) => (isTensor(input) ? input.pointer : input)),
        set.tensors.map(({ pointer }) => pointer),
        graph,
      );
      set.held = set.tensors.length;
      return { tensors: set.tensors, captured: true };
    }
    const tensors = session.runOnDevice(leaves).map((pointer): DeviceTensor => ({ pointer }));
    if (this.#sets.length < MOST_SETS) this.#sets.push({ tensors, held: tensors.length });
    return { tensors, captured: false };
  }

  /** Takes back a result that nobody holds any more; false where it is none of these. */
  give(tensor: DeviceTensor): boolean {
    const set = this.#sets.find(({ tensors }) => tensors.includes(tensor));
    if (set === undefined) return false;
    set.held--;
    return true;
  }

  /** Frees everything; nothing may be held. */
  dispose(session: Session): void {
    for (const { tensors } of this.#sets) for (const { pointer } of tensors) session.release(pointer);
    for (const { tensor, by } of this.#uploads.values()) by.session.release(tensor.pointer);
  }

  #fill(place: number, value: Value): DeviceTensor | Value {
    if (bytesOf(value) === 0) return value;
    const known = this.#uploads.get(place);
    if (known !== undefined) {
      this.transfer.refill(known, value);
      return known.tensor;
    }
    const made = this.transfer.upload(value, value.dtype);
    this.#uploads.set(place, made);
    return made.tensor;
  }

  /** Undefined for a combination that is not captured. */
  #graphOf(inputs: readonly (DeviceTensor | Value)[], set: number): number | undefined {
    const numbers = inputs.map((input) => {
      if (!isTensor(input)) return "none";
      let number = this.#numbers.get(input);
      if (number === undefined) this.#numbers.set(input, (number = this.#tensors++));
      return number;
    });
    const key = `${set} ${numbers.join()}`;
    const known = this.#graphs.get(key);
    if (known !== undefined || this.#graphs.size >= MOST_GRAPHS) return known;
    this.#graphs.set(key, this.#graphs.size);
    return this.#graphs.get(key);
  }
}

const isTensor = (input: DeviceTensor | Value): input is DeviceTensor => "pointer" in input;
