import { defineDomain } from '../../core/define.ts';
import { permissionChanged, userLoggedIn, userLoggedOut, userRegistered } from '../../schemas/catalogue.ts';
import { userAggregate } from './aggregate.ts';

export const auth = defineDomain({
  name: 'auth',
  events: [userRegistered, userLoggedIn, userLoggedOut, permissionChanged],
  aggregates: [userAggregate],
  captured: true,
  tables: [
    { table: 'users', topic: 'users', keyField: 'user_id' },
    { table: 'user_social_accounts', topic: 'social_accounts', keyField: 'user_id' },
    { table: 'login_audits', topic: 'login_audits', keyField: 'user_id' },
  ],
});
