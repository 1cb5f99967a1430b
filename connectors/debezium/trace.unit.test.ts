import { expect, it } from 'vitest';
import { shortTrace, withoutSecrets } from './trace.ts';

const TRACE = `org.apache.kafka.connect.errors.ConnectException: Could not create the connection
\tat io.debezium.A.start(A.java:1)
\tat io.debezium.B.run(B.java:2)
Caused by: io.debezium.DebeziumException: first
\t... 12 more
Caused by: java.lang.RuntimeException: second
\tat x.Y.z(Y.java:3)
Caused by: org.postgresql.util.PSQLException: FATAL: password authentication failed for hunter2
\t... 3 more
`;

it('a trace keeps its first line and its innermost causes, and no frame', () => {
  expect(shortTrace(TRACE, [])).toBe(
    [
      'org.apache.kafka.connect.errors.ConnectException: Could not create the connection',
      'Caused by: java.lang.RuntimeException: second',
      'Caused by: org.postgresql.util.PSQLException: FATAL: password authentication failed for hunter2',
    ].join('\n'),
  );
});

it('no secret survives in it, given or guessed, and no line is long', () => {
  expect(shortTrace(TRACE, ['hunter2'])).not.toContain('hunter2');
  expect(withoutSecrets('jdbc://db?password=hunter2&x=1 and postgres://me:hunter2@db', [])).not.toContain('hunter2');
  expect(withoutSecrets('an empty secret hides nothing', [''])).toBe('an empty secret hides nothing');
  expect(withoutSecrets('x'.repeat(10_000), []).length).toBeLessThan(300);
});
