import { afterAll, beforeAll, expect, test } from "vitest";
import { type AblationName, ablations } from "../../lib/config/ablations";
import { presets } from "../../lib/config/presets";
import { resolveConfig } from "../../lib/config/resolve";
import { planTraining, sizeOf } from "../../lib/core/parameters";
import { tf } from "../../lib/engine/tf";
import type { Session } from "../../lib/eval/session";
import { settingsHash } from "../../lib/runs/settings";
import { describeModel, trainRules } from "../../lib/weights/describe";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

// ablations that are one configuration but for their data (`again`, other rooms) are tested once
const names = [
  ...new Map(
    (Object.keys(ablations) as AblationName[])
      .reverse()
      .map((ablation) => [settingsHash(resolveConfig({ preset: "nano", ablation, set: ["data.pool=24"] })), ablation]),
  ).values(),
].reverse();
// one pool of prepared views that is large enough for every number of frames
// two decoder layers: a step of each ablation is mostly the compiling of its graph
const small = [
  "data.pool=24",
  "training.scenes=1",
  "training.sentences=2",
  "training.steps=20",
  "language.layers=2",
  "lora.fullLayers=2",
];

let world: TinyWorld;
let session: Session;
beforeAll(async () => {
  world = await tinyWorld(202, { trainRooms: 1 });
  session = await world.session(resolveConfig({ preset: "nano", set: [`data.folder=${world.folder}`, ...small] }));
}, 300_000);
afterAll(() => world.remove());

test.each(names)(
  "%s takes a step",
  async (name) => {
    const config = resolveConfig({ preset: "nano", ablation: name, set: [`data.folder=${world.folder}`, ...small] });
    // coordinates of pooled patches are prepared in another way
    const { coordinatesAt } = session.config.positions;
    const own = config.positions.coordinatesAt === coordinatesAt ? session : await world.session(config);
    const trainer = world.trainer({ ...own, config });
    const { batch, kinds } = trainer.batch(0);
    expect(batch.inputs.patchVoxels.shape[1]).toBe(config.data.frames);
    const report = trainer.update(0, batch, kinds);
    expect(Number.isFinite(report.total)).toBe(true);
    expect(report.gradNorm).toBeGreaterThan(0);
    // what an ablation takes away has no loss
    expect(report.recon !== 0).toBe(config.reconstruction.enabled && config.lossWeights.recon > 0);
    expect(report.language !== 0).toBe(config.lossWeights.language > 0);
    expect(report.anchor !== 0).toBe(
      config.lossWeights.anchor > 0 &&
        batch.targets.anchorWeights !== undefined &&
        tf.tidy(() => batch.targets.anchorWeights!.sum().dataSync()[0]!) > 0,
    );
    batch.dispose();
    trainer.dispose();
  },
  180_000,
);

test.each(Object.keys(presets).flatMap((preset) => Object.keys(ablations).map((name) => [preset, name] as const)))(
  "%s, %s builds by shape",
  (preset, name) => {
    const config = resolveConfig({ preset, ablation: name });
    const specs = describeModel(config);
    expect(new Set(specs.map((s) => s.name)).size).toBe(specs.length);
    expect(specs.filter((s) => !(sizeOf(s.shape) > 0))).toEqual([]);
    const plan = planTraining(
      specs.map((s) => s.name),
      trainRules(config),
    );
    expect([...plan.values()].some((p) => p.training === "train")).toBe(true);
  },
);
