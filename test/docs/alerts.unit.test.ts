import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { METRICS } from '../../core/metrics.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<string, string>>;
}

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const { groups } = parse(read('alerts/millrace.rules.yml')) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
const rules = groups.flatMap(({ rules: of }) => of);
const registered: Readonly<Record<string, { readonly kind: string; readonly labels: readonly string[] }>> = METRICS;

/** Every name in an expression that is a series of ours, with the matchers behind it. */
function seriesIn(expr: string): readonly { readonly name: string; readonly matchers: string }[] {
  return [...expr.matchAll(/\b(millrace_\w+)\s*(?:\{([^}]*)\})?/g)].map(([, name = '', matchers = '']) => ({ name, matchers }));
}

/** A histogram is exposed as three series. */
function metricOf(name: string): (typeof registered)[string] | undefined {
  const own = registered[name];
  if (own !== undefined) return own.kind === 'histogram' ? undefined : own;
  const base = registered[name.replace(/_(bucket|sum|count)$/, '')];
  return base?.kind === 'histogram' ? base : undefined;
}

describe('the alert rules', () => {
  it('are there for what an operator has to be woken by', () => {
    expect(rules.length).toBeGreaterThan(20);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  it.each(rules)('$alert asks for metrics and labels that the code registers', ({ expr }) => {
    const series = seriesIn(expr);
    expect(series.length + Number(/^up\b/.test(expr))).toBeGreaterThan(0);
    for (const { name, matchers } of series) {
      const metric = metricOf(name);
      expect(metric, name).toBeDefined();
      const labels = [...(metric?.labels ?? []), 'service', 'job', 'instance'];
      for (const [, label] of matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) expect(labels, `${name}{${matchers}}`).toContain(label);
    }
    const known = new Set([...series.flatMap(({ name }) => metricOf(name)?.labels ?? []), 'service', 'job', 'instance']);
    for (const [, list = ''] of expr.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)) {
      for (const label of list.split(',')) expect([...known], expr).toContain(label.trim());
    }
  });

  it.each(rules)('$alert says how grave it is, what it is and what to do, and so does the page', ({ alert, labels, annotations }) => {
    expect(['info', 'warning', 'critical']).toContain(labels.severity);
    expect(Object.keys(annotations).sort()).toEqual(['description', 'summary']);
    expect(read('docs/operations.md')).toMatch(new RegExp(`^\\| ${alert} \\|`, 'm'));
  });
});
