import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { classifyKafkaError, isLostSequence, isNotAMember, isUnknownTopic, kafkaErrorName } from './kafkajs-errors.ts';

function protocolError(type: string): Error {
  return Object.assign(new Error('text of the broker'), { name: 'KafkaJSProtocolError', type });
}

function retriesExceeded(cause: Error): Error {
  return Object.assign(new Error('text of the broker', { cause }), { name: 'KafkaJSNumberOfRetriesExceeded' });
}

describe('an error of Kafka', () => {
  it.each([
    ['MESSAGE_TOO_LARGE', 'RECORD_TOO_LARGE'],
    ['RECORD_LIST_TOO_LARGE', 'RECORD_TOO_LARGE'],
    ['INVALID_TIMESTAMP', 'RECORD_REJECTED'],
    ['TOPIC_AUTHORIZATION_FAILED', 'CONFIGURATION_INVALID'],
    ['GROUP_AUTHORIZATION_FAILED', 'CONFIGURATION_INVALID'],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'CONFIGURATION_INVALID'],
    ['NOT_ENOUGH_REPLICAS', 'KAFKA_UNAVAILABLE'],
    ['NOT_LEADER_FOR_PARTITION', 'KAFKA_UNAVAILABLE'],
    ['A_CODE_OF_THE_FUTURE', 'KAFKA_UNAVAILABLE'],
  ])('%s is %s, also when the client wrapped it', (type, code) => {
    expect(classifyKafkaError(protocolError(type), 'it failed').code).toBe(code);
    expect(classifyKafkaError(retriesExceeded(retriesExceeded(protocolError(type))), 'it failed').code).toBe(code);
  });

  it('is an outage when nothing is known of it', () => {
    for (const thrown of [new TypeError('x'), 'x', undefined, Object.assign(new Error('x'), { name: 'KafkaJSConnectionError' })]) {
      expect(classifyKafkaError(thrown, 'it failed').code).toBe('KAFKA_UNAVAILABLE');
    }
  });

  it('keeps the text of the broker out of the message and the error itself as cause', () => {
    const thrown = retriesExceeded(protocolError('NOT_ENOUGH_REPLICAS'));
    const failure = classifyKafkaError(thrown, 'the records could not be sent');
    expect(failure.message).toBe('the records could not be sent: NOT_ENOUGH_REPLICAS');
    expect(failure.cause).toBe(thrown);
  });

  it('is said in words where only the client knows it: its classes mean nothing to an operator', () => {
    const named = (name: string) => classifyKafkaError(Object.assign(new Error('x'), { name }), 'the offsets could not be read').message;
    expect(named('KafkaJSConnectionError')).toBe('the offsets could not be read: no connection to a broker');
    expect(named('KafkaJSSASLAuthenticationError')).toBe('the offsets could not be read: the broker refuses the user or its password');
    expect(named('KafkaJSOfTheFuture')).toBe('the offsets could not be read: the client failed');
  });

  it('that is classified already stays what it is', () => {
    const failure = new ClassifiedError('RECORD_TOO_LARGE', 'x');
    expect(classifyKafkaError(failure, 'it failed')).toBe(failure);
  });

  it('says its name from inside a list, and stops at a cause that is its own', () => {
    const list = Object.assign(new Error('several'), { name: 'KafkaJSAggregateError', errors: [protocolError('INVALID_CONFIG')] });
    expect(kafkaErrorName(list)).toBe('INVALID_CONFIG');
    const circle = new Error('circle');
    circle.cause = circle;
    expect(kafkaErrorName(circle)).toBeUndefined();
  });

  it('tells lost sequences, lost memberships and unknown topics apart', () => {
    expect(isLostSequence(protocolError('OUT_OF_ORDER_SEQUENCE_NUMBER'))).toBe(true);
    expect(isLostSequence(protocolError('MESSAGE_TOO_LARGE'))).toBe(false);
    expect(isNotAMember(protocolError('ILLEGAL_GENERATION'))).toBe(true);
    expect(isNotAMember(protocolError('REBALANCE_IN_PROGRESS'))).toBe(false);
    expect(isUnknownTopic(retriesExceeded(protocolError('UNKNOWN_TOPIC_OR_PARTITION')))).toBe(true);
  });
});
