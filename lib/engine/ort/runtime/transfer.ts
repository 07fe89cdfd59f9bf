import { bytesOf, type DeviceTensor, type Numbers, sizeOf, Value, viewOf } from "../ir";
import { GraphBuilder, Nodes } from "../lower/graph";
import { type ElementType, encodeModel } from "../lower/onnx";
import { type Compiled, execute, load } from "./compile";
import type { Provider } from "./provider";
import type { OrtSettings, OrtStats } from "./settings";

/** A tensor on the device, and the session that must outlive it. */
export interface Uploaded {
  readonly tensor: DeviceTensor;
  readonly by: Compiled;
}

/**
 * Moves numbers between host and device by graphs of one node, Identity or Cast, which take any shape on any provider.
 */
export class Transfer {
  readonly #sessions = new Map<string, Compiled>();

  constructor(
    private readonly provider: Provider,
    private readonly settings: () => OrtSettings,
    private readonly stats: OrtStats,
  ) {}

  /** The numbers of a value on the device. */
  download(value: Value): Numbers {
    const { dtype, shape, storage } = value;
    const numbers = viewOf(new ArrayBuffer(bytesOf(value)), dtype);
    this.stats.downloads++;
    this.stats.bytesDown += numbers.byteLength;
    if (sizeOf(shape) === 0) return numbers;
    const copy = this.#session(storage.rounded ?? dtype, dtype);
    execute(copy, (session) => session.run([value], [Value.of(numbers, shape, dtype)]));
    return numbers;
  }

  /** A copy on the device as elements `to`, and the session that must outlive it. */
  upload(value: Value, to: ElementType): Uploaded {
    if (value.storage.device === undefined) {
      this.stats.uploads++;
      this.stats.bytesUp += bytesOf(value);
    }
    const by = this.#session(value.storage.rounded ?? value.dtype, to);
    const [pointer] = execute(by, (session) => session.runOnDevice([value]));
    return { tensor: { pointer: pointer! }, by };
  }

  /** Puts a value's numbers into a tensor on the device that is there already. */
  refill({ tensor, by }: Uploaded, value: Value): void {
    this.stats.bytesUp += bytesOf(value);
    execute(by, (session) => session.runInto([value], [tensor.pointer]));
  }

  #session(from: ElementType, to: ElementType): Compiled {
    const key = `${from} ${to}`;
    let session = this.#sessions.get(key);
    if (session === undefined) {
      const graph = new GraphBuilder({
        rules: this.provider.rules,
        scatterAdds: false,
        pretransposes: false,
        piece: undefined,
      });
      const nodes = new Nodes(graph);
      graph.startKernel("Transfer", undefined);
      graph.input("in", from);
      const out = from === to ? nodes.node("Identity", ["in"]) : nodes.cast("in", to);
      const model = encodeModel(graph.finish([{ name: "in", type: from }], [{ name: out, type: to }]));
      // a copy is no step: nothing of it is captured
      const settings = { ...this.settings(), cudaGraph: false };
      session = load({ model, inputs: ["in"], outputs: [out], bytes: 0 }, this.provider, settings);
      this.#sessions.set(key, session);
    }
    return session;
  }
}
