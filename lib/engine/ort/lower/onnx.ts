import { Writer } from "protobufjs/minimal";

/**
 * Writes the small part of the ONNX file format (onnx.proto3) that the backend emits. Numbers are the
 * format's field and enum numbers.
 */
export const ELEMENT = { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11, bfloat16: 16 } as const;
export type ElementType = keyof typeof ELEMENT;

export type Attribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly graph: GraphSpec };

export interface NodeSpec {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly domain: string;
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface TensorSpec {
  readonly name: string;
  readonly type: ElementType;
  /** Absent where any shape will do. */
  readonly dims?: readonly number[];
}

export interface ConstantSpec extends TensorSpec {
  readonly dims: readonly number[];
  readonly raw: Uint8Array;
}

export interface GraphSpec {
  readonly nodes: readonly NodeSpec[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly constants: readonly ConstantSpec[];
}

const field = (number: number, wire: 0 | 2 | 5): number => (number << 3) | wire;

function message(w: Writer, number: number, body: () => void): void {
  w.uint32(field(number, 2)).fork();
  body();
  w.ldelim();
}

function text(w: Writer, number: number, value: string): void {
  w.uint32(field(number, 2)).string(value);
}

function integer(w: Writer, number: number, value: number): void {
  w.uint32(field(number, 0)).int64(value);
}

function attribute(w: Writer, name: string, value: Attribute): void {
  text(w, 1, name);
  const type = (t: number): void => void w.uint32(field(20, 0)).int32(t);
  if (typeof value === "number") {
    integer(w, 3, value);
    type(2);
  } else if (typeof value === "string") {
    text(w, 4, value);
    type(3);
  } else if ("float" in value) {
    w.uint32(field(2, 5)).float(value.float);
    type(1);
  } else if ("floats" in value) {
    for (const f of value.floats) w.uint32(field(7, 5)).float(f);
    type(6);
  } else if ("graph" in value) {
    message(w, 6, () => body(w, value.graph));
    type(5);
  } else {
    for (const i of value) integer(w, 8, i);
    type(7);
  }
}

function node(w: Writer, n: NodeSpec): void {
  for (const i of n.inputs) text(w, 1, i);
  for (const o of n.outputs) text(w, 2, o);
  text(w, 3, n.name);
  text(w, 4, n.op);
  for (const [name, value] of Object.entries(n.attributes)) message(w, 5, () => attribute(w, name, value));
  if (n.domain !== "") text(w, 7, n.domain);
}

function valueInfo(w: Writer, t: TensorSpec): void {
  text(w, 1, t.name);
  message(w, 2, () =>
    message(w, 1, () => {
      w.uint32(field(1, 0)).int32(ELEMENT[t.type]);
      const { dims } = t;
      if (dims === undefined) return;
      message(w, 2, () => {
        for (const d of dims) message(w, 1, () => integer(w, 1, d));
      });
    }),
  );
}

function constant(w: Writer, c: ConstantSpec): void {
  for (const d of c.dims) integer(w, 1, d);
  w.uint32(field(2, 0)).int32(ELEMENT[c.type]);
  text(w, 8, c.name);
  w.uint32(field(9, 2)).bytes(c.raw);
}

function body(w: Writer, graph: GraphSpec): void {
  for (const n of graph.nodes) message(w, 1, () => node(w, n));
  text(w, 2, "program");
  for (const c of graph.constants) message(w, 5, () => constant(w, c));
  for (const i of graph.inputs) message(w, 11, () => valueInfo(w, i));
  for (const o of graph.outputs) message(w, 12, () => valueInfo(w, o));
}

/** The graph as the bytes of an .onnx file (IR 9, opset 18, com.microsoft 1). */
export function encodeModel(graph: GraphSpec): Uint8Array {
  const w = Writer.create();
  integer(w, 1, 9);
  text(w, 2, "tfjs-backend-ort");
  message(w, 7, () => body(w, graph));
  for (const [domain, version] of [
    ["", 18],
    ["com.microsoft", 1],
  ] as const) {
    message(w, 8, () => {
      text(w, 1, domain);
      integer(w, 2, version);
    });
  }
  return w.finish();
}
