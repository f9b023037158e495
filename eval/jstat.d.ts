/** What is used of `jstat`, which has no types. */
export const jStat: {
  studentt: {
    /** Probability that Student's t with `dof` degrees of freedom is at most `x`. */
    cdf(x: number, dof: number): number;
    /** What Student's t is at most with probability `p`. */
    inv(p: number, dof: number): number;
  };
};
declare const library: { jStat: typeof jStat };
export default library;
