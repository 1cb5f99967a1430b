import { ClassifiedError } from '../../core/errors.ts';
import type { CallRunner } from '../calls/call-runner.ts';
import type { EffectNotes } from './effect-notes.ts';

/** Makes no call: it takes down which one would be made. */
export function leftOutCalls(notes: EffectNotes): CallRunner {
  return {
    run: async (name) => {
      notes.callLeftOut = name;
      throw new ClassifiedError('CALL_FAILED', `the call ${name} is not made in a rehearsal`);
    },
  };
}
