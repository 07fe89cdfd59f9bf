/** What the studies take of jstat, which ships no types of its own. */
declare module "jstat" {
  export const jStat: {
    /** Student's t distribution with `dof` degrees of freedom, which need not be whole. */
    readonly studentt: { cdf(x: number, dof: number): number; inv(p: number, dof: number): number };
  };
}
