/** An error with everything that a careless logger would print, but for the frames of its stack. */
export function describeFully(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return {
    ...Object.fromEntries(Object.entries(error)),
    message: error.message,
    stack: error.stack?.split('\n    at ')[0],
    cause: describeFully(error.cause),
  };
}
