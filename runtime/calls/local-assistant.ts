import type { Assistant, ChatAnswer, ChatQuestion } from '../../core/calls.ts';
import { createLocalClassifier } from './local-classifier.ts';

/**
 * An assistant for demonstrations and tests: it looks for the name of a waste category in the text, and at the address of
 * an image as the local classifier does. The same question always gets the same answer; an unreadable image is rejected.
 */
export function createLocalAssistant({ categories }: { readonly categories: readonly string[] }): Assistant {
  const classifier = createLocalClassifier({ categories });
  return {
    answer: async (question, context) => {
      const named = categoryIn(question, categories);
      if (named !== undefined) return about(named);
      if (question.imageUrl === undefined)
        return { kind: 'answered', text: `Name one of these, or show a picture: ${categories.join(', ')}.` };
      const seen = await classifier.classify({ imageUrl: question.imageUrl, userInput: question.text }, context);
      return seen.kind === 'classified' ? about(seen.category) : seen;
    },
  };
}

function categoryIn({ text = '' }: ChatQuestion, categories: readonly string[]): string | undefined {
  const words = text.toLowerCase().replaceAll(/\s+/g, '-');
  return categories.find((category) => words.includes(category));
}

function about(category: string): ChatAnswer {
  return { kind: 'answered', text: `This is ${category}: empty it, clean it, and put it where ${category} is collected.` };
}
