import { describe, expect, it } from 'vitest';
import { chatResponded, conversationEnded, conversationStarted, messagePosted } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { arrived } from '../../test/support/arrived.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { conversationAggregate } from './aggregate.ts';
import { answerIdOf } from './answer-id.ts';
import { NO_ANSWER, answerMessage } from './answer-message.ts';
import { endConversation } from './end-conversation.ts';
import { MAX_MESSAGES, MAX_UNANSWERED, postMessage } from './post-message.ts';
import { startConversation } from './start-conversation.ts';

const session_id = '7c0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001';
const owner = { session_id, user_id: 'u1' };
const message = (index: number) => `7c0a6a6e-5a57-4a9a-8f39-${index.toString().padStart(12, '0')}`;
const question = (index: number) => ({ ...owner, message_id: message(index), text: 'Where does paper go?', image_url: null });
const started = newEvent(conversationStarted, owner);
const posted = (index: number) => newEvent(messagePosted, { ...question(index), kind: 'text' });
const answered = (index: number) =>
  newEvent(chatResponded, {
    ...owner,
    message_id: answerIdOf(message(index)),
    reply_to: message(index),
    text: 'Into the blue bin.',
    failure_reason: null,
  });
const ended = newEvent(conversationEnded, { session_id, reason: 'ended_by_user' });
const conversation = { ...owner, status: 'open', started_at: OCCURRED_AT };
const questionRow = {
  message_id: message(1),
  session_id,
  author: 'user',
  kind: 'text',
  text: 'Where does paper go?',
  image_url: null,
  created_at: OCCURRED_AT,
};

describe('StartConversation', () => {
  it('opens a conversation of the user', () => {
    given(conversationAggregate, session_id)
      .when(startConversation, owner)
      .then({ events: [started], tables: { conversations: [conversation] } });
  });

  it('opens none whose id is used', () => {
    for (const past of [[started], [started, ended]]) {
      given(conversationAggregate, session_id, past).when(startConversation, owner).then({ rejected: 'conversation_already_started' });
    }
  });
});

describe('PostMessage', () => {
  it('keeps a text', () => {
    given(conversationAggregate, session_id, [started])
      .when(postMessage, question(1))
      .then({
        events: [posted(1)],
        tables: { conversations: [{ ...conversation, last_message_at: OCCURRED_AT }], messages: [questionRow] },
      });
  });

  it('keeps an image, with or without words', () => {
    for (const text of [null, 'What is this?']) {
      const command = { ...question(1), text, image_url: 'https://cdn.example/1.jpg' };
      given(conversationAggregate, session_id, [started])
        .when(postMessage, command)
        .then({ events: [newEvent(messagePosted, { ...command, kind: 'image' })] });
    }
  });

  it("does not find a conversation that is not there, nor somebody else's, ended or not", () => {
    given(conversationAggregate, session_id).when(postMessage, question(1)).then({ rejected: 'conversation_not_found' });
    for (const past of [[started], [started, ended]]) {
      given(conversationAggregate, session_id, past)
        .when(postMessage, { ...question(1), user_id: 'u2' })
        .then({ rejected: 'conversation_not_found' });
    }
  });

  it('comes too late for a conversation that is over', () => {
    given(conversationAggregate, session_id, [started, ended]).when(postMessage, question(1)).then({ rejected: 'conversation_ended' });
  });

  it('waits for an answer when as many as are allowed are open, and goes on with the first one', () => {
    const open = Array.from({ length: MAX_UNANSWERED }, (_, index) => posted(index));
    given(conversationAggregate, session_id, [started, ...open])
      .when(postMessage, question(MAX_UNANSWERED))
      .then({ rejected: 'too_many_unanswered' });
    given(conversationAggregate, session_id, [started, ...open, answered(2)])
      .when(postMessage, question(MAX_UNANSWERED))
      .then({ events: [posted(MAX_UNANSWERED)] });
  });

  it('fills a conversation up to its limit and not beyond', () => {
    const full = Array.from({ length: MAX_MESSAGES - 1 }, (_, index) => [posted(index), answered(index)]).flat();
    given(conversationAggregate, session_id, [started, ...full])
      .when(postMessage, question(MAX_MESSAGES - 1))
      .then({ events: [posted(MAX_MESSAGES - 1)] });
    given(conversationAggregate, session_id, [started, ...full, posted(MAX_MESSAGES - 1)])
      .when(postMessage, question(MAX_MESSAGES))
      .then({ rejected: 'conversation_full' });
  });
});

describe('EndConversation', () => {
  const command = { ...owner, reason: 'ended_by_user' };

  it('ends it once, and says why', () => {
    given(conversationAggregate, session_id, [started])
      .when(endConversation, command)
      .then({
        events: [ended],
        tables: { conversations: [{ ...conversation, status: 'ended', ended_at: OCCURRED_AT, end_reason: 'ended_by_user' }] },
      });
    given(conversationAggregate, session_id, [started, ended]).when(endConversation, command).then({ events: [] });
  });

  it('is for its owner', () => {
    given(conversationAggregate, session_id).when(endConversation, command).then({ rejected: 'conversation_not_found' });
    given(conversationAggregate, session_id, [started])
      .when(endConversation, { ...command, user_id: 'u2' })
      .then({ rejected: 'conversation_not_found' });
  });
});

describe('a posted message', () => {
  const event = arrived(messagePosted, { ...question(1), kind: 'text' });

  it('is shown to the assistant, once per message', () => {
    const asked = { sessionId: session_id, messageId: message(1), userId: 'u1' };
    expect(answerMessage.call?.request(event)).toEqual({ ...asked, text: 'Where does paper go?', imageUrl: undefined });
    const image = arrived(messagePosted, { ...owner, message_id: message(1), kind: 'image', image_url: 'https://cdn.example/1.jpg' });
    expect(answerMessage.call?.request(image)).toEqual({ ...asked, text: undefined, imageUrl: 'https://cdn.example/1.jpg' });
    expect(answerMessage.idempotencyKey(event)).toBe(`chat:answer:${message(1)}`);
  });

  it('is answered', () => {
    const answer = {
      message_id: answerIdOf(message(1)),
      session_id,
      author: 'assistant',
      kind: 'text',
      text: 'Into the blue bin.',
      reply_to: message(1),
      failure_reason: null,
      created_at: OCCURRED_AT,
    };
    given(conversationAggregate, session_id, [started, posted(1)])
      .when(answerMessage, event, { kind: 'answered', text: 'Into the blue bin.' })
      .then({ events: [answered(1)], tables: { messages: [questionRow, answer] }, result: { outcome: 'answered' } });
  });

  it('that the assistant refuses, or has no answer for in all attempts, is told so', () => {
    const told = (failure_reason: string) => newEvent(chatResponded, { ...answered(1).payload, text: NO_ANSWER, failure_reason });
    given(conversationAggregate, session_id, [started, posted(1)])
      .when(answerMessage, event, { kind: 'rejected', reason: 'assistant_refused_422' })
      .then({ events: [told('assistant_refused_422')], result: { outcome: 'rejected' } });
    given(conversationAggregate, session_id, [started, posted(1)])
      .when(answerMessage, event, answerMessage.call?.exhausted?.(undefined as never))
      .then({ events: [told('answer_failed')] });
  });

  it('is answered once', () => {
    given(conversationAggregate, session_id, [started, posted(1), answered(1)])
      .when(answerMessage, event, { kind: 'answered', text: 'Again.' })
      .then({ events: [] });
  });

  it('stays without an answer when the conversation was ended meanwhile', () => {
    given(conversationAggregate, session_id, [started, posted(1), ended])
      .when(answerMessage, event, { kind: 'answered', text: 'Too late.' })
      .then({ result: { outcome: 'conversation_ended' } });
  });

  it('is not answered before the assistant was asked', () => {
    expect(() => given(conversationAggregate, session_id, [started, posted(1)]).when(answerMessage, event)).toThrow(
      expect.objectContaining({ code: 'DECISION_FAILED' }),
    );
  });

  it('leads to the same answer however often it arrives', () => {
    expect(answerIdOf(message(1))).toBe(answerIdOf(message(1)));
    expect(answerIdOf(message(1))).not.toBe(answerIdOf(message(2)));
    expect(answerIdOf('7c0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5/);
  });
});
