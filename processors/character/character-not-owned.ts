import type { Rejection } from '../../core/define.ts';

export const CHARACTER_NOT_OWNED: Rejection = { rejected: 'character_not_found', detail: 'You do not own this character.' };
