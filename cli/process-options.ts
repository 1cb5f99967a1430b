import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { ClassifiedError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Config } from '../runtime/config.ts';
import type { Roles } from '../runtime/roles.ts';

export interface ProcessOptions {
  readonly service: string;
  readonly pipeline: PipelineDefinition;
  readonly roles: Roles;
  readonly config: Config;
  readonly logger: Logger;
  readonly onFatal: (error: ClassifiedError) => void;
}
