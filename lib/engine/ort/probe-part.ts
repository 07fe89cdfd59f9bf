import { Tensor as OrtTensor } from "onnxruntime-node";
import { serveParent } from "../../core/child";
import { prepareVulkan } from "./adapter";
import { Forms } from "./forms";
import { GraphBuilder } from "./graph";
import { encodeModel } from "./onnx";
import { PROBE, type Trial } from "./probe";
import { PROVIDERS } from "./provider";
import { withHalfProducts } from "./rules/half";
import { execute, load } from "./session";
import { defaultSettings } from "./settings";

/** The program of `PROBE` on a provider. */
serveParent<Trial, never, number[]>(async ({ engine, half }) => {
  const provider = PROVIDERS[engine];
  if (provider.name === "webgpu") prepareVulkan();
  const graph = new GraphBuilder({
    rules: half ? withHalfProducts(provider.rules) : provider.rules,
    scatterAdds: true,
    turnsAgain: false,
  });
  const f = new Forms(graph);
  const x = { name: "x", type: "float32", dims: [2, 2] } as const;
  graph.input(x.name, x.type);
  const y = f.node("Add", [f.matmul(x.name, x.name), f.scalar(1)]);
  const model = encodeModel(graph.finish([x], [{ ...x, name: y }]));
  const compiled = load(
    { model, inputs: [x.name], outputs: [y], bytes: 0 },
    provider,
    { ...defaultSettings(), strict: true },
    "host",
  );
  const tensor = (numbers: Float32Array): OrtTensor => new OrtTensor("float32", numbers, x.dims);
  const [result] = execute(
    compiled,
    [tensor(Float32Array.from(PROBE.input))],
    [tensor(new Float32Array(PROBE.result.length))],
  );
  return Array.from(result!.data as Float32Array);
});
