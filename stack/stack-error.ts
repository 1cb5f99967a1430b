/** The stack cannot do what was asked; `remedy` tells the user what to do about it. */
export class StackError extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StackError';
    this.remedy = remedy;
  }
}
