import type { Rejection } from '../../core/define.ts';

/** Also for a conversation of somebody else: nobody learns which ids there are. */
export const CONVERSATION_NOT_FOUND: Rejection = {
  rejected: 'conversation_not_found',
  detail: 'You have no conversation with this id.',
};
