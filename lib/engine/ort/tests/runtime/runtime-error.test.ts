import { describe, expect, it } from "vitest";
import { compile } from "../../runtime/compile";
import { PROVIDERS } from "../../runtime/provider";
import { runtimeError } from "../../runtime/runtime-error";
import { defaultSettings } from "../../runtime/settings";

const message = (text: string, origins?: ReadonlyMap<string, string>): string =>
  runtimeError(new Error(text), "to run", { provider: PROVIDERS["ort-webgpu"], model: undefined, origins }).message;

describe("what ONNX Runtime says", () => {
  // as Dawn and ONNX Runtime word them
  it.each([
    ["WebGPU device lost (2): Device was destroyed.", "start again"],
    [
      "Failed to allocate memory for requested buffer of size 8589934592",
      "not enough device memory: take smaller batches",
    ],
    ["Buffer size (17179869184) exceeds the max buffer size limit (1073741824).", "not enough device memory"],
    ["std::bad_alloc", "not enough device memory"],
    // as the CUDA provider words them
    [
      "CUDA failure 2: out of memory ; GPU=0 ; hostname=a ; file=cuda_allocator.cc ; line=48",
      "not enough device memory",
    ],
    ["CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", "not enough device memory"],
    ["CUDA failure 719: unspecified launch failure ; GPU=0", "start again"],
    ["CUDA failure 46: all CUDA-capable devices are busy or unavailable ; GPU=0", "start again"],
    [
      "Non-zero status code returned while running Expand node. Name:'#2' Status Message: narrowing_error",
      "not enough device memory",
    ],
    ["Program Cast requires f16 but the device does not support it.", "the device has no half precision"],
  ])("%s comes with what to do", (text, cure) => {
    expect(message(text)).toContain(cure);
    expect(message(text)).toContain(text);
    expect(message(text)).toMatch(/^ort-webgpu: the program failed to run in ONNX Runtime \(/);
  });

  it("is passed on as it is where the cause is not known", () => {
    expect(message("something new")).toBe(
      "ort-webgpu: the program failed to run in ONNX Runtime: something new " +
        "(set S2_ENGINE_DEBUG=1 to name the line and keep the graph as an .onnx file)",
    );
  });

  it("names op and line of the node", () => {
    expect(message("node BatchMatMul#7 broke", new Map([["BatchMatMul#7", "lib/model/x.ts:3"]]))).toMatch(
      /^ort-webgpu: tfjs op BatchMatMul recorded at lib\/model\/x\.ts:3 failed/,
    );
  });
});

describe("a program over ONNX's 2 GiB", () => {
  it("is refused before it is written", () => {
    // a length is enough: nothing of it is read
    const raw = { byteLength: 3 * 2 ** 30 } as Uint8Array;
    const graph = {
      nodes: [],
      inputs: [],
      outputs: [],
      constants: [{ name: "c:0", type: "float32" as const, dims: [1], raw }],
    };
    expect(() =>
      compile({ graph, frozen: [], bytes: 0, origins: new Map() }, PROVIDERS["ort-cpu"], defaultSettings()),
    ).toThrow(
      "ort-cpu: a program has 3.0 GiB of constants in it, ONNX holds 2 GiB; " +
        "resize smaller images, or run with S2_ENGINE=wasm",
    );
  });
});
