/** PostgreSQL's text and JSON hold neither NUL nor half a character: an answer with one is found out here, and not by a refused row. */
export function isStorable(text: string): boolean {
  return !/[\0\p{Cs}]/u.test(text);
}
