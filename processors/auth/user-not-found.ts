import type { Rejection } from '../../core/define.ts';

export const USER_NOT_FOUND: Rejection = { rejected: 'user_not_found', detail: 'No user with this id is registered.' };
