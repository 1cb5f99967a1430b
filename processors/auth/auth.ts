import { defineDomain } from '../../core/define.ts';
import { permissionChanged, userLoggedIn, userLoggedOut, userRegistered } from '../../schemas/catalogue.ts';
import { userAggregate } from './aggregate.ts';

export const auth = defineDomain({
  name: 'auth',
  events: [userRegistered, userLoggedIn, userLoggedOut, permissionChanged],
  aggregates: [userAggregate],
  captured: true,
});
