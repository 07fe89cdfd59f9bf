import type { Tensor as OrtTensor } from "onnxruntime-node";
import { type Numbers, type Value, viewOf } from "../ir";
import { GraphBuilder, Nodes } from "../lower/graph";
import { type ElementType, encodeModel } from "../lower/onnx";
import type { Provider } from "./provider";
import { type Compiled, execute, load } from "./session";
import type { OrtSettings, OrtStats } from "./settings";

/**
 * Moves numbers between host and device by sessions of one node, Identity or Cast, which take any shape. ONNX Runtime's
 * own way to read a device buffer, `getData`, ends the process.
 */
export class Transfer {
  readonly #sessions = new Map<string, Compiled>();

  constructor(
    private readonly provider: Provider,
    private readonly settings: () => OrtSettings,
    private readonly stats: OrtStats,
  ) {}

  /** The numbers of a device buffer of elements `from`. */
  download(tensor: OrtTensor, from: ElementType, { dtype, shape }: Pick<Value, "dtype" | "shape">): Numbers {
    this.stats.downloads++;
    const [copy] = execute(this.#session(from, dtype, "host"), [tensor], [null]);
    return shape.includes(0) ? viewOf(new ArrayBuffer(0), dtype) : (copy!.data as Numbers);
  }

  /** A copy on the device as elements `to`, and the session that must outlive it. */
  upload(tensor: OrtTensor, from: ElementType, to: ElementType): { tensor: OrtTensor; by: Compiled } {
    this.stats.uploads++;
    const by = this.#session(from, to, "device");
    return { tensor: execute(by, [tensor], [null])[0]!, by };
  }

  #session(from: ElementType, to: ElementType, place: Provider["memory"]): Compiled {
    const key = `${from} ${to} ${place}`;
    let session = this.#sessions.get(key);
    if (session === undefined) {
      const graph = new GraphBuilder({ rules: this.provider.rules, scatterAdds: false, pretransposes: false });
      const nodes = new Nodes(graph);
      graph.startKernel("Transfer", undefined);
      graph.input("in", from);
      const out = from === to ? nodes.node("Identity", ["in"]) : nodes.cast("in", to);
      const model = encodeModel(graph.finish([{ name: "in", type: from }], [{ name: out, type: to }]));
      session = load({ model, inputs: ["in"], outputs: [out], bytes: 0 }, this.provider, this.settings(), place);
      this.#sessions.set(key, session);
    }
    return session;
  }
}
