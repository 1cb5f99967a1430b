import { randomUUID } from 'node:crypto';
import type { CommandDefinition, StoredEvent } from '../core/define.ts';
import type { JsonObject } from '../core/json.ts';
import type { TraceContext } from '../core/trace.ts';
import { evolveCharacter } from '../processors/character/evolve-character.ts';
import { loseCharacter } from '../processors/character/lose-character.ts';
import { changePermissions } from '../processors/auth/change-permissions.ts';
import { logOut } from '../processors/auth/log-out.ts';
import { answerIdOf } from '../processors/chat/answer-id.ts';
import { endConversation } from '../processors/chat/end-conversation.ts';
import { postMessage } from '../processors/chat/post-message.ts';
import { startConversation } from '../processors/chat/start-conversation.ts';
import { deleteImage } from '../processors/image/delete-image.ts';
import { registerImage } from '../processors/image/register-image.ts';
import { registerUpload } from '../processors/image/register-upload.ts';
import { changePreferences } from '../processors/my/change-preferences.ts';
import { requestScan } from '../processors/scan/request-scan.ts';
import { scanIdOf } from '../processors/scan/scan-id.ts';
import type { Connections } from '../runtime/connections.ts';
import { executeCommand } from '../runtime/postgres/command-handler.ts';
import { isUserRegistered } from '../runtime/postgres/read-users.ts';
import type { Accepted, CommandOutcome, CommandRequest, Commands, UserDirectory } from './ports.ts';

const ENDED_BY_USER = 'ended_by_user';

/** The API's commands over the domains' units of work. Ids are made here, so that the answer can name what it leads to. */
export function composeCommands(connections: Connections): Commands {
  const execute = executor(connections);
  return {
    registerImage: ({ cdnUrl, ...request }, trace) => {
      const imageId = randomUUID();
      const command = { image_id: imageId, user_id: request.userId, cdn_url: cdnUrl };
      return execute(registerImage, command, request, trace, { image_id: imageId, scan_id: scanIdOf(imageId) });
    },
    registerUpload: ({ imageId, cdnUrl, expired, ...request }, trace) => {
      const command = { image_id: imageId, user_id: request.userId, cdn_url: cdnUrl, expired };
      return execute(registerUpload, command, request, trace, { image_id: imageId, scan_id: scanIdOf(imageId) });
    },
    deleteImage: ({ imageId, ...request }, trace) => execute(deleteImage, { image_id: imageId, user_id: request.userId }, request, trace),
    requestScan: ({ imageUrl, userInput, ...request }, trace) => {
      const scanId = randomUUID();
      const command = { scan_id: scanId, user_id: request.userId, image_url: imageUrl, user_input: userInput ?? null };
      return execute(requestScan, command, request, trace, { task_id: scanId });
    },
    evolveCharacter: ({ characterId, ...request }, trace) =>
      execute(evolveCharacter, { user_id: request.userId, character_id: characterId }, request, trace),
    loseCharacter: ({ characterId, reason, ...request }, trace) =>
      execute(loseCharacter, { user_id: request.userId, character_id: characterId, reason }, request, trace),
    changePreferences: ({ changes, ...request }, trace) => execute(changePreferences, { user_id: request.userId, changes }, request, trace),
    logOut: ({ tokenId, sessionId, expiresAt, ...request }, trace) => {
      const command = { user_id: request.userId, jti: tokenId, expires_at: expiresAt, session_id: sessionId ?? null };
      return execute(logOut, command, request, trace);
    },
    changePermissions: ({ ofUserId, permissions, ...request }, trace) =>
      execute(changePermissions, { user_id: ofUserId, permissions }, request, trace),
    startConversation: (request, trace) => {
      const sessionId = randomUUID();
      return execute(startConversation, { session_id: sessionId, user_id: request.userId }, request, trace, { session_id: sessionId });
    },
    postMessage: ({ sessionId, text, imageUrl, ...request }, trace) => {
      const messageId = randomUUID();
      const content = { text: text ?? null, image_url: imageUrl ?? null };
      const command = { session_id: sessionId, message_id: messageId, user_id: request.userId, ...content };
      return execute(postMessage, command, request, trace, { message_id: messageId, answer_id: answerIdOf(messageId) });
    },
    endConversation: ({ sessionId, ...request }, trace) => {
      const command = { session_id: sessionId, user_id: request.userId, reason: ENDED_BY_USER };
      return execute(endConversation, command, request, trace);
    },
  };
}

/**
 * Runs a command for the API: the answer is what is known beforehand, the trace id, and what the decision results in. It is
 * kept with the idempotency key, for the requests that repeat it.
 */
function executor(connections: Connections) {
  return async <A extends Accepted, C, S, E extends StoredEvent>(
    definition: CommandDefinition<C, S, E>,
    input: C,
    { idempotencyKey, requestHash }: CommandRequest,
    trace: TraceContext,
    known: JsonObject = {},
  ): Promise<CommandOutcome<A>> => {
    const answering: CommandDefinition<C, S, E> = {
      ...definition,
      decide(state, command, rows) {
        const decision = definition.decide(state, command, rows);
        if ('rejected' in decision) return decision;
        return { ...decision, result: { ...known, trace_id: trace.traceId, ...(decision.result as object | undefined) } };
      },
    };
    const outcome = await executeCommand(
      connections.unitOfWork(definition.domain),
      answering,
      input,
      { trace },
      idempotencyKey === undefined ? undefined : { key: idempotencyKey, requestHash },
    );
    switch (outcome.kind) {
      case 'accepted':
      case 'repeated':
        return { kind: outcome.kind, answer: outcome.result as unknown as A };
      case 'rejected':
        return { kind: 'rejected', reason: outcome.rejection.rejected, detail: outcome.rejection.detail };
      case 'mismatch':
        return outcome;
    }
  };
}

export function composeUsers(connections: Connections): UserDirectory {
  return { isKnownUser: async (userId) => isUserRegistered(connections.database('auth'), userId) };
}
