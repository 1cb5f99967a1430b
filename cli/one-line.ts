const WIDTH = 160;

/** What a terminal would obey is shown and not sent. */
export function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}

/** A payload's beginning. JSON text holds no control characters. */
export function shortened(text: string): string {
  return text.length <= WIDTH ? text : `${text.slice(0, WIDTH - 1)}…`;
}

/** `1 letter`, `2 letters`. */
export function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** `is` or `are`, `was` or `were`, by the number before it. */
export function agrees(number: number, one: string, more: string): string {
  return number === 1 ? one : more;
}
