import type { S2Config } from "../../lib/config/schema";
import { serveParent } from "../../lib/core/child";
import { silent } from "../../lib/core/progress";
import { prepareScenes } from "../../lib/dataloader/prepare";
import type { CacheIndex } from "../../lib/dataloader/prepared-scenes";

/** Prepares a configuration's scenes as a command of its own would. */
serveParent<S2Config, never, CacheIndex>(async (config) => (await prepareScenes(config, silent)).index);
