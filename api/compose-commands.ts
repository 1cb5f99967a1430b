import { randomUUID } from 'node:crypto';
import { ClassifiedError } from '../core/errors.ts';
import { registerImage } from '../processors/image/register-image.ts';
import { scanIdOf } from '../processors/scan/scan-id.ts';
import type { Connections } from '../runtime/connections.ts';
import { executeCommand } from '../runtime/postgres/command-handler.ts';
import { isUserRegistered } from '../runtime/postgres/read-users.ts';
import type { Commands, RegisteredImage, UserDirectory } from './ports.ts';

/** The API's commands over the domains' units of work. */
export function composeCommands(connections: Connections): Commands {
  return {
    async registerImage({ userId, cdnUrl, idempotencyKey, requestHash }, trace) {
      const imageId = randomUUID();
      const answer: RegisteredImage = { image_id: imageId, scan_id: scanIdOf(imageId), trace_id: trace.traceId };
      const outcome = await executeCommand(
        connections.unitOfWork('image'),
        { ...registerImage, decide: (state, command) => withAnswer(registerImage.decide(state, command), answer) },
        { image_id: imageId, user_id: userId, cdn_url: cdnUrl },
        { trace },
        idempotencyKey === undefined ? undefined : { key: idempotencyKey, requestHash },
      );
      switch (outcome.kind) {
        case 'accepted':
          return { kind: 'accepted', answer };
        case 'repeated':
          return { kind: 'repeated', answer: outcome.result as unknown as RegisteredImage };
        case 'mismatch':
          return outcome;
        case 'rejected':
          // Ids are made here, so that no image can be there already.
          throw new ClassifiedError('DECISION_FAILED', `a new image was refused: ${outcome.rejection.rejected}`);
      }
    },
  };
}

/** What the first request was answered is kept with its idempotency key, for the requests that repeat it. */
function withAnswer(decision: ReturnType<typeof registerImage.decide>, answer: RegisteredImage): ReturnType<typeof registerImage.decide> {
  return 'rejected' in decision ? decision : { ...decision, result: { ...answer } };
}

export function composeUsers(connections: Connections): UserDirectory {
  return { isKnownUser: async (userId) => isUserRegistered(connections.database('auth'), userId) };
}
