import type { Value } from "../ir";
import type { Compiled } from "./compile";

/** However small they are: ONNX Runtime keeps tables of its own for each. */
const MOST = 1024;

/** Compiled graphs by their structure; those used least recently go first. */
export class GraphCache {
  readonly #graphs = new Map<string, Compiled>();
  #bytes = 0;

  /** @param end frees what a graph holds */
  constructor(private readonly end: (graph: Compiled) => void) {}

  get size(): number {
    return this.#graphs.size;
  }

  /** The graph of a structure, from now on the one used last. */
  find(key: string): Compiled | undefined {
    const graph = this.#graphs.get(key);
    if (graph === undefined) return undefined;
    this.#graphs.delete(key);
    this.#graphs.set(key, graph);
    return graph;
  }

  add(key: string, graph: Compiled): void {
    this.#graphs.set(key, graph);
    this.#bytes += graph.bytes;
  }

  /** Drops the graphs that hold a frozen value's numbers. */
  forget(value: Value): void {
    for (const [key, graph] of this.#graphs) if (graph.frozen?.includes(value) === true) this.#drop(key, graph);
  }

  /** Drops graphs until what is left needs at most `bytes`. */
  shrink(bytes: number): void {
    for (const [key, graph] of this.#graphs) {
      if (this.#bytes <= bytes && this.#graphs.size <= MOST && bytes > 0) return;
      this.#drop(key, graph);
    }
  }

  #drop(key: string, graph: Compiled): void {
    this.end(graph);
    this.#graphs.delete(key);
    this.#bytes -= graph.bytes;
  }
}
