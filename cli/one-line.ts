const WIDTH = 160;

/** What a terminal would obey is shown and not sent. */
export function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}

/** A payload's beginning. JSON text holds no control characters. */
export function shortened(text: string): string {
  return text.length <= WIDTH ? text : `${text.slice(0, WIDTH - 1)}…`;
}
