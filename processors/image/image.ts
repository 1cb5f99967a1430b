import { defineDomain, defineProcessor } from '../../core/define.ts';
import { imageDeleted, imageProcessed, imageRegistered } from '../../schemas/catalogue.ts';
import { imageAggregate } from './aggregate.ts';
import { processImage } from './process-image.ts';

export const image = defineDomain({
  name: 'image',
  events: [imageRegistered, imageProcessed, imageDeleted],
  aggregates: [imageAggregate],
  processor: defineProcessor({ domain: 'image', reactions: [processImage] }),
  captured: true,
});
