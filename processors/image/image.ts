import { defineDomain } from '../../core/define.ts';
import { imageDeleted, imageProcessed, imageRegistered } from '../../schemas/catalogue.ts';
import { imageAggregate } from './aggregate.ts';

export const image = defineDomain({
  name: 'image',
  events: [imageRegistered, imageProcessed, imageDeleted],
  aggregates: [imageAggregate],
  captured: true,
});
