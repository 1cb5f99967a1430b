import { describe, expect, it } from 'vitest';
import { compatibilityNamed, strictest } from './compatibility.ts';

describe('compatibility levels', () => {
  it('are joined to the weakest that promises both', () => {
    expect(strictest('NONE', 'BACKWARD')).toBe('BACKWARD');
    expect(strictest('BACKWARD', 'FORWARD')).toBe('FULL');
    expect(strictest('FULL', 'BACKWARD')).toBe('FULL');
    expect(strictest('BACKWARD_TRANSITIVE', 'BACKWARD')).toBe('BACKWARD_TRANSITIVE');
    expect(strictest('FORWARD_TRANSITIVE', 'BACKWARD')).toBe('FULL_TRANSITIVE');
    expect(strictest('NONE', 'NONE')).toBe('NONE');
  });

  it('that nobody knows promise nothing', () => {
    expect(compatibilityNamed('FULL')).toBe('FULL');
    for (const name of ['SOMETHING', undefined, 7, 'toString']) expect(compatibilityNamed(name)).toBe('NONE');
  });
});
