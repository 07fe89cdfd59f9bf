import type { Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { Value } from "../../ir";
import { GraphBuilder, Nodes } from "../../lower/graph";
import type { GraphSpec, TensorSpec } from "../../lower/onnx";
import { inPieces } from "../../lower/pieces";
import { gelu } from "../../ops/activations";
import { adamw } from "../../ops/adamw";
import { compile } from "../../runtime/compile";
import { PROVIDERS } from "../../runtime/provider";
import { defaultSettings } from "../../runtime/settings";
import { tf } from "../../tf";
import { expectClose, on, type Result, read } from "../compare";

const tensor = (name: string, dims: readonly number[]): TensorSpec => ({ name, type: "float32", dims });

/** Two results of x and y [rows, columns] and a number that all pieces share. */
function graphOf(rows: number, columns: number, piece: number | undefined): GraphSpec {
  const graph = new GraphBuilder({ rules: {}, scatterAdds: true, pretransposes: false, piece });
  const inputs = [tensor("x", [rows, columns]), tensor("y", [rows, columns]), tensor("k", [])];
  for (const { name, type } of inputs) graph.input(name, type);
  const f = new Nodes(graph);
  const twice = f.node("Add", ["k", "k"]);
  const results = inPieces(f, ["x", "y"], [rows, columns], (g, [x, y]) => {
    const product = g.node("Mul", [g.node("Exp", [x!]), g.node("Mul", [y!, twice])]);
    return [g.node("Sub", [product, g.scalar(0.5)]), g.node("Erf", [product])];
  });
  return graph.finish(
    inputs,
    results.map((name) => tensor(name, [rows, columns])),
  );
}

function run(graph: GraphSpec, rows: number, columns: number): number[][] {
  const settings = { ...defaultSettings(), threads: 1 };
  const { session } = compile({ graph, frozen: [], bytes: 0, origins: new Map() }, PROVIDERS["ort-cpu"], settings);
  const filled = (f: (i: number) => number): Value =>
    Value.of(
      Float32Array.from({ length: rows * columns }, (_, i) => f(i)),
      [rows, columns],
      "float32",
    );
  const into = [filled(() => NaN), filled(() => NaN)];
  session.run([filled(Math.sin), filled(Math.cos), Value.of(Float32Array.of(0.3), [], "float32")], into);
  session.dispose();
  return into.map(({ storage }) => Array.from(storage.data!));
}

test.each([
  ["rows are cut", 40, 6, 16, 15],
  ["pieces are whole rows", 8, 32, 32, 8],
  ["a size without a divisor runs whole", 1, 127, 16, undefined],
  ["few numbers run whole", 3, 16, 16, undefined],
])("in pieces as whole, bit for bit: %s", (_, rows, columns, piece, loops) => {
  const graph = graphOf(rows, columns, piece);
  const scan = graph.nodes.find(({ op }) => op === "Scan");
  if (loops === undefined) expect(scan).toBeUndefined();
  else {
    const { graph: body } = scan!.attributes.body as { graph: GraphSpec };
    expect((rows * columns) / body.inputs[0]!.dims![0]!).toBe(loops);
  }
  expect(run(graph, rows, columns)).toEqual(run(graphOf(rows, columns, undefined), rows, columns));
});

test("large gradients of gelu and large parameters' AdamW equal the plain formulas", async () => {
  const numbers = (seed: number): Tensor =>
    tf
      .range(0, 96 * 2048, 1)
      .mul(0.7)
      .add(seed)
      .sin()
      .mul(3)
      .reshape([96, 2048]);
  const compute = (): Result[] => {
    const [x, dy, param, grad, m] = [0, 1, 2, 3, 4].map(numbers) as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const slopes = (["exact", "tanh"] as const).map((form) => tf.grad((t) => gelu(t, form))(x, dy));
    const updated = adamw(param, grad, m, grad.square(), {
      lr: tf.scalar(1e-2),
      beta1: tf.scalar(0.9),
      beta2: tf.scalar(0.95),
      eps: tf.scalar(1e-8),
      weightDecay: tf.scalar(0.1),
      correction1: tf.scalar(0.19),
      correction2: tf.scalar(0.0975),
      gradScale: tf.scalar(0.5),
    });
    return read([...slopes, ...updated]);
  };
  expectClose(await on("ort-cpu", compute), await on("cpu", compute), 2e-6, "in pieces");
});
