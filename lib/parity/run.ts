import { unknownName } from "../core/errors";
import { tf } from "../engine/tf";
import { Case, type Golden, type Produced, readGoldens } from "./case";
import { type CaseResult, compareCase, failedCase } from "./compare";
import { runEndToEnd } from "./end-to-end";
import { runReferIt3d, runScanRefer } from "./evaluation";
import { runGeometry } from "./geometry";
import { runCausalLm, runLora } from "./language";
import { runDust3rLoss, runFast3r, runFast3rLoss, runPointmapTargets, runReconLoss } from "./reconstruction";
import { runProjectorPool, runSiglip } from "./vision";

type Runner = (c: Case) => ReadonlyMap<string, Produced>;

/** The runner of each family of goldens, by how the file's name begins. */
const families: Readonly<Record<string, Runner>> = {
  qwen2_causal_lm: runCausalLm,
  qwen2_lora: runLora,
  siglip_vision: runSiglip,
  llava_projector_pool: runProjectorPool,
  v3d_geometry: runGeometry,
  v3d_end_to_end: runEndToEnd,
  s2mllm_end_to_end: runEndToEnd,
  fast3r_decoder_head: runFast3r,
  fast3r_conf_loss: runFast3rLoss,
  dust3r_conf_loss: runDust3rLoss,
  s2mllm_recon_loss: runReconLoss,
  pointmap_targets: runPointmapTargets,
  scanrefer_eval: runScanRefer,
  referit3d_splits: runReferIt3d,
};

/** Runs one golden on the current engine and compares everything it lists. An error is a failed case. */
export function runCase(folder: string, golden: Golden): CaseResult {
  const name = golden.file.replace(/\.safetensors$/, "");
  try {
    const family = Object.keys(families).find((stem) => name.startsWith(stem));
    if (family === undefined) throw new Error(`no runner for "${name}"; known: ${Object.keys(families).join(", ")}`);
    const c = new Case(folder, golden);
    tf.engine().startScope();
    const known = new Set(Object.keys(tf.engine().registeredVariables));
    try {
      return compareCase(c, families[family]!(c));
    } finally {
      // variables outlive scopes: free the ones that this case made
      for (const [id, variable] of Object.entries(tf.engine().registeredVariables))
        if (!known.has(id)) variable.dispose();
      tf.engine().endScope();
    }
  } catch (error) {
    return failedCase(name, error);
  }
}

/**
 * Runs the goldens of a folder, in the order of its index.
 *
 * @param only their names, such as "qwen2_lora"; all unless given
 * @throws UserError for a name that the folder has not
 */
export function runGoldens(
  folder: string,
  onCase: (result: CaseResult, done: number, total: number) => void = () => {},
  only?: readonly string[],
): CaseResult[] {
  const all = readGoldens(folder);
  const names = all.map(({ file }) => file.replace(/\.safetensors$/, ""));
  for (const name of only ?? []) if (!names.includes(name)) throw unknownName("case", name, names);
  const goldens = only === undefined ? all : all.filter((_, i) => only.includes(names[i]!));
  return goldens.map((golden, i) => {
    const result = runCase(folder, golden);
    onCase(result, i + 1, goldens.length);
    return result;
  });
}
