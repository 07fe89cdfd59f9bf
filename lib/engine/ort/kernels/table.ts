import { attentionKernels } from "./attention";
import { binaryKernels } from "./binary";
import { convKernels } from "./conv";
import { fusedKernels } from "./fused";
import { gatherKernels } from "./gather";
import type { KernelTable } from "./kernel";
import { matmulKernels } from "./matmul";
import { planeConvKernels } from "./plane-conv";
import { poolKernels } from "./pool";
import { reduceKernels } from "./reduce";
import { resizeKernels } from "./resize";
import { shapeKernels } from "./shape";
import { unaryKernels } from "./unary";

/** Every kernel the backend runs in ONNX Runtime. */
export const ortKernels: KernelTable = {
  ...unaryKernels,
  ...binaryKernels,
  ...reduceKernels,
  ...shapeKernels,
  ...matmulKernels,
  ...gatherKernels,
  ...convKernels,
  ...planeConvKernels,
  ...poolKernels,
  ...resizeKernels,
  ...attentionKernels,
  ...fusedKernels,
};
