/** Its multiples lie evenly in a circle, however many there are. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;

/**
 * How long each entry of a memory lives: between half of the longest and the longest. What began together, as after a start, must not
 * be asked anew together: a thousand questions in one second make everybody wait.
 */
export function spreadLives(longestMs: number): () => number {
  let entries = 0;
  return () => {
    const share = (entries * GOLDEN_RATIO) % 1;
    entries += 1;
    return longestMs * (1 - share / 2);
  };
}
