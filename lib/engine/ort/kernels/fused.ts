import { define, type KernelTable } from "../kernel";

/** Kernels that only this backend has; lib/engine/ops uses them where they exist. */
export const fusedKernels: KernelTable = {
  /** See lib/engine/ops/adamw.ts for the formula. */
  AdamW: define<object, object>(
    ({ param, grad, m, v, lr, beta1, beta2, eps, weightDecay, correction1, correction2 }) => {
      const out = { shape: param!.shape, dtype: "float32" as const };
      return { ins: [param!, grad!, m!, v!, lr!, beta1!, beta2!, eps!, weightDecay!, correction1!, correction2!], outs: [out, out, out], attrs: {} };
    },
    (e) => {
      const [param, grad, m, v, lr, beta1, beta2, eps, decay, correction1, correction2] = e.ins() as [string, string, string, string, string, string, string, string, string, string, string];
      const one = e.scalar(1);
      const blend = (beta: string, old: string, fresh: string): string =>
        e.node("Add", [e.node("Mul", [old, beta]), e.node("Mul", [fresh, e.node("Sub", [one, beta])])]);
      const m2 = blend(beta1, m, grad);
      const v2 = blend(beta2, v, e.node("Mul", [grad, grad]));
      const root = e.node("Sqrt", [e.node("Div", [v2, correction2])]);
      const step = e.node("Div", [e.node("Mul", [m2, e.node("Div", [lr, correction1])]), e.node("Add", [root, eps])]);
      const kept = e.node("Mul", [param, e.node("Sub", [one, e.node("Mul", [lr, decay])])]);
      return [e.node("Sub", [kept, step]), m2, v2];
    },
  ),
};
