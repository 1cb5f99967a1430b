/** How many records may still be read; what is looked for next finds what is left. */
export interface ReadBudget {
  records: number;
}

/**
 * Works on the parts with a share of the budget each: what is left of it over the parts that are still to come. What a part
 * does not use is for those after it; what one of them would use up is not at the cost of all others. Whose share was too small
 * gets another one from what the others have left.
 *
 * @param work resolves with false when its share was too small.
 */
export async function inShares<P>(
  budget: ReadBudget,
  parts: readonly P[],
  work: (part: P, share: ReadBudget) => Promise<boolean>,
): Promise<void> {
  let open = parts;
  for (let round = 1; round <= 2 && open.length > 0; round += 1) {
    const short: P[] = [];
    for (const [index, part] of open.entries()) {
      const given = Math.ceil(Math.max(0, budget.records) / (open.length - index));
      if (given === 0 && round > 1) return;
      const share = { records: given };
      try {
        if (!(await work(part, share))) short.push(part);
      } finally {
        budget.records -= given - share.records;
      }
    }
    open = short;
  }
}
