import { Value } from "../ir";
import { GraphBuilder, Nodes } from "../lower/graph";
import { encodeModel, type TensorSpec } from "../lower/onnx";
import { withPrecision } from "../lower/rules/common";
import { prepareVulkan } from "./adapter";
import { execute, load } from "./compile";
import { PROBE, type Trial, type TrialAnswer } from "./probe";
import { PROVIDERS } from "./provider";
import { defaultSettings } from "./settings";

/** The program of `PROBE` on a provider: what `probe` runs in a process of its own. */
function compute({ engine, precision }: Trial): number[] {
  const provider = PROVIDERS[engine];
  if (provider.name === "webgpu") prepareVulkan();
  const graph = new GraphBuilder({
    rules: withPrecision(provider.rules, precision),
    scatterAdds: true,
    pretransposes: false,
    piece: undefined,
  });
  const f = new Nodes(graph);
  const x = { name: "x", type: "float32", dims: [2, 2] } satisfies TensorSpec & { type: "float32" };
  graph.input(x.name, x.type);
  const y = f.node("Add", [f.matmul(x.name, x.name), f.scalar(1)]);
  const model = encodeModel(graph.finish([x], [{ ...x, name: y }]));
  const settings = { ...defaultSettings(), strict: true, precision };
  const compiled = load({ model, inputs: [x.name], outputs: [y], bytes: 0 }, provider, settings);
  const result = new Float32Array(PROBE.result.length);
  const value = (numbers: Float32Array): Value => Value.of(numbers, x.dims, x.type);
  execute(compiled, (session) => session.run([value(Float32Array.from(PROBE.input))], [value(result)]));
  return Array.from(result);
}

function answer(trial: Trial): TrialAnswer {
  try {
    return { numbers: compute(trial) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

process.once("message", (trial: Trial) =>
  process.send!(answer(trial), undefined, undefined, () => process.disconnect()),
);
