import type { PipelineDefinition } from './core/define-pipeline.ts';
import { definePipeline } from './core/define-pipeline.ts';
import { auth } from './processors/auth/auth.ts';
import { character } from './processors/character/character.ts';
import { chat } from './processors/chat/chat.ts';
import { image } from './processors/image/image.ts';
import { my } from './processors/my/my.ts';
import { notification } from './processors/notification/notification.ts';
import { characterLoss } from './processors/sagas/character-loss.ts';
import { chatAnswer } from './processors/sagas/chat-answer.ts';
import { scanToReward } from './processors/sagas/scan-to-reward.ts';
import { scan } from './processors/scan/scan.ts';
import { characterList } from './projectors/character-list/character-list.ts';
import { characterOwnership } from './projectors/character-ownership/character-ownership.ts';
import { scanHistory } from './projectors/scan-history/scan-history.ts';
import { tokenBlacklist } from './projectors/token-blacklist/token-blacklist.ts';
import { weeklyRanking } from './projectors/weekly-ranking/weekly-ranking.ts';

/** The table of contents of this deployment, with calendars in the given IANA time zone. */
export function pipelineIn(timeZone: string): PipelineDefinition {
  return definePipeline({
    domains: [auth, image, scan, character, my, chat, notification],
    projections: [characterList, weeklyRanking(timeZone), scanHistory, characterOwnership, tokenBlacklist],
    sagas: [scanToReward, chatAnswer, characterLoss],
  });
}

/** The same in the default time zone. */
export const pipeline = pipelineIn('Asia/Seoul');
