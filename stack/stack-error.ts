/** The stack cannot do what was asked. The message is the problem and, on a line of its own, what to do about it. */
export class StackError extends Error {
  readonly problem: string;
  readonly remedy: string;

  constructor(problem: string, remedy: string, options?: ErrorOptions) {
    super(`${problem}\n${remedy}`, options);
    this.name = 'StackError';
    this.problem = problem;
    this.remedy = remedy;
  }
}
