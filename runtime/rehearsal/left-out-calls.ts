import { ClassifiedError } from '../../core/errors.ts';
import type { CallRunner } from '../calls/call-runner.ts';
import type { RehearsableUnitOfWork } from '../postgres/unit-of-work.ts';
import type { EffectNotes } from './effect-notes.ts';

/**
 * Makes no call: it takes down which one would be made. Whether the event was handled before is looked up first, because a
 * repeated event is skipped whatever the call says.
 */
export function leftOutCalls(unitOfWork: RehearsableUnitOfWork, notes: EffectNotes): CallRunner {
  return {
    run: async (name, _request, { idempotencyKey, trace }) => {
      const processed = await unitOfWork.rehearse({ trace }, (tx) => tx.processedResult(idempotencyKey));
      if (processed === undefined) notes.callLeftOut = name;
      else notes.isDuplicate = true;
      throw new ClassifiedError('CALL_FAILED', `the call ${name} is not made in a rehearsal`);
    },
  };
}
