const LINE_CHARACTERS_MAX = 240;
const LINES_MAX = 3;

/**
 * What a person needs of a Java stack trace: its first line and its causes, the innermost last, without frames, without
 * secrets and never more than three lines.
 */
export function shortTrace(trace: string, secrets: readonly string[]): string {
  const lines = trace.split('\n').filter((line) => line.trim() !== '' && !/^\s*(at |\.\.\. \d+ more)/.test(line));
  const [first = '', ...causes] = lines;
  const kept = [first, ...causes.filter((line) => line.startsWith('Caused by: ')).slice(1 - LINES_MAX)];
  return kept.map((line) => withoutSecrets(line, secrets)).join('\n');
}

/** One line at most, with every given secret, and whatever looks like a password, made unreadable. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let shown = text.replace(/\s+/g, ' ').trim();
  for (const secret of secrets) if (secret !== '') shown = shown.replaceAll(secret, '***');
  shown = shown.replace(/(password["']?\s*[=:]\s*["']?)[^\s,;"'}]+/gi, '$1***').replace(/(:\/\/[^:/@\s]*):[^@\s]*@/g, '$1:***@');
  return shown.length > LINE_CHARACTERS_MAX ? `${shown.slice(0, LINE_CHARACTERS_MAX)}…` : shown;
}
