/**
 * Which methods a path answers, so that a wrong method is told apart from a wrong path (405 and 404). Patterns are the
 * router's: `/api/v1/scans/:id`.
 */
export class AllowedMethods {
  private readonly routes: { readonly pattern: readonly string[]; readonly methods: Set<string> }[] = [];

  add(url: string, methods: readonly string[]): void {
    const pattern = url.split('/');
    const known = this.routes.find((route) => route.pattern.join('/') === url);
    if (known === undefined) this.routes.push({ pattern, methods: new Set(methods) });
    else for (const method of methods) known.methods.add(method);
  }

  /** Sorted, empty when no route has this path. */
  of(path: string): string[] {
    const parts = path.split('/');
    const matching = this.routes.filter(({ pattern }) => pattern.length === parts.length && pattern.every(fits(parts)));
    return [...new Set(matching.flatMap(({ methods }) => [...methods]))].sort();
  }
}

function fits(parts: readonly string[]): (segment: string, index: number) => boolean {
  return (segment, index) => (segment.startsWith(':') ? parts[index] !== '' : segment === parts[index]);
}
