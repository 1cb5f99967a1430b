import { expect, it } from 'vitest';
import { services } from '../../test/support/services.ts';
import { tcpProxy } from '../../test/support/tcp-proxy.ts';
import { KeptSqlSession } from './sql-session.ts';

it('a kept session closes although the network carries nothing any more, and answers again once it does', async () => {
  const target = new URL(services().postgresUrl);
  target.pathname = '/postgres';
  const proxy = await tcpProxy(target);
  const session = new KeptSqlSession(proxy.url);
  const one = () => session.run((sql) => sql.query('SELECT 1 AS one'));
  try {
    await one();
    proxy.blackhole();
    await session.close();
    proxy.heal();
    expect((await one()).rows).toEqual([{ one: 1 }]);
  } finally {
    proxy.heal();
    await session.close();
    await proxy.close();
  }
});
