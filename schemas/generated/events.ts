// Made by `node --import tsx schemas/generate.ts` from the .avsc files beside it. Do not edit.

import type { AvroRecord, EventSchemas } from '../avro-schema.ts';

/** An operator changed what a user may do. */
export type PermissionChanged = {
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** Permissions that were added. */
  readonly granted: ReadonlyArray<string>;
  /** Permissions that were taken away. */
  readonly revoked: ReadonlyArray<string>;
};

/** A user began a session. */
export type UserLoggedIn = {
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** The session. */
  readonly session_id: string;
  /** A keyed hash of the client's address. */
  readonly ip_hash: string;
  /** The client as it names itself. */
  readonly user_agent: string;
};

/** A user ended a session; its token is refused from now on. */
export type UserLoggedOut = {
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** The id of the token that is revoked. */
  readonly jti: string;
  /** When the token expires by itself: ISO 8601, UTC. */
  readonly expires_at: string;
  /** The session that ends with the token; null when the token names none. */
  readonly session_id?: string | null;
};

/** A user signed up. */
export type UserRegistered = {
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** The identity provider: kakao, google, naver, local. */
  readonly provider: string;
  /** A keyed hash of the e-mail address; the address itself is never in an event. */
  readonly email_hash: string;
};

/** A character could not be granted for a scan. */
export type CharacterAcquireFailed = {
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** The scan that asked for the reward, a UUID. */
  readonly scan_id: string;
  /** Why, as a short code: already_owned, max_characters_reached. */
  readonly reason: string;
};

/** A user got a character. */
export type CharacterAcquired = {
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** The character of the catalogue, a UUID. */
  readonly character_id: string;
  /** The character's name when it was acquired. */
  readonly character_name: string;
  /** What the character was granted for. */
  readonly source: 'scan' | 'event' | 'purchase';
  /** The scan, the event or the purchase. */
  readonly source_id?: string | null;
};

/** A character of a user turned into another one. */
export type CharacterEvolved = {
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** The character before, a UUID. */
  readonly from_character_id: string;
  /** The character after, a UUID. */
  readonly to_character_id: string;
  /** The level reached; the first evolution is 1. */
  readonly evolution_level: number;
  /** The name of the character after; null in events of before it was told. */
  readonly character_name?: string | null;
};

/** A user no longer owns a character. */
export type CharacterLost = {
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** The character of the catalogue, a UUID. */
  readonly character_id: string;
  /** How it was lost. */
  readonly reason: 'expired' | 'traded' | 'deleted';
};

/** The assistant answered a message. */
export type ChatResponded = {
  /** The conversation; the record key. */
  readonly session_id: string;
  /** The answer, a UUID. */
  readonly message_id: string;
  /** Whose conversation it is. */
  readonly user_id: string;
  /** The message that is answered. */
  readonly reply_to: string;
  /** The answer. */
  readonly text: string;
  /** Why there is no real answer, as a short code: text then says so to the user. */
  readonly failure_reason?: string | null;
};

/** A conversation is over; nothing can be posted any more. */
export type ConversationEnded = {
  /** The conversation; the record key. */
  readonly session_id: string;
  /** Why, as a short code. */
  readonly reason: string;
};

/** A user began a conversation. */
export type ConversationStarted = {
  /** The conversation; the record key. */
  readonly session_id: string;
  /** Who began it. */
  readonly user_id: string;
};

/** A user wrote in a conversation. */
export type MessagePosted = {
  /** The conversation; the record key. */
  readonly session_id: string;
  /** The message, a UUID. */
  readonly message_id: string;
  /** Whose conversation it is. */
  readonly user_id: string;
  /** With image, image_url is set; text may be set beside it. */
  readonly kind: 'text' | 'image';
  /** What was written. */
  readonly text?: string | null;
  /** Where the posted image can be fetched. */
  readonly image_url?: string | null;
};

/** The user deleted an image. */
export type ImageDeleted = {
  /** The image, a UUID. */
  readonly image_id: string;
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
};

/** The derived forms of an image (thumbnails) are ready. */
export type ImageProcessed = {
  /** The image, a UUID. */
  readonly image_id: string;
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
};

/** An uploaded image was registered with its address on the CDN. */
export type ImageRegistered = {
  /** The image, a UUID. */
  readonly image_id: string;
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** Where the image can be fetched. */
  readonly cdn_url: string;
};

/** A user changed preferences. */
export type PreferencesChanged = {
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** New value by preference; null for one that was taken away. */
  readonly changes: { readonly [key: string]: string | null };
};

/** The statistics of a profile changed; the values are the new ones. */
export type ProfileUpdated = {
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** How many characters the user owns now. */
  readonly total_characters: number;
  /** The character acquired last, a UUID. */
  readonly last_character_id?: string | null;
  /** Its name. */
  readonly last_character_name?: string | null;
  /** How many characters the user ever acquired; null before it was counted by itself. */
  readonly characters_acquired?: number | null;
  /** How many characters the user ever lost; null before it was counted by itself. */
  readonly characters_lost?: number | null;
  /** What changed, as a short code: character_acquired, character_lost; null in version 1, where only the first was counted. */
  readonly cause?: string | null;
};

/** The classifier answered. */
export type ScanCompleted = {
  /** The scan, a UUID. */
  readonly scan_id: string;
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** The waste category that the classifier saw. */
  readonly category: string;
  /** Whether a character may be granted for this scan. */
  readonly reward_eligible?: boolean;
  /** How sure the classifier is, 0 to 1; null when it does not say. */
  readonly confidence?: number | null;
  /** The version of this event's meaning. */
  readonly version?: string;
  /** The registered image that was scanned, when there is one. */
  readonly image_id?: string | null;
};

/** The classifier refused the image, or all attempts were used up; the user is told. */
export type ScanFailed = {
  /** The scan, a UUID. */
  readonly scan_id: string;
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** Why, as a short code. */
  readonly reason: string;
  /** The registered image that was scanned, when there is one. */
  readonly image_id?: string | null;
};

/** A user asked for a classification; one of image_id and image_url is set. */
export type ScanRequested = {
  /** The scan, a UUID. */
  readonly scan_id: string;
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** The registered image, when there is one. */
  readonly image_id?: string | null;
  /** Where the image can be fetched, when it is not a registered one. */
  readonly image_url?: string | null;
  /** What the user says about the image. */
  readonly user_input?: string | null;
};

/** The reward of a completed scan could not be granted and was taken back. */
export type ScanRewardCompensated = {
  /** The scan, a UUID. */
  readonly scan_id: string;
  /** The user whose fact this is; the record key. */
  readonly user_id: string;
  /** Why, as the character domain said it. */
  readonly reason: string;
};

export interface EventPayloads {
  readonly PermissionChanged: PermissionChanged;
  readonly UserLoggedIn: UserLoggedIn;
  readonly UserLoggedOut: UserLoggedOut;
  readonly UserRegistered: UserRegistered;
  readonly CharacterAcquireFailed: CharacterAcquireFailed;
  readonly CharacterAcquired: CharacterAcquired;
  readonly CharacterEvolved: CharacterEvolved;
  readonly CharacterLost: CharacterLost;
  readonly ChatResponded: ChatResponded;
  readonly ConversationEnded: ConversationEnded;
  readonly ConversationStarted: ConversationStarted;
  readonly MessagePosted: MessagePosted;
  readonly ImageDeleted: ImageDeleted;
  readonly ImageProcessed: ImageProcessed;
  readonly ImageRegistered: ImageRegistered;
  readonly PreferencesChanged: PreferencesChanged;
  readonly ProfileUpdated: ProfileUpdated;
  readonly ScanCompleted: ScanCompleted;
  readonly ScanFailed: ScanFailed;
  readonly ScanRequested: ScanRequested;
  readonly ScanRewardCompensated: ScanRewardCompensated;
}

export type EventType = keyof EventPayloads;

const PermissionChangedV1: AvroRecord = {
  "type": "record",
  "name": "PermissionChanged",
  "namespace": "eco2.auth",
  "doc": "An operator changed what a user may do.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "granted",
      "type": {
        "type": "array",
        "items": "string"
      },
      "doc": "Permissions that were added."
    },
    {
      "name": "revoked",
      "type": {
        "type": "array",
        "items": "string"
      },
      "doc": "Permissions that were taken away."
    }
  ]
};

const UserLoggedInV1: AvroRecord = {
  "type": "record",
  "name": "UserLoggedIn",
  "namespace": "eco2.auth",
  "doc": "A user began a session.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "session_id",
      "type": "string",
      "doc": "The session."
    },
    {
      "name": "ip_hash",
      "type": "string",
      "doc": "A keyed hash of the client's address."
    },
    {
      "name": "user_agent",
      "type": "string",
      "doc": "The client as it names itself."
    }
  ]
};

const UserLoggedOutV1: AvroRecord = {
  "type": "record",
  "name": "UserLoggedOut",
  "namespace": "eco2.auth",
  "doc": "A user ended a session; its token is refused from now on.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "jti",
      "type": "string",
      "doc": "The id of the token that is revoked."
    },
    {
      "name": "expires_at",
      "type": "string",
      "doc": "When the token expires by itself: ISO 8601, UTC."
    }
  ]
};

const UserLoggedOutV2: AvroRecord = {
  "type": "record",
  "name": "UserLoggedOut",
  "namespace": "eco2.auth",
  "doc": "A user ended a session; its token is refused from now on.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "jti",
      "type": "string",
      "doc": "The id of the token that is revoked."
    },
    {
      "name": "expires_at",
      "type": "string",
      "doc": "When the token expires by itself: ISO 8601, UTC."
    },
    {
      "name": "session_id",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "The session that ends with the token; null when the token names none."
    }
  ]
};

const UserRegisteredV1: AvroRecord = {
  "type": "record",
  "name": "UserRegistered",
  "namespace": "eco2.auth",
  "doc": "A user signed up.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "provider",
      "type": "string",
      "doc": "The identity provider: kakao, google, naver, local."
    },
    {
      "name": "email_hash",
      "type": "string",
      "doc": "A keyed hash of the e-mail address; the address itself is never in an event."
    }
  ]
};

const CharacterAcquireFailedV1: AvroRecord = {
  "type": "record",
  "name": "CharacterAcquireFailed",
  "namespace": "eco2.character",
  "doc": "A character could not be granted for a scan.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "scan_id",
      "type": "string",
      "doc": "The scan that asked for the reward, a UUID."
    },
    {
      "name": "reason",
      "type": "string",
      "doc": "Why, as a short code: already_owned, max_characters_reached."
    }
  ]
};

const CharacterAcquiredV1: AvroRecord = {
  "type": "record",
  "name": "CharacterAcquired",
  "namespace": "eco2.character",
  "doc": "A user got a character.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "character_id",
      "type": "string",
      "doc": "The character of the catalogue, a UUID."
    },
    {
      "name": "character_name",
      "type": "string",
      "doc": "The character's name when it was acquired."
    },
    {
      "name": "source",
      "type": {
        "type": "enum",
        "name": "CharacterSource",
        "symbols": [
          "scan",
          "event",
          "purchase"
        ]
      },
      "doc": "What the character was granted for."
    },
    {
      "name": "source_id",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "The scan, the event or the purchase."
    }
  ]
};

const CharacterEvolvedV1: AvroRecord = {
  "type": "record",
  "name": "CharacterEvolved",
  "namespace": "eco2.character",
  "doc": "A character of a user turned into another one.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "from_character_id",
      "type": "string",
      "doc": "The character before, a UUID."
    },
    {
      "name": "to_character_id",
      "type": "string",
      "doc": "The character after, a UUID."
    },
    {
      "name": "evolution_level",
      "type": "int",
      "doc": "The level reached; the first evolution is 1."
    }
  ]
};

const CharacterEvolvedV2: AvroRecord = {
  "type": "record",
  "name": "CharacterEvolved",
  "namespace": "eco2.character",
  "doc": "A character of a user turned into another one.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "from_character_id",
      "type": "string",
      "doc": "The character before, a UUID."
    },
    {
      "name": "to_character_id",
      "type": "string",
      "doc": "The character after, a UUID."
    },
    {
      "name": "evolution_level",
      "type": "int",
      "doc": "The level reached; the first evolution is 1."
    },
    {
      "name": "character_name",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "The name of the character after; null in events of before it was told."
    }
  ]
};

const CharacterLostV1: AvroRecord = {
  "type": "record",
  "name": "CharacterLost",
  "namespace": "eco2.character",
  "doc": "A user no longer owns a character.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "character_id",
      "type": "string",
      "doc": "The character of the catalogue, a UUID."
    },
    {
      "name": "reason",
      "type": {
        "type": "enum",
        "name": "CharacterLossReason",
        "symbols": [
          "expired",
          "traded",
          "deleted"
        ]
      },
      "doc": "How it was lost."
    }
  ]
};

const ChatRespondedV1: AvroRecord = {
  "type": "record",
  "name": "ChatResponded",
  "namespace": "eco2.chat",
  "doc": "The assistant answered a message.",
  "fields": [
    {
      "name": "session_id",
      "type": "string",
      "doc": "The conversation; the record key."
    },
    {
      "name": "message_id",
      "type": "string",
      "doc": "The answer, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "Whose conversation it is."
    },
    {
      "name": "reply_to",
      "type": "string",
      "doc": "The message that is answered."
    },
    {
      "name": "text",
      "type": "string",
      "doc": "The answer."
    },
    {
      "name": "failure_reason",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "Why there is no real answer, as a short code: text then says so to the user."
    }
  ]
};

const ConversationEndedV1: AvroRecord = {
  "type": "record",
  "name": "ConversationEnded",
  "namespace": "eco2.chat",
  "doc": "A conversation is over; nothing can be posted any more.",
  "fields": [
    {
      "name": "session_id",
      "type": "string",
      "doc": "The conversation; the record key."
    },
    {
      "name": "reason",
      "type": "string",
      "doc": "Why, as a short code."
    }
  ]
};

const ConversationStartedV1: AvroRecord = {
  "type": "record",
  "name": "ConversationStarted",
  "namespace": "eco2.chat",
  "doc": "A user began a conversation.",
  "fields": [
    {
      "name": "session_id",
      "type": "string",
      "doc": "The conversation; the record key."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "Who began it."
    }
  ]
};

const MessagePostedV1: AvroRecord = {
  "type": "record",
  "name": "MessagePosted",
  "namespace": "eco2.chat",
  "doc": "A user wrote in a conversation.",
  "fields": [
    {
      "name": "session_id",
      "type": "string",
      "doc": "The conversation; the record key."
    },
    {
      "name": "message_id",
      "type": "string",
      "doc": "The message, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "Whose conversation it is."
    },
    {
      "name": "kind",
      "type": {
        "type": "enum",
        "name": "MessageKind",
        "symbols": [
          "text",
          "image"
        ]
      },
      "doc": "With image, image_url is set; text may be set beside it."
    },
    {
      "name": "text",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "What was written."
    },
    {
      "name": "image_url",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "Where the posted image can be fetched."
    }
  ]
};

const ImageDeletedV1: AvroRecord = {
  "type": "record",
  "name": "ImageDeleted",
  "namespace": "eco2.image",
  "doc": "The user deleted an image.",
  "fields": [
    {
      "name": "image_id",
      "type": "string",
      "doc": "The image, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    }
  ]
};

const ImageProcessedV1: AvroRecord = {
  "type": "record",
  "name": "ImageProcessed",
  "namespace": "eco2.image",
  "doc": "The derived forms of an image (thumbnails) are ready.",
  "fields": [
    {
      "name": "image_id",
      "type": "string",
      "doc": "The image, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    }
  ]
};

const ImageRegisteredV1: AvroRecord = {
  "type": "record",
  "name": "ImageRegistered",
  "namespace": "eco2.image",
  "doc": "An uploaded image was registered with its address on the CDN.",
  "fields": [
    {
      "name": "image_id",
      "type": "string",
      "doc": "The image, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "cdn_url",
      "type": "string",
      "doc": "Where the image can be fetched."
    }
  ]
};

const PreferencesChangedV1: AvroRecord = {
  "type": "record",
  "name": "PreferencesChanged",
  "namespace": "eco2.my",
  "doc": "A user changed preferences.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "changes",
      "type": {
        "type": "map",
        "values": [
          "null",
          "string"
        ]
      },
      "doc": "New value by preference; null for one that was taken away."
    }
  ]
};

const ProfileUpdatedV1: AvroRecord = {
  "type": "record",
  "name": "ProfileUpdated",
  "namespace": "eco2.my",
  "doc": "The statistics of a profile changed; the values are the new ones.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "total_characters",
      "type": "int",
      "doc": "How many characters the user owns now."
    },
    {
      "name": "last_character_id",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "The character acquired last, a UUID."
    },
    {
      "name": "last_character_name",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "Its name."
    }
  ]
};

const ProfileUpdatedV2: AvroRecord = {
  "type": "record",
  "name": "ProfileUpdated",
  "namespace": "eco2.my",
  "doc": "The statistics of a profile changed; the values are the new ones.",
  "fields": [
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "total_characters",
      "type": "int",
      "doc": "How many characters the user owns now."
    },
    {
      "name": "last_character_id",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "The character acquired last, a UUID."
    },
    {
      "name": "last_character_name",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "Its name."
    },
    {
      "name": "characters_acquired",
      "type": [
        "null",
        "int"
      ],
      "default": null,
      "doc": "How many characters the user ever acquired; null before it was counted by itself."
    },
    {
      "name": "characters_lost",
      "type": [
        "null",
        "int"
      ],
      "default": null,
      "doc": "How many characters the user ever lost; null before it was counted by itself."
    },
    {
      "name": "cause",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "What changed, as a short code: character_acquired, character_lost; null in version 1, where only the first was counted."
    }
  ]
};

const ScanCompletedV1: AvroRecord = {
  "type": "record",
  "name": "ScanCompleted",
  "namespace": "eco2.scan",
  "doc": "The classifier answered.",
  "fields": [
    {
      "name": "scan_id",
      "type": "string",
      "doc": "The scan, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "category",
      "type": "string",
      "doc": "The waste category that the classifier saw."
    },
    {
      "name": "reward_eligible",
      "type": "boolean",
      "default": false,
      "doc": "Whether a character may be granted for this scan."
    }
  ]
};

const ScanCompletedV2: AvroRecord = {
  "type": "record",
  "name": "ScanCompleted",
  "namespace": "eco2.scan",
  "doc": "The classifier answered.",
  "fields": [
    {
      "name": "scan_id",
      "type": "string",
      "doc": "The scan, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "category",
      "type": "string",
      "doc": "The waste category that the classifier saw."
    },
    {
      "name": "reward_eligible",
      "type": "boolean",
      "default": false,
      "doc": "Whether a character may be granted for this scan."
    },
    {
      "name": "confidence",
      "type": [
        "null",
        "double"
      ],
      "default": null,
      "doc": "How sure the classifier is, 0 to 1; null when it does not say."
    },
    {
      "name": "version",
      "type": "string",
      "default": "2.0",
      "doc": "The version of this event's meaning."
    }
  ]
};

const ScanCompletedV3: AvroRecord = {
  "type": "record",
  "name": "ScanCompleted",
  "namespace": "eco2.scan",
  "doc": "The classifier answered.",
  "fields": [
    {
      "name": "scan_id",
      "type": "string",
      "doc": "The scan, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "category",
      "type": "string",
      "doc": "The waste category that the classifier saw."
    },
    {
      "name": "reward_eligible",
      "type": "boolean",
      "default": false,
      "doc": "Whether a character may be granted for this scan."
    },
    {
      "name": "confidence",
      "type": [
        "null",
        "double"
      ],
      "default": null,
      "doc": "How sure the classifier is, 0 to 1; null when it does not say."
    },
    {
      "name": "version",
      "type": "string",
      "default": "2.0",
      "doc": "The version of this event's meaning."
    },
    {
      "name": "image_id",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "The registered image that was scanned, when there is one."
    }
  ]
};

const ScanFailedV1: AvroRecord = {
  "type": "record",
  "name": "ScanFailed",
  "namespace": "eco2.scan",
  "doc": "The classifier refused the image, or all attempts were used up; the user is told.",
  "fields": [
    {
      "name": "scan_id",
      "type": "string",
      "doc": "The scan, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "reason",
      "type": "string",
      "doc": "Why, as a short code."
    }
  ]
};

const ScanFailedV2: AvroRecord = {
  "type": "record",
  "name": "ScanFailed",
  "namespace": "eco2.scan",
  "doc": "The classifier refused the image, or all attempts were used up; the user is told.",
  "fields": [
    {
      "name": "scan_id",
      "type": "string",
      "doc": "The scan, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "reason",
      "type": "string",
      "doc": "Why, as a short code."
    },
    {
      "name": "image_id",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "The registered image that was scanned, when there is one."
    }
  ]
};

const ScanRequestedV1: AvroRecord = {
  "type": "record",
  "name": "ScanRequested",
  "namespace": "eco2.scan",
  "doc": "A user asked for a classification; one of image_id and image_url is set.",
  "fields": [
    {
      "name": "scan_id",
      "type": "string",
      "doc": "The scan, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "image_id",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "The registered image, when there is one."
    },
    {
      "name": "image_url",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "Where the image can be fetched, when it is not a registered one."
    },
    {
      "name": "user_input",
      "type": [
        "null",
        "string"
      ],
      "default": null,
      "doc": "What the user says about the image."
    }
  ]
};

const ScanRewardCompensatedV1: AvroRecord = {
  "type": "record",
  "name": "ScanRewardCompensated",
  "namespace": "eco2.scan",
  "doc": "The reward of a completed scan could not be granted and was taken back.",
  "fields": [
    {
      "name": "scan_id",
      "type": "string",
      "doc": "The scan, a UUID."
    },
    {
      "name": "user_id",
      "type": "string",
      "doc": "The user whose fact this is; the record key."
    },
    {
      "name": "reason",
      "type": "string",
      "doc": "Why, as the character domain said it."
    }
  ]
};

export const SCHEMAS: { readonly [T in EventType]: EventSchemas } = {
  PermissionChanged: { latest: PermissionChangedV1, versions: [PermissionChangedV1] },
  UserLoggedIn: { latest: UserLoggedInV1, versions: [UserLoggedInV1] },
  UserLoggedOut: { latest: UserLoggedOutV2, versions: [UserLoggedOutV1, UserLoggedOutV2] },
  UserRegistered: { latest: UserRegisteredV1, versions: [UserRegisteredV1] },
  CharacterAcquireFailed: { latest: CharacterAcquireFailedV1, versions: [CharacterAcquireFailedV1] },
  CharacterAcquired: { latest: CharacterAcquiredV1, versions: [CharacterAcquiredV1] },
  CharacterEvolved: { latest: CharacterEvolvedV2, versions: [CharacterEvolvedV1, CharacterEvolvedV2] },
  CharacterLost: { latest: CharacterLostV1, versions: [CharacterLostV1] },
  ChatResponded: { latest: ChatRespondedV1, versions: [ChatRespondedV1] },
  ConversationEnded: { latest: ConversationEndedV1, versions: [ConversationEndedV1] },
  ConversationStarted: { latest: ConversationStartedV1, versions: [ConversationStartedV1] },
  MessagePosted: { latest: MessagePostedV1, versions: [MessagePostedV1] },
  ImageDeleted: { latest: ImageDeletedV1, versions: [ImageDeletedV1] },
  ImageProcessed: { latest: ImageProcessedV1, versions: [ImageProcessedV1] },
  ImageRegistered: { latest: ImageRegisteredV1, versions: [ImageRegisteredV1] },
  PreferencesChanged: { latest: PreferencesChangedV1, versions: [PreferencesChangedV1] },
  ProfileUpdated: { latest: ProfileUpdatedV2, versions: [ProfileUpdatedV1, ProfileUpdatedV2] },
  ScanCompleted: { latest: ScanCompletedV3, versions: [ScanCompletedV1, ScanCompletedV2, ScanCompletedV3] },
  ScanFailed: { latest: ScanFailedV2, versions: [ScanFailedV1, ScanFailedV2] },
  ScanRequested: { latest: ScanRequestedV1, versions: [ScanRequestedV1] },
  ScanRewardCompensated: { latest: ScanRewardCompensatedV1, versions: [ScanRewardCompensatedV1] },
}
